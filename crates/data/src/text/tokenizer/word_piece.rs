//! WordPiece as BERT has it (Devlin et al. 2019; Schuster and Nakajima 2012), put together from the parts of the Hugging Face
//! `tokenizers` crate: from a `vocab.txt`, or trained.

use super::SubwordTokenizer;
use super::subword::{PIECE, pieces};
use crate::text::Encoding;
use crate::text::corpus::read_text;
use crate::{DataError, locate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{
    AddedToken, Model, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper, Trainer, decoders,
};

/// BERT's special tokens, in the order in which a trained vocabulary begins with them.
const SPECIAL: [&str; 5] = ["[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]"];

const UNKNOWN: &str = "[UNK]";

/// What a piece that goes on with a word begins with.
const CONTINUATION: &str = "##";

/// The most characters of a trained vocabulary, as in Hugging Face's trainer: the rest are rare, and become unknown.
const MOST_CHARACTERS: usize = 1000;

/// The smallest vocabulary to train: the special tokens, and a character at the beginning and inside a word.
pub(super) const SMALLEST: usize = SPECIAL.len() + 2;

/// Settings of a WordPiece tokenizer: words cut at white space and punctuation, and then into the longest pieces of the vocabulary,
/// of which those that go on with a word begin with `##`.
///
/// Text comes back from its tokens up to BERT's normalisation: spaces, control characters, and by default capitals and accents
/// are lost, and a word with a character outside the vocabulary becomes `[UNK]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordPieceConfig {
    /// A `vocab.txt` as BERT has it, one token a line, or a folder with one. Left out or empty, a vocabulary is trained on the
    /// training part. Relative to the current directory, or beginning with `$KILN_DATA/`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether to make all letters small. It has to be as it was when the vocabulary was made: `true` for the `uncased` ones.
    pub lowercase: bool,
    /// Whether to drop accents, so that `café` becomes `cafe`. Left out, as `lowercase` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_accents: Option<bool>,
    /// Where it is trained: tokens in the vocabulary, of which the first are `[PAD]` (0), `[UNK]`, `[CLS]`, `[SEP]` and
    /// `[MASK]` (4). A short text may yield fewer.
    pub vocab_size: usize,
    /// Where it is trained: how often a pair of pieces must occur to become one.
    pub min_frequency: u64,
}

impl Default for WordPieceConfig {
    fn default() -> Self {
        Self { path: String::new(), lowercase: true, strip_accents: None, vocab_size: 8000, min_frequency: 2 }
    }
}

/// Loads the vocabulary that `config` names, or trains one on `text`. Deterministic.
pub(super) fn train(config: &WordPieceConfig, text: &str) -> Result<SubwordTokenizer, DataError> {
    let refused = |error: tokenizers::Error| DataError::Tokenizer { action: "train", reason: error.to_string() };
    if !config.path.is_empty() {
        return load(config, &vocabulary_file(locate(&config.path)?));
    }
    let words = words(config, text).map_err(refused)?;
    let (characters, inside) = alphabet(&words, config.vocab_size);
    // The library numbers what stands inside words in the order of a hash map, and merges the first among equals: given here in
    // order, as if they were special, every training ends the same.
    let inside = inside.iter().map(|character| format!("{CONTINUATION}{character}"));
    let first = SPECIAL.into_iter().map(str::to_owned).chain(inside);
    let mut trainer = WordPieceTrainer::builder()
        .show_progress(false)
        .vocab_size(config.vocab_size)
        .min_frequency(config.min_frequency)
        .limit_alphabet(characters.len())
        .initial_alphabet(characters.into_iter().collect())
        .special_tokens(first.map(|token| AddedToken::from(token, true)).collect())
        .build();
    let occurrences = words.iter().flat_map(|(word, count)| std::iter::repeat_n(word.as_str(), *count));
    trainer.feed(occurrences, |word| Ok(vec![word.to_owned()])).map_err(refused)?;
    let mut model = WordPiece::builder().unk_token(UNKNOWN.to_owned()).build().map_err(refused)?;
    trainer.train(&mut model).map_err(refused)?;
    assemble(config, model).map_err(refused)
}

