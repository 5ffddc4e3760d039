//! From text to tokens and back: by character, by word, by byte-level byte-pair encoding or WordPiece, trained or from the files of
//! GPT-2 and BERT, or by any Hugging Face `tokenizer.json`.

mod character;
mod file;
mod joiner;
mod special;
mod stream;
mod subword;
mod word;
mod word_bounds;
mod word_piece;

pub use character::CharTokenizer;
pub use file::FileConfig;
pub use special::{SpecialRole, SpecialTokens};
pub use stream::StreamDecoder;
pub use subword::SubwordTokenizer;
pub use word_bounds::WordBounds;
pub use word_piece::WordPieceConfig;

use crate::DataError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How text becomes tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TokenizerConfig {
    /// One token a character; the vocabulary is the characters of the training part.
    Char(CharConfig),
    /// Byte-level byte-pair encoding, trained on the training part; any text round-trips exactly.
    Bpe(BpeConfig),
    /// One token a word or punctuation mark; rare words become `<unk>`.
    Word(WordConfig),
    /// BERT's pieces of words, from its `vocab.txt` or trained on the training part.
    #[serde(rename = "word_piece")]
    WordPiece(WordPieceConfig),
    /// A tokenizer from a file: a Hugging Face `tokenizer.json`, the `tokenizer.json` of an earlier run, or GPT-2's
    /// `vocab.json` with its `merges.txt`.
    File(FileConfig),
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self::Char(CharConfig::default())
    }
}

impl TokenizerConfig {
    /// Values that can never work, as for [`TextConfig::validate`](crate::text::TextConfig::validate).
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Bpe(bpe) if bpe.vocab_size < BYTES => {
                let message =
                    format!("is {}; it must be at least {BYTES}, as every single byte is a token", bpe.vocab_size);
                vec![("tokenizer.vocab_size", message)]
            }
            Self::Word(word) if word.vocab_size < SMALLEST_WORDS => {
                let message = format!(
                    "is {}; it must be at least {SMALLEST_WORDS}: `{}`, `{}` and a word",
                    word.vocab_size,
                    word::PADDING,
                    word::UNKNOWN
                );
                vec![("tokenizer.vocab_size", message)]
            }
            Self::WordPiece(pieces) if pieces.path.is_empty() && pieces.vocab_size < word_piece::SMALLEST => {
                let message = format!(
                    "is {}; it must be at least {}: five special tokens, and a character at the beginning and inside a word",
                    pieces.vocab_size,
                    word_piece::SMALLEST
                );
                vec![("tokenizer.vocab_size", message)]
            }
            Self::File(file) if file.path.is_empty() => {
                let message = "is missing; give the path of a tokenizer.json or vocab.json, or a folder with one";
                vec![("tokenizer.path", message.to_owned())]
            }
            _ => Vec::new(),
        }
    }
}

/// The smallest byte-level vocabulary: one token for each byte.
const BYTES: usize = 256;

/// The smallest vocabulary of words: padding, unknown, and one word.
const SMALLEST_WORDS: usize = 3;

/// Settings of a character tokenizer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CharConfig {
    /// What happens to a character that the training part does not have, in the validation part or in a prompt.
    pub unknown: Unknown,
}

/// What a character tokenizer does with a character outside its vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// Refuse the text, naming the character and its place: nothing is replaced behind the user's back.
    #[default]
    Error,
    /// Replace it by one extra token, the last of the vocabulary, which is printed as U+FFFD.
    Token,
}

/// Settings of byte-pair encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BpeConfig {
    /// Tokens in the vocabulary: the 256 bytes and the pairs merged in training. A short text may yield fewer.
    pub vocab_size: usize,
    /// How often a pair must occur in the training part to be merged.
    pub min_frequency: u64,
}

impl Default for BpeConfig {
    fn default() -> Self {
        Self { vocab_size: 2000, min_frequency: 2 }
    }
}

/// Settings of a word tokenizer.
///
/// A word is a run of letters and digits, with apostrophes inside it (`isn't`); every other character but white space is a
/// token of its own. White space is dropped, and decoding puts spaces where English print has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordConfig {
    /// Whether to make all letters small, so that `The` and `the` are one word.
    pub lowercase: bool,
    /// Tokens in the vocabulary: `<pad>` (0), `<unk>` (1) and the most frequent words of the training part. A short text may
    /// yield fewer.
    pub vocab_size: usize,
    /// How often a word must occur in the training part to be in the vocabulary. Above 1, training itself meets `<unk>`, so
    /// that a model learns what to make of a word it does not know.
    pub min_frequency: u64,
    /// Whether a line break is a token of its own rather than white space: for a language model that is to write lines, as
    /// in verse, plays and lists.
    pub line_breaks: bool,
}

