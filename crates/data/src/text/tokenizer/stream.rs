use super::{Tokenizer, joiner::Joiner};

/// Turns tokens into text as they come, never giving out part of a character: bytes of an unfinished character wait for the
/// next token. What all calls return, joined, is [`Tokenizer::decode`] of all tokens.
#[derive(Debug, Clone)]
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    /// Bytes that do not yet make a character (byte-level decoders).
    bytes: Vec<u8>,
    /// What was given out last (tokenizers by word).
    joiner: Joiner,
    /// Tokens since the last settled place (decoders in which a token's text depends on its neighbours).
    window: Vec<u32>,
    /// How many of `window` have been given out; they stay as context for the next.
    settled: usize,
}

/// Tokens after which text that ends in U+FFFD is given out all the same: no character has more bytes than four.
const LONGEST_CHARACTER: usize = 4;

impl<'a> StreamDecoder<'a> {
    /// A decoder at the start of a text.
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, bytes: Vec::new(), joiner: Joiner::default(), window: Vec::new(), settled: 0 }
    }

    /// Takes one more token; returns the text that is now certain, which may be empty.
    pub fn push(&mut self, token: u32) -> String {
        match self.tokenizer {
            Tokenizer::Char(char) => {
                let mut text = String::new();
                char.push_text(token, &mut text);
                text
            }
            Tokenizer::Subword(subword) if subword.is_by_word() => {
                subword.word(token).map_or_else(String::new, |word| self.joiner.push(&word))
            }
            Tokenizer::Subword(subword) => match subword.token_bytes(token) {
                Some(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    self.take_characters()
                }
                None => {
                    self.window.push(token);
                    self.take_window(false)
                }
            },
        }
    }

    /// Ends the text: returns what was held back, with U+FFFD for an unfinished character, and starts afresh.
    pub fn finish(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        text.push_str(&self.take_window(true));
        self.window.clear();
        self.settled = 0;
        self.joiner = Joiner::default();
        text
    }

    /// All complete characters of `bytes`, with U+FFFD for what can no longer become one.
    fn take_characters(&mut self) -> String {
        let mut text = String::new();
        let mut taken = 0;
        loop {
            let rest = &self.bytes[taken..];
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    taken = self.bytes.len();
                    break;
                }
                Err(error) => {
                    text.push_str(&String::from_utf8_lossy(&rest[..error.valid_up_to()]));
                    taken += error.valid_up_to();
                    // Without a length the bytes are the beginning of a character that may still be completed.
                    let Some(invalid) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    taken += invalid;
                }
            }
        }
        self.bytes.drain(..taken);
        text
    }

    /// The text that the unsettled tokens add to the settled ones, once it ends in a whole character.
    fn take_window(&mut self, at_end: bool) -> String {
        let before = self.tokenizer.decode(&self.window[..self.settled]);
        let whole = self.tokenizer.decode(&self.window);
        let unsettled = self.window.len() - self.settled;
        if !at_end && whole.ends_with(char::REPLACEMENT_CHARACTER) && unsettled < LONGEST_CHARACTER {
            return String::new();
        }
        // Some decoders tidy spaces up across tokens; what has been given out cannot be taken back.
        let shared: usize =
            before.chars().zip(whole.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        self.window.drain(..self.settled);
        self.settled = self.window.len();
        whole[shared..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::SubwordTokenizer;

    fn loaded(model: &str, decoder: &str) -> Tokenizer {
        let json = format!(
            r#"{{"version":"1.0","truncation":{{"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0}},
            "padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":{{"type":"Whitespace"}},"post_processor":null,
            "decoder":{decoder},"model":{model}}}"#
        );
        Tokenizer::Subword(SubwordTokenizer::from_json(json.as_bytes()).unwrap())
    }

    fn pushed(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
        let mut decoder = tokenizer.stream_decoder();
        let mut pieces: Vec<String> = tokens.iter().map(|token| decoder.push(*token)).collect();
        pieces.push(decoder.finish());
        pieces
    }

    #[test]
    fn word_pieces_join_their_neighbours() {
        let tokenizer = loaded(
            r###"{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
            "vocab":{"[UNK]":0,"play":1,"##ing":2,"games":3,",":4}}"###,
            r###"{"type":"WordPiece","prefix":"##","cleanup":true}"###,
        );
        // The file asks to cut after two tokens; a corpus is not cut.
        let tokens = tokenizer.encode("playing games, playing").unwrap();
        assert_eq!(tokens, [1, 2, 3, 4, 1, 2]);
        assert_eq!(pushed(&tokenizer, &tokens), ["play", "ing", " games", ",", " play", "ing", ""]);
        assert_eq!(tokenizer.decode(&tokens), "playing games, playing");
    }

    #[test]
    fn byte_fallback_waits_for_the_whole_character() {
        // As Llama does it: U+2581 is a space, `<0x..>` a byte, and the text's first space goes.
        let tokenizer = loaded(
            r#"{"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,"\u2581a":1,"b":2,"<0xC3>":3,"<0xA9>":4}}"#,
            r#"{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
            {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}"#,
        );
        assert_eq!(pushed(&tokenizer, &[1, 3, 4, 1, 2, 3]), ["a", "", "é", " a", "b", "", "\u{FFFD}"]);
    }
}
