use crate::DataError;
use crate::text::corpus::Corpus;
use crate::text::tokenizer::{SpecialRole, Tokenizer};
use crate::text::windows::{ContiguousWindows, RandomWindows, TextBatches};
use crate::text::{DocumentWindows, GrowingWindows, Sampling, TextConfig};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A corpus that is read, split and tokenised: all that training a language model needs of its data.
#[derive(Debug, Clone)]
pub struct TextData {
    /// The tokenizer, trained on the training part or given.
    pub tokenizer: Tokenizer,
    /// Where the source is divided into documents, the token that ends each of them.
    pub separator: Option<u32>,
    /// Tokens of the training part, the head of the text. With documents, a separator, and documents that end with one each.
    pub train: Arc<[u32]>,
    /// The last token of the training part, as context, and then all tokens of the validation part, the tail of the text.
    pub validation: Arc<[u32]>,
    /// Counts for reports.
    pub facts: TextFacts,
}

/// What a run should know and report about its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Files read; 0 for an embedded source.
    pub num_files: usize,
    /// Documents of the source; 0 where it is one text.
    #[serde(default)]
    pub num_documents: usize,
    /// Characters of the whole text.
    pub num_characters: usize,
    /// UTF-8 bytes of the whole text.
    pub num_bytes: usize,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Tokens of the training part, separators included.
    pub train_tokens: usize,
    /// Tokens of the validation part; each is a target exactly once in a validation pass.
    pub validation_tokens: usize,
    /// UTF-8 bytes that a token of the validation part stands for, on average.
    pub bytes_per_token: f64,
    /// Characters that a token of the validation part stands for, on average.
    pub characters_per_token: f64,
    /// Words that a token of the validation part stands for, on average; a word is what white space divides.
    pub words_per_token: f64,
    /// Part of the validation tokens that stand for something the vocabulary lacks; none where the tokenizer can express
    /// any text.
    pub unknown_rate: Option<f64>,
}

impl TextFacts {
    /// Bits per UTF-8 byte, from a mean loss per token in nats. Comparable between tokenizers, as the loss is not.
    pub fn bits_per_byte(&self, loss: f64) -> f64 {
        loss / std::f64::consts::LN_2 / self.bytes_per_token
    }

    /// Bits per character, from a mean loss per token in nats. Comparable between tokenizers, as the loss is not; but a word
    /// tokenizer keeps neither white space nor unknown words, and pays nothing for what it drops.
    pub fn bits_per_character(&self, loss: f64) -> f64 {
        loss / std::f64::consts::LN_2 / self.characters_per_token
    }

    /// Perplexity per word, from a mean loss per token in nats: what the text costs altogether, divided by its words as white
    /// space divides them, whatever the tokens are. The caveat of [`bits_per_character`](Self::bits_per_character) holds here
    /// too.
    pub fn word_perplexity(&self, loss: f64) -> f64 {
        (loss / self.words_per_token).exp()
    }
}

impl TextData {
    /// Reads the source, keeps its tail for validation, trains the tokenizer on the rest and tokenises both.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read, and validation text with characters that the training
    /// part does not have (by a character tokenizer, unless it is told to accept them).
    pub fn load(config: &TextConfig) -> Result<Self, DataError> {
        config.checked()?;
        Self::build(config, |train| Tokenizer::train(&config.tokenizer, train))
    }

    /// As [`TextData::load`] with a tokenizer that exists already, as when a run is resumed or evaluated; `config.tokenizer` plays
    /// no part.
    ///
    /// # Errors
    /// As [`TextData::load`].
    pub fn load_with(config: &TextConfig, tokenizer: Tokenizer) -> Result<Self, DataError> {
        config.checked()?;
        Self::build(config, |_| Ok(tokenizer))
    }