impl Default for WordConfig {
    fn default() -> Self {
        Self { lowercase: true, vocab_size: 20_000, min_frequency: 1, line_breaks: false }
    }
}

/// A trained tokenizer.
#[derive(Debug, Clone)]
pub enum Tokenizer {
    /// By character.
    Char(CharTokenizer),
    /// By byte-pair encoding, by word, or whatever else a Hugging Face `tokenizer.json` describes.
    Subword(SubwordTokenizer),
}

impl Tokenizer {
    /// Trains on `text`; or, for a tokenizer in a file, loads it. The same configuration and text give the same tokenizer.
    ///
    /// # Errors
    /// [`DataError::Config`] for impossible settings; for a tokenizer in a file, as [`locate()`](crate::locate()) and
    /// [`Tokenizer::load`].
    pub fn train(config: &TokenizerConfig, text: &str) -> Result<Self, DataError> {
        DataError::first_of(config.validate())?;
        match config {
            TokenizerConfig::Char(char) => Ok(Self::Char(CharTokenizer::train(char, text))),
            TokenizerConfig::Bpe(bpe) => Ok(Self::Subword(SubwordTokenizer::train(bpe, text)?)),
            TokenizerConfig::Word(word) => Ok(Self::Subword(word::train(word, text)?)),
            TokenizerConfig::WordPiece(pieces) => Ok(Self::Subword(word_piece::train(pieces, text)?)),
            TokenizerConfig::File(file) => file::load(file),
        }
    }

