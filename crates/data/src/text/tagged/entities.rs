//! The embedded tagged sentences: persons, places, dates and amounts, from a grammar written for Kiln, so that a tagger trains with
//! no file and no download.
//!
//! A word alone does not tell its tag: `Lincoln` and `Chester` are persons and places, `May` and `Florence` given names and more,
//! and a number is part of a date, of an amount, or of nothing. Often the neighbours tell, and sometimes the whole sentence must.
//!
//! The sentences never change: the generator is the crate's own and a test pins a checksum.

mod wordings;

use crate::SplitMix64;
use std::collections::HashSet;
use wordings::{
    CURRENCIES, FRAMES, GIVEN, GIVEN_AND_MORE, MONTHS, PLACE_PREFIXES, PLACES, SEASONS, SIGNS, SURNAMES,
    SURNAMES_AND_PLACES, TITLES, WEEKDAYS,
};

/// Sentences there are.
const COUNT: usize = 3000;

/// The seed of the sentences. Changing it, or any word of theirs, changes every score that is quoted for them.
const SEED: u64 = 2026;

/// The sentences, no two of them alike: words with a tag each, `O`, or `B-` and `I-` with `PER`, `LOC`, `DATE` or `MONEY`. The same
/// on every machine and in every version; made anew at each call, in some milliseconds.
pub fn sentences() -> Vec<Vec<(String, String)>> {
    let mut rng = SplitMix64::new(SEED);
    let mut written = HashSet::new();
    let mut sentences = Vec::with_capacity(COUNT);
    while sentences.len() < COUNT {
        let sentence = fill(FRAMES[rng.below(FRAMES.len())], &mut rng);
        let text: Vec<&str> = sentence.iter().map(|(word, _)| word.as_str()).collect();
        if written.insert(text.join(" ")) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// Writes out a frame.
fn fill(frame: &str, rng: &mut SplitMix64) -> Vec<(String, String)> {
    let mut sentence = Vec::new();
    for word in frame.split(' ') {
        let slot = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        let (text, kind) = slot.map_or_else(|| (word.to_owned(), None), |slot| filling(slot, rng));
        for (place, word) in text.split(' ').enumerate() {
            let tag = match kind {
                Some(kind) => format!("{}-{kind}", if place == 0 { "B" } else { "I" }),
                None => "O".to_owned(),
            };
            sentence.push((word.to_owned(), tag));
        }
    }
    sentence
}

/// The words for a slot, and what they are.
fn filling(slot: &str, rng: &mut SplitMix64) -> (String, Option<&'static str>) {
    match slot {
        "per" => (person(rng), Some("PER")),
        "surname" => (surname(rng).to_owned(), Some("PER")),
        "title" => (one(&TITLES, rng).to_owned(), None),
        "loc" => (place(rng), Some("LOC")),
        "date" => (date(rng), Some("DATE")),
        "day" => (day(rng), Some("DATE")),
        "month" => (one(&MONTHS, rng).to_owned(), Some("DATE")),
        "weekday" => (one(&WEEKDAYS, rng).to_owned(), Some("DATE")),
        "year" => (year(rng).to_string(), Some("DATE")),
        "money" => (money(rng), Some("MONEY")),
        // Numbers as years and amounts have them.
        _ => (number(rng), None),
    }
}

fn one<'a>(words: &[&'a str], rng: &mut SplitMix64) -> &'a str {
    words[rng.below(words.len())]
}

fn surname(rng: &mut SplitMix64) -> &'static str {
    if rng.below(2) == 0 { one(&SURNAMES, rng) } else { one(&SURNAMES_AND_PLACES, rng) }
}

fn given(rng: &mut SplitMix64) -> &'static str {
    if rng.below(3) == 0 { one(&GIVEN_AND_MORE, rng) } else { one(&GIVEN, rng) }
}

fn person(rng: &mut SplitMix64) -> String {
    match rng.below(6) {
        0 | 1 => surname(rng).to_owned(),
        2 => given(rng).to_owned(),
        3 => format!("{}. {}", &given(rng)[..1], surname(rng)),
        _ => format!("{} {}", given(rng), surname(rng)),
    }
}