    fn build(
        config: &TextConfig,
        tokenizer: impl FnOnce(&str) -> Result<Tokenizer, DataError>,
    ) -> Result<Self, DataError> {
        let corpus = Corpus::read(config)?;
        let (train_text, validation_text) = if corpus.documents.is_empty() {
            split(&corpus.text, config.validation_fraction)
        } else {
            split_documents(&corpus, config.validation_fraction)?
        };
        if train_text.is_empty() {
            return Err(DataError::TooFewTokens {
                part: "training",
                have: 0,
                need: config.batch_size.saturating_mul(config.seq_len).saturating_add(1),
                batch_size: config.batch_size,
                seq_len: config.seq_len,
            });
        }
        let tokenizer = tokenizer(train_text)?;
        if !corpus.documents.is_empty() {
            return Self::of_documents(config, &corpus, train_text.len(), tokenizer.with_special(SpecialRole::End)?);
        }
        let train = tokenizer.encode(train_text).map_err(|error| in_part(error, "training part"))?;
        let tail = tokenizer.encode(validation_text).map_err(|error| in_part(error, "validation part"))?;
        let facts = facts(config, &corpus, &tokenizer, train.len(), &tail, validation_text);
        let validation = train.last().into_iter().chain(&tail).copied().collect();
        Ok(Self { tokenizer, separator: None, train: train.into(), validation, facts })
    }

    /// As [`build`](Self::build) of a source that is divided, where the training part has the documents before byte `train_end`.
    fn of_documents(
        config: &TextConfig,
        corpus: &Corpus,
        train_end: usize,
        tokenizer: Tokenizer,
    ) -> Result<Self, DataError> {
        let Some(separator) = tokenizer.special().end else {
            let reason = "it has no token for the end of a document".to_owned();
            return Err(DataError::Tokenizer { action: "take another token", reason });
        };
        let encoded = |part: &[Range<usize>], name: &'static str| -> Result<Vec<u32>, DataError> {
            let texts: Vec<&str> = part.iter().map(|range| &corpus.text[range.clone()]).collect();
            let documents = tokenizer.encode_batch(&texts).map_err(|error| in_part(error, name))?;
            let ended = documents.into_iter().flat_map(|document| document.into_iter().chain([separator]));
            Ok(std::iter::once(separator).chain(ended).collect())
        };
        let (head, tail) = corpus.documents.split_at(corpus.documents.partition_point(|range| range.start < train_end));
        let train = encoded(head, "document of the training part in which it stands")?;
        let validation = encoded(tail, "document of the validation part in which it stands")?;
        let validation_text = &corpus.text[train_end..];
        let facts = facts(config, corpus, &tokenizer, train.len() - 1, &validation[1..], validation_text);
        Ok(Self { tokenizer, separator: Some(separator), train: train.into(), validation: validation.into(), facts })
    }

    /// Training batches as `config` wants them; their order follows from `seed`.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] if the training part does not fill one batch.
    pub fn train_batches(&self, config: &TextConfig, seed: u64) -> Result<Arc<dyn TextBatches>, DataError> {
        let (tokens, batch_size, seq_len) = (self.train.clone(), config.batch_size, config.seq_len);
        let batches: Arc<dyn TextBatches> = match (self.separator, config.sampling) {
            (Some(separator), _) if !config.packing => {
                Arc::new(DocumentWindows::new(tokens, separator, batch_size, seq_len, Some(seed))?)
            }
            (_, Sampling::Contiguous) => {
                let offset_seed = config.random_offset.then_some(seed);
                Arc::new(ContiguousWindows::training(tokens, batch_size, seq_len, offset_seed)?)
            }
            (_, Sampling::Random) => {
                let batches = config.batches_per_epoch;
                Arc::new(RandomWindows::new(tokens, batch_size, seq_len, batches, seed)?)
            }
        };
        Ok(match config.seq_len_warmup {
            Some(warmup) => Arc::new(GrowingWindows::new(batches, warmup, seq_len)),
            None => batches,
        })
    }

    /// One pass over the validation part, the same every time, in which each of its tokens is a target once; whatever the
    /// sampling, so that a score never depends on luck.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] if the validation part is empty.
    pub fn validation_batches(&self, config: &TextConfig) -> Result<Arc<dyn TextBatches>, DataError> {
        let (tokens, batch_size, seq_len) = (self.validation.clone(), config.batch_size, config.seq_len);
        if let Some(separator) = self.separator.filter(|_| !config.packing) {
            return Ok(Arc::new(DocumentWindows::new(tokens, separator, batch_size, seq_len, None)?));
        }
        Ok(Arc::new(ContiguousWindows::validation(tokens, batch_size, seq_len)?))
    }
}

