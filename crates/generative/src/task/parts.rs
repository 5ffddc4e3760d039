//! Pictures of 0 to 1, and those of them that are shown.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::image::{ImageBatch, ImageConfig, ImageData, Statistics};
use training_loop::{error::TaskError, job::AssembleContext, task::Splits};

use super::pictures::{self, PixelRange};
use crate::autoencoder::PictureSize;

/// Reads the pictures of `[data]`, for a job whose networks give pixels of 0 to 1.
///
/// # Errors
/// Those of [`pictures::load`], and where `normalize` asks for something else.
pub fn load_unit<D>(config: &ImageConfig, context: &AssembleContext<'_, D>) -> Result<ImageData, TaskError> {
    let images = pictures::load(config, PixelRange::Unit, context)?;
    let Statistics { mean, std } = &images.artefact().statistics;
    let is_unit = mean.iter().all(|mean| *mean == 0.0) && std.iter().all(|std| *std == 1.0);
    if is_unit {
        return Ok(images);
    }
    Err("`data.normalize`: the networks of this job give pixels of 0 to 1; leave it out, or set it to \"none\"".into())
}

/// The size of the pictures.
pub fn size(images: &ImageData) -> PictureSize {
    PictureSize { channels: images.artefact().channels, side: images.artefact().image_size }
}

/// The pictures that samples show: the first of the validation part, or of the training part where there is none.
#[derive(Debug, Clone)]
pub struct Shown {
    batch: ImageBatch,
}

impl Shown {
    /// `count` of them, or as many as a batch has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(splits: &Splits<ImageBatch>, count: usize) -> Result<Self, TaskError> {
        let source = splits.validation.as_ref().unwrap_or(&splits.train);
        if source.per_epoch() == 0 {
            return Err("the training data hold less than one batch: a smaller batch, or more data".into());
        }
        let mut batch = source.get(0, 0)?;
        batch.batch_size = batch.batch_size.min(count);
        batch.pixels.truncate(batch.batch_size * batch.channels * batch.size * batch.size);
        batch.labels = batch.labels.select(&(0..batch.batch_size).collect::<Vec<_>>());
        Ok(Self { batch })
    }

    /// `[count, channels, side, side]`
    pub fn images<B: Backend>(&self, device: &B::Device) -> Tensor<B, 4> {
        let ImageBatch { batch_size, channels, size, ref pixels, .. } = self.batch;
        Tensor::from_data(TensorData::new(pixels.clone(), [batch_size, channels, size, size]), device)
    }

    /// `[count]`
    pub fn classes<B: Backend>(&self, device: &B::Device) -> Tensor<B, 1, Int> {
        pictures::classes(&self.batch, device)
    }
}
