use super::batches::{MaskedBatches, Part};
use super::config::MaskedConfig;
use super::masking::Masking;
use crate::DataError;
use crate::text::framing::Frame;
use crate::text::tokenizer::{SpecialRole, Tokenizer};
use crate::text::{TextData, TextFacts};
use std::ops::Range;
use std::sync::Arc;

/// A corpus that is read, split and tokenised: all that training a masked language model needs of its data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct MaskedData {
    /// The tokenizer, trained on the training part or given; it has a token for the mask.
    pub tokenizer: Tokenizer,
    /// Counts for reports. Scores by character and byte are those of language models and mean nothing here.
    pub facts: TextFacts,
    train: Arc<[u32]>,
    validation: Arc<[u32]>,
    /// The token between documents, where there are such.
    separator: Option<u32>,
    mask: u32,
}

impl MaskedData {
    /// Reads the source, keeps its tail for validation, trains the tokenizer on the rest and tokenises both. A tokenizer without a
    /// token for the mask is given one, [`SpecialRole::Mask`].
    ///
    /// # Errors
    /// As [`TextData::load`].
    pub fn load(config: &MaskedConfig) -> Result<Self, DataError> {
        config.checked()?;
        Self::of_text(TextData::load(&config.text())?)
    }

    /// As [`MaskedData::load`] with a tokenizer that exists already, as when a run is resumed or evaluated; `config.tokenizer` plays
    /// no part.
    ///
    /// # Errors
    /// As [`MaskedData::load`].
    pub fn load_with(config: &MaskedConfig, tokenizer: Tokenizer) -> Result<Self, DataError> {
        config.checked()?;
        Self::of_text(TextData::load_with(&config.text(), tokenizer)?)
    }

    fn of_text(text: TextData) -> Result<Self, DataError> {
        let tokenizer = text.tokenizer.with_special(SpecialRole::Mask)?;
        let Some(mask) = tokenizer.special().mask else {
            let reason = "it has no token for the mask".to_owned();
            return Err(DataError::Tokenizer { action: "take another token", reason });
        };
        let facts = TextFacts { vocab_size: tokenizer.vocab_size(), ..text.facts };
        // Before the tokens of the validation part stands the last one of training.
        let separator = text.separator;
        Ok(Self { tokenizer, facts, train: text.train, validation: text.validation[1..].into(), separator, mask })
    }

    /// Batches of full windows over the training part, each epoch from another place, in another order and with another mask; all of
    /// it follows from `seed`. What one epoch leaves out, less than a window, others read.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] if the training part does not fill one window.
    pub fn train_batches(&self, config: &MaskedConfig, seed: u64) -> Result<MaskedBatches, DataError> {
        MaskedBatches::training(self.part(config, &self.train), config.batch_size, seed)
    }

    /// One pass over the validation part, in which each of its tokens is in one window, with the same mask every time.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] if the validation part is empty.
    pub fn validation_batches(&self, config: &MaskedConfig) -> Result<MaskedBatches, DataError> {
        MaskedBatches::validation(self.part(config, &self.validation), config.batch_size)
    }

    fn part(&self, config: &MaskedConfig, tokens: &Arc<[u32]>) -> Part {
        let frame = Frame::of(&self.tokenizer);
        let content = config.seq_len.saturating_sub(frame.around_one()).max(1);
        let apart = self.separator.filter(|_| !config.packing);
        Part {
            documents: apart.map(|separator| documents(tokens, separator, content)),
            tokens: tokens.clone(),
            masking: Masking::new(&self.tokenizer, self.mask, config.mask_rate, config.whole_words).into(),
            frame,
            padding: self.tokenizer.padding_token().unwrap_or(0),
            content,
        }
    }
}

/// Where the documents stand between the separators, each divided into parts of at most `most` tokens.
fn documents(tokens: &[u32], separator: u32, most: usize) -> Arc<[Range<usize>]> {
    let mut parts = Vec::new();
    let mut start = 0;
    for document in tokens.split(|token| *token == separator) {
        let end = start + document.len();
        parts.extend((start..end).step_by(most).map(|first| first..end.min(first + most)));
        start = end + 1;
    }
    parts.into()
}

/// The tokens of one text as a model was trained to read it, for guessing what stands behind each `[MASK]` in it: framed, and at most
/// `seq_len`.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode_text(tokenizer: &Tokenizer, seq_len: usize, text: &str) -> Result<Vec<i32>, DataError> {
    let framed = Frame::of(tokenizer).one(tokenizer.encode(text.trim())?, seq_len);
    Ok(framed.tokens.into_iter().map(|token| token as i32).collect())
}
