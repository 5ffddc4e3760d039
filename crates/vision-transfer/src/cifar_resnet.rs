//! The ResNets for CIFAR-10 of [He et al. 2015](https://arxiv.org/abs/1512.03385), section 4.2: three stages at 32×32, 16×16 and
//! 8×8 pixels, shortcuts without parameters ("option A"). Parameters have the names of the published
//! [checkpoints](https://github.com/akamaster/pytorch_resnet_cifar10).

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig},
    tensor::{Tensor, backend::Backend},
};
use layers::{
    batch_norm::{BatchNorm, BatchNormConfig},
    convolution::{Conv2d, Conv2dConfig},
    initializer::Initializer,
    pooling::{Pool2dOptions, adaptive_avg_pool2d, avg_pool2d},
    projection::{Linear, LinearConfig},
};

use crate::residual::{drop_path_rate, join};

/// As the checkpoints were started, convolutions and last layer alike.
const INITIALIZER: Initializer = Initializer::KaimingNormalFanIn;

/// A ResNet for small images; its named constructors are the published ones.
#[derive(Clone, Debug, PartialEq)]
pub struct CifarResNetConfig {
    /// Blocks in each of the three stages; the network has six times as many layers, and two.
    pub blocks: usize,
    /// Channels of the first stage, doubled from stage to stage; a multiple of 2. Default: 16.
    pub width: usize,
    /// Channels of the images. Default: 3.
    pub in_channels: usize,
    /// Logits. Default: 10.
    pub classes: usize,
    /// Probability of leaving out the branch of the last block in training; it grows linearly over the blocks (stochastic depth,
    /// [Huang et al. 2016](https://arxiv.org/abs/1603.09382)). Default: 0.
    pub drop_path: f64,
    /// Probability of dropping a feature before the last layer in training. Default: 0.
    pub dropout: f64,
    /// Every block begins as the identity: the scale of its last normalisation is 0. Default: false.
    pub zero_init_residual: bool,
}

/// A residual block of two 3×3 convolutions.
#[derive(Module, Debug)]
pub struct CifarBlock<B: Backend> {
    /// 3×3, with the stride of the block.
    pub conv1: Conv2d<B>,
    /// Of the first convolution.
    pub bn1: BatchNorm<B>,
    /// 3×3.
    pub conv2: Conv2d<B>,
    /// Of the second convolution.
    pub bn2: BatchNorm<B>,
    /// Probability of leaving out the branch in training.
    pub drop_path: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct CifarResNet<B: Backend> {
    /// 3×3.
    pub conv1: Conv2d<B>,
    /// Of the first convolution.
    pub bn1: BatchNorm<B>,
    /// At the size of the image.
    pub layer1: Vec<CifarBlock<B>>,
    /// At a half of its height and width.
    pub layer2: Vec<CifarBlock<B>>,
    /// At a quarter.
    pub layer3: Vec<CifarBlock<B>>,
    /// `[classes, features]`
    pub linear: Linear<B>,
    /// Before the last layer.
    pub dropout: Dropout,
}

impl CifarResNetConfig {
    /// A network of `6 · blocks + 2` layers: 3 gives ResNet-20, 5 ResNet-32, 7 ResNet-44, 9 ResNet-56, 18 ResNet-110; 1 a tiny one,
    /// ResNet-8, for tests and first tries.
    pub fn new(blocks: usize) -> Self {
        Self { blocks, width: 16, in_channels: 3, classes: 10, drop_path: 0.0, dropout: 0.0, zero_init_residual: false }
    }