/// Counts for reports, of a corpus whose `validation_text` became the tokens `tail`.
fn facts(
    config: &TextConfig,
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    train_tokens: usize,
    tail: &[u32],
    validation_text: &str,
) -> TextFacts {
    let per_token = |count: usize| count as f64 / tail.len().max(1) as f64;
    TextFacts {
        source: config.source.clone(),
        num_files: corpus.files.len(),
        num_documents: corpus.documents.len(),
        num_characters: corpus.text.chars().count(),
        num_bytes: corpus.text.len(),
        vocab_size: tokenizer.vocab_size(),
        train_tokens,
        validation_tokens: tail.len(),
        bytes_per_token: per_token(validation_text.len()),
        characters_per_token: per_token(validation_text.chars().count()),
        words_per_token: per_token(validation_text.split_whitespace().count()),
        unknown_rate: tokenizer.unknown_rate(tail),
    }
}

/// The documents for training, and those behind them for validation: as many that these have about `fraction` of the bytes, and at
/// least one of both.
fn split_documents(corpus: &Corpus, fraction: f64) -> Result<(&str, &str), DataError> {
    let documents = &corpus.documents;
    if documents.len() < 2 {
        let message =
            "divides the source into a single document; two are needed, for training and for validation".to_owned();
        return Err(DataError::Config { key: "documents", message });
    }
    let kept = (corpus.text.len() as f64 * (1.0 - fraction)) as usize;
    let first = documents.partition_point(|range| range.end <= kept).clamp(1, documents.len() - 1);
    Ok(corpus.text.split_at(documents[first].start))
}

