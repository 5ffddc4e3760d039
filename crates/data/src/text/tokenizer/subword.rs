use super::{BpeConfig, SpecialRole, SpecialTokens, joiner::Joiner, special, word, word_piece};
use crate::DataError;
use std::collections::HashMap;
use std::sync::Arc;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder,
};

/// A text is encoded in pieces of about this many bytes, in parallel: small enough to share out a text of a megabyte, large
/// enough that a piece's fixed cost does not show.
pub(super) const PIECE: usize = 16 * 1024;

/// Pieces or texts that are encoded at a time: the library's encodings take a hundred times the memory of the tokens in them.
const GROUP: usize = 256;

/// Token numbers from here on are taken for damage: tables and models are as large as the largest number.
const LARGEST_VOCABULARY: u32 = 1 << 24;

/// A tokenizer of the Hugging Face `tokenizers` crate: trained here as byte-level byte-pair encoding or as a list of words, or
/// loaded from a `tokenizer.json` of any kind. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SubwordTokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    /// Token → its bytes, for byte-level decoders; other decoders look at neighbouring tokens and have no such table.
    bytes: Option<Arc<[Box<[u8]>]>>,
    vocab_size: usize,
    special: SpecialTokens,
    /// Whether it was made by [`word::train`]: its tokens are words, put together by a [`Joiner`].
    by_word: bool,
    /// Whether text cut by [`pieces`] gives the same tokens as the whole.
    separable: bool,
}

impl SubwordTokenizer {
    /// Learns merges from `text`, with the word boundaries of GPT-2 and all 256 bytes in the vocabulary, so that any text can be
    /// expressed. Deterministic.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] if the library refuses, which it has no reason to.
    pub fn train(config: &BpeConfig, text: &str) -> Result<Self, DataError> {
        let refused = |error: tokenizers::Error| DataError::Tokenizer { action: "train", reason: error.to_string() };
        let byte_level = || ByteLevel::new(false, false, true);
        let mut tokenizer =
            TokenizerBuilder::<BPE, NormalizerWrapper, ByteLevel, PostProcessorWrapper, ByteLevel>::new()
                .with_model(BPE::default())
                .with_pre_tokenizer(Some(byte_level()))
                .with_decoder(Some(byte_level()))
                .build()
                .map_err(refused)?;
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(config.vocab_size)
            .min_frequency(config.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        tokenizer.train(&mut trainer, pieces(text, PIECE)).map_err(refused)?;
        Ok(Self::new(tokenizer.into()))
    }

    pub(super) fn new(mut inner: tokenizers::Tokenizer) -> Self {
        // A corpus is neither cut nor padded, whatever a loaded file says; without parameters nothing can be refused.
        let _ = inner.with_truncation(None);
        inner.with_padding(None);
        let vocabulary = inner.get_vocab(true);
        let vocab_size = vocabulary.values().max().map_or(0, |largest| *largest as usize + 1);
        let bytes = match inner.get_decoder() {
            Some(DecoderWrapper::ByteLevel(_)) => Some(byte_table(&vocabulary, vocab_size)),
            _ => None,
        };
        let by_word = word::is_by_word(&inner);
        let special = special_tokens(&inner);
        Self { separable: is_separable(&inner), bytes, vocab_size, special, by_word, inner: Arc::new(inner) }
    }

    /// As [`new`](Self::new), of what a file holds.
    pub(super) fn checked(inner: tokenizers::Tokenizer) -> Result<Self, String> {
        match inner.get_vocab(true).values().max() {
            Some(largest) if *largest >= LARGEST_VOCABULARY => Err(format!("it numbers a token {largest}")),
            _ => Ok(Self::new(inner)),
        }
    }

    /// See [`Tokenizer::with_special`](super::Tokenizer::with_special).
    pub(super) fn with_special(self, role: SpecialRole) -> Result<Self, DataError> {
        let mut inner = tokenizers::Tokenizer::clone(&self.inner);
        inner.add_special_tokens(&[AddedToken::from(role.name(), true)]);
        // The library counts tokens, and where numbers have gaps the next one may be taken.
        match inner.token_to_id(role.name()) {
            Some(token) if self.inner.id_to_token(token).is_none_or(|taken| taken == role.name()) => {
                Ok(Self::new(inner))
            }
            _ => {
                let reason = format!("its numbers have gaps, which leaves none for `{}`", role.name());
                Err(DataError::Tokenizer { action: "take another token", reason })
            }
        }
    }

    /// See [`Tokenizer::vocab_size`](super::Tokenizer::vocab_size): one more than the largest token, where tokens have gaps.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The tokens of each text, encoded in parallel.
    pub(super) fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, DataError> {
        let refused = |error: tokenizers::Error| DataError::Tokenizer { action: "encode", reason: error.to_string() };
        let mut all = Vec::with_capacity(texts.len());
        for group in texts.chunks(GROUP) {
            let encodings = self.inner.encode_batch_fast(group.to_vec(), false).map_err(refused)?;
            all.extend(encodings.iter().map(|encoding| encoding.get_ids().to_vec()));
        }
        Ok(all)
    }

    /// See [`Tokenizer::special`](super::Tokenizer::special).
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// Whether a token was added as a special one, of whatever role.
    pub(super) fn is_added_special(&self, token: u32) -> bool {
        self.inner.get_added_vocabulary().get_added_tokens_decoder().get(&token).is_some_and(|added| added.special)
    }

    /// The library's own tokenizer, for what this type does not offer (special tokens, offsets, pairs).
    pub fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// See [`Tokenizer::encode`](super::Tokenizer::encode). Long texts are encoded in parallel where that gives the same tokens,
    /// which is so for every tokenizer trained here and for those of GPT-2's kind.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let refused = |error: tokenizers::Error| DataError::Tokenizer { action: "encode", reason: error.to_string() };
        if text.len() <= PIECE || !self.separable {
            let encoding = self.inner.encode_fast(text, false).map_err(refused)?;
            return Ok(encoding.get_ids().to_vec());
        }
        let mut tokens = Vec::with_capacity(text.len() / 3);
        let all: Vec<&str> = pieces(text, PIECE).collect();
        for group in all.chunks(GROUP) {
            for encoding in self.inner.encode_batch_fast(group.to_vec(), false).map_err(refused)? {
                tokens.extend_from_slice(encoding.get_ids());
            }
        }
        Ok(tokens)
    }