fn place(rng: &mut SplitMix64) -> String {
    match rng.below(8) {
        0..=2 => one(&PLACES, rng).to_owned(),
        // Of the given names, those of places.
        3 => one(&GIVEN_AND_MORE[4..], rng).to_owned(),
        4 => format!("{} {}", one(&PLACE_PREFIXES, rng), one(&SURNAMES_AND_PLACES, rng)),
        _ => one(&SURNAMES_AND_PLACES, rng).to_owned(),
    }
}

fn year(rng: &mut SplitMix64) -> usize {
    1900 + rng.below(130)
}

/// What can follow "in" and "until".
fn date(rng: &mut SplitMix64) -> String {
    match rng.below(4) {
        0 => one(&MONTHS, rng).to_owned(),
        1 => format!("{} {}", one(&MONTHS, rng), year(rng)),
        2 => format!("the {} of {}", one(&SEASONS, rng), year(rng)),
        _ => year(rng).to_string(),
    }
}

/// What can follow "on".
fn day(rng: &mut SplitMix64) -> String {
    let number = 1 + rng.below(28);
    match rng.below(4) {
        0 => one(&WEEKDAYS, rng).to_owned(),
        1 => format!("{number} {}", one(&MONTHS, rng)),
        2 => format!("{} {number}", one(&MONTHS, rng)),
        _ => format!("{number} {} {}", one(&MONTHS, rng), year(rng)),
    }
}

fn number(rng: &mut SplitMix64) -> String {
    match rng.below(3) {
        0 => year(rng).to_string(),
        1 => (2 + rng.below(60)).to_string(),
        _ => (20 * (1 + rng.below(100))).to_string(),
    }
}

fn money(rng: &mut SplitMix64) -> String {
    let number = number(rng);
    match rng.below(4) {
        0 => format!("{} {number}", one(&SIGNS, rng)),
        1 => format!("{number} million {}", one(&CURRENCIES, rng)),
        // The currency is left out, as in speech.
        2 => number,
        _ => format!("{number} {}", one(&CURRENCIES, rng)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    #[test]
    fn the_sentences_never_change() {
        let sentences = sentences();
        assert_eq!(sentences.len(), COUNT);
        let words = sentences.iter().flatten().map(|(word, tag)| format!("{word}\t{tag}\n"));
        // FNV-1a, 64 bits.
        let hash = words
            .collect::<String>()
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        assert_eq!(
            hash, 1474776499472140512,
            "the sentences changed, and with them every score that is quoted for them"
        );
    }

    #[test]
    fn slots_are_filled_and_tags_follow_their_rules() {
        let mut kinds = BTreeSet::new();
        for sentence in sentences() {
            let mut before = "O".to_owned();
            for (word, tag) in sentence {
                assert!(!word.is_empty() && !word.contains(['{', '}', ' ']), "{word}");
                if let Some(kind) = tag.strip_prefix("I-") {
                    assert!(before.ends_with(kind) && before != "O", "{tag} after {before}");
                }
                kinds.insert(tag.clone());
                before = tag;
            }
        }
        let expected = ["B-DATE", "B-LOC", "B-MONEY", "B-PER", "I-DATE", "I-LOC", "I-MONEY", "I-PER", "O"];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
        for frame in FRAMES {
            let slots = frame.split(' ').filter_map(|word| word.strip_prefix('{'));
            let known = ["per", "surname", "title", "loc", "date", "day", "month", "weekday", "year", "money", "n"];
            assert!(slots.into_iter().all(|slot| known.contains(&slot.trim_end_matches('}'))), "{frame}");
        }
    }

    /// Looking a word up gets far, but not all the way: that is what the embedded sentences are for.
    #[test]
    fn it_takes_more_than_looking_words_up() {
        let sentences = sentences();
        let (learned, rest) = sentences.split_at(2400);
        let mut counts: HashMap<&str, BTreeMap<&str, usize>> = HashMap::new();
        for (word, tag) in learned.iter().flatten() {
            *counts.entry(word).or_default().entry(tag).or_default() += 1;
        }
        let guess = |word: &str| counts.get(word).and_then(|tags| tags.iter().max_by_key(|(_, count)| **count));
        let entities: Vec<&(String, String)> = rest.iter().flatten().filter(|(_, tag)| tag != "O").collect();
        let right = entities.iter().filter(|(word, tag)| guess(word).is_some_and(|(guess, _)| guess == tag)).count();
        let accuracy = right as f64 / entities.len() as f64;
        assert!((0.5..0.85).contains(&accuracy), "{accuracy}");
    }
}