/// Head and tail of `text`; the head has `1 - fraction` of the characters, rounded down.
fn split(text: &str, fraction: f64) -> (&str, &str) {
    let kept = (text.chars().count() as f64 * (1.0 - fraction)) as usize;
    let at = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// Says in which part of the corpus an unknown character stands.
fn in_part(error: DataError, part: &'static str) -> DataError {
    match error {
        DataError::UnknownCharacter { character, position, vocab_size, .. } => {
            DataError::UnknownCharacter { character, position, part, vocab_size }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_of(folder: &tempfile::TempDir, text: &str) -> TextConfig {
        let path = folder.path().join("text.txt");
        std::fs::write(&path, text).unwrap();
        TextConfig {
            source: path.to_str().unwrap().to_owned(),
            validation_fraction: 0.25,
            batch_size: 2,
            seq_len: 3,
            ..TextConfig::default()
        }
    }

    #[test]
    fn parts_join_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_of(&folder, "aébaébaébaéb");
        let data = TextData::load(&config).unwrap();
        // 12 characters: 9 for training; then 3 for validation, after the last one of training.
        assert_eq!(data.tokenizer.decode(&data.train), "aébaébaéb");
        assert_eq!(data.tokenizer.decode(&data.validation), "baéb");
        assert_eq!(data.facts.num_bytes, 16);
        assert_eq!((data.facts.train_tokens, data.facts.validation_tokens), (9, 3));
        assert_eq!(data.facts.characters_per_token, 1.0);
        assert_eq!(data.facts.bytes_per_token, 4.0 / 3.0);
        // ln 2 nats a token is one bit a token.
        assert_eq!(data.facts.bits_per_character(std::f64::consts::LN_2), 1.0);
        assert_eq!(data.facts.bits_per_byte(std::f64::consts::LN_2), 0.75);
        assert_eq!(data.train_batches(&config, 0).unwrap().num_batches(), 1);
        assert_eq!(data.validation_batches(&config).unwrap().num_targets(), 3);
    }

    /// The same text costs the same, however it is cut into tokens: 24 nats here for 8 characters in 2 words.
    #[test]
    fn scores_by_character_and_word_do_not_depend_on_the_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_of(&folder, &("aaaa bb ".repeat(3) + "aaa bbbb"));
        for tokenizer in ["kind = \"char\"", "kind = \"bpe\"\nvocab_size = 259", "kind = \"word\""] {
            config.tokenizer = toml::from_str(tokenizer).unwrap();
            let facts = TextData::load(&config).unwrap().facts;
            let loss = 24.0 / facts.validation_tokens as f64;
            assert!((facts.bits_per_character(loss) - 3.0 / std::f64::consts::LN_2).abs() < 1e-9, "{tokenizer}");
            assert!((facts.word_perplexity(loss) / 12f64.exp() - 1.0).abs() < 1e-9, "{tokenizer}");
        }
        config.tokenizer = toml::from_str("kind = \"word\"\nvocab_size = 3").unwrap();
        let unknown = TextData::load(&config).unwrap().facts.unknown_rate;
        assert_eq!(unknown, Some(1.0), "neither `aaa` nor `bbbb` was read in training");
        config.tokenizer = toml::from_str("kind = \"bpe\"\nvocab_size = 256").unwrap();
        assert_eq!(TextData::load(&config).unwrap().facts.unknown_rate, None);
    }

    #[test]
    fn a_character_only_in_the_tail_is_said_or_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_of(&folder, "aaaaaaaaaaaz");
        let message = TextData::load(&config).unwrap_err().to_string();
        assert!(message.contains("'z'") && message.contains("number 3 of the validation part"), "{message}");
        config.tokenizer = toml::from_str("kind = \"char\"\nunknown = \"token\"").unwrap();
        assert_eq!(*TextData::load(&config).unwrap().validation, [0, 0, 0, 1]);
    }

    #[test]
    fn documents_are_packed_or_padded_and_never_cut_between_the_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut config =
            TextConfig { documents: crate::text::Documents::Lines, ..config_of(&folder, "ab\n\nabcab\nba\ncab\n") };
        let data = TextData::load(&config).unwrap();
        let separator = data.separator.unwrap();
        let end = "<|endoftext|>";
        assert_eq!(data.tokenizer.decode(&data.train), format!("{end}ab{end}abcab{end}ba{end}"));
        assert_eq!(data.tokenizer.decode(&data.validation), format!("{end}cab{end}"));
        let facts = &data.facts;
        assert_eq!((facts.num_documents, facts.train_tokens, facts.validation_tokens), (4, 12, 4));
        // Packed: full windows over all of it.
        config.random_offset = false;
        let batch = data.train_batches(&config, 0).unwrap().batch(0, 0);
        assert_eq!(batch.documents(separator), [0, 1, 1, 0, 0, 0]);
        config.packing = false;
        let padded = data.train_batches(&config, 0).unwrap();
        assert_eq!((padded.num_batches(), padded.num_targets()), (2, 12));
        assert_eq!(data.validation_batches(&config).unwrap().num_targets(), 4);
        // A run's tokenizer has the separator already.
        let again = TextData::load_with(&config, data.tokenizer.clone()).unwrap();
        assert_eq!((again.validation, again.separator), (data.validation, Some(separator)));
        std::fs::write(folder.path().join("text.txt"), "only one").unwrap();
        assert!(
            TextData::load(&config).unwrap_err().to_string().contains("`documents` divides the source into a single")
        );
    }

    #[test]
    fn windows_grow_where_asked() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_of(&folder, &"ab".repeat(300));
        config.seq_len = 24;
        config.seq_len_warmup = Some(crate::text::SeqLenWarmup { start: 8, steps: 4 });
        let data = TextData::load(&config).unwrap();
        let train = data.train_batches(&config, 0).unwrap();
        let lengths: Vec<usize> = (0..5).map(|index| train.batch(0, index).seq_len).collect();
        assert_eq!(lengths, [8, 8, 16, 16, 24]);
        assert_eq!(data.validation_batches(&config).unwrap().batch(0, 0).seq_len, 24);
    }

    #[test]
    fn a_saved_tokenizer_gives_the_same_data() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_of(&folder, &"one two three, one two three. ".repeat(20));
        config.tokenizer = toml::from_str("kind = \"bpe\"\nvocab_size = 270").unwrap();
        let data = TextData::load(&config).unwrap();
        let path = folder.path().join("tokenizer.json");
        data.tokenizer.save(&path).unwrap();
        let again = TextData::load_with(&config, Tokenizer::load(&path).unwrap()).unwrap();
        assert_eq!(again.validation, data.validation);
        config.tokenizer = toml::from_str(&format!("kind = \"file\"\npath = {path:?}")).unwrap();
        assert_eq!(TextData::load(&config).unwrap().facts, data.facts);
    }

    #[test]
    fn impossible_settings_are_errors_not_panics() {
        let config = TextConfig { validation_fraction: 0.0, ..TextConfig::default() };
        assert!(matches!(TextData::load(&config), Err(DataError::Config { .. })));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(TextData::load(&config_of(&folder, "a")), Err(DataError::TooFewTokens { .. })));
        let config = config_of(&folder, "ab");
        let data = TextData::load(&TextConfig {
            validation_fraction: 0.5,
            tokenizer: toml::from_str("kind = \"char\"\nunknown = \"token\"").unwrap(),
            ..config.clone()
        });
        assert!(data.unwrap().train_batches(&config, 0).is_err());
    }
}
