//! A network whose features say how alike pictures are: a small classifier of the run's own training pictures, or Inception-v3.
//!
//! FID is defined by the features of Inception-v3, whose weights are a download, and which know nothing of digits. A classifier that was
//! trained on the same pictures tells apart what differs in them (as the "LeNet FID" of MNIST does), costs seconds, and needs no file. Its
//! distances are comparable between runs with the same data and seed, not with published ones.

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use data::image::{ImageArtefact, ImageBatches, ImageData};
use layers::{
    batch_norm::{BatchNorm, BatchNormConfig},
    convolution::{Conv2d, Conv2dConfig},
    loss::{CrossEntropy, cross_entropy},
    pooling::{Pool2dOptions, adaptive_avg_pool2d, max_pool2d},
    projection::{Linear, LinearConfig},
};
use training_loop::{
    error::TaskError,
    optimizer::{Optimizer, OptimizerConfig, ParameterPlan},
    parameters,
    preparation::{Activity, Preparation},
    task::OptimizerScope,
    weights,
};

use super::pictures::{classes, on_device};
use crate::metrics::inception::InceptionV3;

/// Channels of each block; the last are the features.
const CHANNELS: [usize; 3] = [16, 32, NUM_FEATURES];

/// How many features a classifier has of a picture.
pub const NUM_FEATURES: usize = 64;

/// The learning rate of the first step; it falls to 0 in a straight line.
const LEARNING_RATE: f64 = 4e-3;

/// pytorch-fid's file of Inception's weights, where it is to be had, and the beginning of its SHA-256.
const INCEPTION_FILE: &str = "pt_inception-2015-12-05-6726825d.pth";
const INCEPTION_ADDRESS: &str = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights";
const INCEPTION_SHA256: &str = "6726825d";

/// Whose features are taken.
#[derive(Clone, Debug)]
pub enum Extractor<B: Backend> {
    /// Those of the classifier of a run, or of the same untaught.
    Own(Box<FeatureNetwork<B>>),
    /// Those of published distances.
    Inception(InceptionV3<B>),
}

impl<B: Backend> Extractor<B> {
    /// A run's own network.
    pub fn own(network: FeatureNetwork<B>) -> Self {
        Self::Own(Box::new(network))
    }

    /// # Shapes
    /// - pictures: `[batch, channels, height, width]` from -1 to 1
    /// - output: `[batch, features]`
    pub fn features(&self, pictures: Tensor<B, 4>) -> Tensor<B, 2> {
        match self {
            Self::Own(network) => network.features(pictures),
            // Published distances are of files, which have 256 levels.
            Self::Inception(network) => network.features((pictures * 127.5 + 127.5).round() / 127.5 - 1.0),
        }
    }

    /// Inception-v3 with the weights in that file, or with those of pytorch-fid, which are downloaded once.
    ///
    /// # Errors
    /// When there is no such file, no network, or it is not of Inception-v3.
    pub fn inception(weights: Option<&str>, device: &B::Device, progress: &dyn Preparation) -> Result<Self, TaskError> {
        let path = match weights {
            Some(path) => data::locate(path).map_err(|error| format!("`task.inception_weights`: {error}"))?,
            None => {
                let what = format!("download {INCEPTION_FILE}");
                let mut tell = |download: download::Progress| {
                    progress.progress(&Activity::bytes(&what, download.done, download.total));
                };
                let url = format!("{INCEPTION_ADDRESS}/{INCEPTION_FILE}");
                download::fetch_weights(&url, INCEPTION_SHA256, &mut tell).map_err(|error| {
                    format!("{error}\n  or name the file in `task.inception_weights`; `task.features = \"random\"` needs none")
                })?
            }
        };
        let network = state_dict::read(&path).map_err(|error| format!("`task.inception_weights`: {error}"))?;
        let network = InceptionV3::new(&network, device).map_err(|message| {
            format!(
                "{}: {message}\n  `task.inception_weights` takes pytorch-fid's file, {INCEPTION_FILE}, or another of \
                 Inception-v3 with torchvision's names",
                path.display()
            )
        })?;
        Ok(Self::Inception(network))
    }
}

/// Three blocks of convolution, batch normalisation, rectifier and pool; the mean of each channel is a feature.
#[derive(Module, Debug)]
pub struct FeatureNetwork<B: Backend> {
    /// From pixels to features.
    pub blocks: Vec<Block<B>>,
    /// From features to classes.
    pub head: Linear<B>,
}

/// A convolution and its normalisation.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    /// `[channels_out, channels_in, 3, 3]`
    pub conv: Conv2d<B>,
    /// Of its channels.
    pub norm: BatchNorm<B>,
}

