//! Pictures of 0 to 1, and those of them that are shown.

use burn::tensor::{Int, Tensor, backend::Backend};
use data::image::{ImageBatch, ImageConfig, ImageData, Statistics};
use training_loop::{error::TaskError, job::AssembleContext, task::Splits};

use super::pictures::{self, PixelRange, on_device};
use crate::autoencoder::PictureSize;

/// Reads the pictures of `[data]`, for a job whose networks give pixels of 0 to 1.
///
/// # Errors
/// Those of [`pictures::load`], and where `normalize` asks for something else.
pub fn load_unit<D>(config: &ImageConfig, context: &AssembleContext<'_, D>) -> Result<ImageData, TaskError> {
    let images = pictures::load(config, PixelRange::Unit, context)?;
    if is_unit(&images.artefact().statistics) {
        return Ok(images);
    }
    Err("`data.normalize`: the networks of this job give pixels of 0 to 1; leave it out, or set it to \"none\"".into())
}

/// Whether pixels stay from 0 to 1.
pub fn is_unit(Statistics { mean, std }: &Statistics) -> bool {
    mean.iter().all(|mean| *mean == 0.0) && std.iter().all(|std| *std == 1.0)
}

/// The size of the pictures.
pub fn size(images: &ImageData) -> PictureSize {
    PictureSize { channels: images.artefact().channels, side: images.artefact().image_size }
}

/// Samples show pictures of so many batches, or of more where these have too few.
const BATCHES: u64 = 16;

/// The pictures that samples show: some of the validation part, or of the training part where there is none. A part often lies class by class,
/// so they are spread over all of it.
#[derive(Debug, Clone)]
pub struct Shown {
    batches: Vec<ImageBatch>,
}

impl Shown {
    /// `count` of them, or as many as there are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(splits: &Splits<ImageBatch>, count: usize) -> Result<Self, TaskError> {
        let source = splits.validation.as_ref().unwrap_or(&splits.train);
        let in_one = source.get(0, 0)?.batch_size.max(1);
        let looked_at = source.per_epoch().min(BATCHES.max(count.div_ceil(in_one) as u64));
        let (mut batches, mut missing) = (Vec::new(), count);
        // From the end, where a batch may be short: the others make up for it.
        for number in (0..looked_at).rev() {
            let batch = source.get(0, number * source.per_epoch() / looked_at)?;
            let taken = missing.div_ceil(number as usize + 1).min(batch.batch_size);
            missing -= taken;
            if taken > 0 {
                batches.push(spread(batch, taken));
            }
        }
        batches.reverse();
        Ok(Self { batches })
    }

    /// `[count, channels, side, side]`
    pub fn images<B: Backend>(&self, device: &B::Device) -> Tensor<B, 4> {
        let on_device = |batch: &ImageBatch| on_device(&mut batch.clone(), device);
        Tensor::cat(self.batches.iter().map(on_device).collect(), 0)
    }

    /// `[count]`
    pub fn classes<B: Backend>(&self, device: &B::Device) -> Tensor<B, 1, Int> {
        Tensor::cat(self.batches.iter().map(|batch| pictures::classes(batch, device)).collect(), 0)
    }
}

/// So many pictures of a batch, evenly spread.
fn spread(batch: ImageBatch, count: usize) -> ImageBatch {
    let plane = batch.channels * batch.size * batch.size;
    let places: Vec<usize> = (0..count).map(|number| number * batch.batch_size / count).collect();
    ImageBatch {
        indices: places.iter().map(|place| batch.indices[*place]).collect(),
        pixels: places.iter().flat_map(|place| &batch.pixels[place * plane..][..plane]).copied().collect(),
        labels: batch.labels.select(&places),
        batch_size: count,
        mix: None,
        ..batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use data::image::Labels;
    use training_loop::task::Batches;

    /// A part of ten classes in order, a pixel a picture: its number.
    fn part(pictures: usize, batch_size: usize) -> Splits<ImageBatch> {
        let batch = move |_, index| {
            let indices: Vec<usize> = (index * batch_size..pictures.min((index + 1) * batch_size)).collect();
            ImageBatch {
                pixels: indices.iter().map(|index| *index as f32).collect(),
                batch_size: indices.len(),
                views: 1,
                channels: 1,
                size: 1,
                labels: Labels::Classes(indices.iter().map(|index| (index * 10 / pictures) as i32).collect()),
                mix: None,
                indices,
            }
        };
        Splits { train: Batches::dealt(pictures.div_ceil(batch_size), batch), validation: None, test: None }
    }

    #[test]
    fn what_is_shown_is_of_all_classes_though_they_lie_in_order() {
        for (pictures, batch_size, count, expected) in
            [(1000, 20, 32, 32), (1000, 1, 30, 30), (67, 64, 64, 64), (50, 64, 16, 16), (12, 5, 64, 12)]
        {
            let shown = Shown::of(&part(pictures, batch_size), count).unwrap();
            let device = Default::default();
            let numbers: Vec<f32> = shown.images::<Flex>(&device).into_data().iter::<f32>().collect();
            assert_eq!(numbers.len(), expected);
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
            let mut classes: Vec<i64> = shown.classes::<Flex>(&device).into_data().iter::<i64>().collect();
            assert_eq!(classes.len(), expected);
            classes.dedup();
            assert!(classes.len() >= 8, "{pictures} {batch_size} {count}: {classes:?}");
        }
    }
}
