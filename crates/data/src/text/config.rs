use crate::DataError;
use crate::text::corpus::{EMBEDDED, wrong_source};
use crate::text::tokenizer::TokenizerConfig;
use crate::text::warmup::SeqLenWarmup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data section of a language model's configuration: which text, how it becomes tokens, and how these become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:stories"      # or a text file, or a folder of them
/// encoding = "utf-8"
/// validation_fraction = 0.1
/// tokenizer = { kind = "char" }    # or { kind = "bpe", vocab_size = 2000 }
/// seq_len = 64
/// batch_size = 32
/// sampling = "contiguous"          # or "random"
/// documents = "whole"              # or "lines", "json-lines", "files"
/// packing = true
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// Where the text comes from: `embedded:stories` (no file needed), a text file, or a folder, of which all `.txt` and
    /// `.txt.gz` files at any depth are joined in the order of their paths; where there is none, the files in it. Files that end in `.gz` are decompressed. A path is
    /// relative to the current directory, or begins with `$KILN_DATA/`.
    pub source: String,
    /// The encoding of the files: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// What stands between two files of a folder.
    pub separator: String,
    /// The part of the text, from its end, that is kept for validation: above 0 and below 1.
    pub validation_fraction: f64,
    /// How text becomes tokens: `{ kind = "char" }`, `{ kind = "bpe", vocab_size = 2000 }`,
    /// `{ kind = "word", vocab_size = 20000 }`, `{ kind = "word_piece", vocab_size = 8000 }`, or
    /// `{ kind = "file", path = "tokenizer.json" }`.
    pub tokenizer: TokenizerConfig,
    /// Tokens in a window: how far back a gradient reaches, and for a transformer the length of its context.
    pub seq_len: usize,
    /// Windows in a batch.
    pub batch_size: usize,
    /// `contiguous`: batch after batch continues the same `batch_size` streams, so that a recurrent state carries over.
    /// `random`: each window starts anywhere.
    pub sampling: Sampling,
    /// With `contiguous` sampling: start each epoch at another place of the training text, so that its windows differ from
    /// the last epoch's.
    pub random_offset: bool,
    /// With `random` sampling: batches in an epoch. Left out, an epoch draws about as many tokens as the training part has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches_per_epoch: Option<usize>,
    /// Whether the source is one text (`whole`) or many documents: one a line (`lines`), the `text` of each line of JSON
    /// (`json-lines`; of a folder, its `.jsonl` and `.jsonl.gz` files), or one a file (`files`). After each document stands the
    /// tokenizer's token for the end of a text; a tokenizer without one is given `<|endoftext|>`. No document is cut between
    /// training and validation.
    pub documents: Documents,
    /// With documents: whether windows are filled with one after another, so that none of them is padding. Otherwise each window
    /// holds one document, or a part of a longer one, and is padded; `sampling` then plays no part.
    pub packing: bool,
    /// Windows that are short at first and grow: `{ start = 16, steps = 500 }`. Left out, all have `seq_len` tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq_len_warmup: Option<SeqLenWarmup>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            source: "embedded:stories".to_owned(),
            encoding: Encoding::default(),
            separator: "\n\n".to_owned(),
            validation_fraction: 0.1,
            tokenizer: TokenizerConfig::default(),
            seq_len: 64,
            batch_size: 32,
            sampling: Sampling::default(),
            random_offset: true,
            batches_per_epoch: None,
            documents: Documents::default(),
            packing: true,
            seq_len_warmup: None,
        }
    }
}

impl TextConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"tokenizer.vocab_size"`) and
    /// the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_source(&self.source, &EMBEDDED).map(|message| ("source", message)));
        if !(self.validation_fraction > 0.0 && self.validation_fraction < 1.0) {
            let message = format!("is {}; it must lie between 0 and 1, both excluded", self.validation_fraction);
            wrong.push(("validation_fraction", message));
        }
        let sizes = [
            ("seq_len", Some(self.seq_len)),
            ("batch_size", Some(self.batch_size)),
            ("batches_per_epoch", self.batches_per_epoch),
        ];
        for (key, size) in sizes {
            if size == Some(0) {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        if !self.packing && self.documents == Documents::Whole {
            let message = "is false, which applies to documents only; set `documents` to what divides the source";
            wrong.push(("packing", message.to_owned()));
        }
        if !self.packing && self.batches_per_epoch.is_some() {
            let message = "needs `packing = true`: otherwise an epoch is one pass over the documents".to_owned();
            wrong.push(("batches_per_epoch", message));
        } else if self.sampling == Sampling::Contiguous && self.batches_per_epoch.is_some() {
            let message =
                "applies to `sampling = \"random\"` only: a contiguous epoch is one pass over the text".to_owned();
            wrong.push(("batches_per_epoch", message));
        }
        wrong.extend(self.seq_len_warmup.iter().flat_map(|warmup| warmup.validate(self.seq_len)));
        wrong.extend(self.tokenizer.validate());
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(crate) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }
}