    /// The tokens of `text`. No special tokens are added at its ends.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacter`] by a character tokenizer that refuses unknown characters; [`DataError::Tokenizer`] from a
    /// loaded tokenizer that cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Char(char) => char.encode(text),
            Self::Subword(subword) => subword.encode(text),
        }
    }

    /// The tokens of each of `texts`, in parallel where the tokenizer can.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`] of the first text that is refused.
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, DataError> {
        match self {
            Self::Char(char) => texts.iter().map(|text| char.encode(text)).collect(),
            Self::Subword(subword) => subword.encode_batch(texts),
        }
    }

    /// The text of `tokens`. Bytes that form no character and, by a character tokenizer, tokens outside the vocabulary become
    /// U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match self {
            Self::Char(char) => char.decode(tokens),
            Self::Subword(subword) => subword.decode(tokens),
        }
    }

    /// Whether text comes back from its tokens with its white space; tokenizers by word drop it.
    pub fn keeps_white_space(&self) -> bool {
        match self {
            Self::Char(_) => true,
            Self::Subword(subword) => !subword.is_by_word(),
        }
    }

    /// Every token is below this number: the size of an embedding table and of a model's output.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Char(char) => char.vocab_size(),
            Self::Subword(subword) => subword.vocab_size(),
        }
    }

    /// The special tokens, by role. A role is told by the names that its token has in published tokenizers.
    pub fn special(&self) -> SpecialTokens {
        match self {
            Self::Char(char) => char.special(),
            Self::Subword(subword) => subword.special(),
        }
    }

    /// Whether a token is a special one, of whatever role: one that stands for no text.
    pub fn is_special(&self, token: u32) -> bool {
        self.special().contains(token) || matches!(self, Self::Subword(subword) if subword.is_added_special(token))
    }

    /// This tokenizer with a token for `role`: its own where it has one, else one more than it had, which is kept in its file. All
    /// other tokens stay as they are. The new token's name (`[MASK]` or `<|endoftext|>`) is read as that token in any text.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] for a loaded tokenizer whose numbers leave no room for it.
    pub fn with_special(self, role: SpecialRole) -> Result<Self, DataError> {
        if self.special().of(role).is_some() {
            return Ok(self);
        }
        match self {
            Self::Char(char) => Ok(Self::Char(char.with_special(role))),
            Self::Subword(subword) => subword.with_special(role).map(Self::Subword),
        }
    }

    /// The token for padding, where there is one: in tokenizers by word and by WordPiece, and in files with a token `<pad>`, `[PAD]`
    /// or `<|pad|>`.
    pub fn padding_token(&self) -> Option<u32> {
        self.special().padding
    }

    /// The token that stands for whatever the vocabulary lacks, where there is one.
    pub fn unknown_token(&self) -> Option<u32> {
        self.special().unknown
    }

    /// The share of tokens that stand for something the vocabulary lacks, from 0 to 1; none where the tokenizer has no token for
    /// that. 0 of no tokens.
    pub fn unknown_rate<'a>(&self, tokens: impl IntoIterator<Item = &'a u32>) -> Option<f64> {
        let unknown = self.unknown_token()?;
        let count = |(count, all), token: &u32| (count + usize::from(*token == unknown), all + 1usize);
        let (count, all) = tokens.into_iter().fold((0usize, 0usize), count);
        Some(count as f64 / all.max(1) as f64)
    }

    /// A decoder for tokens that come one at a time.
    pub fn stream_decoder(&self) -> StreamDecoder<'_> {
        StreamDecoder::new(self)
    }

    /// The content of the file that [`Tokenizer::save`] writes.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] when the `tokenizers` library cannot write what it holds.
    pub fn to_json(&self) -> Result<String, DataError> {
        match self {
            Self::Char(char) => Ok(char.to_json()),
            Self::Subword(subword) => subword.to_json(),
        }
    }

    /// Writes the tokenizer to one JSON file, by way of a temporary neighbour, so that the file is never half written. A subword
    /// tokenizer is written in the Hugging Face format.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), DataError> {
        let json = self.to_json()?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        std::fs::write(&partial, json).map_err(DataError::writing(&partial))?;
        std::fs::rename(&partial, path).map_err(DataError::writing(path))
    }

    /// Reads what [`Tokenizer::save`] wrote, or a Hugging Face `tokenizer.json`; which it is, the file says. Truncation and padding
    /// that a Hugging Face file may ask for are left out: a corpus is never cut.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::BadTokenizer`].
    pub fn load(path: &Path) -> Result<Self, DataError> {
        /// Just enough of either format to tell them apart.
        #[derive(Deserialize)]
        struct Probe {
            kind: Option<String>,
            model: Option<serde::de::IgnoredAny>,
        }
        let json = std::fs::read(path).map_err(DataError::reading(path))?;
        let bad = |reason: String| DataError::BadTokenizer { path: path.to_owned(), reason };
        let probe: Probe = serde_json::from_slice(&json).map_err(|error| bad(error.to_string()))?;
        match (probe.kind.as_deref(), probe.model) {
            (Some(character::KIND), _) => CharTokenizer::from_json(&json).map(Self::Char).map_err(bad),
            (None, Some(_)) => SubwordTokenizer::from_json(&json).map(Self::Subword).map_err(bad),
            (Some(other), _) => Err(bad(format!("it says `kind`: {other:?}"))),
            (None, None) => Err(bad("it has neither `kind` nor `model`".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const TEXT: &str = "The cat sat on the mat. The other cat sat on the other mat.\n\nThat's that, don't you see?\n";

    static CHAR: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::train(&TokenizerConfig::default(), TEXT).unwrap());
    static BPE: LazyLock<Tokenizer> = LazyLock::new(|| {
        let config = TokenizerConfig::Bpe(BpeConfig { vocab_size: 300, min_frequency: 2 });
        Tokenizer::train(&config, TEXT).unwrap()
    });

    static WORD: LazyLock<Tokenizer> = LazyLock::new(|| {
        Tokenizer::train(&TokenizerConfig::Word(WordConfig { vocab_size: 12, ..WordConfig::default() }), TEXT).unwrap()
    });

    fn reloaded(tokenizer: &Tokenizer) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        tokenizer.save(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        Tokenizer::load(&path).unwrap()
    }

    fn streamed(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
        let mut decoder = tokenizer.stream_decoder();
        let mut text: String = tokens.iter().map(|token| decoder.push(*token)).collect();
        text.push_str(&decoder.finish());
        text
    }

    #[test]
    fn bpe_merges_and_is_shorter_than_bytes() {
        let tokens = BPE.encode(TEXT).unwrap();
        assert!(tokens.len() * 2 < TEXT.len(), "{} tokens", tokens.len());
        assert!(BPE.vocab_size() > 256 && BPE.vocab_size() <= 300);
        assert!(tokens.iter().all(|token| (*token as usize) < BPE.vocab_size()));
    }

    #[test]
    fn bpe_training_is_deterministic() {
        let config = TokenizerConfig::Bpe(BpeConfig { vocab_size: 600, min_frequency: 2 });
        let text = &crate::text::stories::text()[..100_000];
        let json = |tokenizer: Tokenizer| match tokenizer {
            Tokenizer::Subword(subword) => subword.to_json().unwrap(),
            Tokenizer::Char(_) => unreachable!(),
        };
        let first = json(Tokenizer::train(&config, text).unwrap());
        for _ in 0..5 {
            assert_eq!(json(Tokenizer::train(&config, text).unwrap()), first);
        }
    }

    #[test]
    fn files_are_self_describing() {
        for tokenizer in [&*CHAR, &*BPE, &*WORD] {
            let loaded = reloaded(tokenizer);
            assert_eq!(loaded.padding_token(), tokenizer.padding_token());
            assert_eq!(loaded.unknown_token(), tokenizer.unknown_token());
            assert_eq!(loaded.vocab_size(), tokenizer.vocab_size());
            assert_eq!(loaded.encode(TEXT).unwrap(), tokenizer.encode(TEXT).unwrap());
        }
    }

    #[test]
    fn unreadable_tokenizers_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for json in [
            "",
            "{}",
            "[1]",
            "{\"kind\":\"word\"}",
            "{\"kind\":\"char\"}",
            "{\"kind\":\"char\",\"unknown\":\"error\",\"characters\":\"aba\"}",
            "{\"model\":{\"type\":\"Nonsense\"}}",
        ] {
            std::fs::write(&path, json).unwrap();
            let message = Tokenizer::load(&path).unwrap_err().to_string();
            assert!(message.contains("tokenizer.json: not a tokenizer that can be read"), "{message}");
        }
    }

    #[test]
    fn streaming_never_prints_half_a_character() {
        let text = "naïve 😀 日本";
        let tokens = BPE.encode(text).unwrap();
        assert!(tokens.len() > text.chars().count(), "the test wants characters of several tokens");
        let mut decoder = BPE.stream_decoder();
        let mut whole = String::new();
        for token in tokens {
            let piece = decoder.push(token);
            assert!(!piece.contains('\u{FFFD}'));
            whole.push_str(&piece);
        }
        assert_eq!(whole, text);
        assert_eq!(decoder.finish(), "");
    }

    proptest! {
        #[test]
        fn bpe_round_trips_any_text(text in any::<String>()) {
            let tokens = BPE.encode(&text).unwrap();
            prop_assert_eq!(BPE.decode(&tokens), text.clone());
            prop_assert_eq!(streamed(&BPE, &tokens), text);
        }

        #[test]
        fn char_round_trips_its_alphabet(picks in proptest::collection::vec(0..TEXT.len(), 0..200)) {
            let text: String = picks.into_iter().map(|at| char::from(TEXT.as_bytes()[at])).collect();
            let tokens = CHAR.encode(&text).unwrap();
            prop_assert_eq!(CHAR.decode(&tokens), text.clone());
            prop_assert_eq!(streamed(&CHAR, &tokens), text);
        }

        /// Spaces and capitals are lost; the words are not.
        #[test]
        fn words_round_trip_from_tokens(tokens in proptest::collection::vec(0..WORD.vocab_size() as u32, 0..40)) {
            let text = WORD.decode(&tokens);
            prop_assert_eq!(WORD.encode(&text).unwrap(), tokens.clone());
            prop_assert_eq!(streamed(&WORD, &tokens), text);
        }

        /// The words of any text, known or not, come out again where every one of them was seen in training.
        #[test]
        fn words_of_any_text_round_trip(text in any::<String>(), lowercase in any::<bool>()) {
            let config = TokenizerConfig::Word(WordConfig { lowercase, ..WordConfig::default() });
            let tokenizer = Tokenizer::train(&config, &text).unwrap();
            let tokens = tokenizer.encode(&text).unwrap();
            prop_assert!(!tokens.contains(&0) && !tokens.contains(&1), "{:?}", tokens);
            let decoded = tokenizer.decode(&tokens);
            prop_assert_eq!(tokenizer.encode(&decoded).unwrap(), tokens.clone());
            prop_assert_eq!(streamed(&tokenizer, &tokens), decoded.clone());
            // Nothing but white space and, where asked for, capitals has gone.
            let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            let expected = if lowercase { lower(&text) } else { text.clone() };
            prop_assert_eq!(solid(&decoded), solid(&expected));
        }

        /// What a model samples need not be text at all: both decoders agree on what it is then.
        #[test]
        fn streaming_agrees_with_decoding_at_once(tokens in proptest::collection::vec(0u32..310, 0..60)) {
            prop_assert_eq!(streamed(&BPE, &tokens), BPE.decode(&tokens));
            prop_assert_eq!(streamed(&CHAR, &tokens), CHAR.decode(&tokens));
        }
    }
}
