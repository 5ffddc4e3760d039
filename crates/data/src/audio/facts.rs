use super::source::Speech;
use super::split::Parts;
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

/// How many recordings of a class or a speaker there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// The class or the speaker.
    pub name: String,
    /// Recordings in the training part.
    pub train: usize,
    /// Recordings in the validation part.
    pub validation: usize,
    /// Recordings in the test part.
    pub test: usize,
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
            classes: count(&speech.classes, parts, |index| Some(recordings[index].label)),
            speakers: count(&speech.speakers, parts, |index| recordings[index].speaker),
            // The lower of the two in the middle.
            median_seconds: seconds.get(seconds.len().saturating_sub(1) / 2).copied().unwrap_or(0.0),
            longest_seconds: seconds.last().copied().unwrap_or(0.0),
            total_seconds: seconds.iter().sum(),
            num_features,
        }
    }

    /// Recordings in the training, the validation and the test part.
    pub fn part_sizes(&self) -> [usize; 3] {
        self.classes.iter().fold([0; 3], |[train, validation, test], class| {
            [train + class.train, validation + class.validation, test + class.test]
        })
    }

    /// The accuracy on the validation part of always answering with the class that has most training recordings: what a
    /// classifier has to beat.
    pub fn baseline_accuracy(&self) -> f64 {
        let largest = self.classes.iter().max_by_key(|class| class.train).map_or(0, |class| class.validation);
        largest as f64 / self.part_sizes()[1].max(1) as f64
    }
}

fn count(names: &[String], parts: &Parts, place: impl Fn(usize) -> Option<usize>) -> Vec<PartCounts> {
    let mut counts: Vec<PartCounts> =
        names.iter().map(|name| PartCounts { name: name.clone(), ..PartCounts::default() }).collect();
    let places = |part: &[usize]| part.iter().filter_map(|index| place(*index)).collect::<Vec<_>>();
    places(&parts.train).into_iter().for_each(|place| counts[place].train += 1);
    places(&parts.validation).into_iter().for_each(|place| counts[place].validation += 1);
    places(&parts.test).into_iter().for_each(|place| counts[place].test += 1);
    counts
}