/// The encoding of text files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark; anything else is an error that names the place.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1: each byte is the character of the same number. Reads any file.
    #[serde(rename = "latin-1")]
    Latin1,
    /// The Western Windows code page: as Latin-1, with curly quotes, dashes and the euro sign at 0x80 to 0x9F. Reads any file.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// How windows are taken from the training tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Parallel streams that go on from batch to batch: for recurrent models that carry their state.
    #[default]
    Contiguous,
    /// Independent windows that start anywhere: for models without a state.
    Random,
}

/// What a source consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Documents {
    /// One text.
    #[default]
    Whole,
    /// A document a line; empty lines are passed over.
    Lines,
    /// A JSON object a line, with the document under the key `text`.
    JsonLines,
    /// A document a file.
    Files,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_reads() {
        let config: TextConfig = toml::from_str(
            r#"
            source = "embedded:stories"
            encoding = "latin-1"
            validation_fraction = 0.2
            tokenizer = { kind = "bpe", vocab_size = 2000 }
            seq_len = 32
            batch_size = 8
            sampling = "random"
            "#,
        )
        .unwrap();
        assert_eq!(config.encoding, Encoding::Latin1);
        assert_eq!(config.sampling, Sampling::Random);
        assert!(matches!(&config.tokenizer, TokenizerConfig::Bpe(bpe) if bpe.vocab_size == 2000));
        assert!(config.validate().is_empty());
    }

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let config = TextConfig::default();
        assert!(config.validate().is_empty());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<TextConfig>(&written).unwrap(), config, "{written}");
        assert_eq!(toml::from_str::<TextConfig>("").unwrap(), config);
    }

    #[test]
    fn unknown_keys_are_refused() {
        for wrong in [
            "sequence_len = 3",
            "tokenizer = { kind = \"char\", vocab_size = 3 }",
            "tokenizer = { kind = \"bpe\", vocab = 3 }",
            "tokenizer = { kind = \"words\" }",
            "tokenizer = { kind = \"word\", vocab = 3 }",
            "sampling = \"shuffled\"",
            "documents = \"paragraphs\"",
            "seq_len_warmup = { start = 16, epochs = 3 }",
        ] {
            assert!(toml::from_str::<TextConfig>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let config = TextConfig {
            source: "embedded:novels".to_owned(),
            validation_fraction: 1.0,
            seq_len: 0,
            batch_size: 0,
            batches_per_epoch: Some(0),
            tokenizer: toml::from_str("kind = \"bpe\"\nvocab_size = 100").unwrap(),
            ..TextConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "source",
                "validation_fraction",
                "seq_len",
                "batch_size",
                "batches_per_epoch",
                "batches_per_epoch",
                "tokenizer.vocab_size"
            ]
        );
        let config = TextConfig {
            packing: false,
            batches_per_epoch: Some(3),
            seq_len_warmup: Some(SeqLenWarmup { start: 65, steps: 0 }),
            ..TextConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["packing", "batches_per_epoch", "seq_len_warmup.start", "seq_len_warmup.steps"]);
        let nan = TextConfig { validation_fraction: f64::NAN, ..TextConfig::default() };
        assert_eq!(nan.validate()[0].0, "validation_fraction");
    }

    #[test]
    fn the_schema_carries_the_descriptions() {
        let schema = serde_json::to_string(&schemars::schema_for!(TextConfig)).unwrap();
        for part in ["Windows in a batch", "latin-1", "vocab_size", "additionalProperties\":false"] {
            assert!(schema.contains(part), "{part} in {schema}");
        }
    }
}
