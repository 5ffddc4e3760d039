//! What the `train` command assembles: data, model, policy of fine-tuning, loss and evaluation (feature `training`).

pub mod burn_learner;
mod features;
pub mod fine_tuning;
mod heat;
pub mod image_classification;
mod loss;
mod options;
mod pages;
mod parts;
mod prediction;
mod pretrained;

pub use options::ImageOptions;
pub use parts::{Batch, Part};
pub use pretrained::ImageModelConfig;

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
