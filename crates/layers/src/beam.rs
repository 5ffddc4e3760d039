//! Beam search: the likeliest sequences that a decoder can write, for any model that writes token by token.
//!
//! A batch of sentences is searched at once; the log-probabilities of each step are read back to the host, where the
//! choice is made. A sentence that is done takes no more part in the steps.
//!
//! The search ends for a sentence when `width` hypotheses have ended, as fairseq's does, so that a beam of one writes what
//! greedy decoding writes. Scores are divided by the length penalty of Wu et al. 2016, <https://arxiv.org/abs/1609.08144>,
//! section 7.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax, backend::Backend};

use crate::sampling::SamplingError;

/// A model that writes token by token, many rows at a time.
pub trait Decoder<B: Backend> {
    /// What it remembers of each row.
    type State;

    /// Reads one token a row and gives the logits of the next, with the state behind it.
    ///
    /// # Shapes
    /// - tokens: `[rows]`
    /// - logits: `[rows, vocabulary]`
    fn step(&self, tokens: Tensor<B, 1, Int>, state: Self::State) -> (Tensor<B, 2>, Self::State);

    /// The state of the rows with these indices, in this order and as often as they are named.
    ///
    /// # Shapes
    /// - rows: `[new rows]`
    fn select(&self, state: Self::State, rows: Tensor<B, 1, Int>) -> Self::State;
}

/// How to search.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamOptions {
    /// Hypotheses of a sentence that are followed at a time; 1 is greedy decoding. Default: 1.
    pub width: usize,
    /// The exponent α of the length penalty `((5 + length) / 6)^α`, which divides the log-probability: 0 prefers short
    /// sentences, 1 compares means. Default: 1.
    pub length_penalty: f64,
}

impl Default for BeamOptions {
    fn default() -> Self {
        Self { width: 1, length_penalty: 1.0 }
    }
}

impl BeamOptions {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.width == 0 {
            wrong.push(("width", "must be at least 1".to_string()));
        }
        if !(self.length_penalty >= 0.0 && self.length_penalty.is_finite()) {
            wrong.push(("length_penalty", "must be 0 or above".to_string()));
        }
        wrong
    }

    fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / ((5.0 + length as f64) / 6.0).powf(self.length_penalty)
    }
}

/// The tokens between which a sentence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundaries {
    /// What the decoder reads first.
    pub start: u32,
    /// What it writes after the last token.
    pub end: u32,
}

/// A sentence that the decoder may write.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without start and end.
    pub tokens: Vec<u32>,
    /// The natural logarithm of its probability, that of its end included.
    pub log_probability: f64,
    /// The log-probability divided by the length penalty: what the hypotheses are ordered by.
    pub score: f64,
}