/// Reads a `vocab.txt`.
fn load(config: &WordPieceConfig, path: &Path) -> Result<SubwordTokenizer, DataError> {
    let bad = |reason: String| DataError::BadTokenizer { path: path.to_owned(), reason };
    let text = read_text(path, Encoding::Utf8)?;
    let vocabulary = WordPiece::read_bytes(text.as_bytes()).map_err(|error| bad(error.to_string()))?;
    if !vocabulary.contains_key(UNKNOWN) {
        return Err(bad(format!("no line is `{UNKNOWN}`, and a vocab.txt of BERT has one token a line")));
    }
    let model = WordPiece::builder().vocab(vocabulary).unk_token(UNKNOWN.to_owned()).build();
    model.and_then(|model| assemble(config, model)).map_err(|error| bad(error.to_string()))
}

/// `path`, or the `vocab.txt` in it where it is a folder.
fn vocabulary_file(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join("vocab.txt") } else { path }
}

fn assemble(config: &WordPieceConfig, model: WordPiece) -> Result<SubwordTokenizer, tokenizers::Error> {
    let known = SPECIAL.into_iter().filter(|token| model.token_to_id(token).is_some());
    let special: Vec<AddedToken> = known.map(|token| AddedToken::from(token, true)).collect();
    let [class, separator] = ["[CLS]", "[SEP]"].map(|token| Some((token.to_owned(), model.token_to_id(token)?)));
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer(config)));
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(decoders::wordpiece::WordPiece::default()));
    // Kiln frames texts itself; this is for others who read the file.
    if let (Some(class), Some(separator)) = (class, separator) {
        tokenizer.with_post_processor(Some(BertProcessing::new(separator, class)));
    }
    tokenizer.add_special_tokens(&special);
    Ok(SubwordTokenizer::new(tokenizer))
}

fn normalizer(config: &WordPieceConfig) -> BertNormalizer {
    BertNormalizer::new(true, true, config.strip_accents, config.lowercase)
}

/// The words of `text` as BERT cuts them, and how often each occurs.
fn words(config: &WordPieceConfig, text: &str) -> Result<BTreeMap<String, usize>, tokenizers::Error> {
    let normalizer = normalizer(config);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for piece in pieces(text, PIECE) {
        let mut normalized = NormalizedString::from(piece);
        normalizer.normalize(&mut normalized)?;
        let mut cut = PreTokenizedString::from(normalized);
        BertPreTokenizer.pre_tokenize(&mut cut)?;
        for (word, _, _) in cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => _ = counts.insert(word.to_owned(), 1),
            }
        }
    }
    Ok(counts.into_iter().collect())
}

/// The most frequent characters, and those of them that stand inside words: at most as many as `vocab_size` has room for.
fn alphabet(words: &BTreeMap<String, usize>, vocab_size: usize) -> (BTreeSet<char>, BTreeSet<char>) {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for (word, count) in words {
        word.chars().for_each(|character| *counts.entry(character).or_default() += count);
    }
    let mut frequent: Vec<char> = counts.keys().copied().collect();
    frequent.sort_by_key(|character| std::cmp::Reverse(counts[character]));
    frequent.truncate(MOST_CHARACTERS.min(vocab_size.saturating_sub(SPECIAL.len()) / 2));
    let characters: BTreeSet<char> = frequent.into_iter().collect();
    let inside = words.keys().flat_map(|word| word.chars().skip(1)).filter(|c| characters.contains(c)).collect();
    (characters, inside)
}

/// Whether white space always ends a word and nothing looks across it, as with every tokenizer made here.
pub(super) fn is_as_bert(tokenizer: &tokenizers::Tokenizer) -> bool {
    matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_))
        && matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
        && matches!(tokenizer.get_normalizer(), None | Some(NormalizerWrapper::BertNormalizer(_)))
}
