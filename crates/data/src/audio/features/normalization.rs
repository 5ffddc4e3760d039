use super::Features;
use serde::{Deserialize, Serialize};

/// A feature that varies less than this is not blown up.
const SMALLEST_STD: f32 = 1e-3;

/// How features are scaled, with the numbers that it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalization {
    /// As they are.
    #[default]
    None,
    /// To mean 0 and standard deviation 1 over the frames of the recording itself.
    Utterance,
    /// By the mean and standard deviation of each feature over the training part.
    Training {
        /// `[num_features]`
        mean: Vec<f32>,
        /// `[num_features]`
        std: Vec<f32>,
    },
}

impl Normalization {
    /// [`Normalization::Training`] by the statistics of these frames (the population's, which divide by the number of
    /// frames).
    pub(in crate::audio) fn of_frames<'a>(features: impl Iterator<Item = &'a Features> + Clone) -> Self {
        let (mean, std) = statistics(features);
        Self::Training { mean, std }
    }

    pub(super) fn apply(&self, features: &mut Features) {
        match self {
            Self::None => {}
            Self::Utterance => {
                let (mean, std) = statistics(std::iter::once(&*features));
                scale(features, &mean, &std);
            }
            Self::Training { mean, std } => scale(features, mean, std),
        }
    }
}

fn scale(features: &mut Features, mean: &[f32], std: &[f32]) {
    for frame in features.values.chunks_exact_mut(features.size) {
        for ((value, mean), std) in frame.iter_mut().zip(mean).zip(std) {
            *value = (*value - mean) / std.max(SMALLEST_STD);
        }
    }
}

/// Mean and standard deviation of each feature.
fn statistics<'a>(features: impl Iterator<Item = &'a Features> + Clone) -> (Vec<f32>, Vec<f32>) {
    let size = features.clone().next().map_or(0, |features| features.size);
    let frames = || features.clone().flat_map(|features| features.values.chunks_exact(size.max(1)));
    let count = frames().count().max(1) as f64;
    let mut mean = vec![0.0f64; size];
    for frame in frames() {
        mean.iter_mut().zip(frame).for_each(|(sum, value)| *sum += f64::from(*value) / count);
    }
    let mut variance = vec![0.0f64; size];
    for frame in frames() {
        for ((sum, mean), value) in variance.iter_mut().zip(&mean).zip(frame) {
            *sum += (f64::from(*value) - mean).powi(2) / count;
        }
    }
    let std = variance.into_iter().map(|variance| variance.sqrt() as f32).collect();
    (mean.into_iter().map(|mean| mean as f32).collect(), std)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_frames_have_mean_zero_and_deviation_one() {
        let mut features = Features { frames: 3, size: 2, values: vec![1.0, 5.0, 2.0, 5.0, 6.0, 5.0] };
        let training = Normalization::of_frames(std::iter::once(&features));
        // Mean 3, squares 4 + 1 + 9; the second feature never varies.
        let std = (14.0f32 / 3.0).sqrt();
        assert_eq!(training, Normalization::Training { mean: vec![3.0, 5.0], std: vec![std, 0.0] });
        let mut by_training = features.clone();
        training.apply(&mut by_training);
        Normalization::Utterance.apply(&mut features);
        assert_eq!(features, by_training);
        assert_eq!(features.values, [-2.0 / std, 0.0, -1.0 / std, 0.0, 3.0 / std, 0.0]);
    }
}