impl<B: Backend> FeatureNetwork<B> {
    /// One with random weights for these pictures. Also that is of use: convolutions that nothing was taught notice what differs.
    pub fn new(artefact: &ImageArtefact, device: &B::Device) -> Self {
        let inputs = std::iter::once(artefact.channels).chain(CHANNELS);
        let block = |(inputs, outputs)| Block {
            conv: Conv2dConfig::new([inputs, outputs], [3, 3])
                .with_padding(1)
                .with_bias(false)
                .with_kaiming_normal_fan_out()
                .init(device),
            norm: BatchNormConfig::new(outputs).init(device),
        };
        let blocks = inputs.zip(CHANNELS).map(block).collect();
        Self { blocks, head: LinearConfig::new(CHANNELS[2], artefact.classes.len().max(1)).init(device) }
    }

    /// # Shapes
    /// - pictures: `[batch, channels, height, width]`
    /// - output: `[batch, features]`
    pub fn features(&self, pictures: Tensor<B, 4>) -> Tensor<B, 2> {
        let last = self.blocks.iter().fold(pictures, |x, block| {
            let x = block.norm.forward(block.conv.forward(x), None, true);
            let [_, _, height, width] = x.dims();
            if height.min(width) < 4 { x } else { max_pool2d(x, &Pool2dOptions::new([2, 2])) }
        });
        adaptive_avg_pool2d(last, [1, 1]).flatten(1, 3)
    }

    /// # Shapes
    /// - features: `[batch, features]`
    /// - output: `[batch, classes]`
    pub fn classify(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(features)
    }

    /// For the run's folder.
    ///
    /// # Errors
    /// When a weight has no type of a safetensors file, which none has.
    pub fn to_file(&self) -> Result<Vec<u8>, TaskError> {
        Ok(weights::to_safetensors(&weights::collect::<B, _>(self))?)
    }

    /// The network that a run keeps.
    ///
    /// # Errors
    /// When the file is damaged or of other pictures.
    pub fn of_file(path: &std::path::Path, artefact: &ImageArtefact, device: &B::Device) -> Result<Self, TaskError> {
        let mut network = Self::new(artefact, device);
        weights::apply(&mut network, &weights::read(path)?)
            .map_err(|message| format!("{} does not fit these pictures: {message}", path.display()))?;
        Ok(network)
    }
}

/// A network that has learned the classes of the training pictures; what follows from the seed alone.
///
/// # Errors
/// When a picture cannot be read any more.
pub fn train<B: AutodiffBackend>(
    images: &ImageData,
    steps: usize,
    seed: u64,
    device: &B::Device,
    progress: &dyn Preparation,
) -> Result<FeatureNetwork<B::InnerBackend>, TaskError> {
    B::seed(device, seed);
    let mut network = FeatureNetwork::<B>::new(images.artefact(), device);
    let plan = ParameterPlan::new(parameters::list(&network), &[], &[])?;
    let rule =
        OptimizerConfig::Adamw { learning_rate: LEARNING_RATE, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 1e-2 };
    let mut optimizer = Optimizer::<B>::new(rule, OptimizerScope::all(), &plan);
    let batches = images.train_batches(seed);
    let each = batches.num_batches();
    for step in 0..steps {
        progress.progress(&Activity::items("feature network", "steps", step, steps));
        let mut batch = batches.batch((step / each) as u64, step % each)?;
        let labels = classes::<B>(&batch, device);
        let logits = network.classify(network.features(on_device(&mut batch, device)));
        let mut gradients = cross_entropy(logits, labels, &CrossEntropy::default()).backward();
        let gradients = parameters::take_gradients(&network, &mut gradients, |_| true);
        network = optimizer.step(network, gradients, 1.0 - step as f64 / steps as f64, &plan);
    }
    let network = network.valid();
    if let Some(held_out) = images.validation_batches().or_else(|| images.test_batches(Default::default())) {
        let accuracy = accuracy(&network, &held_out, device)?;
        let count = held_out.num_items();
        progress.note(&format!("feature network: {steps} steps, accuracy {accuracy:.3} on {count} held-out images"));
    }
    Ok(network)
}

fn accuracy<B: Backend>(
    network: &FeatureNetwork<B>,
    batches: &ImageBatches,
    device: &B::Device,
) -> Result<f64, TaskError> {
    let mut right = 0;
    for index in 0..batches.num_batches() {
        let mut batch = batches.batch(0, index)?;
        let labels = classes::<B>(&batch, device);
        let said = network.classify(network.features(on_device(&mut batch, device))).argmax(1).flatten::<1>(0, 1);
        right += said.equal(labels).into_data().iter::<bool>().filter(|right| *right).count();
    }
    Ok(right as f64 / batches.num_items().max(1) as f64)
}
