use super::{CharConfig, Unknown};
use crate::DataError;
use serde::{Deserialize, Serialize};

/// What `kind` says in the file of a character tokenizer.
pub(super) const KIND: &str = "char";

/// In the lookup table: no token.
const NONE: u32 = u32::MAX;

/// One token a character, numbered in the order of code points, as in nanoGPT; after these, where asked for, the token for
/// unknown characters.
#[derive(Debug, Clone)]
pub struct CharTokenizer {
    characters: Vec<char>,
    unknown: Unknown,
    /// Code point → token, up to the largest code point of the vocabulary, so that a character costs one lookup.
    table: Vec<u32>,
}

/// The file format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: String,
    unknown: Unknown,
    /// All characters, each once, in the order of their tokens.
    characters: String,
}

impl CharTokenizer {
    /// Takes the characters of `text` as vocabulary.
    pub fn train(config: &CharConfig, text: &str) -> Self {
        let mut seen = vec![false; text.chars().max().map_or(0, |c| c as usize + 1)];
        for character in text.chars() {
            seen[character as usize] = true;
        }
        let present = seen.iter().zip(0u32..).filter(|(seen, _)| **seen);
        let characters = present.filter_map(|(_, code)| char::from_u32(code)).collect();
        Self::new(characters, config.unknown)
    }

    fn new(characters: Vec<char>, unknown: Unknown) -> Self {
        let mut table = vec![NONE; characters.iter().max().map_or(0, |c| *c as usize + 1)];
        for (character, token) in characters.iter().zip(0u32..) {
            table[*character as usize] = token;
        }
        Self { characters, unknown, table }
    }

    /// The vocabulary, in the order of tokens, without the token for unknown characters.
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// The token that stands for every unknown character, where there is one.
    pub fn unknown_token(&self) -> Option<u32> {
        match self.unknown {
            Unknown::Token => Some(self.characters.len() as u32),
            Unknown::Error => None,
        }
    }

    /// See [`Tokenizer::vocab_size`](super::Tokenizer::vocab_size).
    pub fn vocab_size(&self) -> usize {
        self.characters.len() + usize::from(self.unknown == Unknown::Token)
    }

    /// See [`Tokenizer::encode`](super::Tokenizer::encode).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let instead = self.unknown_token().unwrap_or(NONE);
        let mut tokens = Vec::with_capacity(text.len());
        for character in text.chars() {
            let token = match self.table.get(character as usize) {
                Some(&token) if token != NONE => token,
                _ => instead,
            };
            if token == NONE {
                return Err(DataError::UnknownCharacter {
                    character,
                    position: tokens.len() + 1,
                    part: "text",
                    vocab_size: self.characters.len(),
                });
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// See [`Tokenizer::decode`](super::Tokenizer::decode).
    pub fn decode(&self, tokens: &[u32]) -> String {
        tokens.iter().map(|token| self.character(*token)).collect()
    }

    /// The character of one token; U+FFFD for the unknown token and for numbers outside the vocabulary.
    pub(super) fn character(&self, token: u32) -> char {
        let known = self.characters.get(token as usize).copied();
        known.unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    pub(super) fn to_json(&self) -> String {
        // Written by hand from serde_json values, whose rendering cannot fail.
        serde_json::json!({
            "kind": KIND,
            "unknown": self.unknown,
            "characters": self.characters.iter().collect::<String>(),
        })
        .to_string()
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let characters: Vec<char> = stored.characters.chars().collect();
        // Tokens are numbered by place: a repeated character would be two tokens, one of them unreachable.
        if characters.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("`characters` are not in the order of code points, each once".to_owned());
        }
        Ok(Self::new(characters, stored.unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(unknown: Unknown) -> CharTokenizer {
        CharTokenizer::train(&CharConfig { unknown }, "hello é!\n")
    }

    #[test]
    fn tokens_are_sorted_characters() {
        let tokenizer = trained(Unknown::Error);
        // Sorted: "\n" 0, " " 1, "!" 2, "e" 3, "h" 4, "l" 5, "o" 6, "é" 7.
        assert_eq!(tokenizer.encode("hé\n").unwrap(), [4, 7, 0]);
        assert_eq!(tokenizer.vocab_size(), 8);
        assert_eq!(tokenizer.decode(&[4, 3, 5, 5, 6]), "hello");
    }

    #[test]
    fn unknown_characters_are_named() {
        let message = trained(Unknown::Error).encode("helß").unwrap_err().to_string();
        for part in ["'ß'", "U+00DF", "number 4", "unknown = \"token\""] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(trained(Unknown::Error).encode("日").is_err());
    }

    #[test]
    fn unknown_characters_become_the_last_token_where_asked() {
        let tokenizer = trained(Unknown::Token);
        assert_eq!(tokenizer.vocab_size(), 9);
        assert_eq!(tokenizer.encode("hß日").unwrap(), [4, 8, 8]);
        assert_eq!(tokenizer.decode(&[4, 8]), "h\u{FFFD}");
    }

    #[test]
    fn empty_text_gives_an_empty_vocabulary() {
        let tokenizer = CharTokenizer::train(&CharConfig::default(), "");
        assert_eq!(tokenizer.vocab_size(), 0);
        assert!(tokenizer.encode("a").is_err());
    }
}
