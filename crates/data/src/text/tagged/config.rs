use crate::DataError;
use crate::split::wrong_fractions;
use crate::text::Encoding;
use crate::text::corpus::wrong_source;
use crate::text::tokenizer::{TokenizerConfig, WordPieceConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded sources of tagged sentences, by the name that follows [`EMBEDDED_PREFIX`](crate::text::corpus::EMBEDDED_PREFIX).
pub(super) const EMBEDDED: [&str; 1] = ["entities"];

/// The smallest input: two special tokens around one.
const SMALLEST_INPUT: usize = 3;

/// The data section of a tagger's configuration: which sentences, how they are split, and how they become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:entities"     # or a file, or a folder of train.txt, valid.txt and test.txt
/// encoding = "utf-8"
/// token_column = 1
/// tokenizer = { kind = "word_piece", vocab_size = 4000, lowercase = false }
/// max_len = 128
/// validation_fraction = 0.1
/// test_fraction = 0.1
/// batch_size = 32
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaggedConfig {
    /// Where the sentences come from. `embedded:entities` needs no file. A file has one word a line, with its tag in another
    /// column, and an empty line between sentences; lines that begin with `-DOCSTART-` are passed over. Columns are divided by
    /// tabs, or by spaces in lines without a tab. A folder has such files for training, validation and test. Files that end in
    /// `.gz` are decompressed. A path is relative to the current directory, or begins with `$KILN_DATA/`.
    pub source: String,
    /// In a folder, the file to learn from.
    pub train: String,
    /// In a folder, the file for validation. Empty: `validation_fraction` of the sentences to learn from are kept for it.
    pub validation: String,
    /// In a folder, the file for the test. Empty: `test_fraction` of the sentences to learn from are kept for it.
    pub test: String,
    /// The encoding of the files: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// The column of the words, from 1.
    pub token_column: usize,
    /// The column of the tags, from 1. Left out, the last of each line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_column: Option<usize>,
    /// How words become tokens: `{ kind = "word_piece", vocab_size = 4000, lowercase = false }`, `{ kind = "word" }`,
    /// `{ kind = "bpe", vocab_size = 4000 }`, or `{ kind = "file", path = "tokenizer.json" }`. Trained on the training part
    /// only. A sentence stands between the special tokens for its beginning and its end, as far as the tokenizer has them.
    pub tokenizer: TokenizerConfig,
    /// Tokens after which a sentence is cut, special ones included: at least 3. Words that are lost count as without an entity.
    pub max_len: usize,
    /// The part of the sentences that is kept for validation, where no file gives them: above 0 and below 1.
    pub validation_fraction: f64,
    /// The part of the sentences that is kept for a test at the very end, in the same way: from 0 to below 1.
    pub test_fraction: f64,
    /// Which sentences fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
    /// Sentences in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// Whether a training batch gathers sentences of similar length, so that little of it is padding. The batches still come in
    /// random order, and each sentence comes once an epoch.
    pub bucket_by_length: bool,
}

impl Default for TaggedConfig {
    fn default() -> Self {
        let pieces = WordPieceConfig { vocab_size: 4000, lowercase: false, ..WordPieceConfig::default() };
        Self {
            source: "embedded:entities".to_owned(),
            train: "train.txt".to_owned(),
            validation: "valid.txt".to_owned(),
            test: "test.txt".to_owned(),
            encoding: Encoding::default(),
            token_column: 1,
            tag_column: None,
            tokenizer: TokenizerConfig::WordPiece(pieces),
            max_len: 128,
            validation_fraction: 0.1,
            test_fraction: 0.1,
            split_seed: 0,
            batch_size: 32,
            bucket_by_length: true,
        }
    }
}

impl TaggedConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"tokenizer.vocab_size"`)
    /// and the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_source(&self.source, &EMBEDDED).map(|message| ("source", message)));
        if self.train.is_empty() {
            wrong.push(("train", "is empty; it names the file to learn from".to_owned()));
        }
        for (key, column) in [("token_column", Some(self.token_column)), ("tag_column", self.tag_column)] {
            if column == Some(0) {
                wrong.push((key, "is 0; columns are counted from 1".to_owned()));
            }
        }
        if self.tag_column == Some(self.token_column) {
            wrong.push(("tag_column", "is the same as `token_column`; give the column of the tags".to_owned()));
        }
        wrong.extend(wrong_fractions(self.validation_fraction, self.test_fraction));
        if self.max_len < SMALLEST_INPUT {
            let message = format!(
                "is {}; it must be at least {SMALLEST_INPUT}, for a token and the two that may stand around it",
                self.max_len
            );
            wrong.push(("max_len", message));
        }
        if self.batch_size == 0 {
            wrong.push(("batch_size", "is 0; it must be at least 1".to_owned()));
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
        let config: TaggedConfig = toml::from_str(
            r#"
            source = "embedded:entities"
            encoding = "utf-8"
            token_column = 1
            tokenizer = { kind = "word_piece", vocab_size = 4000, lowercase = false }
            max_len = 128
            validation_fraction = 0.1
            test_fraction = 0.1
            batch_size = 32
            "#,
        )
        .unwrap();
        assert_eq!(config, TaggedConfig::default());
        assert!(config.validate().is_empty());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<TaggedConfig>(&written).unwrap(), config, "{written}");
        assert!(toml::from_str::<TaggedConfig>("label_column = 2").is_err());
    }

    #[test]
    fn impossible_values_are_named() {
        let config = TaggedConfig {
            source: "embedded:reviews".to_owned(),
            train: String::new(),
            token_column: 0,
            tag_column: Some(0),
            test_fraction: 1.0,
            max_len: 2,
            batch_size: 0,
            ..TaggedConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        let expected =
            ["source", "train", "token_column", "tag_column", "tag_column", "test_fraction", "max_len", "batch_size"];
        assert_eq!(keys, expected);
    }
}
