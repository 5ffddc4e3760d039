//! What strings are made of, and how they sound.

use super::config::StringsConfig;
use crate::audio::features::{FeatureExtractor, Features, FeaturesConfig};
use crate::audio::source::Speech;
use crate::{SplitMix64, stream_seed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts of a second over which a recording's quietest moment is sought.
const MOMENTS_A_SECOND: usize = 50;

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
    pub num_static: usize,
    rate: f64,
    /// How loud the quietest moment of each recording is (root of the mean square).
    quietest: Vec<f32>,
}

/// Composes the strings of one part.
#[derive(Debug)]
pub(super) struct Composer {
    pub sounds: Arc<Sounds>,
    part: Arc<[usize]>,
    /// The part's recordings of each speaker.
    by_speaker: BTreeMap<Option<usize>, Vec<usize>>,
    strings: StringsConfig,
    draw: Draw,
}

impl Sounds {
    pub fn new(speech: Speech, extractor: FeatureExtractor, config: &FeaturesConfig) -> Self {
        let moment = (config.sample_rate as usize / MOMENTS_A_SECOND).max(1);
        let quietest = speech.recordings.iter().map(|recording| quietest(&recording.samples, moment)).collect();
        let (num_static, rate) = (config.num_static(), f64::from(config.sample_rate));
        Self { speech, extractor, num_static, rate, quietest }
    }

    /// Samples in a string.
    fn length(&self, item: &StringItem) -> usize {
        let recordings = item.recordings.iter().map(|recording| self.speech.recordings[*recording].samples.len());
        recordings.chain(item.gaps.iter().copied()).sum()
    }

    fn wave(&self, item: &StringItem, rng: &mut SplitMix64) -> Vec<f32> {
        let mut wave = Vec::with_capacity(self.length(item));
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

impl Composer {
    pub fn new(sounds: Arc<Sounds>, part: Arc<[usize]>, strings: StringsConfig, draw: Draw) -> Self {
        let mut by_speaker: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for recording in part.iter() {
            by_speaker.entry(sounds.speech.recordings[*recording].speaker).or_default().push(*recording);
        }
        Self { sounds, part, by_speaker, strings, draw }
    }

    /// What string `index` of `epoch` is made of.
    pub fn item(&self, epoch: u64, index: usize) -> StringItem {
        self.compose(index, &mut self.rng(epoch, index))
    }

    /// Samples in each of `count` strings of `epoch`.
    pub fn lengths(&self, epoch: u64, count: usize) -> Arc<[usize]> {
        (0..count).map(|index| self.sounds.length(&self.item(epoch, index))).collect()
    }

    /// As [`item`](Self::item), with the string's features.
    pub fn features(&self, epoch: u64, index: usize) -> (StringItem, Features) {
        let mut rng = self.rng(epoch, index);
        let item = self.compose(index, &mut rng);
        let features = self.sounds.extractor.extract(&self.sounds.wave(&item, &mut rng));
        (item, features)
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
        let others: Vec<usize> = (1..length).map(|_| same[rng.below(same.len())]).collect();
        let [shortest, longest] = self.strings.gap_ms;
        let gap = |_| ((shortest + (longest - shortest) * rng.unit()) / 1000.0 * self.sounds.rate) as usize;
        StringItem { recordings: [vec![first], others].concat(), gaps: (1..length).map(gap).collect() }
    }
}
