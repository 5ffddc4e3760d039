use super::super::Image;
use super::color::grayscale;
use super::config::AugmentConfig;
use super::crop::{CropConfig, horizontal_flip, vertical_flip};
use super::draw::chance;
use super::mix::{Mix, mix};
use super::resize::resize_center_crop;
use crate::SplitMix64;

/// From pictures of any size to randomly changed ones of the network's size, and what else [`AugmentConfig`] asks for.
#[derive(Debug, Clone)]
pub struct Augmentation {
    config: AugmentConfig,
    size: usize,
    crop_fraction: f64,
}

impl Augmentation {
    /// Pictures become `size · size`. Without a random crop of a region, they are first prepared as evaluation's are, with
    /// `crop_fraction` (see [`resize_center_crop`]).
    pub fn new(config: &AugmentConfig, size: usize, crop_fraction: f64) -> Self {
        Self { config: config.clone(), size, crop_fraction }
    }

    /// The picture changed at random, `size · size`, with the channels that it has. The same numbers of `random` give the same
    /// picture.
    pub fn apply(&self, image: &Image, random: &mut SplitMix64) -> Image {
        let config = &self.config;
        let mut image = self.cropped(image, random);
        if chance(config.horizontal_flip, random) {
            horizontal_flip(&mut image);
        }
        if chance(config.vertical_flip, random) {
            vertical_flip(&mut image);
        }
        image = config.affine.apply(image, config.fill, random);
        config.color_jitter.apply(&mut image, random);
        if chance(config.grayscale, random) {
            grayscale(&mut image);
        }
        match &config.rand_augment {
            Some(rand_augment) => rand_augment.apply(image, config.fill, random),
            None => image,
        }
    }

    fn cropped(&self, image: &Image, random: &mut SplitMix64) -> Image {
        let prepared = || resize_center_crop(image, self.size, self.crop_fraction);
        match &self.config.crop {
            Some(CropConfig::Resized(crop)) => crop.apply(image, self.size, random),
            Some(CropConfig::Pad(crop)) => crop.apply(&prepared(), random),
            None => prepared(),
        }
    }

    /// Random erasing in the normalised picture `planes`, `[channels, size, size]`; nothing where it is off.
    pub fn erase(&self, planes: &mut [f32], channels: usize, size: usize, random: &mut SplitMix64) {
        if let Some(erasing) = &self.config.random_erasing {
            erasing.apply(planes, channels, size, random);
        }
    }

    /// Mixup or CutMix in the batch `pixels`, `shape` `[batch, channels, size, size]`; `None` where the batch was left as it
    /// is.
    pub fn mix(&self, pixels: &mut [f32], shape: [usize; 4], random: &mut SplitMix64) -> Option<Mix> {
        mix(&self.config, pixels, shape, random)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        AffineConfig, ColorJitterConfig, PadConfig, PadMode, RandAugmentConfig, ResizedCropConfig, resize_center_crop,
    };
    use super::*;
    use proptest::prelude::*;

    fn noise(width: usize, height: usize, channels: usize, seed: u64) -> Image {
        let mut random = SplitMix64::new(seed);
        let pixels = (0..width * height * channels).map(|_| random.below(256) as u8).collect();
        Image { width, height, channels, pixels }
    }

    fn everything(crop: Option<CropConfig>) -> AugmentConfig {
        AugmentConfig {
            crop,
            horizontal_flip: 0.5,
            vertical_flip: 0.5,
            affine: AffineConfig { degrees: 180.0, translate: 0.5, scale: [0.1, 3.0], shear: 60.0 },
            color_jitter: ColorJitterConfig { brightness: 2.0, contrast: 2.0, saturation: 2.0, hue: 0.5 },
            grayscale: 0.3,
            rand_augment: Some(RandAugmentConfig { num_ops: 4, magnitude: 30 }),
            fill: 128,
            ..AugmentConfig::default()
        }
    }

    proptest! {
        #[test]
        fn any_picture_becomes_the_size_and_follows_from_the_seed(
            width in 1usize..40, height in 1usize..40, size in 1usize..24, grey in any::<bool>(), seed in any::<u64>(),
            kind in 0usize..4,
        ) {
            let image = noise(width, height, if grey { 1 } else { 3 }, seed);
            let crop = match kind {
                0 => None,
                1 => Some(CropConfig::Resized(ResizedCropConfig::default())),
                2 => Some(CropConfig::Pad(PadConfig::default())),
                _ => Some(CropConfig::Pad(PadConfig { padding: 50, mode: PadMode::Reflect })),
            };
            let augmentation = Augmentation::new(&everything(crop), size, 0.875);
            let changed = augmentation.apply(&image, &mut SplitMix64::new(seed));
            prop_assert_eq!((changed.width, changed.height, changed.channels), (size, size, image.channels));
            prop_assert_eq!(changed.pixels.len(), size * size * image.channels);
            prop_assert_eq!(&changed, &augmentation.apply(&image, &mut SplitMix64::new(seed)));
        }
    }

    #[test]
    fn off_is_the_evaluations_picture() {
        let image = noise(30, 20, 3, 5);
        let augmentation = Augmentation::new(&AugmentConfig::default(), 16, 0.8);
        let mut random = SplitMix64::new(1);
        assert_eq!(augmentation.apply(&image, &mut random), resize_center_crop(&image, 16, 0.8));
        let mut planes = vec![1.0; 12];
        augmentation.erase(&mut planes, 3, 2, &mut random);
        assert_eq!(augmentation.mix(&mut planes, [1, 3, 2, 2], &mut random), None);
        assert_eq!(planes, [1.0; 12]);
    }

    #[test]
    fn a_flip_happens_as_often_as_asked() {
        let image = noise(4, 4, 3, 6);
        let config = AugmentConfig { horizontal_flip: 0.25, ..AugmentConfig::default() };
        let augmentation = Augmentation::new(&config, 4, 1.0);
        let count = (0..2000).filter(|seed| augmentation.apply(&image, &mut SplitMix64::new(*seed)) != image).count();
        assert!((440..560).contains(&count), "{count}");
    }
}
