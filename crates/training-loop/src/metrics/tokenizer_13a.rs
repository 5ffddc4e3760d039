//! The tokenizer `13a`, which scores of machine translation are compared under: the rules of NIST's `mteval-v13a.pl`, read from
//! sacrebleu 2.6 (<https://github.com/mjpost/sacrebleu>, `tokenizers/tokenizer_13a.py` and `tokenizer_re.py`). Punctuation and
//! symbols of ASCII are split off, full stops and commas stay within numbers, and everything else is left as it is.

use super::ngrams::is_space;

/// The tokens of a line.
pub(super) fn tokenize(line: &str) -> Vec<String> {
    let mut line = line.trim_end_matches(is_space).replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    // In this order: what `&amp;` leaves is read once more.
    for (escaped, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        line = line.replace(escaped, character);
    }
    let characters: Vec<char> = format!(" {line} ").chars().collect();
    let characters = split_symbols(&characters);
    let characters = split_pairs(&characters, |a, b| !a.is_ascii_digit() && is_point(b), |a, b| [a, ' ', b, ' ']);
    let characters = split_pairs(&characters, |a, b| is_point(a) && !b.is_ascii_digit(), |a, b| [' ', a, ' ', b]);
    let characters = split_pairs(&characters, |a, b| a.is_ascii_digit() && b == '-', |a, b| [a, ' ', b, ' ']);
    let tokens = characters.split(|character| is_space(*character));
    tokens.filter(|token| !token.is_empty()).map(String::from_iter).collect()
}

/// Symbols of ASCII on their own, but for `'`, `,`, `-` and `.`, which words and numbers have inside.
fn split_symbols(characters: &[char]) -> Vec<char> {
    let split = |character: &char| match *character {
        '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => vec![' ', *character, ' '],
        other => vec![other],
    };
    characters.iter().flat_map(split).collect()
}

fn is_point(character: char) -> bool {
    matches!(character, '.' | ',')
}

/// Replaces pairs of neighbours from left to right; the second of one pair is never the first of another.
fn split_pairs(
    characters: &[char],
    is_pair: impl Fn(char, char) -> bool,
    replacement: impl Fn(char, char) -> [char; 4],
) -> Vec<char> {
    let mut result = Vec::with_capacity(2 * characters.len());
    let mut rest = characters;
    while let [first, after @ ..] = rest {
        match after {
            [second, after @ ..] if is_pair(*first, *second) => {
                result.extend(replacement(*first, *second));
                rest = after;
            }
            _ => {
                result.push(*first);
                rest = after;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stay_in_numbers_and_leave_words() {
        assert_eq!(tokenize("It's 3.14, or 1,000.5."), ["It's", "3.14", ",", "or", "1,000.5", "."]);
        assert_eq!(tokenize("a well-known 10-20 (range)"), ["a", "well-known", "10", "-", "20", "(", "range", ")"]);
        assert_eq!(tokenize("&lt;b&gt; &amp;quot; <skipped>\n"), ["<", "b", ">", "&", "quot", ";"]);
        assert!(tokenize(" \n").is_empty());
    }
}