    /// A network with random weights: normal with a variance of 2 / fan_in.
    ///
    /// # Panics
    /// When a number of blocks, channels or classes is 0, the width is odd, or a probability is not in `0..1`.
    pub fn init<B: Backend>(&self, device: &B::Device) -> CifarResNet<B> {
        assert!(self.width.is_multiple_of(2), "CifarResNet: an odd width");
        let mut channels = self.width;
        let [layer1, layer2, layer3] = [0, 1, 2].map(|stage| {
            (0..self.blocks)
                .map(|index| {
                    let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                    let drop_path = drop_path_rate(stage * self.blocks + index, 3 * self.blocks, self.drop_path);
                    let block = self.block([channels, self.width << stage], stride, drop_path, device);
                    channels = self.width << stage;
                    block
                })
                .collect()
        });
        CifarResNet {
            conv1: convolution([self.in_channels, self.width], 1).init(device),
            bn1: BatchNormConfig::new(self.width).init(device),
            layer1,
            layer2,
            layer3,
            linear: head(channels, self.classes).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }

    fn block<B: Backend>(
        &self,
        channels: [usize; 2],
        stride: usize,
        drop_path: f64,
        device: &B::Device,
    ) -> CifarBlock<B> {
        let [_, outputs] = channels;
        let last_weight = if self.zero_init_residual { 0.0 } else { 1.0 };
        CifarBlock {
            conv1: convolution(channels, stride).init(device),
            bn1: BatchNormConfig::new(outputs).init(device),
            conv2: convolution([outputs; 2], 1).init(device),
            bn2: BatchNormConfig::new(outputs).with_weight(last_weight).init(device),
            drop_path,
        }
    }
}

fn convolution(channels: [usize; 2], stride: usize) -> Conv2dConfig {
    Conv2dConfig::new(channels, [3; 2])
        .with_stride(stride)
        .with_padding(1)
        .with_bias(false)
        .with_initializer(INITIALIZER)
}

fn head(features: usize, classes: usize) -> LinearConfig {
    LinearConfig::new(features, classes).with_initializer(INITIALIZER)
}

impl<B: Backend> CifarBlock<B> {
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height / stride, width / stride]`, rounded up
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let [outputs, inputs, ..] = self.conv1.weight.dims();
        let shortcut = self.shortcut(input.clone(), (outputs - inputs) / 2);
        let first = self.bn1.forward(self.conv1.forward(input), None, true);
        join(&self.bn2, self.conv2.forward(first), shortcut, self.drop_path)
    }

    /// Every `stride`-th pixel, between `padding` channels of zeros on each of the two sides.
    fn shortcut(&self, input: Tensor<B, 4>, padding: usize) -> Tensor<B, 4> {
        if padding == 0 {
            return input;
        }
        // Means of windows of one pixel: a subsampling that has a kernel, and a gradient.
        let pixel = Pool2dOptions { kernel: [1; 2], stride: self.conv1.options.stride, padding: [0; 2] };
        let pixels = avg_pool2d(input, &pixel, true);
        let [batch, _, height, width] = pixels.dims();
        let zeros = Tensor::zeros([batch, padding, height, width], &pixels.device());
        Tensor::cat(vec![zeros.clone(), pixels, zeros], 1)
    }
}

impl<B: Backend> CifarResNet<B> {
    /// One logit a class for each image.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward_head(self.forward_features(images))
    }

    /// The last feature map.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`
    /// - features: `[batch, features, height / 4, width / 4]`, rounded up
    pub fn forward_features(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let stem = self.bn1.forward(self.conv1.forward(images), None, true);
        [&self.layer1, &self.layer2, &self.layer3]
            .into_iter()
            .flatten()
            .fold(stem, |features, block| block.forward(features))
    }

    /// The logits of a feature map: [`pooled`](Self::pooled), dropout, and the last layer.
    ///
    /// # Shapes
    /// - features: `[batch, features, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward_head(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        self.classify(self.dropout.forward(self.pooled(features)))
    }

    /// What the last layer sees: the mean of each channel.
    ///
    /// # Shapes
    /// - features: `[batch, features, height, width]`
    /// - output: `[batch, features]`
    pub fn pooled(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        adaptive_avg_pool2d(features, [1, 1]).flatten(1, 3)
    }

    /// The last layer.
    ///
    /// # Shapes
    /// - pooled: `[batch, features]`
    /// - logits: `[batch, classes]`
    pub fn classify(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        self.linear.forward(pooled)
    }

    /// Puts a new last layer, freshly drawn, in the place of the old one.
    pub fn reset_head(&mut self, classes: usize) {
        self.linear = head(self.num_features(), classes).init(&self.linear.weight.val().device());
    }

    /// Numbers that the last layer sees of an image.
    pub fn num_features(&self) -> usize {
        self.linear.weight.dims()[1]
    }
}
