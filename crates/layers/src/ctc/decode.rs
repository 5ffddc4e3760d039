//! From a frame's probabilities to label sequences: the best path, and prefix beam search.
//!
//! On the host, one sequence at a time. Both take logits or their logarithms of probabilities: each frame is normalised, which
//! leaves what is normalised as it is.

use std::collections::HashMap;

/// A label sequence and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The classes, without blanks.
    pub labels: Vec<i32>,
    /// Logarithm of the probability, as far as the search has seen it.
    pub log_probability: f64,
}

/// The likeliest class of every frame, repetitions and blanks taken out. The probability is that of this one alignment.
///
/// # Shapes
/// - logits: `[time, classes]`, row by row
///
/// # Panics
/// When there are no whole frames, or the blank is not a class.
pub fn greedy(logits: &[f32], classes: usize, blank: usize) -> Hypothesis {
    check(logits, classes, blank);
    let mut labels = Vec::new();
    let mut log_probability = 0.0;
    let mut last = blank;
    for frame in logits.chunks_exact(classes) {
        let mut best = 0;
        for class in 1..classes {
            if frame[class] > frame[best] {
                best = class;
            }
        }
        log_probability += f64::from(frame[best]) - log_sum(frame);
        if best != last && best != blank {
            labels.push(best as i32);
        }
        last = best;
    }
    Hypothesis { labels, log_probability }
}

/// The likeliest label sequences, best first, as many as `width` at most: prefix beam search (Hannun et al. 2014,
/// <https://arxiv.org/abs/1408.2873>) without a language model. It adds up the alignments of equal sequences; with a width of at
/// least all sequences the probabilities are exact.
///
/// # Shapes
/// - logits: `[time, classes]`, row by row
///
/// # Panics
/// As [`greedy`], and when `width` is 0.
pub fn beam_search(logits: &[f32], classes: usize, blank: usize, width: usize) -> Vec<Hypothesis> {
    check(logits, classes, blank);
    assert!(width > 0, "a beam has to hold something");
    let mut prefixes = Prefixes::default();
    let mut beam = vec![Entry { prefix: ROOT, blank: 0.0, label: f64::NEG_INFINITY }];
    for frame in logits.chunks_exact(classes) {
        let log_sum = log_sum(frame);
        let frame: Vec<f64> = frame.iter().map(|logit| f64::from(*logit) - log_sum).collect();
        beam = advance(&mut prefixes, &beam, &frame, blank, width);
    }
    let hypothesis =
        |entry: &Entry| Hypothesis { labels: prefixes.labels(entry.prefix), log_probability: entry.log_probability() };
    beam.iter().map(hypothesis).collect()
}

fn check(logits: &[f32], classes: usize, blank: usize) {
    assert!(blank < classes, "the blank, {blank}, is not one of {classes} classes");
    assert!(logits.len().is_multiple_of(classes), "{} logits are no whole frames of {classes}", logits.len());
}

