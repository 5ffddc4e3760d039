use super::super::Image;
use super::affine::Affine;
use super::color::{adjust_brightness, adjust_contrast, adjust_saturation};
use super::draw::chance;
use super::enhance::{adjust_sharpness, autocontrast, equalize, posterize, solarize};
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The strongest magnitude.
pub(super) const STRONGEST: usize = 30;

/// RandAugment (Cubuk et al., arXiv:1909.13719) with torchvision's operations and magnitudes, bilinear.
///
/// `rand_augment = { num_ops = 2, magnitude = 9 }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugmentConfig {
    /// Operations on each picture, one after the other.
    pub num_ops: usize,
    /// Their strength, 0 to 30.
    pub magnitude: usize,
}

impl Default for RandAugmentConfig {
    fn default() -> Self {
        Self { num_ops: 2, magnitude: 9 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];

impl RandAugmentConfig {
    /// The picture after `num_ops` random operations; `fill` is the grey level of what comes in from outside.
    pub(super) fn apply(&self, mut image: Image, fill: u8, random: &mut SplitMix64) -> Image {
        for _ in 0..self.num_ops {
            let operation = OPERATIONS[random.below(OPERATIONS.len())];
            let sign = if chance(0.5, random) { -1.0 } else { 1.0 };
            image = operation.apply(image, self.magnitude as f64 / STRONGEST as f64, sign, fill);
        }
        image
    }
}

impl Operation {
    /// `strength` from 0 to 1; `sign` is the direction of the operations that have two.
    fn apply(self, mut image: Image, strength: f64, sign: f64, fill: u8) -> Image {
        let signed = strength * sign;
        let none = Affine::none(&image);
        // The paper's shift of at most 150 pixels is for pictures of 331, and its shear leaves the corner where it is.
        let shift = |side: usize| (150.0 / 331.0 * side as f64 * signed).trunc();
        let sheared = |shear| Affine { shear, center: [0.0; 2], ..none.clone() };
        let shear = (0.3 * signed).atan().to_degrees();
        let factor = 1.0 + 0.9 * signed;
        match self {
            Self::Identity => {}
            Self::ShearX => return sheared([shear, 0.0]).apply(&image, fill),
            Self::ShearY => return sheared([0.0, shear]).apply(&image, fill),
            Self::TranslateX => return Affine { translate: [shift(image.width), 0.0], ..none }.apply(&image, fill),
            Self::TranslateY => return Affine { translate: [0.0, shift(image.height)], ..none }.apply(&image, fill),
            Self::Rotate => return Affine { degrees: -30.0 * signed, ..none }.apply(&image, fill),
            Self::Brightness => adjust_brightness(&mut image, factor),
            Self::Color => adjust_saturation(&mut image, factor),
            Self::Contrast => adjust_contrast(&mut image, factor),
            Self::Sharpness => adjust_sharpness(&mut image, factor),
            Self::Posterize => posterize(&mut image, 8 - (4.0 * strength).round_ties_even() as u32),
            Self::Solarize => solarize(&mut image, 255.0 * (1.0 - strength)),
            Self::AutoContrast => autocontrast(&mut image),
            Self::Equalize => equalize(&mut image),
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Fixture {
        width: usize,
        height: usize,
        pixels: String,
        rand_augment: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        operation: String,
        magnitude: usize,
        sign: f64,
        pixels: String,
    }

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
    }

    /// As torchvision does it: see `make_augment.py` beside the fixture.
    #[test]
    fn every_operation_is_torchvisions() {
        let text = include_str!("../../../tests/fixtures/augment.json");
        let Fixture { width, height, pixels, rand_augment } = serde_json::from_str(text).unwrap();
        let image = Image { width, height, channels: 3, pixels: bytes(&pixels) };
        for operation in OPERATIONS {
            let name = format!("{operation:?}");
            let cases: Vec<&Case> = rand_augment.iter().filter(|case| case.operation == name).collect();
            assert!(!cases.is_empty(), "{name}");
            for case in cases {
                let strength = case.magnitude as f64 / STRONGEST as f64;
                let found = operation.apply(image.clone(), strength, case.sign, 0).pixels;
                let worst = found.iter().zip(bytes(&case.pixels)).map(|(a, b)| a.abs_diff(b)).max();
                assert!(worst <= Some(1), "{name} {} {}: {worst:?}", case.magnitude, case.sign);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        let image = Image { width: 9, height: 7, channels: 3, pixels: (0..189).collect() };
        let config = RandAugmentConfig { num_ops: 3, magnitude: 15 };
        let change = |seed| config.apply(image.clone(), 128, &mut SplitMix64::new(seed));
        assert!((0..50).all(|seed| change(seed) == change(seed)));
        assert!((0..50).any(|seed| change(seed) != image));
        assert!((0..50).all(|seed| change(seed).pixels.len() == 189));
    }
}
