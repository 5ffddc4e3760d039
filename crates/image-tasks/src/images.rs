//! Pictures of a run, and pictures on the device.

use std::path::Path;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::image::{Image, ImageArtefact, ImageBatch, ImageConfig, ImageData, Statistics};
use training_loop::{
    error::TaskError,
    job::{AssembleContext, read_artefact},
    preparation::Activity,
};

/// The artefact beside the weights without which they mean nothing.
pub const ARTEFACT_FILE: &str = "images.json";

/// Reads the pictures of `[data]`, as the run that goes on has them if there is one; downloads are told of. `statistics` is what pixels
/// are scaled by for `normalize = "auto"`: none stands for those of the training pictures.
///
/// # Errors
/// Those of [`ImageData::load`], and of `statistics`.
pub fn load_images<D>(
    config: &ImageConfig,
    statistics: impl FnOnce() -> Result<Option<Statistics>, TaskError>,
    context: &AssembleContext<'_, D>,
) -> Result<ImageData, TaskError> {
    let mut download = |file: &str, done: download::Progress| {
        let what = format!("download {file}");
        context.progress.progress(&Activity::bytes(&what, done.done, done.total));
    };
    Ok(match context.artefacts {
        Some(folder) => ImageData::load_with(config, load_artefact(folder)?, &mut download)?,
        None => ImageData::load(config, statistics()?, &mut download)?,
    })
}

/// What a run knows of its pictures.
///
/// # Errors
/// When the file is missing or damaged.
pub fn load_artefact(run: &Path) -> Result<ImageArtefact, TaskError> {
    Ok(ImageArtefact::from_json(&read_artefact(run, ARTEFACT_FILE)?)?)
}

/// The pictures of a batch, which gives them away: `[batch · views, channels, size, size]`
pub fn on_device<B: Backend>(batch: &mut ImageBatch, device: &B::Device) -> Tensor<B, 4> {
    let shape = [batch.batch_size * batch.views, batch.channels, batch.size, batch.size];
    Tensor::from_data(TensorData::new(std::mem::take(&mut batch.pixels), shape), device)
}

/// Pictures that are prepared as for an evaluation: `[pictures, channels, size, size]`
pub(crate) fn on_pixels<B: Backend>(artefact: &ImageArtefact, pictures: &[Image], device: &B::Device) -> Tensor<B, 4> {
    let pixels: Vec<f32> = pictures.iter().flat_map(|picture| artefact.planes(picture)).collect();
    let shape = [pictures.len(), artefact.channels, artefact.image_size, artefact.image_size];
    Tensor::from_data(TensorData::new(pixels, shape), device)
}
