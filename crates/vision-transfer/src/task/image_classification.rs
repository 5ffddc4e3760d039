//! The job `image-classification`: which class a picture belongs to, or which labels it has.

use std::path::Path;

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use data::image::Statistics;
pub use image_tasks::ImageBlock;
use image_tasks::{ImageFamily, ImageNetwork, ImageSizes, Stage};
use training_loop::{error::TaskError, preparation::Preparation};

use super::pretrained::{ImageModelConfig, Pretrained};
use crate::{grad_cam::grad_cam, network::Network};

/// `job = "image-classification"`.
pub type ImageClassificationJob = image_tasks::ImageClassificationJob<ImageModelConfig>;

/// Classification of pictures.
pub type ImageClassificationTask<B> = image_tasks::ImageClassificationTask<B, ImageModelConfig>;

impl ImageFamily for ImageModelConfig {
    const NAME: &'static str = "image-classification";
    const SUMMARY: &'static str =
        "a ResNet or VGG that tells the class or the labels of a picture: pretrained and fine-tuned, or from scratch";
    const EXPLANATION: &'static str =
        "Each picture beside the places that speak for its predicted class, red the most (Grad-CAM).";

    type Weights = Pretrained;
    type Model<B: Backend> = Network<B>;
    type Trained<B: AutodiffBackend> = Network<B>;

    fn weights(&self, runs: &Path) -> Result<Pretrained, TaskError> {
        self.pretrained(runs)
    }

    fn no_weights() -> Pretrained {
        Pretrained::None
    }

    fn statistics(weights: &Pretrained) -> Result<Option<Statistics>, TaskError> {
        weights.statistics()
    }

    fn init<B: Backend>(&self, sizes: ImageSizes, device: &B::Device) -> Result<Network<B>, TaskError> {
        let (architecture, size) = (self.architecture, sizes.image_size);
        if size < architecture.minimum_input_size() {
            let least = architecture.minimum_input_size();
            let message = format!(
                "`data.image_size` is {size}, and {architecture} needs pictures of at least {least} pixels: set it to {least}"
            );
            return Err(message.into());
        }
        Ok(self.network(sizes.channels, sizes.classes).init(device))
    }

    fn load<B: Backend>(
        &self,
        weights: &Pretrained,
        network: &mut Network<B>,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        weights.load(network, progress)
    }

    fn drops(&self) -> bool {
        ImageModelConfig::drops(self)
    }
}

impl<B: Backend> ImageNetwork<B> for Network<B> {
    fn logits(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward(images)
    }

    fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.pooled(self.forward_features(images))
    }

    fn classify(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        Network::classify(self, features)
    }

    fn num_features(&self) -> usize {
        Network::num_features(self)
    }

    fn stages(&self) -> Vec<Stage> {
        let stages = Network::stages(self).into_iter();
        stages.map(|stage| Stage { name: stage.name, patterns: stage.patterns }).collect()
    }

    fn explain(&self, images: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 3> {
        grad_cam(self, images, classes)
    }
}
