//! Padded batches of strings of recordings.

use super::composer::{Composer, StringItem};
use crate::audio::batches::{Augment, pad};
use crate::audio::features::Features;
use crate::dealing::Dealer;
use std::borrow::Cow;
use std::sync::Arc;

/// One batch of strings, padded with zeros at the end to its longest.
///
/// # Shapes
/// `features` is row-major `[batch_size, frames, num_features]`; `frame_lengths`, `target_lengths` and `indices` are
/// `[batch_size]`; `targets` is `[sum(target_lengths)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct StringsBatch {
    /// Features. Frames at and after a row's length hold zeros.
    pub features: Vec<f32>,
    /// Frames of each row that are of its string: from 1 to `frames`.
    pub frame_lengths: Vec<i32>,
    /// The classes of each row's recordings, row after row, by their places in
    /// [`SpeechStringsData::classes`](super::SpeechStringsData::classes): from 0, with no place for a blank.
    pub targets: Vec<i32>,
    /// Recordings in each row: at least 1.
    pub target_lengths: Vec<i32>,
    /// The number of each row's string in its part, for [`StringsBatches::item`].
    pub indices: Vec<usize>,
    /// Rows.
    pub batch_size: usize,
    /// Frames a row: those of the longest.
    pub frames: usize,
    /// Features a frame.
    pub num_features: usize,
}

/// Deals the batches of one part's strings. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct StringsBatches {
    composer: Arc<Composer>,
    dealer: Dealer,
    augment: Option<Augment>,
}

impl StringsBatches {
    pub(super) fn new(composer: Arc<Composer>, dealer: Dealer, augment: Option<Augment>) -> Self {
        Self { composer, dealer, augment }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Strings in an epoch, the same in each.
    pub fn num_strings(&self) -> usize {
        self.dealer.num_items()
    }

    /// String `index` (below [`num_strings`](Self::num_strings)) of `epoch`: a pure function of both and the seed.
    pub fn item(&self, epoch: u64, index: usize) -> StringItem {
        self.composer.item(epoch, index)
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have
    /// fewer than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> StringsBatch {
        let indices = self.dealer.batch(epoch, index);
        let (items, rows): (Vec<StringItem>, Vec<Cow<Features>>) =
            indices.iter().map(|index| self.row(epoch, *index)).unzip();
        let recordings = &self.composer.sounds.speech.recordings;
        let targets = items.iter().flat_map(|item| &item.recordings).map(|index| recordings[*index].label as i32);
        let padded = pad(&rows);
        StringsBatch {
            features: padded.features,
            frame_lengths: padded.frame_lengths,
            targets: targets.collect(),
            target_lengths: items.iter().map(|item| item.recordings.len() as i32).collect(),
            batch_size: indices.len(),
            frames: padded.frames,
            num_features: padded.num_features,
            indices,
        }
    }

    fn row(&self, epoch: u64, index: usize) -> (StringItem, Cow<'static, Features>) {
        let (item, mut features) = self.composer.features(epoch, index);
        if let Some(augment) = &self.augment {
            augment.apply(&mut features, self.composer.sounds.num_static, epoch, index);
        }
        (item, Cow::Owned(features))
    }
}