    /// See [`Tokenizer::decode`](super::Tokenizer::decode). Special tokens are printed too.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match &self.bytes {
            Some(table) => {
                let bytes: Vec<u8> = tokens.iter().flat_map(|token| bytes_of(table, *token)).copied().collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None if self.by_word => {
                let mut joiner = Joiner::default();
                tokens.iter().filter_map(|token| self.word(*token)).map(|word| joiner.push(&word)).collect()
            }
            None => self.inner.decode(tokens, false).unwrap_or_default(),
        }
    }

    /// Whether its tokens are words, and white space is dropped.
    pub(super) fn is_by_word(&self) -> bool {
        self.by_word
    }

    /// The text of one token, for tokenizers by word; `None` outside the vocabulary.
    pub(super) fn word(&self, token: u32) -> Option<String> {
        self.inner.id_to_token(token)
    }

    /// The bytes of one token, for byte-level decoders; `None` where a token has no bytes of its own.
    pub(super) fn token_bytes(&self, token: u32) -> Option<&[u8]> {
        self.bytes.as_ref().map(|table| bytes_of(table, token))
    }

    pub(super) fn to_json(&self) -> Result<String, DataError> {
        self.inner
            .to_string(false)
            .map_err(|error| DataError::Tokenizer { action: "be written", reason: error.to_string() })
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, String> {
        tokenizers::Tokenizer::from_bytes(json).map_err(|error| error.to_string()).and_then(Self::checked)
    }
}

/// The bytes of `token`; none outside the vocabulary, as the library has it.
fn bytes_of(table: &[Box<[u8]>], token: u32) -> &[u8] {
    table.get(token as usize).map_or(&[], |bytes| bytes)
}

/// Token → bytes, by GPT-2's mapping of bytes to printable characters. A token with any other character in it stands for its
/// own text, as in the library's decoder.
fn byte_table(vocabulary: &HashMap<String, u32>, vocab_size: usize) -> Arc<[Box<[u8]>]> {
    let byte_of = byte_characters();
    let mut table = vec![Box::from([]); vocab_size];
    for (text, token) in vocabulary {
        let mapped: Option<Box<[u8]>> = text.chars().map(|character| byte_of.get(&character).copied()).collect();
        table[*token as usize] = mapped.unwrap_or_else(|| text.as_bytes().into());
    }
    table.into()
}

/// GPT-2's mapping, backwards: printable Latin-1 characters stand for their own byte, and the other bytes are numbered from
/// U+0100 on.
fn byte_characters() -> HashMap<char, u8> {
    let mut others = 0x100u32..;
    (0..=255u8)
        .filter_map(|byte| {
            let itself = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let code = if itself { Some(u32::from(byte)) } else { others.next() };
            Some((code.and_then(char::from_u32)?, byte))
        })
        .collect()
}

