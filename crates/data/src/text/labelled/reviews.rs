//! The embedded labelled texts: short reviews of films, restaurants and things, from a grammar written for Kiln, so
//! that a classifier trains with no file and no download.
//!
//! A review is one judgement or two, perhaps after a remark that judges nothing. A judgement is a frame with places for
//! words of praise and of blame, and the same frames serve both classes: where a positive review has "not {blame} at
//! all", a negative one has "not {praise} at all". In half of the judgements the words alone tell the class; in the
//! others it takes their order ("weak at first, superb in the end") or a negation ("hardly a bad meal").
//!
//! The reviews never change: the generator is the crate's own and a test pins a checksum.

mod wordings;

use crate::SplitMix64;
use crate::text::stories::{articles, capitalised};
use std::collections::HashSet;
use wordings::{ASPECT_JUDGEMENTS, DOMAINS, Domain, NEGATIONS, ORDERS, PLAIN};

/// Reviews there are, half of them positive.
const COUNT: usize = 4000;

/// The seed of the reviews. Changing it, or any word of theirs, changes every score that is quoted for them.
const SEED: u64 = 2026;

/// One review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The text: one to three sentences in plain ASCII.
    pub text: String,
    /// Whether it praises.
    pub positive: bool,
}

impl Review {
    /// `"positive"` or `"negative"`.
    pub fn class(&self) -> &'static str {
        if self.positive { "positive" } else { "negative" }
    }
}

/// The reviews: 2000 positive and 2000 negative, in turn, no two of them alike. The same on every machine and in every
/// version; made anew at each call, in some milliseconds.
pub fn reviews() -> Vec<Review> {
    let mut rng = SplitMix64::new(SEED);
    let mut written = HashSet::new();
    let mut reviews = Vec::with_capacity(COUNT);
    while reviews.len() < COUNT {
        let positive = reviews.len() % 2 == 0;
        let text = write(positive, &mut rng);
        if written.insert(text.clone()) {
            reviews.push(Review { text, positive });
        }
    }
    reviews
}

fn write(positive: bool, rng: &mut SplitMix64) -> String {
    let domain = &DOMAINS[rng.below(DOMAINS.len())];
    let subject = Subject::new(domain, positive, rng);
    let mut sentences = Vec::new();
    if rng.below(2) == 0 {
        sentences.push(subject.fill(domain.remarks[rng.below(domain.remarks.len())]));
    }
    let frames = match rng.below(4) {
        0 | 1 => PLAIN,
        2 => NEGATIONS,
        _ => ORDERS,
    };
    sentences.push(subject.fill(frames[rng.below(frames.len())]));
    if rng.below(2) == 0 {
        // Of aspects that the first judgement does not know.
        let frame = ASPECT_JUDGEMENTS[rng.below(ASPECT_JUDGEMENTS.len())];
        sentences.push(subject.fill(frame));
    }
    articles(&sentences.join(" "))
}

