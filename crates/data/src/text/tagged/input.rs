use crate::DataError;
use crate::text::framing::Frame;
use crate::text::tokenizer::Tokenizer;
use std::collections::HashMap;

/// A sentence as a model reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaggedInput {
    /// Its tokens, framed and cut; at least one.
    pub tokens: Vec<u32>,
    /// Where each word begins among the tokens, in the order of the words: where its tag is predicted. Words at the end that were
    /// cut are missing.
    pub firsts: Vec<usize>,
}

/// The tokens of one sentence, at most `max_len` (at least 3), in which each word is tokenised for itself.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode_words<W: AsRef<str>>(
    tokenizer: &Tokenizer,
    max_len: usize,
    words: &[W],
) -> Result<TaggedInput, DataError> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    Ok(WordTokens::of(tokenizer, std::iter::once(words.as_slice()))?.input(&words, max_len))
}

/// The tokens of all words that occur.
pub(super) struct WordTokens {
    tokens: HashMap<String, Pieces>,
    frame: Frame,
    /// What stands for a word of which nothing is left.
    nothing: Pieces,
}

/// The tokens of a word, of which there is at least one.
struct Pieces {
    tokens: Vec<u32>,
    /// The first that prints as more than white space.
    first: usize,
}

impl WordTokens {
    /// Those of the words of `sentences`.
    pub fn of<'a>(tokenizer: &Tokenizer, sentences: impl Iterator<Item = &'a [&'a str]>) -> Result<Self, DataError> {
        let mut spellings: Vec<String> =
            sentences.flat_map(|words| words.iter().enumerate().map(|(place, word)| spelling(place, word))).collect();
        spellings.sort_unstable();
        spellings.dedup();
        let texts: Vec<&str> = spellings.iter().map(String::as_str).collect();
        let encoded = tokenizer.encode_batch(&texts)?;
        let pieces = |tokens: Vec<u32>| {
            let first = tokens.iter().position(|token| !tokenizer.decode(&[*token]).trim().is_empty());
            Pieces { first: first.unwrap_or(0), tokens }
        };
        let nothing = tokenizer.unknown_token().or(tokenizer.padding_token()).unwrap_or(0);
        let some = spellings.into_iter().zip(encoded).filter(|(_, tokens)| !tokens.is_empty());
        Ok(Self {
            tokens: some.map(|(spelling, tokens)| (spelling, pieces(tokens))).collect(),
            frame: Frame::of(tokenizer),
            nothing: pieces(vec![nothing]),
        })
    }

    /// One of those sentences.
    pub fn input(&self, words: &[&str], max_len: usize) -> TaggedInput {
        let (mut tokens, mut firsts) = (Vec::new(), Vec::new());
        for pieces in self.pieces(words) {
            firsts.push(tokens.len() + pieces.first);
            tokens.extend_from_slice(&pieces.tokens);
        }
        let room = max_len.saturating_sub(self.frame.around_one());
        firsts.retain(|first| *first < room);
        let before = usize::from(self.frame.begin.is_some());
        firsts.iter_mut().for_each(|first| *first += before);
        TaggedInput { tokens: self.frame.one(tokens, max_len).tokens, firsts }
    }

    /// Tokens of one of those sentences that is not cut.
    pub fn length(&self, words: &[&str]) -> usize {
        self.frame.around_one() + self.pieces(words).map(|pieces| pieces.tokens.len()).sum::<usize>()
    }

    fn pieces<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = &'a Pieces> {
        let pieces = |(place, word): (usize, &&str)| self.tokens.get(&spelling(place, word)).unwrap_or(&self.nothing);
        words.iter().enumerate().map(pieces)
    }
}

/// A word as it is tokenised: with the space before it, which byte-level tokenizers take for a part of the word.
fn spelling(place: usize, word: &str) -> String {
    if place == 0 { word.to_owned() } else { format!(" {word}") }
}
