use super::{CharConfig, SpecialRole, SpecialTokens, Unknown};
use crate::DataError;
use serde::{Deserialize, Serialize};

/// What `kind` says in the file of a character tokenizer.
pub(super) const KIND: &str = "char";

/// In the lookup table: no token.
const NONE: u32 = u32::MAX;

/// One token a character, numbered in the order of code points, as in nanoGPT; after these, where asked for, the token for
/// unknown characters, and special tokens that it was given.
#[derive(Debug, Clone)]
pub struct CharTokenizer {
    characters: Vec<char>,
    unknown: Unknown,
    /// Tokens after those of characters, in their order.
    special: Vec<SpecialRole>,
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
    #[serde(default)]
    special: Vec<SpecialRole>,
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
        Self::new(characters, config.unknown, Vec::new())
    }

    fn new(characters: Vec<char>, unknown: Unknown, special: Vec<SpecialRole>) -> Self {
        let mut table = vec![NONE; characters.iter().max().map_or(0, |c| *c as usize + 1)];
        for (character, token) in characters.iter().zip(0u32..) {
            table[*character as usize] = token;
        }
        Self { characters, unknown, special, table }
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
        self.first_special() + self.special.len()
    }

    /// See [`Tokenizer::special`](super::Tokenizer::special).
    pub fn special(&self) -> SpecialTokens {
        let place = |role| self.special.iter().position(|given| *given == role);
        let token = |role| place(role).map(|place| (self.first_special() + place) as u32);
        SpecialTokens {
            unknown: self.unknown_token(),
            mask: token(SpecialRole::Mask),
            end: token(SpecialRole::End),
            ..SpecialTokens::default()
        }
    }

    /// With one more token, for `role`.
    pub(super) fn with_special(mut self, role: SpecialRole) -> Self {
        self.special.push(role);
        self
    }

    fn first_special(&self) -> usize {
        self.characters.len() + usize::from(self.unknown == Unknown::Token)
    }

    /// The special token whose name `text` begins with, and that name.
    fn special_at(&self, text: &str) -> Option<(u32, &'static str)> {
        let mut named = (self.first_special() as u32..).zip(self.special.iter().map(|role| role.name()));
        named.find(|(_, name)| text.starts_with(name))
    }

    /// See [`Tokenizer::encode`](super::Tokenizer::encode).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let instead = self.unknown_token().unwrap_or(NONE);
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some((token, name)) = self.special_at(rest) {
                tokens.push(token);
                rest = &rest[name.len()..];
                continue;
            }
            let token = match self.table.get(character as usize) {
                Some(&token) if token != NONE => token,
                _ => instead,
            };
            if token == NONE {
                return Err(DataError::UnknownCharacter {
                    character,
                    position: text[..text.len() - rest.len()].chars().count() + 1,
                    part: "text",
                    vocab_size: self.characters.len(),
                });
            }
            tokens.push(token);
            rest = &rest[character.len_utf8()..];
        }
        Ok(tokens)
    }

    /// See [`Tokenizer::decode`](super::Tokenizer::decode).
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut text = String::with_capacity(tokens.len());
        tokens.iter().for_each(|token| self.push_text(*token, &mut text));
        text
    }

    /// Appends the text of one token: its character, a special token's name, or U+FFFD for the unknown token and for numbers
    /// outside the vocabulary.
    pub(super) fn push_text(&self, token: u32, text: &mut String) {
        let place = token as usize;
        let special = place.checked_sub(self.first_special()).and_then(|place| self.special.get(place));
        match (self.characters.get(place), special) {
            (Some(character), _) => text.push(*character),
            (None, Some(role)) => text.push_str(role.name()),
            (None, None) => text.push(char::REPLACEMENT_CHARACTER),
        }
    }

    pub(super) fn to_json(&self) -> String {
        // Written by hand from serde_json values, whose rendering cannot fail.
        let mut stored = serde_json::json!({
            "kind": KIND,
            "unknown": self.unknown,
            "characters": self.characters.iter().collect::<String>(),
        });
        if !self.special.is_empty() {
            stored["special"] = serde_json::json!(self.special);
        }
        stored.to_string()
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let characters: Vec<char> = stored.characters.chars().collect();
        // Tokens are numbered by place: a repeated character would be two tokens, one of them unreachable.
        if characters.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("`characters` are not in the order of code points, each once".to_owned());
        }
        if (1..stored.special.len()).any(|place| stored.special[..place].contains(&stored.special[place])) {
            return Err("`special` names a role twice".to_owned());
        }
        Ok(Self::new(characters, stored.unknown, stored.special))
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
    fn special_tokens_follow_the_characters_and_survive_the_file() {
        let plain = trained(Unknown::Token);
        let tokenizer = plain.clone().with_special(SpecialRole::Mask).with_special(SpecialRole::End);
        assert_eq!(tokenizer.vocab_size(), 11);
        let special = tokenizer.special();
        assert_eq!((special.unknown, special.mask, special.end), (Some(8), Some(9), Some(10)));
        let text = "he[MASK]lo<|endoftext|>[";
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(tokens, [4, 3, 9, 5, 6, 10, 8]);
        assert_eq!(tokenizer.decode(&tokens), "he[MASK]lo<|endoftext|>\u{FFFD}");
        let reloaded = CharTokenizer::from_json(tokenizer.to_json().as_bytes()).unwrap();
        assert_eq!(reloaded.encode(text).unwrap(), tokens);
        // A tokenizer without them is written as it always was.
        assert!(!plain.to_json().contains("special"));
    }

    #[test]
    fn empty_text_gives_an_empty_vocabulary() {
        let tokenizer = CharTokenizer::train(&CharConfig::default(), "");
        assert_eq!(tokenizer.vocab_size(), 0);
        assert!(tokenizer.encode("a").is_err());
    }
}
