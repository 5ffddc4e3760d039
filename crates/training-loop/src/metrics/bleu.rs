//! BLEU (Papineni et al. 2002, <https://aclanthology.org/P02-1040>) as sacrebleu 2.6 computes it by default (Post 2018,
//! <https://aclanthology.org/W18-6319>), so that scores can be compared with published ones.

use std::collections::HashMap;

use super::{MetricError, check_pairs, ngrams, reference_count, tokenizer_13a::tokenize};

/// The longest runs of tokens that are compared.
const ORDERS: usize = 4;

/// What [`corpus_bleu`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Bleu {
    /// From 0 to 100.
    pub score: f64,
    /// Of runs of one to four tokens, from 0 to 100, smoothed where no run of that length was right.
    pub precisions: [f64; ORDERS],
    /// Factor for hypotheses that are shorter than the references, from 0 to 1.
    pub brevity_penalty: f64,
    /// Tokens of all hypotheses.
    pub hypothesis_length: usize,
    /// Tokens of the references that are closest in length.
    pub reference_length: usize,
    /// How the score was made, as sacrebleu writes it but without its version.
    pub signature: String,
}

/// BLEU of a corpus: case kept, tokenizer `13a`, runs up to four tokens, exponential smoothing, no effective order.
///
/// `references[i]` holds one or more translations that hypothesis `i` may agree with. Where nothing at all agrees the score is 0.
///
/// # Errors
/// When the counts differ or a hypothesis has no reference.
pub fn corpus_bleu<H, R, S>(hypotheses: &[H], references: &[R]) -> Result<Bleu, MetricError>
where
    H: AsRef<str>,
    R: AsRef<[S]>,
    S: AsRef<str>,
{
    check_pairs(hypotheses, references)?;
    let mut counts = Counts::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let references: Vec<Vec<String>> =
            references.as_ref().iter().map(|reference| tokenize(reference.as_ref())).collect();
        counts.add(&tokenize(hypothesis.as_ref()), &references);
    }
    let signature = format!("nrefs:{}|case:mixed|eff:no|tok:13a|smooth:exp", reference_count(references));
    Ok(counts.bleu(signature))
}

/// What the score follows from.
#[derive(Default)]
struct Counts {
    correct: [usize; ORDERS],
    total: [usize; ORDERS],
    hypothesis_length: usize,
    reference_length: usize,
}

impl Counts {
    fn add(&mut self, hypothesis: &[String], references: &[Vec<String>]) {
        let length = hypothesis.len();
        let closest = references.iter().map(Vec::len).min_by_key(|other| (other.abs_diff(length), *other));
        self.hypothesis_length += length;
        self.reference_length += closest.unwrap_or(0);
        for order in 1..=ORDERS {
            // A run may be used as often as the reference has it that has it most.
            let mut allowed: HashMap<&[String], usize> = HashMap::new();
            for reference in references {
                for (run, count) in ngrams::count(reference, order) {
                    let most = allowed.entry(run).or_default();
                    *most = count.max(*most);
                }
            }
            self.correct[order - 1] += ngrams::matches(&ngrams::count(hypothesis, order), &allowed);
            self.total[order - 1] += (length + 1).saturating_sub(order);
        }
    }

    fn bleu(&self, signature: String) -> Bleu {
        let (hypothesis, reference) = (self.hypothesis_length as f64, self.reference_length as f64);
        let brevity_penalty = if self.hypothesis_length >= self.reference_length {
            1.0
        } else if self.hypothesis_length == 0 {
            0.0
        } else {
            (1.0 - reference / hypothesis).exp()
        };
        let precisions = self.precisions();
        // A run length that no hypothesis reaches makes the score 0.
        let mean = precisions.iter().map(|precision| precision.ln()).sum::<f64>() / ORDERS as f64;
        Bleu {
            score: brevity_penalty * mean.exp(),
            precisions,
            brevity_penalty,
            hypothesis_length: self.hypothesis_length,
            reference_length: self.reference_length,
            signature,
        }
    }

    /// Each further length without a match counts half as much of a match as the one before (method 3 of Chen and Cherry 2014,
    /// <https://aclanthology.org/W14-3346>), unless there is no match of any length.
    fn precisions(&self) -> [f64; ORDERS] {
        let mut precisions = [0.0; ORDERS];
        if self.correct.iter().all(|correct| *correct == 0) {
            return precisions;
        }
        let mut share = 1.0;
        for (precision, (correct, total)) in precisions.iter_mut().zip(self.correct.iter().zip(&self.total)) {
            if *total == 0 {
                break;
            }
            let correct = if *correct == 0 {
                share /= 2.0;
                share
            } else {
                *correct as f64
            };
            *precision = 100.0 * correct / *total as f64;
        }
        precisions
    }
}
