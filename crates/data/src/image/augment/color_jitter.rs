use super::super::Image;
use super::color::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation};
use super::draw::{permutation, uniform};
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of colour, in random order (torchvision's `ColorJitter`); none by default.
///
/// `color_jitter = { brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitterConfig {
    /// Brightness is multiplied with up to 1 ± this, and at least with 0.
    pub brightness: f64,
    /// Contrast, likewise.
    pub contrast: f64,
    /// Saturation, likewise.
    pub saturation: f64,
    /// Hues turn by up to this part of the colour circle, either way: at most 0.5.
    pub hue: f64,
}

impl ColorJitterConfig {
    pub(super) fn apply(&self, image: &mut Image, random: &mut SplitMix64) {
        if *self == Self::default() {
            return;
        }
        for change in permutation(4, random) {
            match change {
                0 => jitter(self.brightness, adjust_brightness, image, random),
                1 => jitter(self.contrast, adjust_contrast, image, random),
                2 => jitter(self.saturation, adjust_saturation, image, random),
                _ if self.hue > 0.0 => adjust_hue(image, uniform(-self.hue, self.hue, random)),
                _ => {}
            }
        }
    }
}

fn jitter(strength: f64, adjust: fn(&mut Image, f64), image: &mut Image, random: &mut SplitMix64) {
    if strength > 0.0 {
        adjust(image, uniform((1.0 - strength).max(0.0), 1.0 + strength, random));
    }
}
