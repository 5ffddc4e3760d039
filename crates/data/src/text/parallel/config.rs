use crate::DataError;
use crate::split::wrong_fractions;
use crate::text::Encoding;
use crate::text::corpus::wrong_source;
use crate::text::tokenizer::{CharConfig, TokenizerConfig, Unknown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded sources of pairs, by the name that follows [`EMBEDDED_PREFIX`](crate::text::corpus::EMBEDDED_PREFIX).
pub(super) const EMBEDDED: [&str; 1] = ["dates"];

/// The data section of a translator's configuration: which pairs of texts, how they are split, and how they become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:dates"        # or a folder, or a .csv or .tsv file
/// from = "source"
/// to = "target"
/// tokenizer = { kind = "char", unknown = "token" }
/// max_len = 100
/// validation_fraction = 0.05
/// test_fraction = 0.05
/// batch_size = 64                  # or by tokens: max_tokens = 4000
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParallelConfig {
    /// Where the pairs come from. `embedded:dates` needs no file. A folder has files of one sentence a line, the two languages
    /// aligned line by line: `train.de` and `train.en`, perhaps with `.gz` behind. A `.csv` or `.tsv` file has one pair a row,
    /// below a first line of column names. A path is relative to the current directory, or begins with `$KILN_DATA/`.
    pub source: String,
    /// The language to translate from: in a folder the ending of its files (`de`), in a table the name of its column.
    pub from: String,
    /// The language to translate to, in the same way.
    pub to: String,
    /// In a folder, the name of the files to learn from, before the dot.
    pub train: String,
    /// In a folder, the name of the files for validation. Empty: `validation_fraction` of the pairs to learn from are kept for it.
    pub validation: String,
    /// In a folder, the name of the files for the test. Empty: `test_fraction` of the pairs to learn from are kept for it.
    pub test: String,
    /// The encoding of the files: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// How text becomes tokens, in both languages: `{ kind = "bpe", vocab_size = 8000 }`,
    /// `{ kind = "word", vocab_size = 20000 }`, `{ kind = "char", unknown = "token" }`, or
    /// `{ kind = "file", path = "tokenizer.json" }`. Trained on the training part only, for each language alone.
    pub tokenizer: TokenizerConfig,
    /// Train one tokenizer on both languages together.
    pub shared_vocabulary: bool,
    /// Tokens of a text, on either side, above which a pair is not learned from. In validation, test and prediction a longer
    /// text is cut before it is translated.
    pub max_len: usize,
    /// The part of the pairs that is kept for validation where no file or only a table gives them: above 0 and below 1.
    pub validation_fraction: f64,
    /// The part of the pairs that is kept for a test at the very end, in the same way: from 0 to below 1.
    pub test_fraction: f64,
    /// Which pairs fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
    /// Pairs in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// Tokens in a batch, on the longer side and padding included: a batch has as many pairs of similar length as fit, many short
    /// ones or a few long ones, and `batch_size` plays no part. More than `max_len`. Left out, `batch_size` decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Whether a training batch gathers pairs of similar length, so that little of it is padding. The batches still come in
    /// random order, and each pair comes once an epoch.
    pub bucket_by_length: bool,
}

impl Default for ParallelConfig {
    fn default() -> Self {
        Self {
            source: "embedded:dates".to_owned(),
            from: "source".to_owned(),
            to: "target".to_owned(),
            train: "train".to_owned(),
            validation: "val".to_owned(),
            test: "test".to_owned(),
            encoding: Encoding::default(),
            tokenizer: TokenizerConfig::Char(CharConfig { unknown: Unknown::Token }),
            shared_vocabulary: false,
            max_len: 100,
            validation_fraction: 0.05,
            test_fraction: 0.05,
            split_seed: 0,
            batch_size: 64,
            max_tokens: None,
            bucket_by_length: true,
        }
    }
}

impl ParallelConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"tokenizer.vocab_size"`)
    /// and the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_source(&self.source, &EMBEDDED).map(|message| ("source", message)));
        for (key, name) in [("from", &self.from), ("to", &self.to), ("train", &self.train)] {
            if name.is_empty() {
                wrong.push((key, "is empty; it names files or a column".to_owned()));
            }
        }
        if self.from == self.to {
            wrong.push(("to", "is the same as `from`; give the language to translate to".to_owned()));
        }
        wrong.extend(wrong_fractions(self.validation_fraction, self.test_fraction));
        for (key, size) in [("max_len", self.max_len), ("batch_size", self.batch_size)] {
            if size == 0 {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        if let Some(max_tokens) = self.max_tokens {
            if max_tokens <= self.max_len {
                let message =
                    format!("is {max_tokens}; it must be more than `max_len`, {}, for a pair to fit", self.max_len);
                wrong.push(("max_tokens", message));
            }
            if !self.bucket_by_length {
                wrong.push(("max_tokens", "needs `bucket_by_length = true`, as it gathers by length".to_owned()));
            }
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
        let config: ParallelConfig = toml::from_str(
            r#"
            source = "embedded:dates"
            from = "source"
            to = "target"
            tokenizer = { kind = "char", unknown = "token" }
            max_len = 100
            validation_fraction = 0.05
            test_fraction = 0.05
            batch_size = 64
            "#,
        )
        .unwrap();
        assert_eq!(config, ParallelConfig::default());
    }

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let config = ParallelConfig::default();
        assert!(config.validate().is_empty());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<ParallelConfig>(&written).unwrap(), config, "{written}");
        assert!(toml::from_str::<ParallelConfig>("target_language = \"en\"").is_err());
    }

    #[test]
    fn impossible_values_are_named() {
        let config = ParallelConfig {
            source: "embedded:reviews".to_owned(),
            from: "de".to_owned(),
            to: "de".to_owned(),
            validation_fraction: 0.0,
            max_len: 0,
            batch_size: 0,
            ..ParallelConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["source", "to", "validation_fraction", "max_len", "batch_size"]);
        let config = ParallelConfig { max_tokens: Some(100), bucket_by_length: false, ..ParallelConfig::default() };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["max_tokens", "max_tokens"]);
        assert!(ParallelConfig { max_tokens: Some(101), ..ParallelConfig::default() }.validate().is_empty());
    }
}
