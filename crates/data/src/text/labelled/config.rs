use crate::DataError;
use crate::split::wrong_fractions;
use crate::text::Encoding;
use crate::text::corpus::wrong_source;
use crate::text::tokenizer::{TokenizerConfig, WordConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded sources of labelled texts, by the name that follows [`EMBEDDED_PREFIX`](crate::text::corpus::EMBEDDED_PREFIX).
pub(super) const EMBEDDED: [&str; 1] = ["reviews"];

/// The data section of a text classifier's configuration: which texts, how they are split, and how they become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:reviews"      # or a folder, or a .csv or .tsv file
/// encoding = "utf-8"
/// tokenizer = { kind = "word", vocab_size = 20000 }
/// max_len = 256
/// add_special_tokens = true        # left out: where the tokenizer has them
/// validation_fraction = 0.1
/// test_fraction = 0.1
/// batch_size = 64
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelledConfig {
    /// Where the texts come from. `embedded:reviews` needs no file. A folder has either one sub-folder per class with
    /// one text per `.txt` file, or one file per class with one text a line; these files' class is their name without
    /// extension, or their extension where only that differs. A `.csv` or `.tsv` file has one text a row, below a first
    /// line of column names. Files that end in `.gz` are decompressed. A path is relative to the current directory, or
    /// begins with `$KILN_DATA/`.
    pub source: String,
    /// The encoding of the files: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// In a table, the column with the texts.
    pub text_column: String,
    /// In a table, the column with a second text, where a class is that of two texts together, as of a question and its answer.
    /// Left out or empty, there is one. Needs a tokenizer with a special token for the end of a text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pair_column: String,
    /// In a table, the column with the classes.
    pub label_column: String,
    /// How text becomes tokens: `{ kind = "word", vocab_size = 20000 }`, `{ kind = "char", unknown = "token" }`,
    /// `{ kind = "bpe", vocab_size = 2000 }`, `{ kind = "word_piece", vocab_size = 8000 }`, or
    /// `{ kind = "file", path = "tokenizer.json" }`. Trained on the training part only.
    pub tokenizer: TokenizerConfig,
    /// Tokens after which a text is cut, special ones included. Of two texts the longer is cut first.
    pub max_len: usize,
    /// Whether each text stands between the tokenizer's special tokens for its beginning and its end, as BERT reads it:
    /// `[CLS] text [SEP]`, and two texts as `[CLS] text [SEP] other text [SEP]`. Left out, they do exactly where the tokenizer has
    /// both, as WordPiece does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_special_tokens: Option<bool>,
    /// The part of each class that is kept for validation: above 0 and below 1.
    pub validation_fraction: f64,
    /// The part of each class that is kept for a test at the very end: from 0 to below 1.
    pub test_fraction: f64,
    /// Which texts fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
    /// Texts in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// Whether a training batch gathers texts of similar length, so that little of it is padding. The batches still
    /// come in random order, and each text comes once an epoch.
    pub bucket_by_length: bool,
}

impl Default for LabelledConfig {
    fn default() -> Self {
        Self {
            source: "embedded:reviews".to_owned(),
            encoding: Encoding::default(),
            text_column: "text".to_owned(),
            pair_column: String::new(),
            label_column: "label".to_owned(),
            tokenizer: TokenizerConfig::Word(WordConfig::default()),
            max_len: 256,
            add_special_tokens: None,
            validation_fraction: 0.1,
            test_fraction: 0.1,
            split_seed: 0,
            batch_size: 64,
            bucket_by_length: true,
        }
    }
}

impl LabelledConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"tokenizer.vocab_size"`)
    /// and the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_source(&self.source, &EMBEDDED).map(|message| ("source", message)));
        for (key, column) in [("text_column", &self.text_column), ("label_column", &self.label_column)] {
            if column.is_empty() {
                wrong.push((key, "is empty; give the name of a column".to_owned()));
            }
        }
        if self.text_column == self.label_column {
            wrong.push(("label_column", "is the same as `text_column`; give the column with the classes".to_owned()));
        }
        if !self.pair_column.is_empty() {
            if [&self.text_column, &self.label_column].contains(&&self.pair_column) {
                let message = "is the same as `text_column` or `label_column`; give the column with the second text";
                wrong.push(("pair_column", message.to_owned()));
            }
            if self.add_special_tokens == Some(false) {
                let message = "does not go with `add_special_tokens = false`: nothing would tell where a text ends";
                wrong.push(("pair_column", message.to_owned()));
            }
        }
        wrong.extend(wrong_fractions(self.validation_fraction, self.test_fraction));
        for (key, size) in [("max_len", self.max_len), ("batch_size", self.batch_size)] {
            if size == 0 {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        let needed = if self.pair_column.is_empty() { 3 } else { 5 };
        if self.add_special_tokens == Some(true) && (1..needed).contains(&self.max_len) {
            let message = format!("is {}; it must be at least {needed}, special tokens included", self.max_len);
            wrong.push(("max_len", message));
        }
        wrong.extend(self.tokenizer.validate());
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
    fn the_documented_toml_reads() {
        let config: LabelledConfig = toml::from_str(
            r#"
            source = "embedded:reviews"
            encoding = "utf-8"
            tokenizer = { kind = "word", vocab_size = 20000 }
            max_len = 256
            validation_fraction = 0.1
            test_fraction = 0.1
            batch_size = 64
            "#,
        )
        .unwrap();
        assert_eq!(config, LabelledConfig::default());
    }

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let config = LabelledConfig::default();
        assert!(config.validate().is_empty());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<LabelledConfig>(&written).unwrap(), config, "{written}");
        assert_eq!(toml::from_str::<LabelledConfig>("").unwrap(), config);
    }

    #[test]
    fn unknown_keys_are_refused() {
        for wrong in ["seq_len = 3", "tokenizer = { kind = \"word\", vocab = 3 }", "encoding = \"utf8\""] {
            assert!(toml::from_str::<LabelledConfig>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let config = LabelledConfig {
            source: "embedded:stories".to_owned(),
            label_column: "text".to_owned(),
            validation_fraction: f64::NAN,
            test_fraction: -0.1,
            max_len: 0,
            batch_size: 0,
            tokenizer: toml::from_str("kind = \"word\"\nvocab_size = 2").unwrap(),
            ..LabelledConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        let expected = [
            "source",
            "label_column",
            "validation_fraction",
            "test_fraction",
            "max_len",
            "batch_size",
            "tokenizer.vocab_size",
        ];
        assert_eq!(keys, expected);
        let pairs = LabelledConfig {
            pair_column: "label".to_owned(),
            add_special_tokens: Some(false),
            ..LabelledConfig::default()
        };
        let keys: Vec<&str> = pairs.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["pair_column", "pair_column"]);
        let short = LabelledConfig { add_special_tokens: Some(true), max_len: 2, ..LabelledConfig::default() };
        assert!(short.validate()[0].1.contains("at least 3"));
        let greedy = LabelledConfig { validation_fraction: 0.5, test_fraction: 0.5, ..LabelledConfig::default() };
        assert!(greedy.validate()[0].1.contains("nothing is left for training"));
    }

    #[test]
    fn the_schema_carries_the_descriptions() {
        let schema = serde_json::to_string(&schemars::schema_for!(LabelledConfig)).unwrap();
        for part in ["one sub-folder per class", "min_frequency", "additionalProperties\":false"] {
            assert!(schema.contains(part), "{part} in {schema}");
        }
    }
}
