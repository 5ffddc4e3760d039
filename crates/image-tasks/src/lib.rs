//! The job on pictures, whatever network learns them: data, policies of fine-tuning, losses, evaluation, predictions and pages of the
//! report.
//!
//! A family of networks makes the job its own in two steps: its network implements [`ImageNetwork`], and its `[model]` block implements
//! [`ImageFamily`], which makes the network and its weights. The job is then `ImageClassificationJob<ItsConfig>`.

mod features;
pub mod fine_tuning;
mod heat;
mod image_classification;
mod loss;
mod network;
mod options;
mod pages;
mod parts;
mod prediction;

pub use image_classification::{ARTEFACT_FILE, ImageBlock, ImageClassificationJob, ImageClassificationTask};
pub use network::{ImageFamily, ImageNetwork, ImageSizes, Stage, statistics_of};
pub use options::ImageOptions;
pub use parts::{Batch, Part};

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::image::{Image, ImageArtefact, ImageBatch};

/// The pictures of a batch, which gives them away: `[batch · views, channels, size, size]`
fn on_device<B: Backend>(batch: &mut ImageBatch, device: &B::Device) -> Tensor<B, 4> {
    let shape = [batch.batch_size * batch.views, batch.channels, batch.size, batch.size];
    Tensor::from_data(TensorData::new(std::mem::take(&mut batch.pixels), shape), device)
}

/// Pictures that are prepared as for an evaluation: `[pictures, channels, size, size]`
fn on_pixels<B: Backend>(artefact: &ImageArtefact, pictures: &[Image], device: &B::Device) -> Tensor<B, 4> {
    let pixels: Vec<f32> = pictures.iter().flat_map(|picture| artefact.planes(picture)).collect();
    let shape = [pictures.len(), artefact.channels, artefact.image_size, artefact.image_size];
    Tensor::from_data(TensorData::new(pixels, shape), device)
}
