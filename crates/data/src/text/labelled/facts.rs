use crate::PartCounts;
use serde::{Deserialize, Serialize};

/// What a run should know and report about its labelled texts. Lengths are in tokens, before any text is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelledFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Files read; 0 for an embedded source.
    pub num_files: usize,
    /// Texts, in all parts.
    pub num_texts: usize,
    /// How many of each class, in the order of their numbers.
    pub classes: Vec<PartCounts>,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Half of the texts are no longer than this.
    pub median_length: usize,
    /// The length of the longest text.
    pub longest_length: usize,
    /// Texts that were longer than `max_len` and lost their end.
    pub num_cut: usize,
    /// Texts that repeat an earlier one but for capitals and white space.
    pub num_duplicates: usize,
    /// Duplicates whose class is not that of the earlier text.
    pub num_contradictions: usize,
    /// Empty texts, which were passed over.
    pub num_empty: usize,
    /// The share of tokens in the validation part that are unknown words (or characters): from 0 to 1.
    pub unknown_rate: f64,
}

impl LabelledFacts {
    /// Texts in the training, the validation and the test part.
    pub fn part_sizes(&self) -> [usize; 3] {
        PartCounts::part_sizes(&self.classes)
    }

    /// The accuracy on the validation part of always answering with the class that has most training texts: what a
    /// classifier has to beat.
    pub fn baseline_accuracy(&self) -> f64 {
        PartCounts::baseline_accuracy(&self.classes)
    }
}
