//! chrF2 (Popović 2015, <https://aclanthology.org/W15-3049>) as sacrebleu 2.6 computes it by default: an F score over runs of
//! characters, recall counting twice as much as precision. It needs no tokenizer, and forgives wrong endings of words.

use super::{MetricError, check_pairs, ngrams, reference_count};

/// The longest runs of characters that are compared.
const ORDERS: usize = 6;

/// The square of how much more recall counts than precision.
const RECALL_FACTOR: f64 = 4.0;

/// What [`corpus_chrf`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// From 0 to 100.
    pub score: f64,
    /// How the score was made, as sacrebleu writes it but without its version.
    pub signature: String,
}

/// chrF2 of a corpus: case kept, runs up to six characters, white space left out, no runs of words.
///
/// `references[i]` holds one or more translations; the one that agrees best with hypothesis `i` counts.
///
/// # Errors
/// When the counts differ or a hypothesis has no reference.
pub fn corpus_chrf<H, R, S>(hypotheses: &[H], references: &[R]) -> Result<Chrf, MetricError>
where
    H: AsRef<str>,
    R: AsRef<[S]>,
    S: AsRef<str>,
{
    check_pairs(hypotheses, references)?;
    let mut total = Counts::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let hypothesis = characters(hypothesis.as_ref());
        let mut best = (f64::NEG_INFINITY, Counts::default());
        for reference in references.as_ref() {
            let counts = Counts::new(&hypothesis, &characters(reference.as_ref()));
            // Of equally good ones the first.
            if counts.score() > best.0 {
                best = (counts.score(), counts);
            }
        }
        total.add(&best.1);
    }
    let signature = format!("nrefs:{}|case:mixed|eff:yes|nc:6|nw:0|space:no", reference_count(references));
    Ok(Chrf { score: total.score(), signature })
}

fn characters(text: &str) -> Vec<char> {
    text.chars().filter(|character| !ngrams::is_space(*character)).collect()
}

/// By length of the runs: how many the hypothesis has, the reference has, and both have.
#[derive(Default)]
struct Counts([[usize; 3]; ORDERS]);

impl Counts {
    fn new(hypothesis: &[char], reference: &[char]) -> Self {
        let runs = |text: &[char], order: usize| (text.len() + 1).saturating_sub(order);
        Self(std::array::from_fn(|index| {
            let order = index + 1;
            let matches = ngrams::matches(&ngrams::count(hypothesis, order), &ngrams::count(reference, order));
            // Where the reference is too short for such a run the hypothesis is not blamed for having one.
            let of_hypothesis = if runs(reference, order) > 0 { runs(hypothesis, order) } else { 0 };
            [of_hypothesis, runs(reference, order), matches]
        }))
    }

    fn add(&mut self, other: &Self) {
        for (sums, counts) in self.0.iter_mut().zip(&other.0) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }

    /// The F score of mean precision and mean recall over the lengths that both sides have.
    fn score(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for [of_hypothesis, of_reference, matches] in self.0 {
            if of_hypothesis > 0 && of_reference > 0 {
                precision += matches as f64 / of_hypothesis as f64;
                recall += matches as f64 / of_reference as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall): (f64, f64) = (precision / orders, recall / orders);
        100.0 * (1.0 + RECALL_FACTOR) * precision * recall / (RECALL_FACTOR * precision + recall)
    }
}
