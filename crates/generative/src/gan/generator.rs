//! The generator: random numbers, and a class where there are classes, become a picture.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    activation::tanh,
    initializer::Initializer,
    projection::{Linear, LinearConfig},
};

use super::{Architecture, Conditional, GanConfig, GanSizes, dcgan::DcganGenerator, mlp::Mlp, one_hot};

/// Makes pictures whose values are from -1 to 1.
#[derive(Module, Debug)]
pub struct Generator<B: Backend> {
    /// What a class becomes: `[embedding, classes]`; none where there are no classes.
    pub embedding: Option<Linear<B>>,
    /// From random numbers, and the class behind them, to pictures.
    pub network: GeneratorNetwork<B>,
    latent_size: usize,
    classes: usize,
    channels: usize,
    image_size: usize,
}

/// What a generator is made of.
#[derive(Module, Debug)]
pub enum GeneratorNetwork<B: Backend> {
    /// Transposed convolutions.
    Dcgan(DcganGenerator<B>),
    /// Dense layers.
    Mlp(Mlp<B>),
}

impl<B: Backend> Generator<B> {
    pub(super) fn new(config: &GanConfig, sizes: GanSizes, device: &B::Device) -> Self {
        let GanSizes { channels, image_size, classes } = sizes;
        let knows_classes = config.conditional != Conditional::None;
        // As `torch.nn.Embedding` begins, so that a class is heard beside random numbers of the same size.
        let embedding = knows_classes.then(|| {
            let embedding = LinearConfig::new(classes, config.embedding_size).with_bias(false);
            embedding.with_initializer(Initializer::Normal(1.0)).init::<B>(device)
        });
        let inputs = config.latent_size + if knows_classes { config.embedding_size } else { 0 };
        let network = match config.architecture {
            Architecture::Dcgan => {
                GeneratorNetwork::Dcgan(DcganGenerator::new(inputs, config.base_channels, sizes, device))
            }
            Architecture::Mlp => {
                let outputs = channels * image_size * image_size;
                GeneratorNetwork::Mlp(Mlp::new([inputs, config.hidden_size, outputs], config.num_layers, false, device))
            }
        };
        Self { embedding, network, latent_size: config.latent_size, classes, channels, image_size }
    }

    /// Random numbers that a picture is made of.
    pub fn latent_size(&self) -> usize {
        self.latent_size
    }

    /// Pictures of random numbers.
    ///
    /// # Shapes
    /// - latents: `[batch, latent_size]`
    /// - classes: `[batch]`; looked at where the generator knows of classes
    /// - output: `[batch, channels, image_size, image_size]`, from -1 to 1
    ///
    /// # Panics
    /// When it knows of classes and is given none.
    pub fn forward(&self, latents: Tensor<B, 2>, classes: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        let [batch, _] = latents.dims();
        let inputs = match &self.embedding {
            None => latents,
            Some(embedding) => {
                let classes = classes.expect("a generator that knows of classes is told them");
                Tensor::cat(vec![latents, embedding.forward(one_hot(classes, self.classes))], 1)
            }
        };
        match &self.network {
            GeneratorNetwork::Dcgan(network) => network.forward(inputs),
            GeneratorNetwork::Mlp(network) => {
                tanh(network.forward(inputs).1).reshape([batch, self.channels, self.image_size, self.image_size])
            }
        }
    }
}
