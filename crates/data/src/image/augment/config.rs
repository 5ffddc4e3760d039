use super::affine::AffineConfig;
use super::color_jitter::ColorJitterConfig;
use super::crop::CropConfig;
use super::erase::RandomErasingConfig;
use super::rand_augment::{RandAugmentConfig, STRONGEST};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of training pictures; all are off by default, and they happen in the order of these keys.
///
/// For photos (what torchvision trains with, and a little colour):
///
/// ```toml
/// [data.augment]
/// crop = { kind = "resized", scale = [0.08, 1.0], ratio = [0.75, 1.333] }
/// horizontal_flip = 0.5
/// color_jitter = { brightness = 0.2, contrast = 0.2, saturation = 0.2 }
/// ```
///
/// For small pictures, as of CIFAR:
///
/// ```toml
/// [data.augment]
/// crop = { kind = "pad", padding = 4 }
/// horizontal_flip = 0.5
/// rand_augment = { num_ops = 2, magnitude = 9 }
/// random_erasing = { probability = 0.25 }
/// mixup = 0.2
/// cutmix = 1.0
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Which part of the picture the network sees: `{ kind = "resized" }` a random region of random area and proportion, or
    /// `{ kind = "pad" }` the picture moved by some pixels. Without it, the middle, as in evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropConfig>,
    /// The probability that left and right change places.
    pub horizontal_flip: f64,
    /// The probability that top and bottom change places.
    pub vertical_flip: f64,
    /// A random turn, shift, scaling and shear.
    pub affine: AffineConfig,
    /// Random changes of brightness, contrast, saturation and hue.
    pub color_jitter: ColorJitterConfig,
    /// The probability that the picture loses its colour.
    pub grayscale: f64,
    /// RandAugment: some operations of a fixed list, all of one strength.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugmentConfig>,
    /// A random rectangle of the normalised picture becomes 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_erasing: Option<RandomErasingConfig>,
    /// The grey level, 0 to 255, of what `affine` and `rand_augment` bring in from outside of the picture.
    pub fill: u8,
    /// The parameter of mixup's beta distribution (arXiv:1710.09412 has 0.1 to 0.4); 0 is off.
    pub mixup: f64,
    /// The parameter of CutMix's beta distribution (arXiv:1905.04899 has 1); 0 is off. Where both are on, each batch has one of
    /// the two, with equal chance.
    pub cutmix: f64,
    /// The probability that a batch is mixed, where `mixup` or `cutmix` is on.
    pub mix_probability: f64,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            crop: None,
            horizontal_flip: 0.0,
            vertical_flip: 0.0,
            affine: AffineConfig::default(),
            color_jitter: ColorJitterConfig::default(),
            grayscale: 0.0,
            rand_augment: None,
            random_erasing: None,
            fill: 0,
            mixup: 0.0,
            cutmix: 0.0,
            mix_probability: 1.0,
        }
    }
}

