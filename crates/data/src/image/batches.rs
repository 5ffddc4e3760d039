use super::Image;
use super::artefact::ImageArtefact;
use super::augment::{Augmentation, Mix, TestViews, write_planes};
use super::pictures::Pictures;
use crate::dealing::Dealer;
use crate::{DataError, SplitMix64, stream_seed};
use rayon::prelude::*;
use std::sync::Arc;

/// Keeps the numbers that pictures and batches are changed with apart from those that shuffle.
const CHANGES: u64 = 1;

/// Some pictures as a network sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageBatch {
    /// The numbers of the pictures in their source.
    pub indices: Vec<usize>,
    /// Row-major `[batch_size · views, channels, size, size]`, the views of a picture side by side.
    pub pixels: Vec<f32>,
    /// Pictures.
    pub batch_size: usize,
    /// Views of each picture; 1 but for a test with several.
    pub views: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Height and width.
    pub size: usize,
    /// What the pictures show.
    pub labels: Labels,
    /// Where pictures are mixed, with which others of the batch.
    pub mix: Option<Mix>,
}

/// What pictures show.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    /// One class each.
    Classes(Vec<i32>),
    /// Row-major `[pictures, classes]`: 1 for a label that is there, else 0.
    Multi {
        /// The values.
        there: Vec<f32>,
        /// Classes in a row.
        classes: usize,
    },
}

impl Labels {
    /// Those at `places`.
    pub fn select(&self, places: &[usize]) -> Self {
        match self {
            Self::Classes(labels) => Self::Classes(places.iter().map(|place| labels[*place]).collect()),
            Self::Multi { there, classes } => {
                let row = |place: &usize| there[place * classes..][..*classes].to_vec();
                Self::Multi { there: places.iter().flat_map(row).collect(), classes: *classes }
            }
        }
    }
}

/// Batches of one part of the data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ImageBatches {
    pictures: Arc<Pictures>,
    artefact: Arc<ImageArtefact>,
    dealer: Dealer,
    preparation: Preparation,
}

/// What happens to a picture on its way into a batch.
#[derive(Debug, Clone)]
pub(super) enum Preparation {
    /// Random changes, which follow from the seed, the epoch and the picture.
    Changed { augmentation: Arc<Augmentation>, seed: u64 },
    /// The same in every epoch.
    Fixed(TestViews),
}

impl ImageBatches {
    pub(super) fn new(
        pictures: Arc<Pictures>,
        artefact: Arc<ImageArtefact>,
        dealer: Dealer,
        preparation: Preparation,
    ) -> Self {
        Self { pictures, artefact, dealer, preparation }
    }

    /// Batches in an epoch, the same in each.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Pictures in an epoch, the same in each.
    pub fn num_items(&self) -> usize {
        self.dealer.num_items()
    }

    /// The numbers of the pictures of a batch, without a look at them.
    ///
    /// # Panics
    /// If `index` is not below [`num_batches`](Self::num_batches): that is an error of the calling code. So it is below.
    pub fn indices(&self, epoch: u64, index: usize) -> Vec<usize> {
        self.dealer.batch(epoch, index)
    }

    /// Batch `index` of `epoch`, prepared on all cores. It depends on nothing but these two and the seed.
    ///
    /// # Errors
    /// [`DataError`] where a picture that is not kept in memory cannot be read any more.
    pub fn batch(&self, epoch: u64, index: usize) -> Result<ImageBatch, DataError> {
        let indices = self.indices(epoch, index);
        let ImageArtefact { channels, image_size: size, .. } = *self.artefact;
        let plane = channels * size * size;
        let views = self.views();
        let mut pixels = vec![0.0; indices.len() * views * plane];
        let fill = |(picture, planes): (&usize, &mut [f32])| self.fill(epoch, *picture, planes);
        indices.par_iter().zip(pixels.par_chunks_mut(views * plane)).try_for_each(fill)?;
        let mix = match &self.preparation {
            Preparation::Changed { augmentation, seed } => {
                let mut random = self.random(*seed, epoch, index as u64, 1);
                augmentation.mix(&mut pixels, [indices.len(), channels, size, size], &mut random)
            }
            Preparation::Fixed(_) => None,
        };
        let labels = self.pictures.labels(&indices);
        Ok(ImageBatch { batch_size: indices.len(), indices, pixels, views, channels, size, labels, mix })
    }

    /// The first `count` pictures of the first epoch as the network sees them, each with its number and, where it is mixed, the
    /// number of the other one and how much of the first is left.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn shown(&self, count: usize) -> Result<Vec<Shown>, DataError> {
        let mut shown = Vec::new();
        for index in 0..self.num_batches() {
            let batch = self.batch(0, index)?;
            let plane = batch.channels * batch.size * batch.size;
            for (place, planes) in batch.pixels.chunks_exact(plane * batch.views).enumerate() {
                if shown.len() == count {
                    return Ok(shown);
                }
                let other = batch.mix.as_ref().map(|mix| (batch.indices[mix.partners[place]], mix.lambda));
                let image = self.picture_of(&planes[..plane]);
                shown.push(Shown { image, index: batch.indices[place], mixed_with: other });
            }
        }
        Ok(shown)
    }

    fn views(&self) -> usize {
        match self.preparation {
            Preparation::Changed { .. } => 1,
            Preparation::Fixed(views) => views.count(),
        }
    }

    /// Writes the views of a picture.
    fn fill(&self, epoch: u64, picture: usize, planes: &mut [f32]) -> Result<(), DataError> {
        let ImageArtefact { channels, image_size: size, crop_fraction, ref statistics, .. } = *self.artefact;
        let image = self.pictures.image(picture)?;
        match &self.preparation {
            Preparation::Changed { augmentation, seed } => {
                let mut random = self.random(*seed, epoch, picture as u64, 0);
                let changed = augmentation.apply(&image, &mut random);
                write_planes(&changed, &statistics.mean, &statistics.std, planes);
                augmentation.erase(planes, channels, size, &mut random);
            }
            Preparation::Fixed(views) => {
                let views = views.views(&image, size, crop_fraction);
                for (view, planes) in views.iter().zip(planes.chunks_exact_mut(channels * size * size)) {
                    write_planes(view, &statistics.mean, &statistics.std, planes);
                }
            }
        }
        Ok(())
    }

    fn random(&self, seed: u64, epoch: u64, index: u64, stream: u64) -> SplitMix64 {
        SplitMix64::new(stream_seed(stream_seed(seed, epoch, index), CHANGES, stream))
    }

    /// The picture that planes were made of.
    fn picture_of(&self, planes: &[f32]) -> Image {
        let ImageArtefact { channels, image_size: size, ref statistics, .. } = *self.artefact;
        let area = size * size;
        let level = |channel: usize, at: usize| {
            let value = planes[channel * area + at] * statistics.std[channel] + statistics.mean[channel];
            (value * 255.0).round().clamp(0.0, 255.0) as u8
        };
        let pixels = (0..area).flat_map(|at| (0..channels).map(move |channel| level(channel, at))).collect();
        Image { width: size, height: size, channels, pixels }
    }
}

/// A picture as the network sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What it sees.
    pub image: Image,
    /// The picture's number in its source.
    pub index: usize,
    /// The number of the picture that it is mixed with, and how much of the first is left.
    pub mixed_with: Option<(usize, f32)>,
}
