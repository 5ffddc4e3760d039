//! `[data]` of the jobs on images, images on the device, and what networks make as pictures to look at.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::image::{
    Image, ImageArtefact, ImageBatch, ImageBatches, ImageConfig, ImageData, Labels, Statistics, augment::TestViews,
    grid, png,
};
use image_tasks::load_images;
pub use image_tasks::{ARTEFACT_FILE, load_artefact, on_device};
use training_loop::{
    data_block,
    error::TaskError,
    job::AssembleContext,
    task::{Batches, Sample, SampleContent, Splits},
};

/// Black pixels between the pictures of a grid.
const GAP: usize = 1;

data_block! {
    /// `[data]`: the pictures, and how they become batches. `normalize = "auto"` is what the job's loss wants.
    PictureBlock(ImageConfig)
}

/// What networks see of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelRange {
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Symmetric,
}

impl PixelRange {
    /// What pixels are scaled by.
    fn statistics(self) -> Statistics {
        let (mean, std) = match self {
            Self::Unit => (0.0, 1.0),
            Self::Symmetric => (0.5, 0.5),
        };
        Statistics { mean: vec![mean; 3], std: vec![std; 3] }
    }
}

/// Reads the pictures of `[data]`, as an existing run has them if there is one.
///
/// # Errors
/// Those of [`load_images`]; where pictures are mixed, since networks would learn to make mixtures.
pub fn load<D>(
    config: &ImageConfig,
    range: PixelRange,
    context: &AssembleContext<'_, D>,
) -> Result<ImageData, TaskError> {
    if config.augment.mixup > 0.0 || config.augment.cutmix > 0.0 {
        let message = "`data.augment.mixup` and `data.augment.cutmix` mix pictures, and this job would learn to make mixtures: leave them out";
        return Err(message.into());
    }
    load_images(config, || Ok(Some(range.statistics())), context)
}

/// Refuses data that a generator cannot be watched on: it is shown and scored at each validation.
///
/// # Errors
/// When no picture is kept for validation.
pub fn check_watched(images: &ImageData) -> Result<(), TaskError> {
    if images.validation_batches().is_none() {
        let message = "`data.validation_fraction` is 0, and pictures are made and scored at each validation: keep some, such as 0.1";
        return Err(message.into());
    }
    Ok(())
}

/// Whether each picture is of one class.
pub fn knows_classes(config: &ImageConfig, artefact: &ImageArtefact) -> bool {
    config.labelled && !artefact.multi_label
}

/// Refuses pixels that are scaled to anything but -1 to 1, which networks that end in it cannot make.
///
/// # Errors
/// When `normalize` says otherwise.
pub fn check_symmetric(artefact: &ImageArtefact) -> Result<(), TaskError> {
    let symmetric = |values: &[f32]| values.iter().all(|value| *value == 0.5);
    if symmetric(&artefact.statistics.mean) && symmetric(&artefact.statistics.std) {
        return Ok(());
    }
    Err("`data.normalize`: pictures are made of values from -1 to 1, so leave it out (\"auto\")".into())
}

/// The batches of each part; the test part is seen as the validation part is.
pub fn splits(images: &ImageData, seed: u64) -> Splits<ImageBatch> {
    changed_splits(images, seed, |_, _| ())
}

/// The batches of each part; `change(epoch, batch)` is done to each and must depend on nothing else.
pub fn changed_splits(
    images: &ImageData,
    seed: u64,
    change: impl Fn(u64, &mut ImageBatch) + Clone + Send + Sync + 'static,
) -> Splits<ImageBatch> {
    let deal = |source: ImageBatches| {
        let change = change.clone();
        Batches::new(source.num_batches() as u64, move |epoch, index| {
            let mut batch = source.batch(epoch, index as usize)?;
            change(epoch, &mut batch);
            Ok(batch)
        })
    };
    Splits {
        train: deal(images.train_batches(seed)),
        validation: images.validation_batches().map(deal),
        test: images.test_batches(TestViews::None).map(deal),
    }
}

/// The classes of a batch: `[batch]`; 0 where a picture may have several.
pub fn classes<B: Backend>(batch: &ImageBatch, device: &B::Device) -> Tensor<B, 1, Int> {
    let classes = match &batch.labels {
        Labels::Classes(classes) => classes.clone(),
        Labels::Multi { .. } => vec![0; batch.batch_size],
    };
    Tensor::from_data(TensorData::new(classes, [batch.batch_size]), device)
}

/// What a network made, as pictures to look at; what lies outside the range of pixels is cut.
///
/// # Shapes
/// - pixels: `[pictures, channels, height, width]`, scaled as the artefact says
pub fn images<B: Backend>(pixels: Tensor<B, 4>, artefact: &ImageArtefact) -> Vec<Image> {
    let [_, channels, height, width] = pixels.dims();
    let Statistics { mean, std } = &artefact.statistics;
    let per_channel = |values: &[f32]| {
        let data = TensorData::new(values.to_vec(), [1, channels, 1, 1]);
        Tensor::<B, 4>::from_data(data, &pixels.device())
    };
    let levels = (pixels.clone() * per_channel(std) + per_channel(mean)) * 255.0;
    let levels = levels.round().clamp(0.0, 255.0).permute([0, 2, 3, 1]);
    let levels: Vec<u8> = levels.into_data().iter::<f32>().map(|level| level as u8).collect();
    let picture = |pixels: &[u8]| Image { width, height, channels, pixels: pixels.to_vec() };
    levels.chunks(height * width * channels).map(picture).collect()
}

/// Pictures in a square grid, or in rows of `columns`.
pub fn in_grid(pictures: &[Image], columns: Option<usize>) -> Image {
    let square = (pictures.len() as f64).sqrt().ceil() as usize;
    grid(pictures, columns.unwrap_or(square).max(1), GAP)
}

/// A grid of pictures as a sample of training; the main sample has an empty name.
pub fn sample(name: &str, pictures: &[Image], columns: Option<usize>) -> Sample {
    Sample { name: name.to_string(), content: SampleContent::Png(png(&in_grid(pictures, columns))) }
}
