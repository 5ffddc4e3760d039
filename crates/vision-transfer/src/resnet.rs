//! ResNet ([He et al. 2015](https://arxiv.org/abs/1512.03385)), as in
//! [torchvision](https://github.com/pytorch/vision/blob/main/torchvision/models/resnet.py): a bottleneck halves the image in its 3×3
//! convolution and not, as in the paper, in its first ("v1.5"). Parameters have torchvision's names.

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig},
    tensor::{Tensor, backend::Backend},
};
use layers::{
    batch_norm::{BatchNorm, BatchNormConfig},
    convolution::{Conv2d, Conv2dConfig},
    pooling::{Pool2dOptions, adaptive_avg_pool2d, max_pool2d},
    projection::{Linear, LinearConfig},
};

use crate::residual::{drop_path_rate, join};

/// What a block is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3 and 1×1, with four times as many channels at the end.
    Bottleneck,
}

/// A ResNet for images of any size; its named constructors are the published ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ResNetConfig {
    /// What a block is made of.
    pub block: BlockKind,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// Channels after the first convolution, doubled from stage to stage. Default: 64.
    pub width: usize,
    /// Channels of the images. Default: 3.
    pub in_channels: usize,
    /// Logits. Default: 1000.
    pub classes: usize,
    /// Probability of leaving out the branch of the last block in training; it grows linearly over the blocks (stochastic depth,
    /// [Huang et al. 2016](https://arxiv.org/abs/1603.09382)). Default: 0.
    pub drop_path: f64,
    /// Probability of dropping a feature before the last layer in training. Default: 0.
    pub dropout: f64,
    /// Every block begins as the identity: the scale of its last normalisation is 0. Default: false.
    pub zero_init_residual: bool,
}

/// A residual block: two convolutions, or three in a bottleneck.
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    /// 3×3; 1×1 in a bottleneck.
    pub conv1: Conv2d<B>,
    /// Of the first convolution.
    pub bn1: BatchNorm<B>,
    /// 3×3.
    pub conv2: Conv2d<B>,
    /// Of the second convolution.
    pub bn2: BatchNorm<B>,
    /// 1×1, of a bottleneck.
    pub conv3: Option<Conv2d<B>>,
    /// Of the third convolution.
    pub bn3: Option<BatchNorm<B>>,
    /// The shortcut, where it is not the identity.
    pub downsample: Option<(Conv2d<B>, BatchNorm<B>)>,
    /// Probability of leaving out the branch in training.
    pub drop_path: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct ResNet<B: Backend> {
    /// 7×7, every other pixel.
    pub conv1: Conv2d<B>,
    /// Of the first convolution.
    pub bn1: BatchNorm<B>,
    /// At a quarter of the image's height and width.
    pub layer1: Vec<ResidualBlock<B>>,
    /// At an eighth.
    pub layer2: Vec<ResidualBlock<B>>,
    /// At a sixteenth.
    pub layer3: Vec<ResidualBlock<B>>,
    /// At a thirty-second.
    pub layer4: Vec<ResidualBlock<B>>,
    /// `[classes, features]`
    pub fc: Linear<B>,
    /// Before the last layer.
    pub dropout: Dropout,
}

impl BlockKind {
    /// Channels at the end of a block for each in its middle.
    pub fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

impl ResNetConfig {
    fn new(block: BlockKind, layers: [usize; 4]) -> Self {
        Self {
            block,
            layers,
            width: 64,
            in_channels: 3,
            classes: 1000,
            drop_path: 0.0,
            dropout: 0.0,
            zero_init_residual: false,
        }
    }

    /// 11.7 million parameters with 1000 classes.
    pub fn resnet18() -> Self {
        Self::new(BlockKind::Basic, [2, 2, 2, 2])
    }

    /// 21.8 million parameters with 1000 classes.
    pub fn resnet34() -> Self {
        Self::new(BlockKind::Basic, [3, 4, 6, 3])
    }

    /// 25.6 million parameters with 1000 classes.
    pub fn resnet50() -> Self {
        Self::new(BlockKind::Bottleneck, [3, 4, 6, 3])
    }

    /// 44.5 million parameters with 1000 classes.
    pub fn resnet101() -> Self {
        Self::new(BlockKind::Bottleneck, [3, 4, 23, 3])
    }

