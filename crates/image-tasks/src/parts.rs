//! The parts of the data, as pictures or as features that are kept of them.

use data::image::{ImageBatch, ImageBatches, ImageData};
use training_loop::task::{Batches, Splits};

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose the best checkpoint by.
    Validation,
}

/// What one step or one part of an evaluation sees.
#[derive(Clone, Debug)]
pub enum Batch {
    /// Pictures.
    Pictures(ImageBatch),
    /// Pictures by their numbers, whose features are kept.
    Kept {
        /// Which part they belong to.
        part: Part,
        /// The epoch, which decides their view.
        epoch: u64,
        /// Their numbers in the source.
        indices: Vec<usize>,
    },
}

/// The batches of each part.
pub(crate) struct Parts {
    pub train: ImageBatches,
    pub validation: Option<ImageBatches>,
    test: Option<ImageBatches>,
}

impl Parts {
    pub fn new(images: &ImageData, seed: u64, test_views: data::image::augment::TestViews) -> Self {
        Self {
            train: images.train_batches(seed),
            validation: images.validation_batches(),
            test: images.test_batches(test_views),
        }
    }

    /// For the loop; with `kept`, training and validation need no pictures.
    pub fn splits(&self, kept: bool) -> Splits<Batch> {
        let of = |part, source: &ImageBatches| if kept { kept_batches(part, source) } else { pictures(source) };
        Splits {
            train: of(Part::Train, &self.train),
            validation: self.validation.as_ref().map(|source| of(Part::Validation, source)),
            test: self.test.as_ref().map(pictures),
        }
    }
}

fn pictures(source: &ImageBatches) -> Batches<Batch> {
    let source = source.clone();
    Batches::new(source.num_batches() as u64, move |epoch, index| {
        Ok(Batch::Pictures(source.batch(epoch, index as usize)?))
    })
}

fn kept_batches(part: Part, source: &ImageBatches) -> Batches<Batch> {
    let source = source.clone();
    Batches::dealt(source.num_batches(), move |epoch, index| Batch::Kept {
        part,
        epoch,
        indices: source.indices(epoch, index),
    })
}
