use crate::DataError;
use crate::audio::{AugmentConfig, FeaturesConfig, OnError, SpeechConfig, SpeechSplit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest string, in recordings.
const LONGEST: usize = 100;

/// The longest gap, in milliseconds.
const LONGEST_GAP: f64 = 10_000.0;

/// The data section of a speech recogniser's configuration: as [`SpeechConfig`], and how recordings become strings.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:spoken-digits"    # or a folder, a .tar.gz, or a .csv or .tsv file
/// strings = { min = 1, max = 5, gap_ms = [0.0, 120.0], train = 4000, validation = 300, test = 300 }
/// split = { kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }
/// features = { kind = "log_mel", num_mels = 40, window_ms = 25.0, hop_ms = 10.0, normalize = "utterance" }
/// augment = { freq_masks = 0, time_masks = 0 }
/// batch_size = 32
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechStringsConfig {
    /// Where the recordings come from, as for a speech classifier: `embedded:spoken-digits`, a folder or an archive of one
    /// with one sub-folder per class or with files named `<class>_<speaker>_<take>.wav`, or a `.csv` or `.tsv` table.
    pub source: String,
    /// In a table, the column with the paths of recordings, relative to the table's folder.
    pub path_column: String,
    /// In a table, the column with the classes.
    pub label_column: String,
    /// In a table, the column with the speakers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker_column: Option<String>,
    /// In a table, the column with the numbers of the takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_column: Option<String>,
    /// What happens where a recording cannot be read.
    pub on_error: OnError,
    /// How many recordings make a string, and how many strings there are.
    pub strings: StringsConfig,
    /// Which recordings are kept for the strings of validation and test: `{ kind = "speaker", test = ["theo"] }`,
    /// `{ kind = "take", test = [0, 1, 2, 3, 4] }`, or `{ kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }`.
    pub split: SpeechSplit,
    /// How a string becomes frames of features.
    pub features: FeaturesConfig,
    /// Masks over training batches (SpecAugment); off by default.
    pub augment: AugmentConfig,
    /// Strings in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// Whether a batch gathers strings of similar length, so that little of it is padding.
    pub bucket_by_length: bool,
}

/// How recordings become strings. A string is of one speaker where speakers are known; between two recordings lies a gap
/// of a random length, filled with noise as quiet as the quietest moment of the recording before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StringsConfig {
    /// The fewest recordings in a string; string `i` of a part has `min + i % (max - min + 1)`.
    pub min: usize,
    /// The most recordings in a string.
    pub max: usize,
    /// The shortest and the longest gap, in milliseconds.
    pub gap_ms: [f64; 2],
    /// Strings in an epoch of training, drawn anew in each.
    pub train: usize,
    /// Strings of the validation part's recordings, the same in every run of a configuration.
    pub validation: usize,
    /// Strings of the test part's recordings, as for validation; 0 for no test.
    pub test: usize,
}

impl Default for StringsConfig {
    fn default() -> Self {
        Self { min: 1, max: 5, gap_ms: [0.0, 120.0], train: 4000, validation: 300, test: 300 }
    }
}

impl Default for SpeechStringsConfig {
    fn default() -> Self {
        let speech = SpeechConfig::default();
        Self {
            source: speech.source,
            path_column: speech.path_column,
            label_column: speech.label_column,
            speaker_column: speech.speaker_column,
            take_column: speech.take_column,
            on_error: speech.on_error,
            strings: StringsConfig::default(),
            split: speech.split,
            features: speech.features,
            augment: speech.augment,
            batch_size: speech.batch_size,
            bucket_by_length: speech.bucket_by_length,
        }
    }
}

impl SpeechStringsConfig {
    /// The configuration of the recordings themselves.
    pub fn speech(&self) -> SpeechConfig {
        SpeechConfig {
            source: self.source.clone(),
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            speaker_column: self.speaker_column.clone(),
            take_column: self.take_column.clone(),
            on_error: self.on_error,
            split: self.split.clone(),
            features: self.features.clone(),
            augment: self.augment.clone(),
            batch_size: self.batch_size,
            bucket_by_length: self.bucket_by_length,
        }
    }

    /// All values that can never work, as [`SpeechConfig::validate`] gives them.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = self.speech().validate();
        wrong.extend(self.strings.validate());
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(super) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }
}

impl StringsConfig {
    fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.min == 0 {
            wrong.push(("strings.min", "is 0; a string has at least 1 recording".to_owned()));
        }
        if self.max < self.min || self.max > LONGEST {
            let message = format!("is {}; it must lie between `min`, {}, and {LONGEST}", self.max, self.min);
            wrong.push(("strings.max", message));
        }
        let [shortest, longest] = self.gap_ms;
        if !(0.0 <= shortest && shortest <= longest && longest <= LONGEST_GAP) {
            let message = format!(
                "is [{shortest}, {longest}]; the shortest and the longest gap are expected, from 0 to {LONGEST_GAP}"
            );
            wrong.push(("strings.gap_ms", message));
        }
        for (key, count) in [("strings.train", self.train), ("strings.validation", self.validation)] {
            if count == 0 {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        wrong
    }

    /// Recordings in string `item` of a part.
    pub(super) fn length(&self, item: usize) -> usize {
        self.min + item % (self.max - self.min + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: SpeechStringsConfig = toml::from_str(
            r#"
            source = "embedded:spoken-digits"
            strings = { min = 1, max = 5, gap_ms = [0, 120], train = 4000, validation = 300, test = 300 }
            split = { kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }
            features = { kind = "log_mel", num_mels = 40, window_ms = 25.0, hop_ms = 10.0, normalize = "utterance" }
            augment = { freq_masks = 0, time_masks = 0 }
            batch_size = 32
            "#,
        )
        .unwrap();
        assert_eq!(config, SpeechStringsConfig::default());
        assert_eq!(config.speech(), SpeechConfig::default());
        assert!(config.validate().is_empty());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<SpeechStringsConfig>(&written).unwrap(), config, "{written}");
    }

    #[test]
    fn impossible_values_are_named() {
        let strings = StringsConfig { min: 0, max: 200, gap_ms: [5.0, f64::NAN], train: 0, validation: 0, test: 0 };
        let config = SpeechStringsConfig { batch_size: 0, strings, ..SpeechStringsConfig::default() };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        let strings = ["strings.min", "strings.max", "strings.gap_ms", "strings.train", "strings.validation"];
        assert_eq!(keys, [["batch_size"].as_slice(), strings.as_slice()].concat());
        assert!(toml::from_str::<SpeechStringsConfig>("strings = { gap = 3 }").is_err());
    }
}
