//! The discriminator (in Wasserstein's loss the critic): how real a picture looks, and of a class.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    initializer::Initializer,
    projection::{Linear, LinearConfig},
};

use super::{
    Architecture, Conditional, DiscriminatorNorm, GanConfig, GanSizes, Projection, dcgan::DcganDiscriminator, mlp::Mlp,
    one_hot,
};

/// Scores pictures: the higher, the more real.
#[derive(Module, Debug)]
pub struct Discriminator<B: Backend> {
    /// From pictures to features and a score.
    pub network: DiscriminatorNetwork<B>,
    /// One more channel for each class: `[height · width, classes]`; where classes are concatenated.
    pub plane: Option<Linear<B>>,
    /// What the features of each class have in common: `[features, classes]`; where classes are compared.
    pub projection: Option<Projection<B>>,
    classes: usize,
}

/// What a discriminator is made of.
#[derive(Module, Debug)]
pub enum DiscriminatorNetwork<B: Backend> {
    /// Convolutions.
    Dcgan(DcganDiscriminator<B>),
    /// Dense layers.
    Mlp(Mlp<B>),
}

impl<B: Backend> Discriminator<B> {
    pub(super) fn new(config: &GanConfig, norm: DiscriminatorNorm, sizes: GanSizes, device: &B::Device) -> Self {
        let GanSizes { channels, image_size, classes } = sizes;
        let pixels = image_size * image_size;
        let plane = (config.conditional == Conditional::Concatenate)
            .then(|| LinearConfig::new(classes, pixels).with_bias(false).init::<B>(device));
        let channels = channels + usize::from(plane.is_some());
        let spectral = norm == DiscriminatorNorm::Spectral;
        let (network, features) = match config.architecture {
            Architecture::Dcgan => {
                let network =
                    DcganDiscriminator::new(config.base_channels, norm, GanSizes { channels, ..sizes }, device);
                let features = network.num_features();
                (DiscriminatorNetwork::Dcgan(network), features)
            }
            Architecture::Mlp => {
                let sizes = [channels * pixels, config.hidden_size, 1];
                (DiscriminatorNetwork::Mlp(Mlp::new(sizes, config.num_layers, spectral, device)), config.hidden_size)
            }
        };
        let projection = (config.conditional == Conditional::Projection).then(|| {
            let projection = LinearConfig::new(classes, features)
                .with_bias(false)
                .with_initializer(Initializer::XavierUniform)
                .init(device);
            Projection::new(projection, spectral)
        });
        Self { network, plane, projection, classes }
    }

    /// The score of each picture. In a network with batch normalisation it depends on the others of the batch where gradients are recorded.
    ///
    /// # Shapes
    /// - pictures: `[batch, channels, image_size, image_size]`
    /// - classes: `[batch]`; looked at where the discriminator knows of classes
    /// - output: `[batch]`
    ///
    /// # Panics
    /// When it knows of classes and is given none.
    pub fn forward(&self, pictures: Tensor<B, 4>, classes: Option<Tensor<B, 1, Int>>) -> Tensor<B, 1> {
        let [batch, _, height, width] = pictures.dims();
        let rows = || {
            let classes = classes.clone().expect("a discriminator that knows of classes is told them");
            one_hot::<B>(classes, self.classes)
        };
        let pictures = match &self.plane {
            None => pictures,
            Some(plane) => Tensor::cat(vec![pictures, plane.forward(rows()).reshape([batch, 1, height, width])], 1),
        };
        let (features, score) = match &self.network {
            DiscriminatorNetwork::Dcgan(network) => network.forward(pictures),
            DiscriminatorNetwork::Mlp(network) => network.forward(pictures.flatten(1, 3)),
        };
        let score = score.reshape([batch]);
        match &self.projection {
            None => score,
            Some(projection) => score + (projection.forward(rows()) * features).sum_dim(1).reshape([batch]),
        }
    }
}
