use crate::DataError;
use crate::text::tokenizer::{TokenizerConfig, WordPieceConfig};
use crate::text::{Documents, Encoding, TextConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest window: two special tokens around one.
const SMALLEST_WINDOW: usize = 3;

/// The data section of a masked language model's configuration: which text, how it becomes tokens, and how many of them are hidden.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:stories"      # or a text file, or a folder of them
/// encoding = "utf-8"
/// validation_fraction = 0.1
/// tokenizer = { kind = "word_piece", vocab_size = 8000 }
/// seq_len = 128
/// batch_size = 32
/// mask_rate = 0.15
/// whole_words = false
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskedConfig {
    /// Where the text comes from: `embedded:stories` (no file needed), a text file, or a folder, of which all `.txt` and
    /// `.txt.gz` files at any depth are joined in the order of their paths; where there is none, the files in it. Files that end in `.gz` are decompressed. A path is
    /// relative to the current directory, or begins with `$KILN_DATA/`.
    pub source: String,
    /// The encoding of the files: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// What stands between two files of a folder.
    pub separator: String,
    /// Whether the source is one text (`whole`) or many documents: `lines`, `json-lines` or `files`, as a language model has
    /// them. Windows are filled with one document after another, with the tokenizer's token for the end of a text between.
    pub documents: Documents,
    /// With documents: whether windows are filled with one after another. Otherwise each window holds one document, or a part of a longer
    /// one, and is padded: as a model should learn that is asked about sentences.
    pub packing: bool,
    /// The part of the text, from its end, that is kept for validation: above 0 and below 1.
    pub validation_fraction: f64,
    /// How text becomes tokens: `{ kind = "word_piece", vocab_size = 8000 }`, `{ kind = "word_piece", path = "vocab.txt" }`,
    /// `{ kind = "bpe", vocab_size = 8000 }`, or `{ kind = "file", path = "tokenizer.json" }`. A tokenizer without a token
    /// for the mask is given one.
    pub tokenizer: TokenizerConfig,
    /// Tokens in a window, those around it (`[CLS]` and `[SEP]`, where the tokenizer has them) included: at least 3.
    pub seq_len: usize,
    /// Windows in a batch; the last batch of a pass may have fewer.
    pub batch_size: usize,
    /// The share of a window's tokens that are to be guessed: above 0 and below 1. Of these 80 % are hidden behind the mask, 10 %
    /// are replaced by any token, and 10 % are left as they are.
    pub mask_rate: f64,
    /// Whether the tokens of a word are chosen together, so that none is guessed from the rest of its word.
    pub whole_words: bool,
}

impl Default for MaskedConfig {
    fn default() -> Self {
        let text = TextConfig::default();
        Self {
            source: text.source,
            encoding: text.encoding,
            separator: text.separator,
            documents: text.documents,
            packing: text.packing,
            validation_fraction: text.validation_fraction,
            tokenizer: TokenizerConfig::WordPiece(WordPieceConfig::default()),
            seq_len: 128,
            batch_size: 32,
            mask_rate: 0.15,
            whole_words: false,
        }
    }
}

impl MaskedConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"tokenizer.vocab_size"`)
    /// and the rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = self.text().validate();
        if self.seq_len > 0 && self.seq_len < SMALLEST_WINDOW {
            let message = format!(
                "is {}; it must be at least {SMALLEST_WINDOW}, for a token and the two that may stand around it",
                self.seq_len
            );
            wrong.push(("seq_len", message));
        }
        if !(self.mask_rate > 0.0 && self.mask_rate < 1.0) {
            let message = format!("is {}; it must lie between 0 and 1, both excluded", self.mask_rate);
            wrong.push(("mask_rate", message));
        }
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(super) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }

    /// The same text for a language model.
    pub(super) fn text(&self) -> TextConfig {
        TextConfig {
            source: self.source.clone(),
            encoding: self.encoding,
            separator: self.separator.clone(),
            documents: self.documents,
            packing: self.packing,
            validation_fraction: self.validation_fraction,
            tokenizer: self.tokenizer.clone(),
            seq_len: self.seq_len,
            batch_size: self.batch_size,
            ..TextConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_reads() {
        let config: MaskedConfig = toml::from_str(
            r#"
            source = "embedded:stories"
            encoding = "utf-8"
            validation_fraction = 0.1
            tokenizer = { kind = "word_piece", vocab_size = 8000 }
            seq_len = 128
            batch_size = 32
            mask_rate = 0.15
            whole_words = false
            "#,
        )
        .unwrap();
        assert_eq!(config, MaskedConfig::default());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<MaskedConfig>(&written).unwrap(), config, "{written}");
        assert!(toml::from_str::<MaskedConfig>("sampling = \"random\"").is_err());
    }

    #[test]
    fn impossible_values_are_named() {
        let config = MaskedConfig {
            source: String::new(),
            seq_len: 2,
            batch_size: 0,
            mask_rate: 1.0,
            ..MaskedConfig::default()
        };
        let keys: Vec<&str> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["source", "batch_size", "seq_len", "mask_rate"]);
        let nan = MaskedConfig { mask_rate: f64::NAN, ..MaskedConfig::default() };
        assert_eq!(nan.validate()[0].0, "mask_rate");
    }
}
