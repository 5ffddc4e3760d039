//! The split of texts into three parts.

use crate::stream_seed;
use std::collections::{HashMap, hash_map::Entry};

/// The places of the texts in each part, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

/// Texts that are the same but for capitals and white space, by place, in the order in which they first appear.
pub(crate) fn duplicates<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, text) in texts.into_iter().enumerate() {
        match known.entry(essence(text)) {
            Entry::Occupied(group) => groups[*group.get()].push(index),
            Entry::Vacant(group) => {
                group.insert(groups.len());
                groups.push(vec![index]);
            }
        }
    }
    groups
}

/// Deals each class's texts to the parts: `test` and `validation` of them, rounded, and where a class has three texts
/// at least one for any fraction above 0; the rest is for training.
///
/// Which text goes where follows from a hash of the text and `seed`, so that the order of the files plays no part and
/// new texts move few of the old ones. A group of [`duplicates`] goes to one part whole, with the class of its first
/// text. `texts` are each text with its class, which is below `num_classes`.
pub(crate) fn split(
    texts: &[(&str, usize)],
    groups: &[Vec<usize>],
    num_classes: usize,
    validation: f64,
    test: f64,
    seed: u64,
) -> Parts {
    let mut by_class: Vec<Vec<(u64, &[usize])>> = vec![Vec::new(); num_classes];
    for group in groups {
        let (text, class) = texts[group[0]];
        by_class[class].push((stream_seed(seed, 0, hash(&essence(text))), group));
    }
    let mut parts = Parts::default();
    for mut groups in by_class {
        groups.sort();
        let count: usize = groups.iter().map(|(_, group)| group.len()).sum();
        let mut test_room = room(count, test);
        let mut validation_room = room(count, validation);
        for (_, group) in groups {
            let (part, room) = if group.len() <= test_room {
                (&mut parts.test, Some(&mut test_room))
            } else if group.len() <= validation_room {
                (&mut parts.validation, Some(&mut validation_room))
            } else {
                (&mut parts.train, None)
            };
            part.extend_from_slice(group);
            if let Some(room) = room {
                *room -= group.len();
            }
        }
    }
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        part.sort_unstable();
    }
    parts
}

/// The fractions that can never work: the key, and the rest of a sentence that begins with it.
pub(crate) fn wrong_fractions(validation: f64, test: f64) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if !(validation > 0.0 && validation < 1.0) {
        let message = format!("is {validation}; it must lie between 0 and 1, both excluded");
        wrong.push(("validation_fraction", message));
    }
    if !(0.0..1.0).contains(&test) {
        wrong.push(("test_fraction", format!("is {test}; it must be at least 0 and below 1")));
    }
    if wrong.is_empty() && validation + test >= 1.0 {
        let message = format!("is {test}, and `validation_fraction` {validation}: nothing is left for training");
        wrong.push(("test_fraction", message));
    }
    wrong
}

fn room(count: usize, fraction: f64) -> usize {
    let least = usize::from(count >= 3 && fraction > 0.0);
    ((count as f64 * fraction).round() as usize).max(least)
}

/// A text without capitals and with single spaces.
fn essence(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// FNV-1a, 64 bits: written out here so that no upgrade changes a split.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn texts(words: &[(u16, usize)]) -> Vec<(String, usize)> {
        words.iter().map(|(word, class)| (word.to_string(), *class)).collect()
    }

    fn parts_of(texts: &[(String, usize)], seed: u64) -> Parts {
        let texts: Vec<(&str, usize)> = texts.iter().map(|(text, class)| (text.as_str(), *class)).collect();
        split(&texts, &duplicates(texts.iter().map(|text| text.0)), 3, 0.2, 0.1, seed)
    }

    #[test]
    fn each_class_is_divided_by_the_fractions() {
        let texts = texts(&(0..130).map(|word| (word, usize::from(word >= 30) * 2)).collect::<Vec<_>>());
        let parts = parts_of(&texts, 0);
        let count = |part: &[usize], label| part.iter().filter(|index| texts[**index].1 == label).count();
        assert_eq!([count(&parts.train, 0), count(&parts.validation, 0), count(&parts.test, 0)], [21, 6, 3]);
        assert_eq!([count(&parts.train, 2), count(&parts.validation, 2), count(&parts.test, 2)], [70, 20, 10]);
        assert_ne!(parts, parts_of(&texts, 1));
    }

    #[test]
    fn the_order_of_texts_plays_no_part() {
        let forwards = texts(&(0..50).map(|word| (word, usize::from(word % 3))).collect::<Vec<_>>());
        let backwards: Vec<(String, usize)> = forwards.iter().rev().cloned().collect();
        let validation = |texts: &[(String, usize)]| {
            let mut words: Vec<String> =
                parts_of(texts, 7).validation.iter().map(|index| texts[*index].0.clone()).collect();
            words.sort();
            words
        };
        assert_eq!(validation(&forwards), validation(&backwards));
    }

    #[test]
    fn capitals_and_spaces_make_no_new_text() {
        let groups = duplicates(["A  good\tfilm", "bad", "a GOOD film"]);
        assert_eq!(groups, [vec![0, 2], vec![1]]);
    }

    proptest! {
        #[test]
        fn parts_share_no_text_and_lose_none(
            words in proptest::collection::vec((0u16..60, 0usize..3), 0..200), seed in any::<u64>(),
        ) {
            let texts = texts(&words);
            let parts = parts_of(&texts, seed);
            let mut all = [parts.train.clone(), parts.validation.clone(), parts.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..texts.len()).collect::<Vec<_>>());
            let words_of =
                |part: &[usize]| part.iter().map(|index| texts[*index].0.clone()).collect::<HashSet<_>>();
            let [train, validation, test] = [&parts.train, &parts.validation, &parts.test].map(|part| words_of(part));
            prop_assert!(train.is_disjoint(&validation));
            prop_assert!(test.is_disjoint(&train) && test.is_disjoint(&validation));
        }
    }
}
