//! DCGAN ([Radford, Metz and Chintala 2015](https://arxiv.org/abs/1511.06434)): a generator of transposed convolutions and a discriminator
//! of convolutions, which halve where the generator doubles.
//!
//! The layout is that of [PyTorch's tutorial](https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html), for pictures of any
//! side from 8 that is 4, 5, 6 or 7 times a power of two. Scales of batch normalisation begin at 1 (there: drawn around it); weights of a
//! discriminator without batch normalisation are drawn after He et al., not with a deviation of 0.02, which it would have no way to make up
//! for.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{
    activation::{leaky_relu, tanh},
    batch_norm::{BatchNorm, BatchNormConfig, BatchNormOptions, batch_norm_train},
    convolution::{Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
    initializer::Initializer,
};

use super::{Convolution, DiscriminatorNorm, GanConfig, GanSizes};

/// What is left of a negative number in the discriminator.
const SLOPE: f64 = 0.2;

/// How weights are drawn, as in the paper.
const INITIALIZER: Initializer = Initializer::Normal(0.02);

/// The kernel of every layer that doubles or halves.
const KERNEL: [usize; 2] = [4, 4];

/// From numbers to pictures.
#[derive(Module, Debug)]
pub struct DcganGenerator<B: Backend> {
    /// The first from numbers to a small picture, each of the others to one of twice its side.
    pub blocks: Vec<Up<B>>,
    /// To the picture.
    pub head: ConvTranspose2d<B>,
}

/// A transposed convolution, batch normalisation and a rectifier.
#[derive(Module, Debug)]
pub struct Up<B: Backend> {
    /// `[channels_in, channels_out, kernel, kernel]`
    pub conv: ConvTranspose2d<B>,
    /// Of its channels.
    pub norm: BatchNorm<B>,
}

impl<B: Backend> DcganGenerator<B> {
    /// # Panics
    /// When there is none for pictures of this size ([`GanConfig::doublings`]).
    pub(super) fn new(inputs: usize, base_channels: usize, sizes: GanSizes, device: &B::Device) -> Self {
        let (start, doublings) = doublings(sizes);
        let up = |channels: [usize; 2], kernel: [usize; 2]| {
            ConvTranspose2dConfig::new(channels, kernel).with_bias(false).with_initializer(INITIALIZER)
        };
        let block = |conv: ConvTranspose2dConfig| Up {
            norm: BatchNormConfig::new(conv.channels[1]).init(device),
            conv: conv.init(device),
        };
        let width = |doublings_left: usize| base_channels << (doublings_left - 1);
        let first = block(up([inputs, width(doublings)], [start; 2]));
        let others = (1..doublings)
            .rev()
            .map(|left| block(up([width(left + 1), width(left)], KERNEL).with_stride(2).with_padding(1)));
        let blocks = std::iter::once(first).chain(others).collect();
        let head = up([base_channels, sizes.channels], KERNEL).with_stride(2).with_padding(1).with_bias(true);
        Self { blocks, head: head.init(device) }
    }

    /// # Shapes
    /// - input: `[batch, inputs]`
    /// - output: `[batch, channels, image_size, image_size]`, from -1 to 1
    pub fn forward(&self, input: Tensor<B, 2>) -> Tensor<B, 4> {
        let [batch, inputs] = input.dims();
        let input = input.reshape([batch, inputs, 1, 1]);
        let features = self.blocks.iter().fold(input, |x, block| normalised(&block.norm, block.conv.forward(x), true));
        tanh(self.head.forward(features))
    }
}

/// From pictures to a score.
#[derive(Module, Debug)]
pub struct DcganDiscriminator<B: Backend> {
    /// Each to a picture of half the side.
    pub blocks: Vec<Down<B>>,
    /// From all that is left to the score.
    pub head: Convolution<B>,
    num_features: usize,
}

/// A convolution, batch normalisation where there is one, and a leaky rectifier.
#[derive(Module, Debug)]
pub struct Down<B: Backend> {
    /// `[channels_out, channels_in, 4, 4]`
    pub conv: Convolution<B>,
    /// Of its channels; none in the first block, and where nothing or the weights are normalised.
    pub norm: Option<BatchNorm<B>>,
}

impl<B: Backend> DcganDiscriminator<B> {
    /// # Panics
    /// When there is none for pictures of this size ([`GanConfig::doublings`]).
    pub(super) fn new(base_channels: usize, norm: DiscriminatorNorm, sizes: GanSizes, device: &B::Device) -> Self {
        let (start, halvings) = doublings(sizes);
        let batch = norm == DiscriminatorNorm::Batch;
        let conv = |channels: [usize; 2], kernel: [usize; 2]| {
            let initializer = if batch { INITIALIZER } else { Initializer::KaimingNormalFanIn };
            Conv2dConfig::new(channels, kernel).with_initializer(initializer)
        };
        let layer = |conv: Conv2dConfig| Convolution::new(conv.init(device), norm == DiscriminatorNorm::Spectral);
        let width = |place: usize| base_channels << place;
        let block = |place: usize| {
            let normalised = batch && place > 0;
            let channels = [if place == 0 { sizes.channels } else { width(place - 1) }, width(place)];
            Down {
                conv: layer(conv(channels, KERNEL).with_stride(2).with_padding(1).with_bias(!normalised)),
                norm: normalised.then(|| BatchNormConfig::new(width(place)).init(device)),
            }
        };
        let num_features = width(halvings - 1);
        let head = layer(conv([num_features, 1], [start; 2]));
        Self { blocks: (0..halvings).map(block).collect(), head, num_features }
    }

    /// Channels of the last block.
    pub(super) fn num_features(&self) -> usize {
        self.num_features
    }

    /// The sum over all places of what the last block sees, and the score.
    ///
    /// # Shapes
    /// - input: `[batch, channels, image_size, image_size]`
    /// - output: `[batch, features]` and `[batch, 1]`
    pub fn forward(&self, input: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let [batch, _, _, _] = input.dims();
        let seen = self.blocks.iter().fold(input, |x, block| {
            let x = block.conv.forward(x);
            let x = match &block.norm {
                None => x,
                Some(norm) => normalised(norm, x, false),
            };
            leaky_relu(x, SLOPE)
        });
        let features = seen.clone().sum_dim(3).sum_dim(2).reshape([batch, self.num_features]);
        (features, self.head.forward(seen).reshape([batch, 1]))
    }
}

fn doublings(sizes: GanSizes) -> (usize, usize) {
    GanConfig::doublings(sizes.image_size).unwrap_or_else(|message| panic!("{message}"))
}

/// Batch normalisation by the statistics of this batch wherever gradients are recorded, also where its own weights are frozen: while one
/// network learns from the other, the other is to see its pictures as it does when it learns itself. Only then the running statistics follow.
fn normalised<B: Backend>(norm: &BatchNorm<B>, input: Tensor<B, 4>, relu: bool) -> Tensor<B, 4> {
    let (weight, bias) = (norm.weight.val(), norm.bias.val());
    if B::ad_enabled(&input.device()) && !weight.is_require_grad() {
        let options = BatchNormOptions { epsilon: norm.epsilon, relu };
        return batch_norm_train(input, weight, bias, None, &options).0;
    }
    norm.forward(input, None, relu)
}