/// The best hypotheses of each sentence, best first: at least one and at most `options.width`.
///
/// `state` has one row a sentence. `max_lens` gives the most tokens of each sentence, at least 1; a hypothesis that reaches
/// them ends there, without the probability of an end.
///
/// # Errors
/// [`SamplingError::NotFinite`] where the logits hold NaN or infinity.
///
/// # Panics
/// When [`validate`](BeamOptions::validate) finds something, or a sentence may have no token.
pub fn beam_search<B: Backend, D: Decoder<B>>(
    decoder: &D,
    state: D::State,
    boundaries: Boundaries,
    max_lens: &[usize],
    options: &BeamOptions,
    device: &B::Device,
) -> Result<Vec<Vec<Hypothesis>>, SamplingError> {
    let wrong = options.validate();
    assert!(wrong.is_empty(), "impossible beam: {wrong:?}");
    assert!(!max_lens.contains(&0), "a sentence has to have a token at least");
    let mut finished: Vec<Vec<Hypothesis>> = vec![Vec::new(); max_lens.len()];
    let mut rows: Vec<Row> = (0..max_lens.len()).map(Row::start).collect();
    let mut state = Some(state);
    while let Some(before) = state.take()
        && !rows.is_empty()
    {
        let last = rows.iter().map(|row| *row.tokens.last().unwrap_or(&boundaries.start) as i32).collect();
        let (logits, after) = decoder.step(integers(last, device), before);
        let [_, vocabulary] = logits.dims();
        let log_probabilities: Vec<f32> = log_softmax(logits, 1).into_data().iter::<f32>().collect();
        let mut kept = Vec::with_capacity(rows.len());
        let mut parents = Vec::with_capacity(rows.len());
        let mut first = 0;
        for rows in rows.chunk_by(|a, b| a.sentence == b.sentence) {
            let sentence = rows[0].sentence;
            let log_probabilities = &log_probabilities[first * vocabulary..][..rows.len() * vocabulary];
            let best = best(rows, log_probabilities, 2 * options.width)?;
            let finished = &mut finished[sentence];
            let mut followed = 0;
            for (rank, next) in best.iter().enumerate() {
                let row = &rows[next.row];
                if next.token == boundaries.end {
                    if rank < options.width && finished.len() < options.width {
                        finished.push(row.hypothesis(next.log_probability, options));
                    }
                } else if followed < options.width {
                    kept.push(row.with(next));
                    parents.push((first + next.row) as i32);
                    followed += 1;
                }
            }
            first += rows.len();
            if rows[0].tokens.len() + 1 == max_lens[sentence] {
                let ended = kept.split_off(kept.len() - followed);
                parents.truncate(kept.len());
                finished.extend(ended.iter().map(|row| row.hypothesis(row.log_probability, options)));
            } else if finished.len() >= options.width {
                kept.truncate(kept.len() - followed);
                parents.truncate(kept.len());
            }
        }
        let in_place = parents.len() == rows.len() && (0..).zip(&parents).all(|(row, parent)| row == *parent);
        rows = kept;
        state =
            (!rows.is_empty()).then(|| if in_place { after } else { decoder.select(after, integers(parents, device)) });
    }
    for hypotheses in &mut finished {
        hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
        hypotheses.truncate(options.width);
    }
    Ok(finished)
}

/// An unfinished hypothesis.
struct Row {
    sentence: usize,
    tokens: Vec<u32>,
    log_probability: f64,
}

impl Row {
    fn start(sentence: usize) -> Self {
        Self { sentence, tokens: Vec::new(), log_probability: 0.0 }
    }

    fn with(&self, next: &Candidate) -> Self {
        let tokens = [self.tokens.as_slice(), &[next.token]].concat();
        Self { sentence: self.sentence, tokens, log_probability: next.log_probability }
    }

    fn hypothesis(&self, log_probability: f64, options: &BeamOptions) -> Hypothesis {
        let score = options.score(log_probability, self.tokens.len());
        Hypothesis { tokens: self.tokens.clone(), log_probability, score }
    }
}

/// A row with one more token.
#[derive(Clone, Copy)]
struct Candidate {
    row: usize,
    token: u32,
    /// Of the whole hypothesis.
    log_probability: f64,
}

/// The `count` best continuations of a sentence's rows, best first; of equals, the earlier row and the lower token.
fn best(rows: &[Row], log_probabilities: &[f32], count: usize) -> Result<Vec<Candidate>, SamplingError> {
    let vocabulary = log_probabilities.len() / rows.len();
    let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
    for (row, values) in log_probabilities.chunks(vocabulary).enumerate() {
        for (token, value) in (0u32..).zip(values) {
            if value.is_nan() || *value == f32::INFINITY {
                return Err(SamplingError::NotFinite);
            }
            let log_probability = rows[row].log_probability + f64::from(*value);
            if best.len() == count && log_probability <= best[count - 1].log_probability {
                continue;
            }
            let place = best.partition_point(|other| other.log_probability >= log_probability);
            best.insert(place, Candidate { row, token, log_probability });
            best.truncate(count);
        }
    }
    Ok(best)
}

fn integers<B: Backend>(values: Vec<i32>, device: &B::Device) -> Tensor<B, 1, Int> {
    let length = [values.len()];
    Tensor::from_data(TensorData::new(values, length), device)
}
