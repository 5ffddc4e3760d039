use super::draw::{chance, uniform};
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a rectangle is drawn that may not fit, before the picture is left as it is.
const ATTEMPTS: usize = 10;

/// Random erasing (Zhong et al., arXiv:1708.04896; torchvision's `RandomErasing`): a rectangle of the normalised picture
/// becomes 0, which is the mean of the data.
///
/// `random_erasing = { probability = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasingConfig {
    /// The part of the pictures that lose a rectangle.
    pub probability: f64,
    /// The least and the greatest area of the rectangle, as a part of the picture's.
    pub scale: [f64; 2],
    /// The least and the greatest height over width.
    pub ratio: [f64; 2],
}

impl Default for RandomErasingConfig {
    fn default() -> Self {
        Self { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] }
    }
}

impl RandomErasingConfig {
    /// Erases in `planes`, `[channels, size, size]`.
    pub(super) fn apply(&self, planes: &mut [f32], channels: usize, size: usize, random: &mut SplitMix64) {
        if !chance(self.probability, random) {
            return;
        }
        for _ in 0..ATTEMPTS {
            let area = (size * size) as f64 * uniform(self.scale[0], self.scale[1], random);
            let ratio = uniform(self.ratio[0].ln(), self.ratio[1].ln(), random).exp();
            let (height, width) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if height < size && width < size {
                let (top, left) = (random.below(size - height + 1), random.below(size - width + 1));
                for row in (0..channels).flat_map(|channel| (top..top + height).map(move |row| channel * size + row)) {
                    planes[row * size + left..][..width].fill(0.0);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 32;

    fn erased(config: &RandomErasingConfig, seed: u64) -> Vec<f32> {
        let mut planes = vec![1.0; 3 * SIZE * SIZE];
        config.apply(&mut planes, 3, SIZE, &mut SplitMix64::new(seed));
        planes
    }

    #[test]
    fn one_rectangle_of_the_area_asked_for_in_all_channels() {
        let config = RandomErasingConfig { probability: 1.0, ..RandomErasingConfig::default() };
        for seed in 0..200 {
            let planes = erased(&config, seed);
            let (first, rest) = planes.split_at(SIZE * SIZE);
            assert!(rest.chunks_exact(SIZE * SIZE).all(|plane| plane == first));
            let rows: Vec<usize> = (0..SIZE).filter(|row| first[row * SIZE..][..SIZE].contains(&0.0)).collect();
            let columns: Vec<usize> =
                (0..SIZE).filter(|column| (0..SIZE).any(|row| first[row * SIZE + column] == 0.0)).collect();
            let area = first.iter().filter(|value| **value == 0.0).count();
            assert_eq!(area, rows.len() * columns.len());
            assert!((0.014..0.36).contains(&(area as f64 / (SIZE * SIZE) as f64)), "{area}");
        }
    }

    #[test]
    fn as_often_as_asked() {
        let config = RandomErasingConfig { probability: 0.25, ..RandomErasingConfig::default() };
        let count = (0..2000).filter(|seed| erased(&config, *seed).contains(&0.0)).count();
        assert!((440..560).contains(&count), "{count}");
    }

    #[test]
    fn a_rectangle_that_cannot_fit_is_left_out() {
        let config = RandomErasingConfig { probability: 1.0, scale: [1.0, 1.0], ratio: [1.0, 1.0] };
        assert!(!erased(&config, 0).contains(&0.0));
    }
}
