//! Scores of whole evaluations from what is already on the host: classes, texts, sequences. No tensors.

pub mod bleu;
pub mod calibration;
pub mod chrf;
pub mod confusion;
pub mod edit_distance;
pub mod entities;
mod ngrams;
mod tokenizer_13a;

pub use bleu::{Bleu, corpus_bleu};
pub use calibration::Calibration;
pub use chrf::{Chrf, corpus_chrf};
pub use confusion::{Confusion, precision_recall_f1};
pub use edit_distance::{Edits, edit_distance};
pub use entities::{Entity, EntityCounts, EntityScores, entities, entity_scores};

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// Hypotheses and references do not go together.
    #[error("{hypotheses} hypotheses but references for {references}; each hypothesis needs its own")]
    Counts {
        /// How many hypotheses there are.
        hypotheses: usize,
        /// How many have references.
        references: usize,
    },
    /// A hypothesis has nothing that it could be compared with.
    #[error("hypothesis {index} (counted from 0) has no reference; give it at least one")]
    NoReference {
        /// Which one, counted from 0.
        index: usize,
    },
    /// A sentence has other numbers of tags than of words.
    #[error(
        "sentence {index} (counted from 0) has {hypothesis} tag(s), and its reference {reference}; each word needs one of both"
    )]
    Lengths {
        /// Which one, counted from 0.
        index: usize,
        /// Tags of the hypothesis.
        hypothesis: usize,
        /// Tags of the reference.
        reference: usize,
    },
}

/// Fails where a hypothesis would be scored without a reference.
fn check_pairs<H, R: AsRef<[S]>, S>(hypotheses: &[H], references: &[R]) -> Result<(), MetricError> {
    if hypotheses.len() != references.len() {
        return Err(MetricError::Counts { hypotheses: hypotheses.len(), references: references.len() });
    }
    match references.iter().position(|references| references.as_ref().is_empty()) {
        Some(index) => Err(MetricError::NoReference { index }),
        None => Ok(()),
    }
}

/// How many references each hypothesis has, or `var` where they differ: a part of a signature.
fn reference_count<R: AsRef<[S]>, S>(references: &[R]) -> String {
    let mut counts = references.iter().map(|references| references.as_ref().len());
    let first = counts.next().unwrap_or(1);
    if counts.all(|count| count == first) { first.to_string() } else { "var".to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypotheses_without_references_are_named() {
        let error = corpus_bleu(&["a", "b"], &[["a"]]).unwrap_err();
        assert_eq!(error, MetricError::Counts { hypotheses: 2, references: 1 });
        let error = corpus_chrf(&["a", "b"], &[vec!["a"], vec![]]).unwrap_err();
        assert!(error.to_string().starts_with("hypothesis 1 (counted from 0) has no reference"), "{error}");
    }
}