/// What one review is about, and its words.
struct Subject {
    domain: &'static Domain,
    thing: &'static str,
    positive: bool,
    /// Names of four different aspects: `a` to `d`.
    aspects: [&'static str; 4],
    /// Each aspect's word of praise and word of blame, then two of each for the whole.
    words: [[&'static str; 2]; 6],
}

impl Subject {
    fn new(domain: &'static Domain, positive: bool, rng: &mut SplitMix64) -> Self {
        let first = rng.below(domain.aspects.len());
        let aspects = [0, 1, 2, 3].map(|step| &domain.aspects[(first + step) % domain.aspects.len()]);
        let [a, b, c, d] = aspects.map(|(_, praise, blame)| [praise[rng.below(4)], blame[rng.below(4)]]);
        let praise = rng.below(domain.praise.len());
        let blame = rng.below(domain.blame.len());
        // A second word, not the first.
        let more_praise = (praise + 1 + rng.below(domain.praise.len() - 1)) % domain.praise.len();
        let more_blame = (blame + 1 + rng.below(domain.blame.len() - 1)) % domain.blame.len();
        Self {
            domain,
            thing: domain.things[rng.below(domain.things.len())],
            positive,
            aspects: aspects.map(|(name, _, _)| *name),
            words: [
                a,
                b,
                c,
                d,
                [domain.praise[praise], domain.blame[blame]],
                [domain.praise[more_praise], domain.blame[more_blame]],
            ],
        }
    }

    /// Writes out a frame, with a capital at its beginning.
    fn fill(&self, frame: &str) -> String {
        let mut text = String::new();
        let mut rest = frame;
        while let Some((before, slot)) = rest.split_once('{') {
            let (slot, after) = slot.split_once('}').unwrap_or((slot, ""));
            text.push_str(before);
            text.push_str(self.slot(slot));
            rest = after;
        }
        text.push_str(rest);
        capitalised(&text)
    }

    /// The words for a slot: `a` to `d` are aspects and `thing` the whole; `a+` is a word for the aspect that judges as
    /// the review does and `a-` one that judges the other way, and so with `t` and `u` for the whole, and with verbs.
    fn slot(&self, slot: &str) -> &'static str {
        let Some(name) = slot.strip_suffix(['+', '-']) else {
            return match slot {
                "thing" => self.thing,
                "span" => self.domain.span,
                "had" => self.domain.had,
                _ => "abcd".find(slot).map_or("", |at| self.aspects[at]),
            };
        };
        let praises = self.positive == slot.ends_with('+');
        let [praise, blame] = match name {
            "love" => ["love", "hate"],
            "loved" => ["loved", "hated"],
            "best" => ["best", "worst"],
            "saves" => ["saves", "ruins"],
            "fear" => ["feared", "hoped"],
            "joy" => ["joy", "pain"],
            "would" => ["would", "would never"],
            "glad" => ["glad", "sorry"],
            _ => "abcdtu".find(name).map_or(["", ""], |at| self.words[at]),
        };
        if praises { praise } else { blame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_reviews_never_change() {
        // FNV-1a, 64 bits.
        let hash = reviews()
            .iter()
            .flat_map(|review| review.text.bytes())
            .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        assert_eq!(hash, 5653357741456280978);
    }

    #[test]
    fn the_reviews_are_plain_balanced_and_all_different() {
        let reviews = reviews();
        assert_eq!(reviews.len(), 4000);
        assert_eq!(reviews.iter().filter(|review| review.positive).count(), 2000);
        let texts: HashSet<&str> = reviews.iter().map(|review| review.text.as_str()).collect();
        assert_eq!(texts.len(), reviews.len());
        for text in texts {
            assert!(text.is_ascii() && text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
            assert!(text.ends_with(['.', '!']) && !text.contains("  ") && !text.contains(['{', '}']), "{text}");
            assert!(!text.contains(" ,") && !text.contains(" ."), "an empty slot in: {text}");
        }
    }

    #[test]
    fn every_slot_is_known() {
        let mut rng = SplitMix64::new(0);
        let remarks = DOMAINS.iter().flat_map(|domain| domain.remarks.iter());
        for frame in remarks.chain(PLAIN).chain(NEGATIONS).chain(ORDERS).chain(ASPECT_JUDGEMENTS) {
            let subject = Subject::new(&DOMAINS[0], true, &mut rng);
            for slot in frame.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                assert!(!subject.slot(slot).is_empty(), "{slot} in {frame}");
            }
        }
    }

    /// Counting words (naive Bayes) gets far, but not all the way: that is what the embedded reviews are for.
    #[test]
    fn it_takes_more_than_counting_words() {
        let reviews = reviews();
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_ascii_alphabetic())
                .map(str::to_lowercase)
                .filter(|word| !word.is_empty())
                .collect()
        };
        let (train, rest) = reviews.split_at(3200);
        let mut counts: HashMap<String, [f64; 2]> = HashMap::new();
        for review in train {
            for word in words(&review.text) {
                counts.entry(word).or_insert([1.0; 2])[usize::from(review.positive)] += 1.0;
            }
        }
        let score = |text: &str| -> f64 {
            words(text).iter().filter_map(|word| counts.get(word)).map(|[no, yes]| (yes / no).ln()).sum()
        };
        let right = rest.iter().filter(|review| (score(&review.text) > 0.0) == review.positive).count();
        let accuracy = right as f64 / rest.len() as f64;
        assert!((0.6..0.9).contains(&accuracy), "{accuracy}");
    }
}
