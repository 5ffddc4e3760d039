use super::Image;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pixels that the statistics of training pictures are taken over; of more, every so manieth picture is.
const MOST_PIXELS: usize = 1 << 26;

/// What pixels, from 0 to 1, are scaled by: `(pixel - mean) / std`, channel by channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// The mean of each channel.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel.
    pub std: Vec<f32>,
}

/// Which statistics pixels are scaled by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "\"auto\", \"training\", \"imagenet\", \"none\" or { mean = [..], std = [..] } is expected"
)]
pub enum Normalize {
    /// By a rule.
    Rule(NormalizeRule),
    /// As given.
    Given(Statistics),
}

/// A rule for the statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormalizeRule {
    /// Those that pretrained weights were trained with, or else those of the training pictures.
    #[default]
    Auto,
    /// Those of the training pictures.
    Training,
    /// Those of ImageNet, as torchvision has them.
    Imagenet,
    /// None: pixels go from 0 to 1.
    None,
}

impl Default for Normalize {
    fn default() -> Self {
        Self::Rule(NormalizeRule::default())
    }
}

impl Normalize {
    pub(super) fn validate(&self, channels: Option<usize>) -> Option<(&'static str, String)> {
        let Self::Given(Statistics { mean, std }) = self else { return None };
        let counted = |count: usize| count == mean.len() && count == std.len();
        if channels.map_or(!counted(1) && !counted(3), |channels| !counted(channels)) {
            let message = format!(
                "has {} means and {} deviations; one of each for each channel is expected",
                mean.len(),
                std.len()
            );
            return Some(("normalize", message));
        }
        let wrong = std.iter().any(|std| !(*std > 0.0 && std.is_finite())) || mean.iter().any(|mean| !mean.is_finite());
        wrong.then(|| ("normalize", "must have finite means, and deviations above 0".to_owned()))
    }
}

impl Statistics {
    /// Those of ImageNet, as torchvision has them.
    pub fn imagenet() -> Self {
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Those that change nothing.
    pub fn none(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// For pictures of `channels`: grey ones get the mean of the colours, colour ones three times the grey.
    pub fn with_channels(self, channels: usize) -> Self {
        let fit = |values: Vec<f32>| match (values.len(), channels) {
            (have, want) if have == want => values,
            (1, want) => vec![values[0]; want],
            (have, _) => vec![values.iter().sum::<f32>() / have as f32],
        };
        Self { mean: fit(self.mean), std: fit(self.std) }
    }

    /// The mean and the standard deviation of each channel over all pixels of `images`, each prepared by `image`.
    pub(super) fn of<E: Send>(
        count: usize,
        size: usize,
        channels: usize,
        image: impl Fn(usize) -> Result<Image, E> + Sync,
    ) -> Result<Self, E> {
        let every = (count * size * size).div_ceil(MOST_PIXELS).max(1);
        let places: Vec<usize> = (0..count).step_by(every).collect();
        // Whole numbers: the sum does not depend on the order.
        let of_image = |place: &usize| image(*place).map(|image| Sums::of(&image, channels));
        let sums = places.par_iter().map(of_image).try_reduce(|| Sums::new(channels), |a, b| Ok(a.plus(b)))?;
        let Sums { levels: sums, squares, pixels } = sums;
        let mean = |sum: &u64| *sum as f64 / pixels.max(1) as f64;
        let means: Vec<f64> = sums.iter().map(mean).collect();
        // A channel that never changes is left as it is, apart from its mean.
        let std = |(square, at): (&u64, &f64)| match (mean(square) - at * at).max(0.0).sqrt() / 255.0 {
            std if std > 1e-4 => std as f32,
            _ => 1.0,
        };
        let stds = squares.iter().zip(&means).map(std).collect();
        Ok(Self { mean: means.iter().map(|mean| (mean / 255.0) as f32).collect(), std: stds })
    }
}

/// Sums over the pixels of pictures, one a channel.
struct Sums {
    levels: Vec<u64>,
    squares: Vec<u64>,
    pixels: u64,
}

impl Sums {
    fn new(channels: usize) -> Self {
        Self { levels: vec![0; channels], squares: vec![0; channels], pixels: 0 }
    }

    fn of(image: &Image, channels: usize) -> Self {
        let mut sums = Self { pixels: (image.width * image.height) as u64, ..Self::new(channels) };
        for pixel in image.pixels.chunks_exact(channels) {
            for (channel, level) in pixel.iter().map(|level| u64::from(*level)).enumerate() {
                sums.levels[channel] += level;
                sums.squares[channel] += level * level;
            }
        }
        sums
    }

    fn plus(mut self, other: Self) -> Self {
        self.levels.iter_mut().zip(other.levels).for_each(|(sum, other)| *sum += other);
        self.squares.iter_mut().zip(other.squares).for_each(|(sum, other)| *sum += other);
        Self { pixels: self.pixels + other.pixels, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_pixels() {
        let levels: Vec<[u8; 3]> = vec![[0, 10, 7], [255, 30, 7], [100, 20, 7], [45, 60, 7]];
        let image = Image { width: 2, height: 2, channels: 3, pixels: levels.concat() };
        let found = Statistics::of(2, 2, 3, |_| Ok::<_, ()>(image.clone())).unwrap();
        let mean = 400.0 / 4.0 / 255.0;
        assert!((found.mean[0] - mean).abs() < 1e-6);
        let variance: f32 = levels.iter().map(|level| (f32::from(level[0]) / 255.0 - mean).powi(2)).sum::<f32>() / 4.0;
        assert!((found.std[0] - variance.sqrt()).abs() < 1e-6);
        assert_eq!(found.std[2], 1.0);
    }

    #[test]
    fn channels_are_made_to_fit() {
        assert_eq!(Statistics::imagenet().with_channels(1).mean, [0.449]);
        assert_eq!(Statistics { mean: vec![0.5], std: vec![0.2] }.with_channels(3).std, [0.2; 3]);
    }
}
