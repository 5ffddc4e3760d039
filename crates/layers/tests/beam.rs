//! Beam search over a decoder that is a table, so that every sequence can be looked at.

use burn::backend::Flex;
use burn::tensor::{Int, Tensor, TensorData};
use layers::beam::{BeamOptions, Boundaries, Decoder, Hypothesis, beam_search};
use layers::sampling::SamplingError;
use std::collections::{HashMap, HashSet};

const VOCABULARY: usize = 5;
const END: u32 = 4;

/// Logits by the last two tokens: `[vocabulary, vocabulary, vocabulary]`. Its state is the token before the last.
struct Table(Vec<f32>);

impl Table {
    fn new(seed: u32) -> Self {
        let value = |index: u32| (f64::from(index * 7919 + seed * 104_729) * 0.618_034).fract() as f32 * 4.0;
        Self((0..(VOCABULARY * VOCABULARY * VOCABULARY) as u32).map(value).collect())
    }

    fn log_probability(&self, before: u32, last: u32, next: u32) -> f64 {
        let start = (before as usize * VOCABULARY + last as usize) * VOCABULARY;
        let row = &self.0[start..start + VOCABULARY];
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        f64::from(row[next as usize]) - sum.ln()
    }

    /// Every sequence of at most `max_len` tokens, with its log-probability.
    fn all(&self, max_len: usize) -> Vec<(Vec<u32>, f64)> {
        let mut ended = Vec::new();
        let mut open: Vec<(Vec<u32>, f64)> = vec![(Vec::new(), 0.0)];
        for _ in 0..max_len {
            let mut next = Vec::new();
            for (tokens, log_probability) in open {
                let at = |back: usize| tokens.len().checked_sub(back).map_or(END, |place| tokens[place]);
                for token in 0..VOCABULARY as u32 {
                    let sum = log_probability + self.log_probability(at(2), at(1), token);
                    if token == END {
                        ended.push((tokens.clone(), sum));
                    } else {
                        next.push(([tokens.as_slice(), &[token]].concat(), sum));
                    }
                }
            }
            open = next;
        }
        // What is open then ends without an end.
        ended.extend(open);
        ended
    }
}

impl Decoder<Flex> for Table {
    type State = Tensor<Flex, 1, Int>;

    fn step(&self, tokens: Tensor<Flex, 1, Int>, before: Self::State) -> (Tensor<Flex, 2>, Self::State) {
        let size = VOCABULARY * VOCABULARY;
        let table = Tensor::<Flex, 2>::from_data(TensorData::new(self.0.clone(), [size, VOCABULARY]), &tokens.device());
        (table.select(0, before * VOCABULARY as i32 + tokens.clone()), tokens)
    }

    fn select(&self, state: Self::State, rows: Tensor<Flex, 1, Int>) -> Self::State {
        state.select(0, rows)
    }
}

fn search(table: &Table, max_lens: &[usize], options: &BeamOptions) -> Vec<Vec<Hypothesis>> {
    let device = Default::default();
    let start = Tensor::<Flex, 1, Int>::full([max_lens.len()], END as i32, &device);
    beam_search(table, start, Boundaries { start: END, end: END }, max_lens, options, &device).unwrap()
}

#[test]
fn a_wide_beam_finds_the_best_of_all_sequences() {
    for seed in 0..20 {
        let table = Table::new(seed);
        for length_penalty in [0.0, 0.6, 1.0] {
            let options = BeamOptions { width: 400, length_penalty };
            let found = search(&table, &[4], &options).remove(0);
            let score =
                |(tokens, sum): &(Vec<u32>, f64)| sum / ((5.0 + tokens.len() as f64) / 6.0).powf(length_penalty);
            let mut all = table.all(4);
            all.sort_by(|a, b| score(b).total_cmp(&score(a)));
            assert_eq!(found.len(), all.len());
            let known: HashMap<&[u32], f64> = all.iter().map(|(tokens, sum)| (tokens.as_slice(), *sum)).collect();
            // By score, not by tokens: some sequences are equally likely up to rounding.
            for (found, expected) in found.iter().zip(&all) {
                assert!((found.score - score(expected)).abs() < 1e-4);
                assert!((found.log_probability - known[found.tokens.as_slice()]).abs() < 1e-4);
            }
            assert_eq!(found.iter().map(|found| &found.tokens).collect::<HashSet<_>>().len(), all.len());
        }
    }
}

#[test]
fn a_beam_of_one_is_greedy() {
    for seed in 0..50 {
        let table = Table::new(seed);
        let (mut before, mut last, mut greedy) = (END, END, Vec::new());
        while greedy.len() < 6 {
            let next = (0..VOCABULARY as u32)
                .max_by(|a, b| {
                    table.log_probability(before, last, *a).total_cmp(&table.log_probability(before, last, *b))
                })
                .unwrap();
            if next == END {
                break;
            }
            greedy.push(next);
            (before, last) = (last, next);
        }
        let found = search(&table, &[6], &BeamOptions::default()).remove(0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tokens, greedy, "seed {seed}");
    }
}

#[test]
fn sentences_of_a_batch_do_not_meet() {
    let table = Table::new(3);
    let options = BeamOptions { width: 3, length_penalty: 1.0 };
    let max_lens = [2, 7, 1, 5];
    let together = search(&table, &max_lens, &options);
    for (together, max_len) in together.iter().zip(max_lens) {
        assert_eq!(together, &search(&table, &[max_len], &options)[0]);
        assert!((1..=3).contains(&together.len()));
        assert!(together.iter().all(|hypothesis| hypothesis.tokens.len() <= max_len));
        assert!(together.is_sorted_by(|a, b| a.score >= b.score));
    }
}

#[test]
fn nothing_to_write_is_nothing_written() {
    assert!(search(&Table::new(0), &[], &BeamOptions::default()).is_empty());
}

#[test]
fn a_model_that_has_diverged_is_an_error() {
    let device = Default::default();
    let table = Table(vec![f32::NAN; VOCABULARY * VOCABULARY * VOCABULARY]);
    let start = Tensor::<Flex, 1, Int>::full([1], END as i32, &device);
    let boundaries = Boundaries { start: END, end: END };
    let found = beam_search(&table, start, boundaries, &[3], &BeamOptions::default(), &device);
    assert_eq!(found, Err(SamplingError::NotFinite));
}

#[test]
fn impossible_beams_are_named() {
    let wrong = BeamOptions { width: 0, length_penalty: -1.0 }.validate();
    assert_eq!(wrong.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["width", "length_penalty"]);
}
