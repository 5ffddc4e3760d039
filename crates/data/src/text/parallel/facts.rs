use serde::{Deserialize, Serialize};

/// What a run should know and report about its pairs of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParallelFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Pairs to learn from.
    pub train: usize,
    /// Pairs for validation.
    pub validation: usize,
    /// Pairs for the test.
    pub test: usize,
    /// Pairs with nothing on one side, which were passed over.
    pub num_empty: usize,
    /// Pairs that were too long to learn from.
    pub num_too_long: usize,
    /// The language that is translated from.
    pub from: SideFacts,
    /// The language that is translated to.
    pub to: SideFacts,
}

/// One side of the pairs. Lengths are in tokens, of the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideFacts {
    /// Size of the vocabulary, the boundary included.
    pub vocab_size: usize,
    /// Half of the texts are no longer than this.
    pub median_length: usize,
    /// The length of the longest text.
    pub longest_length: usize,
    /// The share of tokens in the validation part that are unknown words (or characters): from 0 to 1.
    pub unknown_rate: f64,
}
