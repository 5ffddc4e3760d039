//! VGG ([Simonyan and Zisserman 2014](https://arxiv.org/abs/1409.1556)), with and without batch normalisation, as in
//! [torchvision](https://github.com/pytorch/vision/blob/main/torchvision/models/vgg.py).
//!
//! Parameters have torchvision's names, whose numbers count layers without parameters too: `features` holds those as well, and the
//! places of `classifier` are those of a tuple.

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig, Relu},
    tensor::{Tensor, activation::relu, backend::Backend},
};
use layers::{
    batch_norm::{BatchNorm, BatchNormConfig},
    convolution::{Conv2d, Conv2dConfig},
    initializer::Initializer,
    pooling::{Pool2dOptions, adaptive_avg_pool2d, max_pool2d},
    projection::{Linear, LinearConfig},
};

/// Height and width of what the classifier sees, whatever the image's.
const POOLED: [usize; 2] = [7, 7];

/// A VGG; its named constructors are the published ones.
#[derive(Clone, Debug, PartialEq)]
pub struct VggConfig {
    /// Convolutions in each of the five blocks.
    pub convolutions: [usize; 5],
    /// Whether each convolution is followed by batch normalisation.
    pub batch_norm: bool,
    /// Channels of the first block, doubled from block to block up to the fourth. Default: 64.
    pub width: usize,
    /// Features of the two hidden layers of the classifier. Default: 4096.
    pub hidden_size: usize,
    /// Channels of the images. Default: 3.
    pub in_channels: usize,
    /// Logits. Default: 1000.
    pub classes: usize,
    /// Probability of dropping a feature in training, after each of the classifier's hidden layers. Default: 0.5.
    pub dropout: f64,
}

/// A layer of the convolutional part.
#[derive(Module, Debug)]
pub enum FeatureLayer<B: Backend> {
    /// 3×3.
    Convolution(Conv2d<B>),
    /// Of the convolution before it.
    BatchNorm(BatchNorm<B>),
    /// The rectifier.
    Relu(Relu),
    /// The end of a block.
    MaxPool(MaxPool),
}

/// The largest of each 2×2 pixels.
#[derive(Module, Clone, Debug)]
pub struct MaxPool;

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Vgg<B: Backend> {
    /// Five blocks of convolutions, each with a pool at its end.
    pub features: Vec<FeatureLayer<B>>,
    /// Two hidden layers and the last one.
    pub classifier: (Linear<B>, Relu, Dropout, Linear<B>, Relu, Dropout, Linear<B>),
}

impl VggConfig {
    fn new(convolutions: [usize; 5]) -> Self {
        Self {
            convolutions,
            batch_norm: false,
            width: 64,
            hidden_size: 4096,
            in_channels: 3,
            classes: 1000,
            dropout: 0.5,
        }
    }

    /// 133 million parameters with 1000 classes.
    pub fn vgg11() -> Self {
        Self::new([1, 1, 2, 2, 2])
    }

    /// 133 million parameters with 1000 classes.
    pub fn vgg13() -> Self {
        Self::new([2, 2, 2, 2, 2])
    }

    /// 138 million parameters with 1000 classes.
    pub fn vgg16() -> Self {
        Self::new([2, 2, 3, 3, 3])
    }

    /// 144 million parameters with 1000 classes.
    pub fn vgg19() -> Self {
        Self::new([2, 2, 4, 4, 4])
    }

    /// Sets whether each convolution is followed by batch normalisation.
    pub fn with_batch_norm(mut self, batch_norm: bool) -> Self {
        self.batch_norm = batch_norm;
        self
    }

