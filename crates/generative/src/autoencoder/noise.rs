//! Pictures that something has happened to: what denoising autoencoders
//! ([Vincent et al. 2008](https://dl.acm.org/doi/10.1145/1390156.1390294)) learn to undo.

use burn::tensor::{Distribution, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// How pictures are damaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Not at all.
    #[default]
    None,
    /// Adds to each pixel a number of a normal distribution, whose standard deviation is the level; what leaves the range of pixels is cut.
    Gaussian,
    /// Makes so many of the pixels black.
    Masking,
    /// Makes so many of the pixels black or white, half of them each.
    SaltAndPepper,
}

impl Noise {
    /// Damaged copies of pictures whose pixels go from 0 to 1, in all channels of a pixel alike but for Gaussian noise.
    ///
    /// # Shapes
    /// - images, output: `[batch, channels, height, width]`
    pub fn apply<B: Backend>(self, images: Tensor<B, 4>, level: f64) -> Tensor<B, 4> {
        let device = images.device();
        let [batch, _, height, width] = images.dims();
        let drawn = || Tensor::<B, 4>::random([batch, 1, height, width], Distribution::Uniform(0.0, 1.0), &device);
        match self {
            Self::None => images,
            Self::Gaussian => {
                let noise = Tensor::random(images.dims(), Distribution::Normal(0.0, level), &device);
                (images + noise).clamp(0.0, 1.0)
            }
            Self::Masking => images * drawn().greater_equal_elem(level).float(),
            Self::SaltAndPepper => {
                let drawn = drawn();
                let kept = drawn.clone().greater_equal_elem(level).float();
                let white = drawn.lower_elem(level / 2.0).float();
                images * kept + white
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    /// The shares of black and of white pixels, of pictures that were grey.
    fn extremes(noise: Noise, level: f64) -> [f64; 2] {
        let images = Tensor::<Flex, 4>::full([4, 3, 50, 50], 0.5, &Default::default());
        let damaged = noise.apply(images, level).into_data().to_vec::<f32>().unwrap();
        let share = |value: f32| damaged.iter().filter(|pixel| **pixel == value).count() as f64 / damaged.len() as f64;
        [share(0.0), share(1.0)]
    }

    #[test]
    fn levels_say_how_much_is_damaged() {
        Flex::seed(&Default::default(), 1);
        assert_eq!(extremes(Noise::None, 0.5), [0.0, 0.0]);
        let [black, white] = extremes(Noise::Masking, 0.3);
        assert!((black - 0.3).abs() < 0.02 && white == 0.0, "{black} {white}");
        let [black, white] = extremes(Noise::SaltAndPepper, 0.3);
        assert!((black - 0.15).abs() < 0.02 && (white - 0.15).abs() < 0.02, "{black} {white}");
        // Beyond half a deviation on either side: 0.3085 each.
        let [black, white] = extremes(Noise::Gaussian, 1.0);
        assert!((black - 0.3085).abs() < 0.02 && (white - 0.3085).abs() < 0.02, "{black} {white}");
    }
}
