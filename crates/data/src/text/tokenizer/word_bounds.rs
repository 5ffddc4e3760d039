use super::Tokenizer;
use tokenizers::ModelWrapper;

/// Which tokens belong to one word, by what the tokens are: for masking whole words.
///
/// WordPiece marks its pieces (`##`). With other tokenizers a word is a run of letters, digits and whatever else is no ASCII mark or
/// space; so writing without spaces counts as one word. Special tokens belong to no word.
#[derive(Debug, Clone)]
pub struct WordBounds {
    /// Of each token: whether it may go on with a word, and whether it may be gone on with.
    sides: Vec<[bool; 2]>,
}

impl WordBounds {
    /// Those of a tokenizer's vocabulary.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let sides = |token| if tokenizer.is_special(token) { [false; 2] } else { sides(tokenizer, token) };
        Self { sides: (0..tokenizer.vocab_size() as u32).map(sides).collect() }
    }

    /// Whether `token` goes on with the word to which `before`, the token before it, belongs.
    pub fn joins(&self, before: u32, token: u32) -> bool {
        let side = |token: u32, side: usize| self.sides.get(token as usize).is_some_and(|sides| sides[side]);
        side(before, 1) && side(token, 0)
    }
}

fn sides(tokenizer: &Tokenizer, token: u32) -> [bool; 2] {
    let text = match tokenizer {
        Tokenizer::Char(char) => char.decode(&[token]).into_bytes(),
        Tokenizer::Subword(subword) if subword.is_by_word() => return [false; 2],
        Tokenizer::Subword(subword) => {
            let name = subword.word(token).unwrap_or_default();
            if let ModelWrapper::WordPiece(pieces) = subword.inner().get_model() {
                return [name.starts_with(&pieces.continuing_subword_prefix), true];
            }
            // SentencePiece writes a space as U+2581.
            subword.token_bytes(token).map_or_else(|| name.replace('\u{2581}', " ").into_bytes(), <[u8]>::to_vec)
        }
    };
    [text.first(), text.last()].map(|byte| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::{BpeConfig, TokenizerConfig, WordConfig, WordPieceConfig};

    const TEXT: &str = "Untied knots, untied again.\nStill-fine";

    /// The words of a text: its tokens, put together where they join.
    fn words(config: &TokenizerConfig) -> Vec<String> {
        let tokenizer = Tokenizer::train(config, &TEXT.repeat(2)).unwrap();
        let bounds = WordBounds::of(&tokenizer);
        let tokens = tokenizer.encode(TEXT).unwrap();
        let words = tokens.chunk_by(|before, token| bounds.joins(*before, *token));
        words.map(|word| tokenizer.decode(word).trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn words_are_found_by_whatever_tokenizer() {
        let expected = ["Untied", "knots", ",", "untied", "again", ".", "Still", "-", "fine"];
        assert_eq!(words(&TokenizerConfig::default()), expected);
        for vocab_size in [256, 270, 300] {
            assert_eq!(words(&TokenizerConfig::Bpe(BpeConfig { vocab_size, min_frequency: 1 })), expected);
        }
        let pieces = WordPieceConfig { vocab_size: 50, lowercase: false, ..WordPieceConfig::default() };
        assert_eq!(words(&TokenizerConfig::WordPiece(pieces)), expected);
        let by_word = WordConfig { lowercase: false, ..WordConfig::default() };
        assert_eq!(words(&TokenizerConfig::Word(by_word)), expected);
    }
}
