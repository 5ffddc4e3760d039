use super::mel::MelFilters;
use crate::DataError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The highest rate that features are computed at, in samples a second.
const HIGHEST_RATE: u32 = 192_000;

/// The longest window, in milliseconds.
const LONGEST_WINDOW: f64 = 1000.0;

/// How a waveform becomes frames of features. Every key has a default, and an unknown key is an error:
///
/// ```toml
/// features = { kind = "log_mel", sample_rate = 8000, num_mels = 40, window_ms = 25.0, hop_ms = 10.0, normalize = "utterance" }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeaturesConfig {
    /// What a frame holds.
    pub kind: FeatureKind,
    /// Samples a second; recordings at other rates are resampled.
    pub sample_rate: u32,
    /// Mel filters, which divide the frequencies as an ear does.
    pub num_mels: usize,
    /// Cepstral coefficients of `kind = "mfcc"`: at most `num_mels`.
    pub num_coefficients: usize,
    /// Milliseconds under one window.
    pub window_ms: f64,
    /// Milliseconds from one frame to the next.
    pub hop_ms: f64,
    /// The lowest frequency, in hertz.
    pub f_min: f64,
    /// The highest frequency, in hertz. Left out, half of `sample_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_max: Option<f64>,
    /// 1 adds the change of each feature over time to a frame, 2 also the change of that change.
    pub deltas: usize,
    /// How features are scaled to mean 0 and standard deviation 1.
    pub normalize: Normalize,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// The logarithm of the power under each mel filter.
    #[default]
    LogMel,
    /// Mel-frequency cepstral coefficients: the cosine transform of these logarithms.
    Mfcc,
}

/// How features are scaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Each feature over the frames of its own recording.
    #[default]
    Utterance,
    /// Each feature over all frames of the training part.
    Training,
    /// As they are.
    None,
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        Self {
            kind: FeatureKind::default(),
            sample_rate: 8000,
            num_mels: 40,
            num_coefficients: 13,
            window_ms: 25.0,
            hop_ms: 10.0,
            f_min: 0.0,
            f_max: None,
            deltas: 0,
            normalize: Normalize::default(),
        }
    }
}

impl FeaturesConfig {
    /// Features in a frame.
    pub fn num_features(&self) -> usize {
        self.num_static() * (1 + self.deltas)
    }

    /// Features in a frame without their deltas.
    pub(in crate::audio) fn num_static(&self) -> usize {
        match self.kind {
            FeatureKind::LogMel => self.num_mels,
            FeatureKind::Mfcc => self.num_coefficients,
        }
    }

    /// Samples under one window.
    pub(super) fn window(&self) -> usize {
        self.samples(self.window_ms)
    }

    /// Samples from one frame to the next.
    pub(in crate::audio) fn hop(&self) -> usize {
        self.samples(self.hop_ms)
    }

    /// Samples that one Fourier transform reads.
    pub(super) fn fft_size(&self) -> usize {
        self.window().next_power_of_two()
    }

    pub(super) fn highest_frequency(&self) -> f64 {
        self.f_max.unwrap_or(f64::from(self.sample_rate) / 2.0)
    }

    fn samples(&self, milliseconds: f64) -> usize {
        (milliseconds * f64::from(self.sample_rate) / 1000.0).round() as usize
    }

    /// All values that can never work, as pairs of a key (relative to the data section, as in `"features.num_mels"`)
    /// and the rest of a sentence that begins with that key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(1000..=HIGHEST_RATE).contains(&self.sample_rate) {
            let message = format!("is {}; it must lie between 1000 and {HIGHEST_RATE}", self.sample_rate);
            wrong.push(("features.sample_rate", message));
        }
        for (key, time) in [("features.window_ms", self.window_ms), ("features.hop_ms", self.hop_ms)] {
            if !(time > 0.0 && time <= LONGEST_WINDOW) {
                wrong.push((key, format!("is {time}; it must lie above 0 and be at most {LONGEST_WINDOW}")));
            } else if self.samples(time) < 2 {
                let message = format!("is {time}, less than two samples at {} a second; raise it", self.sample_rate);
                wrong.push((key, message));
            }
        }
        let half = f64::from(self.sample_rate) / 2.0;
        if !(self.f_min >= 0.0 && self.f_min < self.highest_frequency()) {
            let message = format!("is {}; it must be at least 0 and below {}", self.f_min, self.highest_frequency());
            wrong.push(("features.f_min", message));
        }
        if !(0.0..=half).contains(&self.highest_frequency()) {
            let message = format!("is {}; it must be at most half of `sample_rate`, {half}", self.highest_frequency());
            wrong.push(("features.f_max", message));
        }
        if self.kind == FeatureKind::Mfcc && !(1..=self.num_mels).contains(&self.num_coefficients) {
            let message = format!("is {}; it must lie between 1 and `num_mels`", self.num_coefficients);
            wrong.push(("features.num_coefficients", message));
        }
        if self.deltas > 2 {
            wrong.push(("features.deltas", format!("is {}; it must be 0, 1 or 2", self.deltas)));
        }
        if self.num_mels == 0 {
            wrong.push(("features.num_mels", "is 0; it must be at least 1".to_owned()));
        } else if wrong.is_empty()
            && let Some(filter) = MelFilters::new(self).first_empty()
        {
            let message = format!(
                "is {}: filter {filter} lies between two frequencies of the Fourier transform and would always be \
                 silent; lower it, or raise `window_ms`",
                self.num_mels
            );
            wrong.push(("features.num_mels", message));
        }
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(super) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: FeaturesConfig = toml::from_str(
            r#"
            kind = "log_mel"
            sample_rate = 8000
            num_mels = 40
            window_ms = 25.0
            hop_ms = 10.0
            normalize = "utterance"
            "#,
        )
        .unwrap();
        assert_eq!(config, FeaturesConfig::default());
        assert!(config.validate().is_empty());
        assert!(toml::from_str::<FeaturesConfig>("n_mels = 40").is_err());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<FeaturesConfig>(&written).unwrap(), config, "{written}");
    }

    #[test]
    fn impossible_values_are_named() {
        let keys =
            |config: FeaturesConfig| -> Vec<&str> { config.validate().into_iter().map(|(key, _)| key).collect() };
        let of = FeaturesConfig::default;
        assert_eq!(keys(FeaturesConfig { sample_rate: 0, ..of() })[0], "features.sample_rate");
        assert_eq!(keys(FeaturesConfig { hop_ms: f64::NAN, ..of() }), ["features.hop_ms"]);
        assert_eq!(keys(FeaturesConfig { window_ms: 0.1, ..of() }), ["features.window_ms"]);
        assert_eq!(keys(FeaturesConfig { f_min: 5000.0, ..of() }), ["features.f_min"]);
        assert_eq!(keys(FeaturesConfig { f_max: Some(5000.0), ..of() }), ["features.f_max"]);
        let coefficients = FeaturesConfig { kind: FeatureKind::Mfcc, num_coefficients: 41, ..of() };
        assert_eq!(keys(coefficients), ["features.num_coefficients"]);
        assert_eq!(keys(FeaturesConfig { deltas: 3, ..of() }), ["features.deltas"]);
        let dense = FeaturesConfig { num_mels: 128, ..of() }.validate();
        assert!(dense[0].0 == "features.num_mels" && dense[0].1.contains("filter 0"), "{dense:?}");
    }
}