    /// A network with random weights, drawn as torchvision draws them.
    ///
    /// # Panics
    /// When a number of channels, features or classes is 0, or a probability is not in `0..1`.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Vgg<B> {
        let mut channels = self.in_channels;
        let mut features = Vec::new();
        for (block, convolutions) in self.convolutions.into_iter().enumerate() {
            let outputs = self.width << block.min(3);
            for _ in 0..convolutions {
                let convolution = Conv2dConfig::new([channels, outputs], [3; 2]).with_padding(1);
                features.push(FeatureLayer::Convolution(convolution.with_kaiming_normal_fan_out().init(device)));
                if self.batch_norm {
                    features.push(FeatureLayer::BatchNorm(BatchNormConfig::new(outputs).init(device)));
                }
                features.push(FeatureLayer::Relu(Relu));
                channels = outputs;
            }
            features.push(FeatureLayer::MaxPool(MaxPool));
        }
        let dropout = || DropoutConfig::new(self.dropout).init();
        let classifier = (
            linear(channels * POOLED[0] * POOLED[1], self.hidden_size).init(device),
            Relu,
            dropout(),
            linear(self.hidden_size, self.hidden_size).init(device),
            Relu,
            dropout(),
            linear(self.hidden_size, self.classes).init(device),
        );
        Vgg { features, classifier }
    }
}

fn linear(inputs: usize, outputs: usize) -> LinearConfig {
    LinearConfig::new(inputs, outputs).with_initializer(Initializer::Normal(0.01))
}

impl<B: Backend> Vgg<B> {
    /// One logit a class for each image.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`, at least 32×32 pixels
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward_head(self.forward_features(images))
    }

    /// The last feature map.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`, at least 32×32 pixels
    /// - features: `[batch, channels, height / 32, width / 32]`
    pub fn forward_features(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut layers = self.features.iter().peekable();
        let mut features = images;
        while let Some(layer) = layers.next() {
            features = match layer {
                FeatureLayer::Convolution(convolution) => convolution.forward(features),
                FeatureLayer::BatchNorm(norm) => {
                    // The rectifier after it is part of the same pass.
                    let rectified = layers.next_if(|layer| matches!(layer, FeatureLayer::Relu(_))).is_some();
                    norm.forward(features, None, rectified)
                }
                FeatureLayer::Relu(_) => relu(features),
                FeatureLayer::MaxPool(_) => max_pool2d(features, &Pool2dOptions::new([2; 2])),
            };
        }
        features
    }

    /// The logits of a feature map: [`pooled`](Self::pooled), with dropout after each hidden layer, and the last layer.
    ///
    /// # Shapes
    /// - features: `[batch, channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward_head(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        let (_, _, first, _, _, second, _) = &self.classifier;
        self.classify(self.hidden(features, |hidden| first.forward(hidden), |hidden| second.forward(hidden)))
    }

    /// What the last layer sees: the feature map, pooled to 7×7 pixels, through the two hidden layers, without dropout.
    ///
    /// # Shapes
    /// - features: `[batch, channels, height, width]`
    /// - output: `[batch, features]`
    pub fn pooled(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        self.hidden(features, |hidden| hidden, |hidden| hidden)
    }

    /// The two hidden layers, and what comes after each.
    fn hidden(
        &self,
        features: Tensor<B, 4>,
        after_first: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>,
        after_second: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let (first, _, _, second, ..) = &self.classifier;
        let flat = adaptive_avg_pool2d(features, POOLED).flatten::<2>(1, 3); // [batch, channels * 49]
        let hidden = after_first(relu(first.forward(flat)));
        after_second(relu(second.forward(hidden)))
    }

    /// The last layer.
    ///
    /// # Shapes
    /// - pooled: `[batch, features]`
    /// - logits: `[batch, classes]`
    pub fn classify(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        self.classifier.6.forward(pooled)
    }

    /// Puts a new last layer, freshly drawn, in the place of the old one.
    pub fn reset_head(&mut self, classes: usize) {
        self.classifier.6 = linear(self.num_features(), classes).init(&self.classifier.6.weight.val().device());
    }

    /// Numbers that the last layer sees of an image.
    pub fn num_features(&self) -> usize {
        self.classifier.6.weight.dims()[1]
    }
}
