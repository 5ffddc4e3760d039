use crate::PartCounts;
use serde::{Deserialize, Serialize};

/// What a run should know and report about its tagged sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaggedFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Files read; 0 for an embedded source.
    pub num_files: usize,
    /// Sentences to learn from.
    pub train: usize,
    /// Sentences for validation.
    pub validation: usize,
    /// Sentences for the test.
    pub test: usize,
    /// Words of each tag, in the order of their numbers.
    pub tags: Vec<PartCounts>,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Tokens that a word of the training part has, on average.
    pub tokens_per_word: f64,
    /// Half of the sentences are no longer than this, in tokens, special ones included.
    pub median_length: usize,
    /// The length of the longest sentence, in the same way.
    pub longest_length: usize,
    /// Sentences that were longer than `max_len` and lost their end.
    pub num_cut: usize,
    /// The share of tokens in the validation part that are unknown: from 0 to 1.
    pub unknown_rate: f64,
}

impl TaggedFacts {
    /// The share of the words of the validation part that have the commonest tag of the training part: the accuracy to beat.
    pub fn baseline_accuracy(&self) -> f64 {
        PartCounts::baseline_accuracy(&self.tags)
    }
}
