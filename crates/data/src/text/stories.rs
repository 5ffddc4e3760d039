//! The embedded corpus: small English stories from a grammar written for Kiln, so that a language model trains with no file
//! and no download.
//!
//! Every story is one of a few plots, told in three paragraphs (beginning, middle, end) by a few fixed beats. A beat is
//! picked among several wordings; in a wording `[a|b]` is one of the alternatives and `{slot}` is what the story's people and
//! things are. So the text has what a small model can be seen to learn, in this order: words, sentences, quotes that close,
//! pronouns that agree with a name, and a name that stays the same to the end.
//!
//! The text never changes: the generator is the crate's own and a test pins a checksum.

mod wordings;

use crate::SplitMix64;
use wordings::{CAST, ELDERS, FILLERS, PLACE, PLACES, PLOTS, SKILLS};

/// The text is ended after the story that reaches this many bytes.
const LENGTH: usize = 600_000;

/// The seed of the embedded text. Changing it, or any word below, changes every score that is quoted for it.
const SEED: u64 = 2026;

/// The embedded text: about 600 kB of ASCII with fewer than 70 distinct characters, stories divided by blank lines. The same
/// on every machine and in every version; made anew at each call, in some milliseconds.
pub fn text() -> String {
    let mut rng = SplitMix64::new(SEED);
    let mut text = String::with_capacity(LENGTH + 4096);
    let mut last_plot = PLOTS.len();
    while text.len() < LENGTH {
        let mut plot = rng.below(PLOTS.len());
        if plot == last_plot {
            plot = (plot + 1) % PLOTS.len();
        }
        last_plot = plot;
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&Story::new(&mut rng).tell(PLOTS[plot], &mut rng));
    }
    text.push('\n');
    text
}

/// Someone in a story: name, what they are, and whether they are a she.
type Person = (&'static str, &'static str, bool);

