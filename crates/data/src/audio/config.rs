use super::augment::AugmentConfig;
use super::features::FeaturesConfig;
use super::split::SpeechSplit;
use crate::text::corpus::wrong_source;
use crate::{DataError, OnError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded sources of recordings, by the name that follows [`EMBEDDED_PREFIX`](crate::text::corpus::EMBEDDED_PREFIX).
pub(super) const EMBEDDED: [&str; 1] = ["spoken-digits"];

/// The data section of a speech classifier's configuration: which recordings, how they are split, what features are
/// computed of them, and how they become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:spoken-digits"    # or a folder, a .tar.gz, or a .csv or .tsv file
/// split = { kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }
/// features = { kind = "log_mel", num_mels = 40, window_ms = 25.0, hop_ms = 10.0, normalize = "utterance" }
/// augment = { freq_masks = 0, time_masks = 0 }
/// batch_size = 32
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechConfig {
    /// Where the recordings come from. `embedded:spoken-digits` needs no file. A folder, or a `.tar`, `.tar.gz` or `.tgz`
    /// archive of one, has either one sub-folder of `.wav` files per class, or `.wav` files named
    /// `<class>_<speaker>_<take>.wav`; in a sub-folder these names, and `<speaker>_nohash_<take>.wav`, tell the speaker. A `.csv` or
    /// `.tsv` file has one recording a row, below a first line of column names. A path is relative to the current directory,
    /// or begins with `$KILN_DATA/`.
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
    /// Which recordings are kept for validation and a test: `{ kind = "speaker", test = ["theo"], validation = ["lucas"] }`,
    /// `{ kind = "take", test = [0, 1, 2, 3, 4] }`, or
    /// `{ kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }`.
    pub split: SpeechSplit,
    /// How a recording becomes frames of features.
    pub features: FeaturesConfig,
    /// Masks over training batches (SpecAugment); off by default.
    pub augment: AugmentConfig,
    /// Recordings in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// Whether a training batch gathers recordings of similar length, so that little of it is padding. The batches still
    /// come in random order, and each recording comes once an epoch.
    pub bucket_by_length: bool,
}

impl Default for SpeechConfig {
    fn default() -> Self {
        Self {
            source: "embedded:spoken-digits".to_owned(),
            path_column: "path".to_owned(),
            label_column: "label".to_owned(),
            speaker_column: None,
            take_column: None,
            on_error: OnError::default(),
            split: SpeechSplit::default(),
            features: FeaturesConfig::default(),
            augment: AugmentConfig::default(),
            batch_size: 32,
            bucket_by_length: true,
        }
    }
}

impl SpeechConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"features.num_mels"`)
    /// and the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_source(&self.source, &EMBEDDED).map(|message| ("source", message)));
        let columns = [
            ("path_column", Some(&self.path_column)),
            ("label_column", Some(&self.label_column)),
            ("speaker_column", self.speaker_column.as_ref()),
            ("take_column", self.take_column.as_ref()),
        ];
        for (key, _) in columns.iter().filter(|(_, column)| column.is_some_and(String::is_empty)) {
            wrong.push((*key, "is empty; give the name of a column".to_owned()));
        }
        if self.path_column == self.label_column {
            wrong.push(("label_column", "is the same as `path_column`; give the column with the classes".to_owned()));
        }
        wrong.extend(self.split.validate());
        wrong.extend(self.features.validate());
        wrong.extend(self.augment.validate(&self.features));
        if self.batch_size == 0 {
            wrong.push(("batch_size", "is 0; it must be at least 1".to_owned()));
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
    use crate::audio::{SpeakerSplit, TakeSplit};

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: SpeechConfig = toml::from_str(
            r#"
            source = "embedded:spoken-digits"
            split = { kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }
            features = { kind = "log_mel", num_mels = 40, window_ms = 25.0, hop_ms = 10.0, normalize = "utterance" }
            augment = { freq_masks = 0, time_masks = 0 }
            batch_size = 32
            "#,
        )
        .unwrap();
        assert_eq!(config, SpeechConfig::default());
        assert!(config.validate().is_empty(), "{:?}", config.validate());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<SpeechConfig>(&written).unwrap(), config, "{written}");
    }

    #[test]
    fn every_kind_of_split_reads() {
        let split = |text: &str| toml::from_str::<SpeechConfig>(text).map(|config| config.split);
        let speaker = SpeakerSplit { test: vec!["theo".to_owned()], ..SpeakerSplit::default() };
        assert_eq!(split("split = { kind = \"speaker\", test = [\"theo\"] }").unwrap(), SpeechSplit::Speaker(speaker));
        let take = TakeSplit { test: vec![7], ..TakeSplit::default() };
        assert_eq!(split("split = { kind = \"take\", test = [7] }").unwrap(), SpeechSplit::Take(take));
        for wrong in [
            "kind = \"take\", tests = [7]",
            "kind = \"speaker\", test_fraction = 0.1",
            "kind = \"by_hand\"",
            "test = [7]",
        ] {
            assert!(split(&format!("split = {{ {wrong} }}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let config: SpeechConfig = toml::from_str(
            r#"
            source = "embedded:digits"
            label_column = "path"
            speaker_column = ""
            split = { kind = "speaker", test = ["a", "b"], validation = ["b"], validation_fraction = 1.0 }
            features = { num_mels = 0 }
            augment = { freq_masks = 1, time_fraction = 1.5 }
            batch_size = 0
            "#,
        )
        .unwrap();
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        let expected = [
            "source",
            "speaker_column",
            "label_column",
            "split.test",
            "split.validation_fraction",
            "features.num_mels",
            "augment.freq_width",
            "augment.time_fraction",
            "batch_size",
        ];
        assert_eq!(keys.iter().filter(|key| **key != "split.test_fraction").copied().collect::<Vec<_>>(), expected);
    }
}