    /// 60.2 million parameters with 1000 classes.
    pub fn resnet152() -> Self {
        Self::new(BlockKind::Bottleneck, [3, 8, 36, 3])
    }

    /// A network with random weights, drawn as torchvision draws them.
    ///
    /// # Panics
    /// When a number of blocks, channels or classes is 0, or a probability is not in `0..1`.
    pub fn init<B: Backend>(&self, device: &B::Device) -> ResNet<B> {
        let blocks: usize = self.layers.iter().sum();
        let mut channels = self.width;
        let mut place = 0;
        let [layer1, layer2, layer3, layer4] = [0, 1, 2, 3].map(|stage| {
            (0..self.layers[stage])
                .map(|index| {
                    let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                    let drop_path = drop_path_rate(place, blocks, self.drop_path);
                    let block = self.block([channels, self.width << stage], stride, drop_path, device);
                    channels = (self.width << stage) * self.block.expansion();
                    place += 1;
                    block
                })
                .collect()
        });
        ResNet {
            conv1: convolution([self.in_channels, self.width], 7, 2).init(device),
            bn1: BatchNormConfig::new(self.width).init(device),
            layer1,
            layer2,
            layer3,
            layer4,
            fc: LinearConfig::new(channels, self.classes).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }

    /// A block from `input` channels over `middle` ones to `middle` · expansion.
    fn block<B: Backend>(
        &self,
        [input, middle]: [usize; 2],
        stride: usize,
        drop_path: f64,
        device: &B::Device,
    ) -> ResidualBlock<B> {
        let output = middle * self.block.expansion();
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let last = BatchNormConfig::new(output).with_weight(if self.zero_init_residual { 0.0 } else { 1.0 });
        let downsample = (stride != 1 || input != output)
            .then(|| (convolution([input, output], 1, stride).init(device), norm(output)));
        match self.block {
            BlockKind::Basic => ResidualBlock {
                conv1: convolution([input, middle], 3, stride).init(device),
                bn1: norm(middle),
                conv2: convolution([middle, output], 3, 1).init(device),
                bn2: last.init(device),
                conv3: None,
                bn3: None,
                downsample,
                drop_path,
            },
            BlockKind::Bottleneck => ResidualBlock {
                conv1: convolution([input, middle], 1, 1).init(device),
                bn1: norm(middle),
                conv2: convolution([middle, middle], 3, stride).init(device),
                bn2: norm(middle),
                conv3: Some(convolution([middle, output], 1, 1).init(device)),
                bn3: Some(last.init(device)),
                downsample,
                drop_path,
            },
        }
    }
}

/// A square kernel, padded so that a stride of 1 keeps the size of the image.
fn convolution(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new(channels, [kernel; 2])
        .with_stride(stride)
        .with_padding(kernel / 2)
        .with_bias(false)
        .with_kaiming_normal_fan_out()
}

impl<B: Backend> ResidualBlock<B> {
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height / stride, width / stride]`, rounded up
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let shortcut = match &self.downsample {
            Some((convolution, norm)) => norm.forward(convolution.forward(input.clone()), None, false),
            None => input.clone(),
        };
        let first = self.bn1.forward(self.conv1.forward(input), None, true);
        let second = self.conv2.forward(first);
        match (&self.conv3, &self.bn3) {
            (Some(convolution), Some(norm)) => {
                let third = convolution.forward(self.bn2.forward(second, None, true));
                join(norm, third, shortcut, self.drop_path)
            }
            _ => join(&self.bn2, second, shortcut, self.drop_path),
        }
    }
}

impl<B: Backend> ResNet<B> {
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
    /// - features: `[batch, features, height / 32, width / 32]`, rounded up
    pub fn forward_features(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let stem = self.bn1.forward(self.conv1.forward(images), None, true);
        let pool = Pool2dOptions { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .flatten()
            .fold(max_pool2d(stem, &pool), |features, block| block.forward(features))
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
        self.fc.forward(pooled)
    }

    /// Puts a new last layer, freshly drawn, in the place of the old one.
    pub fn reset_head(&mut self, classes: usize) {
        self.fc = LinearConfig::new(self.num_features(), classes).init(&self.fc.weight.val().device());
    }

    /// Numbers that the last layer sees of an image.
    pub fn num_features(&self) -> usize {
        self.fc.weight.dims()[1]
    }
}