fn log_sum(frame: &[f32]) -> f64 {
    let largest = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = frame.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

/// A prefix in the beam.
#[derive(Debug, Clone, Copy)]
struct Entry {
    prefix: usize,
    /// Logarithm of the probability of its alignments that end in a blank.
    blank: f64,
    /// Of those that end in its last label.
    label: f64,
}

impl Entry {
    fn log_probability(&self) -> f64 {
        log_add(self.blank, self.label)
    }
}

/// One frame on: every prefix stays as it is or grows by a label, and the best of what comes out are kept.
fn advance(prefixes: &mut Prefixes, beam: &[Entry], frame: &[f64], blank: usize, width: usize) -> Vec<Entry> {
    let places: HashMap<usize, usize> = beam.iter().enumerate().map(|(place, entry)| (entry.prefix, place)).collect();
    let mut stayed: Vec<Entry> = beam
        .iter()
        .map(|entry| Entry {
            blank: entry.log_probability() + frame[blank],
            label: prefixes.last(entry.prefix).map_or(f64::NEG_INFINITY, |last| entry.label + frame[last]),
            ..*entry
        })
        .collect();
    let mut grown = Vec::new();
    for (parent, entry) in beam.iter().enumerate() {
        for label in (0..frame.len()).filter(|label| *label != blank) {
            // The same label again is a new one only behind a blank.
            let is_repeated = prefixes.last(entry.prefix) == Some(label);
            let probability = frame[label] + if is_repeated { entry.blank } else { entry.log_probability() };
            let child = prefixes.child(entry.prefix, label);
            match child.and_then(|child| places.get(&child)) {
                Some(place) => stayed[*place].label = log_add(stayed[*place].label, probability),
                None => grown.push((parent, label, probability)),
            }
        }
    }
    // Those that grow become prefixes only where they are kept.
    let scores = stayed.iter().map(Entry::log_probability).chain(grown.iter().map(|(_, _, probability)| *probability));
    let mut order: Vec<(usize, f64)> = scores.enumerate().filter(|(_, score)| *score > f64::NEG_INFINITY).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(width);
    let keep = |(place, _): (usize, f64)| match place.checked_sub(stayed.len()) {
        None => stayed[place],
        Some(place) => {
            let (parent, label, probability) = grown[place];
            let prefix = prefixes.grow(beam[parent].prefix, label);
            Entry { prefix, blank: f64::NEG_INFINITY, label: probability }
        }
    };
    order.into_iter().map(keep).collect()
}

fn log_add(a: f64, b: f64) -> f64 {
    let (larger, smaller) = if a > b { (a, b) } else { (b, a) };
    if larger == f64::NEG_INFINITY { larger } else { larger + (smaller - larger).exp().ln_1p() }
}

/// The empty prefix.
const ROOT: usize = 0;

/// Prefixes as a tree, so that they share what they have in common.
#[derive(Default)]
struct Prefixes {
    /// Parent and last label of each prefix but the empty one, which is number 0.
    nodes: Vec<(usize, usize)>,
    children: HashMap<(usize, usize), usize>,
}

impl Prefixes {
    fn last(&self, prefix: usize) -> Option<usize> {
        prefix.checked_sub(1).map(|node| self.nodes[node].1)
    }

    fn child(&self, prefix: usize, label: usize) -> Option<usize> {
        self.children.get(&(prefix, label)).copied()
    }

    fn grow(&mut self, prefix: usize, label: usize) -> usize {
        *self.children.entry((prefix, label)).or_insert_with(|| {
            self.nodes.push((prefix, label));
            self.nodes.len()
        })
    }

    fn labels(&self, mut prefix: usize) -> Vec<i32> {
        let mut labels = Vec::new();
        while let Some(node) = prefix.checked_sub(1) {
            let (parent, label) = self.nodes[node];
            labels.push(label as i32);
            prefix = parent;
        }
        labels.reverse();
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const BLANK: usize = 0;

    /// Random-looking but fixed logits.
    fn logits(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 * 4.0 - 2.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// A frame in which one class is nearly certain.
    fn path(classes: usize, path: &[usize]) -> Vec<f32> {
        path.iter().flat_map(|best| (0..classes).map(move |class| if class == *best { 10.0 } else { 0.0 })).collect()
    }

    /// The probability of every label sequence, by visiting every alignment.
    fn brute_force(logits: &[f32], classes: usize, blank: usize) -> BTreeMap<Vec<i32>, f64> {
        let time = logits.len() / classes;
        let mut found = BTreeMap::new();
        for mut number in 0..classes.pow(time as u32) {
            let (mut labels, mut log_probability, mut last) = (Vec::new(), 0.0, blank);
            for frame in logits.chunks_exact(classes) {
                let class = number % classes;
                number /= classes;
                log_probability += f64::from(frame[class]) - log_sum(frame);
                if class != blank && class != last {
                    labels.push(class as i32);
                }
                last = class;
            }
            *found.entry(labels).or_insert(0.0) += log_probability.exp();
        }
        found
    }

    #[test]
    fn a_wide_beam_finds_every_sequence_with_its_probability() {
        for (classes, time, blank) in [(2, 5, 0), (3, 4, 0), (3, 5, 2), (4, 4, 1), (3, 1, 0)] {
            let logits = logits(classes * time, (classes * time + blank) as u64);
            let expected = brute_force(&logits, classes, blank);
            let found = beam_search(&logits, classes, blank, 10_000);
            assert_eq!(found.len(), expected.len());
            for hypothesis in &found {
                let (probability, expected) = (hypothesis.log_probability.exp(), expected[&hypothesis.labels]);
                assert!((probability - expected).abs() < 1e-12, "{hypothesis:?}: {expected}");
            }
            assert!(found.is_sorted_by(|a, b| a.log_probability >= b.log_probability));
            let total: f64 = found.iter().map(|hypothesis| hypothesis.log_probability.exp()).sum();
            assert!((total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn greedy_takes_out_repetitions_and_blanks() {
        for (frames, labels) in [
            (&[0, 0, 0][..], &[][..]),
            (&[1, 1, 2], &[1, 2]),
            (&[1, 0, 1], &[1, 1]),
            (&[0, 1, 1, 0, 0, 2, 2, 1], &[1, 2, 1]),
            (&[], &[]),
        ] {
            let found = greedy(&path(3, frames), 3, BLANK);
            assert_eq!(found.labels, labels, "{frames:?}");
            // Nearly certain, so every search finds the same.
            for width in [1, 2, 16] {
                assert_eq!(beam_search(&path(3, frames), 3, BLANK, width)[0].labels, labels, "{frames:?}");
            }
        }
        assert_eq!(greedy(&path(3, &[2, 0, 2, 1]), 3, 2).labels, [0, 1]);
        let one = greedy(&path(3, &[1]), 3, BLANK);
        assert!((one.log_probability - (10f64 - (10f64.exp() + 2.0).ln())).abs() < 1e-6);
    }

    /// The classic case: every frame says blank, but most alignments together say the label.
    #[test]
    fn alignments_of_the_same_sequence_add_up() {
        let frame = [0.6f32.ln(), 0.4f32.ln()];
        let logits = [frame, frame].concat();
        assert!(greedy(&logits, 2, BLANK).labels.is_empty());
        let best = &beam_search(&logits, 2, BLANK, 4)[0];
        assert_eq!(best.labels, [1]);
        assert!((best.log_probability.exp() - 0.64).abs() < 1e-6);
    }

    #[test]
    fn a_narrow_beam_gives_as_much_as_asked_and_never_more_than_there_is() {
        let logits = logits(3 * 6, 4);
        let exact = brute_force(&logits, 3, BLANK);
        for width in [1, 2, 5] {
            let found = beam_search(&logits, 3, BLANK, width);
            assert_eq!(found.len(), width);
            for hypothesis in found {
                assert!(hypothesis.log_probability.exp() <= exact[&hypothesis.labels] + 1e-12);
            }
        }
    }
}
