/// Puts words and marks together as they are printed: the reverse of a word tokenizer, which drops white space.
///
/// The rules are those of English print, and need nothing but what came before, so that text can be given out as it is
/// generated. They cannot bring back what the tokenizer lost: which of two straight quotes opens is told by counting,
/// and a straight apostrophe at the edge of a word is taken to belong to the next one (`'tis`).
#[derive(Debug, Clone, Default)]
pub(super) struct Joiner {
    /// What was printed last.
    before: Option<char>,
    /// Whether a straight double quote is open; a line break closes it.
    in_quotes: bool,
}

/// Marks that stand right after a word.
const CLOSING: [char; 13] = ['.', ',', ';', ':', '!', '?', ')', ']', '}', '%', '”', '’', '…'];

/// Marks that stand right before a word.
const OPENING: [char; 8] = ['(', '[', '{', '“', '‘', '¿', '¡', '\''];

/// Marks that touch both their neighbours.
const JOINING: [char; 4] = ['-', '–', '—', '\n'];

impl Joiner {
    /// `word` with the space that belongs before it, if any.
    pub fn push(&mut self, word: &str) -> String {
        let mut characters = word.chars();
        let mark = characters.next().filter(|_| characters.next().is_none());
        let closes = self.in_quotes && mark == Some('"');
        let follows_opening_quote = self.in_quotes && self.before == Some('"');
        let touches = match (self.before, mark) {
            (None, _) => true,
            (Some(before), _) if OPENING.contains(&before) || JOINING.contains(&before) => true,
            (_, Some(mark)) => CLOSING.contains(&mark) || JOINING.contains(&mark) || closes,
            _ => false,
        };
        match mark {
            Some('"') => self.in_quotes = !self.in_quotes,
            Some('\n') => self.in_quotes = false,
            _ => {}
        }
        self.before = word.chars().last();
        if touches || follows_opening_quote { word.to_owned() } else { format!(" {word}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &[&str]) -> String {
        let mut joiner = Joiner::default();
        words.iter().map(|word| joiner.push(word)).collect()
    }

    #[test]
    fn marks_stand_where_print_has_them() {
        let words = [
            "The", "film", "(", "2004", ")", "isn't", "good", ",", "is", "it", "?", "'", "tis", "well", "-", "known",
            ".",
        ];
        assert_eq!(joined(&words), "The film (2004) isn't good, is it? 'tis well-known.");
    }

    #[test]
    fn quotes_open_and_close_and_end_with_the_line() {
        let words = [
            "\"", "Why", "?", "\"", "he", "said", ",", "\"", "how", "?", "\n", "\"", "No", "!", "\"", "\n", "She", "-",
            "-",
        ];
        assert_eq!(joined(&words), "\"Why?\" he said, \"how?\n\"No!\"\nShe--");
    }
}
