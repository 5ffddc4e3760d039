use super::source::Speech;
use super::split::Parts;
use crate::PartCounts;
use serde::{Deserialize, Serialize};

/// What a run should know and report about its recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Recordings, in all parts.
    pub num_recordings: usize,
    /// Recordings that could not be read and were passed over.
    pub num_skipped: usize,
    /// Recordings that came at another rate than features are computed at.
    pub num_resampled: usize,
    /// Recordings of each class, in the order of their numbers.
    pub classes: Vec<PartCounts>,
    /// Recordings of each speaker, by name; empty where the source names none.
    pub speakers: Vec<PartCounts>,
    /// Half of the recordings are no longer than this many seconds.
    pub median_seconds: f64,
    /// The longest recording's seconds.
    pub longest_seconds: f64,
    /// All recordings' seconds.
    pub total_seconds: f64,
    /// Features in a frame.
    pub num_features: usize,
}

impl SpeechFacts {
    pub(super) fn new(source: &str, speech: &Speech, parts: &Parts, num_features: usize) -> Self {
        let recordings = &speech.recordings;
        let mut seconds: Vec<f64> = recordings.iter().map(|recording| recording.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        Self {
            source: source.to_owned(),
            num_recordings: recordings.len(),
            num_skipped: speech.num_skipped,
            num_resampled: speech.num_resampled,
            classes: PartCounts::of(&speech.classes, parts, |index| [recordings[index].label]),
            speakers: PartCounts::of(&speech.speakers, parts, |index| recordings[index].speaker),
            // The lower of the two in the middle.
            median_seconds: seconds.get(seconds.len().saturating_sub(1) / 2).copied().unwrap_or(0.0),
            longest_seconds: seconds.last().copied().unwrap_or(0.0),
            total_seconds: seconds.iter().sum(),
            num_features,
        }
    }

    /// Recordings in the training, the validation and the test part.
    pub fn part_sizes(&self) -> [usize; 3] {
        PartCounts::part_sizes(&self.classes)
    }

    /// The accuracy on the validation part of always answering with the class that has most training recordings: what a
    /// classifier has to beat.
    pub fn baseline_accuracy(&self) -> f64 {
        PartCounts::baseline_accuracy(&self.classes)
    }
}
