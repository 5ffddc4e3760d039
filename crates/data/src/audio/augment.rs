use super::features::{Features, FeaturesConfig};
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// SpecAugment's masks (Park et al., "SpecAugment", Interspeech 2019; without its time warping), on training batches only.
/// A masked place holds the mean of its feature over the recording.
///
/// ```toml
/// augment = { freq_masks = 2, freq_width = 8, time_masks = 2, time_width = 20, time_fraction = 0.2 }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Masks over neighbouring features, the same ones in all frames; with deltas, over these features' deltas too.
    pub freq_masks: usize,
    /// The most features under one mask.
    pub freq_width: usize,
    /// Masks over all features of neighbouring frames.
    pub time_masks: usize,
    /// The most frames under one mask.
    pub time_width: usize,
    /// The most frames under one mask, as a part of the recording's: what protects short ones.
    pub time_fraction: f64,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { freq_masks: 0, freq_width: 8, time_masks: 0, time_width: 20, time_fraction: 0.2 }
    }
}

impl AugmentConfig {
    /// Values that can never work, with keys relative to the data section.
    pub(super) fn validate(&self, features: &FeaturesConfig) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.freq_masks > 0 && self.freq_width >= features.num_static() {
            let message = format!(
                "is {} of {} features; it must be lower, or a mask could cover everything",
                self.freq_width,
                features.num_static()
            );
            wrong.push(("augment.freq_width", message));
        }
        if !(0.0..1.0).contains(&self.time_fraction) {
            let message = format!("is {}; it must be at least 0 and below 1", self.time_fraction);
            wrong.push(("augment.time_fraction", message));
        }
        wrong
    }

    /// Masks `features`, of which the first `num_static` of each frame are no deltas.
    pub(super) fn apply(&self, features: &mut Features, num_static: usize, rng: &mut SplitMix64) {
        if self.freq_masks + self.time_masks == 0 {
            return;
        }
        let means = means(features);
        let (frames, size) = (features.frames, features.size);
        for _ in 0..self.freq_masks {
            let mask = draw(self.freq_width, num_static, rng);
            for frame in features.values.chunks_exact_mut(size) {
                for block in (0..size).step_by(num_static) {
                    let masked = mask.start + block..mask.end + block;
                    frame[masked.clone()].copy_from_slice(&means[masked]);
                }
            }
        }
        let longest = self.time_width.min((self.time_fraction * frames as f64) as usize);
        for _ in 0..self.time_masks {
            for frame in draw(longest, frames, rng) {
                features.values[frame * size..][..size].copy_from_slice(&means);
            }
        }
    }
}

/// A mask of 0 to `longest` places among `count`, each width and each place equally likely.
fn draw(longest: usize, count: usize, rng: &mut SplitMix64) -> Range<usize> {
    let width = rng.below(longest.min(count) + 1);
    let start = rng.below(count - width + 1);
    start..start + width
}

fn means(features: &Features) -> Vec<f32> {
    let mut means = vec![0.0; features.size];
    for frame in features.values.chunks_exact(features.size) {
        means.iter_mut().zip(frame).for_each(|(mean, value)| *mean += value / features.frames as f32);
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masks_are_bounded_and_follow_from_the_seed(
            frames in 1usize..60, num_static in 2usize..12, deltas in 0usize..3, seed in any::<u64>(),
            freq_masks in 0usize..3, time_masks in 0usize..3, freq_width in 0usize..12, time_width in 0usize..30,
        ) {
            let config = AugmentConfig { freq_masks, freq_width, time_masks, time_width, time_fraction: 0.25 };
            let size = num_static * (1 + deltas);
            // No value is the mean of its feature, which lies well between 0 and 1.
            let value = |place: usize| if (place / size).is_multiple_of(2) { 0.0 } else { 1.0 + place as f32 * 1e-4 };
            let features = Features { frames, size, values: (0..frames * size).map(value).collect() };
            let masked = |seed| {
                let mut masked = features.clone();
                config.apply(&mut masked, num_static, &mut SplitMix64::new(seed));
                masked
            };
            let once = masked(seed);
            prop_assert_eq!(&once, &masked(seed));
            let changed = |frame: usize, place: usize| once.values[frame * size + place] != features.values[frame * size + place];
            if frames > 1 {
                let whole = |frame: &usize| (0..size).all(|place| changed(*frame, place));
                let lost_frames = (0..frames).filter(whole).count();
                let longest = time_width.min(frames / 4);
                let all_features = freq_masks * freq_width.min(num_static) >= num_static;
                prop_assert!(all_features || lost_frames <= time_masks * longest);
                let lost = |place: &usize| (0..frames).all(|frame| changed(frame, *place));
                let lost_features = (0..num_static).filter(lost).count();
                prop_assert!(lost_features <= freq_masks * freq_width);
                for place in 0..num_static {
                    for block in (num_static..size).step_by(num_static) {
                        prop_assert_eq!(lost(&place), lost(&(place + block)));
                    }
                }
            }
        }
    }

    #[test]
    fn off_by_default() {
        let features = Features { frames: 2, size: 1, values: vec![1.0, 2.0] };
        let mut same = features.clone();
        AugmentConfig::default().apply(&mut same, 1, &mut SplitMix64::new(0));
        assert_eq!(same, features);
    }
}
