//! Padded batches of strings of recordings.

use super::config::StringsConfig;
use crate::audio::batches::{Augment, pad};
use crate::audio::features::{FeatureExtractor, Features, FeaturesConfig};
use crate::audio::source::Speech;
use crate::dealing::Dealer;
use crate::{SplitMix64, stream_seed};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts of a second over which a recording's quietest moment is sought.
const MOMENTS_A_SECOND: usize = 50;

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

/// What one string is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringItem {
    /// Recordings, by place in the source.
    pub recordings: Vec<usize>,
    /// Samples between each two of them.
    pub gaps: Vec<usize>,
}

/// How strings are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub seed: u64,
    /// Whether each epoch has its own.
    pub anew: bool,
}

/// The recordings, and what turns them into features.
#[derive(Debug)]
pub(super) struct Sounds {
    pub speech: Speech,
    pub extractor: FeatureExtractor,
    num_static: usize,
    rate: f64,
    /// How loud the quietest moment of each recording is (root of the mean square).
    quietest: Vec<f32>,
}

/// Deals the batches of one part's strings. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct StringsBatches {
    sounds: Arc<Sounds>,
    part: Arc<[usize]>,
    /// The part's recordings of each speaker.
    by_speaker: Arc<BTreeMap<Option<usize>, Vec<usize>>>,
    dealer: Dealer,
    strings: StringsConfig,
    draw: Draw,
    augment: Option<Augment>,
}

impl Sounds {
    pub fn new(speech: Speech, extractor: FeatureExtractor, config: &FeaturesConfig) -> Self {
        let moment = (config.sample_rate as usize / MOMENTS_A_SECOND).max(1);
        let quietest = speech.recordings.iter().map(|recording| quietest(&recording.samples, moment)).collect();
        let (num_static, rate) = (config.num_static(), f64::from(config.sample_rate));
        Self { speech, extractor, num_static, rate, quietest }
    }

    fn wave(&self, item: &StringItem, rng: &mut SplitMix64) -> Vec<f32> {
        let mut wave = Vec::new();
        for (place, recording) in item.recordings.iter().enumerate() {
            wave.extend_from_slice(&self.speech.recordings[*recording].samples);
            let Some(gap) = item.gaps.get(place) else { break };
            // Even noise of that loudness.
            let loudest = f64::from(self.quietest[*recording]) * 3f64.sqrt();
            wave.extend((0..*gap).map(|_| ((2.0 * rng.unit() - 1.0) * loudest) as f32));
        }
        wave
    }
}

/// The loudness of the quietest `moment` samples.
fn quietest(samples: &[f32], moment: usize) -> f32 {
    let loudness =
        |moment: &[f32]| (moment.iter().map(|sample| sample * sample).sum::<f32>() / moment.len() as f32).sqrt();
    samples.chunks(moment).map(loudness).fold(f32::INFINITY, f32::min).min(1.0)
}

impl StringsBatches {
    pub(super) fn new(
        sounds: Arc<Sounds>,
        part: &Arc<[usize]>,
        dealer: Dealer,
        strings: StringsConfig,
        draw: Draw,
        augment: Option<Augment>,
    ) -> Self {
        let mut by_speaker: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for recording in part.iter() {
            by_speaker.entry(sounds.speech.recordings[*recording].speaker).or_default().push(*recording);
        }
        Self { sounds, part: part.clone(), by_speaker: Arc::new(by_speaker), dealer, strings, draw, augment }
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
        self.compose(index, &mut self.rng(epoch, index))
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
        let recordings = || items.iter().flat_map(|item| &item.recordings);
        let padded = pad(&rows);
        StringsBatch {
            features: padded.features,
            frame_lengths: padded.frame_lengths,
            targets: recordings().map(|index| self.sounds.speech.recordings[*index].label as i32).collect(),
            target_lengths: items.iter().map(|item| item.recordings.len() as i32).collect(),
            batch_size: indices.len(),
            frames: padded.frames,
            num_features: padded.num_features,
            indices,
        }
    }

    fn row(&self, epoch: u64, index: usize) -> (StringItem, Cow<'static, Features>) {
        let mut rng = self.rng(epoch, index);
        let item = self.compose(index, &mut rng);
        let mut features = self.sounds.extractor.extract(&self.sounds.wave(&item, &mut rng));
        if let Some(augment) = &self.augment {
            augment.apply(&mut features, self.sounds.num_static, epoch, index);
        }
        (item, Cow::Owned(features))
    }

    fn rng(&self, epoch: u64, index: usize) -> SplitMix64 {
        let epoch = if self.draw.anew { epoch } else { 0 };
        SplitMix64::new(stream_seed(stream_seed(self.draw.seed, epoch, index as u64), 0, 0))
    }

    /// Any recording of the part comes first, and decides who speaks.
    fn compose(&self, index: usize, rng: &mut SplitMix64) -> StringItem {
        let first = self.part[rng.below(self.part.len())];
        let same = &self.by_speaker[&self.sounds.speech.recordings[first].speaker];
        let length = self.strings.length(index);
        let recordings = std::iter::once(first).chain((1..length).map(|_| same[rng.below(same.len())])).collect();
        let [shortest, longest] = self.strings.gap_ms;
        let gap = |_| ((shortest + (longest - shortest) * rng.unit()) / 1000.0 * self.sounds.rate) as usize;
        StringItem { recordings, gaps: (1..length).map(gap).collect() }
    }
}
