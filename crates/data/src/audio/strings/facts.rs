use super::config::StringsConfig;
use crate::audio::SpeechFacts;
use serde::{Deserialize, Serialize};

/// What a run should know and report about its strings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechStringsFacts {
    /// The recordings that strings are made of.
    pub recordings: SpeechFacts,
    /// Strings in an epoch of training, in validation and in the test.
    pub part_sizes: [usize; 3],
    /// The fewest and the most recordings in a string.
    pub lengths: [usize; 2],
}

impl SpeechStringsFacts {
    pub(super) fn new(recordings: SpeechFacts, config: &StringsConfig) -> Self {
        let test = if recordings.part_sizes()[2] == 0 { 0 } else { config.test };
        Self { recordings, part_sizes: [config.train, config.validation, test], lengths: [config.min, config.max] }
    }
}