impl AugmentConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"augment.crop.scale"`)
    /// and the rest of a sentence that begins with that key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut findings = Findings::default();
        self.check_geometry(&mut findings);
        self.check_color(&mut findings);
        if let Some(erasing) = &self.random_erasing {
            findings.probability("augment.random_erasing.probability", erasing.probability);
            findings.part("augment.random_erasing.scale", erasing.scale);
            findings.factors("augment.random_erasing.ratio", erasing.ratio);
        }
        findings.within("augment.mixup", self.mixup, 0.0, f64::MAX);
        findings.within("augment.cutmix", self.cutmix, 0.0, f64::MAX);
        findings.probability("augment.mix_probability", self.mix_probability);
        findings.0
    }

    fn check_geometry(&self, findings: &mut Findings) {
        match &self.crop {
            Some(CropConfig::Resized(crop)) => {
                findings.part("augment.crop.scale", crop.scale);
                findings.factors("augment.crop.ratio", crop.ratio);
            }
            Some(CropConfig::Pad(crop)) if crop.padding == 0 => {
                findings.add("augment.crop.padding", "is 0; give at least 1, or leave `crop` out".to_owned());
            }
            Some(CropConfig::Pad(_)) | None => {}
        }
        findings.probability("augment.horizontal_flip", self.horizontal_flip);
        findings.probability("augment.vertical_flip", self.vertical_flip);
        findings.within("augment.affine.degrees", self.affine.degrees, 0.0, 180.0);
        findings.within("augment.affine.translate", self.affine.translate, 0.0, 1.0);
        findings.factors("augment.affine.scale", self.affine.scale);
        findings.within("augment.affine.shear", self.affine.shear, 0.0, 80.0);
    }

    fn check_color(&self, findings: &mut Findings) {
        let jitter = &self.color_jitter;
        findings.within("augment.color_jitter.brightness", jitter.brightness, 0.0, f64::MAX);
        findings.within("augment.color_jitter.contrast", jitter.contrast, 0.0, f64::MAX);
        findings.within("augment.color_jitter.saturation", jitter.saturation, 0.0, f64::MAX);
        findings.within("augment.color_jitter.hue", jitter.hue, 0.0, 0.5);
        findings.probability("augment.grayscale", self.grayscale);
        if let Some(rand_augment) = self.rand_augment.as_ref().filter(|it| it.magnitude > STRONGEST) {
            let message = format!("is {}; it must be from 0 to {STRONGEST}", rand_augment.magnitude);
            findings.add("augment.rand_augment.magnitude", message);
        }
    }
}

#[derive(Default)]
struct Findings(Vec<(&'static str, String)>);

impl Findings {
    fn add(&mut self, key: &'static str, message: String) {
        self.0.push((key, message));
    }

    fn probability(&mut self, key: &'static str, value: f64) {
        self.within(key, value, 0.0, 1.0);
    }

    /// `value` must be a number from `least` to `most`; `f64::MAX` stands for no bound.
    fn within(&mut self, key: &'static str, value: f64, least: f64, most: f64) {
        if !(least..=most).contains(&value) {
            let bounds = if most < f64::MAX { format!("from {least} to {most}") } else { format!("at least {least}") };
            self.add(key, format!("is {value}; it must be {bounds}"));
        }
    }

    /// Two parts of an area: above 0, at most 1, the lesser first.
    fn part(&mut self, key: &'static str, [low, high]: [f64; 2]) {
        if !(0.0 < low && low <= high && high <= 1.0) {
            let message = format!(
                "is [{low}, {high}]; give the least and the greatest part, above 0 and at most 1, as in [0.08, 1.0]"
            );
            self.add(key, message);
        }
    }

    /// Two factors: finite, above 0, the lesser first.
    fn factors(&mut self, key: &'static str, [low, high]: [f64; 2]) {
        if !(0.0 < low && low <= high && high.is_finite()) {
            let message =
                format!("is [{low}, {high}]; give the least and the greatest value, above 0, as in [0.75, 1.333]");
            self.add(key, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AugmentConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn nothing_said_is_everything_off() {
        assert_eq!(read("").unwrap(), AugmentConfig::default());
        assert!(AugmentConfig::default().validate().is_empty());
    }

    #[test]
    fn what_is_documented_reads_and_writes() {
        let photos = read(
            r#"
            crop = { kind = "resized", scale = [0.08, 1.0], ratio = [0.75, 1.333] }
            horizontal_flip = 0.5
            color_jitter = { brightness = 0.2, contrast = 0.2, saturation = 0.2 }
            "#,
        )
        .unwrap();
        let small = read(
            r#"
            crop = { kind = "pad", padding = 4 }
            horizontal_flip = 0.5
            affine = { degrees = 15, translate = 0.1, scale = [0.9, 1.1], shear = 10 }
            rand_augment = { num_ops = 2, magnitude = 9 }
            random_erasing = { probability = 0.25 }
            mixup = 0.2
            cutmix = 1.0
            "#,
        )
        .unwrap();
        for config in [photos, small] {
            assert!(config.validate().is_empty(), "{:?}", config.validate());
            let written = toml::to_string(&config).unwrap();
            assert_eq!(read(&written).unwrap(), config, "{written}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_at_every_depth() {
        for wrong in [
            "flip = 0.5",
            "crop = { kind = \"resized\", padding = 4 }",
            "crop = { kind = \"pad\", scale = [0.1, 1.0] }",
            "crop = { kind = \"five\" }",
            "affine = { angle = 3 }",
            "color_jitter = { gamma = 1 }",
            "rand_augment = { ops = 2 }",
            "random_erasing = { p = 0.5 }",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let config = read(
            r#"
            crop = { kind = "resized", scale = [0.5, 0.2], ratio = [0.0, 1.0] }
            horizontal_flip = 1.5
            vertical_flip = -0.5
            affine = { degrees = 200, translate = 2, scale = [0.0, 1.0], shear = 90 }
            color_jitter = { brightness = -1, contrast = -1, saturation = nan, hue = 0.6 }
            grayscale = 2
            rand_augment = { magnitude = 31 }
            random_erasing = { probability = 2, scale = [0.0, 1.0], ratio = [1.0, inf] }
            mixup = -1
            cutmix = inf
            mix_probability = 7
            "#,
        )
        .unwrap();
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        let expected = [
            "augment.crop.scale",
            "augment.crop.ratio",
            "augment.horizontal_flip",
            "augment.vertical_flip",
            "augment.affine.degrees",
            "augment.affine.translate",
            "augment.affine.scale",
            "augment.affine.shear",
            "augment.color_jitter.brightness",
            "augment.color_jitter.contrast",
            "augment.color_jitter.saturation",
            "augment.color_jitter.hue",
            "augment.grayscale",
            "augment.rand_augment.magnitude",
            "augment.random_erasing.probability",
            "augment.random_erasing.scale",
            "augment.random_erasing.ratio",
            "augment.mixup",
            "augment.cutmix",
            "augment.mix_probability",
        ];
        assert_eq!(keys, expected);
        let padding = read("crop = { kind = \"pad\", padding = 0 }").unwrap().validate();
        assert_eq!(padding, [("augment.crop.padding", "is 0; give at least 1, or leave `crop` out".to_owned())]);
    }
}