/// The special tokens by name, as that survives saving; what a file says of padding does not. Names of which text could also be made
/// count only where they were added as tokens of their own.
fn special_tokens(tokenizer: &tokenizers::Tokenizer) -> SpecialTokens {
    let added = tokenizer.get_added_tokens_decoder();
    let named = |names: &[&str]| {
        let token = |name: &&str| added.iter().find(|(_, token)| token.content == **name).map(|(token, _)| *token);
        names.iter().find_map(token)
    };
    let unknown = match tokenizer.get_model() {
        ModelWrapper::WordLevel(words) => Some(&words.unk_token),
        ModelWrapper::WordPiece(pieces) => Some(&pieces.unk_token),
        ModelWrapper::BPE(pairs) => pairs.unk_token.as_ref(),
        ModelWrapper::Unigram(_) => None,
    };
    SpecialTokens {
        padding: special::PADDING.iter().find_map(|name| tokenizer.token_to_id(name)),
        unknown: unknown.and_then(|name| tokenizer.token_to_id(name)),
        mask: named(&special::MASK),
        begin: named(&special::BEGIN),
        end: named(&special::END),
    }
}

/// Cuts `text` into pieces of at least `size` bytes (the last may be shorter), each beginning with the first white space
/// after a character that is none.
///
/// GPT-2's pattern always ends a word there: no word of it goes on from another character into white space, and none looks
/// back. So does the pattern of a word tokenizer, and so does BERT, which however drops those characters that are both white
/// space and control: there no piece begins. So the words of the pieces are the words of the text.
pub(super) fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> + Send {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut before = None;
        let from = rest.floor_char_boundary(size.saturating_sub(1));
        let cut = rest[from..]
            .char_indices()
            .find(|(_, character)| {
                let ends_word =
                    character.is_whitespace() && (!character.is_control() || matches!(character, '\t' | '\n' | '\r'));
                let word_ended = ends_word && before.is_some_and(|before: char| !before.is_whitespace());
                before = Some(*character);
                word_ended
            })
            .map_or(rest.len(), |(at, _)| from + at);
        let (piece, after) = rest.split_at(cut);
        rest = after;
        Some(piece)
    })
}

/// Whether the tokens of a text are the tokens of its [`pieces`], one after another.
fn is_separable(tokenizer: &tokenizers::Tokenizer) -> bool {
    let words_of_gpt2 = match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::ByteLevel(byte_level)) => byte_level.use_regex && !byte_level.add_prefix_space,
        _ => false,
    };
    let added_tokens_stay_whole = tokenizer.get_added_tokens_decoder().values().all(|token| {
        let looks_around = token.lstrip || token.rstrip || token.single_word;
        !looks_around && !token.content.contains(char::is_whitespace)
    });
    // Dropout would draw other random numbers.
    let by_pairs = matches!(tokenizer.get_model(), ModelWrapper::BPE(bpe) if bpe.dropout.is_none());
    let as_gpt2 = words_of_gpt2 && by_pairs && tokenizer.get_normalizer().is_none();
    added_tokens_stay_whole && (as_gpt2 || word::is_by_word(tokenizer) || word_piece::is_as_bert(tokenizer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trained(text: &str) -> SubwordTokenizer {
        let config = BpeConfig { vocab_size: 400, min_frequency: 2 };
        SubwordTokenizer::train(&config, text).unwrap()
    }

    #[test]
    fn decoding_agrees_with_the_library() {
        let tokenizer = trained("one two, one two; naïve naïve café 日本 日本");
        assert!(tokenizer.separable && tokenizer.bytes.is_some());
        for token in 0..tokenizer.vocab_size() as u32 + 2 {
            let tokens = [token, 65, token];
            assert_eq!(tokenizer.decode(&tokens), tokenizer.inner.decode(&tokens, false).unwrap());
        }
    }

    #[test]
    fn a_long_text_in_pieces_gives_the_same_tokens() {
        let text = crate::text::stories::text();
        let tokenizer = trained(&text[..50_000]);
        let sample = &text[..200_000];
        let whole = tokenizer.inner.encode_fast(sample, false).unwrap();
        assert_eq!(tokenizer.encode(sample).unwrap(), whole.get_ids());
    }

    proptest! {
        #[test]
        fn pieces_change_no_token(text in "[a-c\u{e9} \n\t'!1\u{a0}]{0,60}", size in 1usize..10) {
            let cut: Vec<&str> = pieces(&text, size).collect();
            prop_assert_eq!(cut.concat(), text.clone());
            let tokenizer = trained("ab abc a b c ab's 11 !!");
            let separately: Vec<u32> = cut
                .iter()
                .flat_map(|piece| tokenizer.inner.encode_fast(*piece, false).unwrap().get_ids().to_vec())
                .collect();
            let whole = tokenizer.inner.encode_fast(text.as_str(), false).unwrap();
            prop_assert_eq!(separately, whole.get_ids());
        }
    }
}
