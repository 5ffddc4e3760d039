//! Padded batches of recordings with a class each.

use super::augment::AugmentConfig;
use super::features::Features;
use crate::dealing::Dealer;
use crate::{SplitMix64, stream_seed};
use std::borrow::Cow;
use std::sync::Arc;

/// One batch of recordings, padded with zeros at the end to its longest.
///
/// # Shapes
/// `features` is row-major `[batch_size, frames, num_features]`; `frame_lengths`, `labels` and `indices` are
/// `[batch_size]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechBatch {
    /// Features. Frames at and after a row's length hold zeros.
    pub features: Vec<f32>,
    /// Frames of each row that are of its recording: from 1 to `frames`.
    pub frame_lengths: Vec<i32>,
    /// The class of each row, by its place in [`SpeechData::classes`](super::SpeechData::classes).
    pub labels: Vec<i32>,
    /// The place of each row's recording in the source, for [`SpeechData::name`](super::SpeechData::name).
    pub indices: Vec<usize>,
    /// Rows.
    pub batch_size: usize,
    /// Frames a row: those of the longest.
    pub frames: usize,
    /// Features a frame.
    pub num_features: usize,
}

/// The features and classes of all recordings of a source.
#[derive(Debug)]
pub(super) struct Rows {
    /// Scaled features of each recording.
    pub features: Vec<Features>,
    /// The class of each recording.
    pub labels: Vec<i32>,
    /// Features of a frame that are no deltas.
    pub num_static: usize,
}

/// Masks for training, and the seed that they follow from.
#[derive(Debug, Clone)]
pub(super) struct Augment {
    pub config: AugmentConfig,
    pub seed: u64,
}

impl Augment {
    /// Masks item `index` of `epoch`. The stream of random numbers is its own: whatever else is drawn for the item, masks
    /// do not follow from it.
    pub fn apply(&self, features: &mut Features, num_static: usize, epoch: u64, index: usize) {
        let seed = stream_seed(stream_seed(self.seed, epoch, index as u64), 0, 1);
        self.config.apply(features, num_static, &mut SplitMix64::new(seed));
    }
}

/// Deals the batches of one part of the recordings, each recording once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SpeechBatches {
    rows: Arc<Rows>,
    dealer: Dealer,
    augment: Option<Augment>,
}

impl SpeechBatches {
    pub(super) fn new(rows: Arc<Rows>, dealer: Dealer, augment: Option<Augment>) -> Self {
        Self { rows, dealer, augment }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Recordings in an epoch, the same in each.
    pub fn num_recordings(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have
    /// fewer than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> SpeechBatch {
        let indices = self.dealer.batch(epoch, index);
        let rows: Vec<Cow<Features>> = indices.iter().map(|index| self.row(epoch, *index)).collect();
        let padded = pad(&rows);
        SpeechBatch {
            features: padded.features,
            frame_lengths: padded.frame_lengths,
            labels: indices.iter().map(|index| self.rows.labels[*index]).collect(),
            batch_size: indices.len(),
            frames: padded.frames,
            num_features: padded.num_features,
            indices,
        }
    }

    fn row(&self, epoch: u64, index: usize) -> Cow<'_, Features> {
        let mut features = Cow::Borrowed(&self.rows.features[index]);
        if let Some(augment) = &self.augment {
            augment.apply(features.to_mut(), self.rows.num_static, epoch, index);
        }
        features
    }
}

/// Rows of one batch, padded.
pub(super) struct Padded {
    pub features: Vec<f32>,
    pub frame_lengths: Vec<i32>,
    pub frames: usize,
    pub num_features: usize,
}

/// Puts rows one after the other, with zeros after each but the longest.
pub(super) fn pad(rows: &[Cow<'_, Features>]) -> Padded {
    let frames = rows.iter().map(|row| row.frames).max().unwrap_or(0);
    let num_features = rows.first().map_or(0, |row| row.size);
    let mut features = Vec::with_capacity(rows.len() * frames * num_features);
    for (number, row) in (1..).zip(rows) {
        features.extend_from_slice(&row.values);
        features.resize(number * frames * num_features, 0.0);
    }
    let frame_lengths = rows.iter().map(|row| row.frames as i32).collect();
    Padded { features, frame_lengths, frames, num_features }
}