/// A plot is a row of beats; a beat is told in one of its wordings.
type Plot = &'static [&'static [&'static str]];

/// What is the same from a story's beginning to its end.
struct Story {
    hero: Person,
    friend: Person,
    elder: Person,
    /// One entry of each of [`FILLERS`].
    fillers: [&'static str; FILLERS.len()],
    skill: [&'static str; 3],
    other_place: &'static str,
}

impl Story {
    fn new(rng: &mut SplitMix64) -> Self {
        let hero = rng.below(CAST.len());
        // Any but the hero, all equally likely.
        let friend = (hero + 1 + rng.below(CAST.len() - 1)) % CAST.len();
        let place = rng.below(PLACES.len());
        let other_place = (place + 1 + rng.below(PLACES.len() - 1)) % PLACES.len();
        let mut fillers = FILLERS.map(|(_, choices)| choices[rng.below(choices.len())]);
        fillers[PLACE] = PLACES[place];
        Self {
            hero: CAST[hero],
            friend: CAST[friend],
            elder: ELDERS[rng.below(ELDERS.len())],
            fillers,
            skill: SKILLS[rng.below(SKILLS.len())],
            other_place: PLACES[other_place],
        }
    }

    /// Tells a plot: beats are joined by a space, or by a line break where a wording begins with one.
    fn tell(&self, plot: Plot, rng: &mut SplitMix64) -> String {
        let mut story = String::new();
        for beat in plot {
            let wording = beat[rng.below(beat.len())];
            if !story.is_empty() && !wording.starts_with('\n') {
                story.push(' ');
            }
            self.expand(wording, &mut story, rng);
        }
        articles(&story)
    }

    /// Writes out one wording: alternatives are picked and slots filled.
    fn expand(&self, wording: &str, story: &mut String, rng: &mut SplitMix64) {
        let mut rest = wording;
        while let Some(at) = rest.find(['[', '{']) {
            story.push_str(&rest[..at]);
            let inner = &rest[at + 1..];
            // No alternative holds another, so the next closing bracket is its own.
            if rest[at..].starts_with('[') {
                let (choices, after) = inner.split_once(']').unwrap_or((inner, ""));
                let choices: Vec<&str> = choices.split('|').collect();
                self.expand(choices[rng.below(choices.len())], story, rng);
                rest = after;
            } else {
                let (slot, after) = inner.split_once('}').unwrap_or((inner, ""));
                match slot.strip_prefix('^') {
                    Some(slot) => story.push_str(&capitalised(self.slot(slot))),
                    None => story.push_str(self.slot(slot)),
                }
                rest = after;
            }
        }
        story.push_str(rest);
    }

    /// The words for a slot: `A` (the hero), `B` (the friend) and `C` (an elder) followed by nothing for the name, or by `he`,
    /// `him`, `his` or `kind`; or a filler's name.
    fn slot(&self, slot: &str) -> &'static str {
        let person = match slot.as_bytes().first() {
            Some(b'A') => Some(self.hero),
            Some(b'B') => Some(self.friend),
            Some(b'C') => Some(self.elder),
            _ => None,
        };
        if let Some((name, kind, she)) = person {
            return match (&slot[1..], she) {
                ("he", true) => "she",
                ("he", false) => "he",
                ("him", true) | ("his", true) => "her",
                ("him", false) => "him",
                ("his", false) => "his",
                ("kind", _) => kind,
                _ => name,
            };
        }
        match slot {
            "skill" => self.skill[0],
            "doing" => self.skill[1],
            "did" => self.skill[2],
            "other" => self.other_place,
            _ => FILLERS.iter().position(|(name, _)| *name == slot).map_or("", |filler| self.fillers[filler]),
        }
    }
}

pub(super) fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}

/// Makes `a` into `an` where the next word begins with a vowel; the fillers have no word in which spelling and sound differ.
pub(super) fn articles(story: &str) -> String {
    let mut fixed = String::with_capacity(story.len() + 16);
    let mut words = story.split(' ').peekable();
    while let Some(word) = words.next() {
        fixed.push_str(word);
        let article = matches!(word, "a" | "A") || word.ends_with("\na") || word.ends_with("\nA");
        let vowel = |next: &&str| next.starts_with(['a', 'e', 'i', 'o', 'u']);
        if article && words.peek().is_some_and(vowel) {
            fixed.push('n');
        }
        if words.peek().is_some() {
            fixed.push(' ');
        }
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_text_never_changes() {
        // FNV-1a, 64 bits.
        let hash = text()
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        assert_eq!(hash, 3281684891224470839);
    }

    #[test]
    fn the_text_is_plain_and_varied() {
        let text = text();
        assert!((600_000..610_000).contains(&text.len()));
        assert!(text.is_ascii() && text.ends_with(".\n") | text.ends_with("\"\n") | text.ends_with("!\n"));
        let characters: BTreeSet<char> = text.chars().collect();
        assert!(characters.len() < 70, "{characters:?}");
        let stories: Vec<&str> = text.trim_end().split("\n\n").collect();
        assert!(stories.len() > 500, "{} stories", stories.len());
        assert_eq!(stories.iter().collect::<BTreeSet<_>>().len(), stories.len());
        for story in stories {
            assert_eq!(story.lines().count(), 3, "{story}");
            assert_eq!(story.matches('"').count() % 2, 0, "{story}");
            assert!(story.starts_with(|c: char| c.is_ascii_uppercase()), "{story}");
            for sentence_in_lower_case in [". the ", "! the ", "? the ", ".\" the ", "\nthe ", "\"the "] {
                assert!(!story.contains(sentence_in_lower_case), "{story}");
            }
        }
    }

    #[test]
    fn every_slot_and_bracket_is_known() {
        let mut rng = SplitMix64::new(0);
        for wording in PLOTS.iter().flat_map(|plot| plot.iter()).flat_map(|beat| beat.iter()) {
            for _ in 0..20 {
                let story = Story::new(&mut rng);
                let mut told = String::new();
                story.expand(wording, &mut told, &mut rng);
                assert!(!told.contains(['{', '}', '[', ']', '|', '^']), "{wording}\n{told}");
                assert!(!told.contains("  ") && !told.contains(" ,") && !told.contains(" ."), "{wording}\n{told}");
                assert!(told.ends_with(['.', '!', '?', '"']), "{told}");
            }
            for slot in wording.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                let slot = slot.trim_start_matches('^');
                assert!(!Story::new(&mut rng).slot(slot).is_empty(), "{slot} in {wording}");
                let known_suffix = matches!(&slot[1..], "" | "he" | "him" | "his" | "kind");
                assert!(known_suffix || !slot.starts_with(char::is_uppercase), "{slot} in {wording}");
            }
        }
    }

    #[test]
    fn articles_follow_the_next_word() {
        assert_eq!(articles("a owl saw a fox.\nA otter"), "an owl saw a fox.\nAn otter");
    }
}
