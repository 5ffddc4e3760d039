//! The split of recordings into three parts.

pub(super) use crate::split::Parts;

use super::source::Speech;
use crate::DataError;
use crate::split::split;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Speakers that an error lists at most.
const LISTED: usize = 12;

/// Which recordings are kept for validation and for a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SpeechSplit {
    /// All recordings of the named speakers: how well a model hears someone it never heard.
    Speaker(SpeakerSplit),
    /// Recordings by the number at the end of their name: the free spoken digit dataset keeps 0 to 4 for a test.
    Take(TakeSplit),
    /// A part of each class.
    Random(RandomSplit),
}

/// `split = { kind = "speaker", test = ["theo"], validation = ["lucas"] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeakerSplit {
    /// Speakers kept for a test at the very end; may be empty.
    pub test: Vec<String>,
    /// Speakers kept for validation. Where there is none, `validation_fraction` of the other speakers' recordings are.
    pub validation: Vec<String>,
    /// The part of each class that is kept for validation where no speaker is: above 0 and below 1.
    pub validation_fraction: f64,
    /// Which recordings that part has.
    pub split_seed: u64,
}

/// `split = { kind = "take", test = [0, 1, 2, 3, 4] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TakeSplit {
    /// Takes kept for a test at the very end; may be empty.
    pub test: Vec<usize>,
    /// Takes kept for validation. Where there is none, `validation_fraction` of the other takes' recordings are.
    pub validation: Vec<usize>,
    /// The part of each class that is kept for validation where no take is: above 0 and below 1.
    pub validation_fraction: f64,
    /// Which recordings that part has.
    pub split_seed: u64,
}

/// `split = { kind = "random", validation_fraction = 0.1, test_fraction = 0.1 }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomSplit {
    /// The part of each class that is kept for validation: above 0 and below 1.
    pub validation_fraction: f64,
    /// The part of each class that is kept for a test at the very end: from 0 to below 1.
    pub test_fraction: f64,
    /// Which recordings fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
}

impl Default for SpeechSplit {
    fn default() -> Self {
        Self::Random(RandomSplit::default())
    }
}

impl Default for SpeakerSplit {
    fn default() -> Self {
        Self { test: Vec::new(), validation: Vec::new(), validation_fraction: 0.1, split_seed: 0 }
    }
}

impl Default for TakeSplit {
    fn default() -> Self {
        Self { test: vec![0, 1, 2, 3, 4], validation: Vec::new(), validation_fraction: 0.1, split_seed: 0 }
    }
}

impl Default for RandomSplit {
    fn default() -> Self {
        Self { validation_fraction: 0.1, test_fraction: 0.1, split_seed: 0 }
    }
}

impl SpeechSplit {
    /// Values that can never work, with keys relative to the data section.
    pub(super) fn validate(&self) -> Vec<(&'static str, String)> {
        let twice = |test: bool| test.then(|| "has a name that `split.validation` has too; keep it in one".to_owned());
        let (validation, test, twice) = match self {
            Self::Speaker(split) => {
                (split.validation_fraction, 0.0, twice(split.test.iter().any(|name| split.validation.contains(name))))
            }
            Self::Take(split) => {
                (split.validation_fraction, 0.0, twice(split.test.iter().any(|take| split.validation.contains(take))))
            }
            Self::Random(split) => (split.validation_fraction, split.test_fraction, None),
        };
        let mut wrong = Vec::new();
        wrong.extend(twice.map(|message| ("split.test", message)));
        if !(validation > 0.0 && validation < 1.0) {
            let message = format!("is {validation}; it must lie between 0 and 1, both excluded");
            wrong.push(("split.validation_fraction", message));
        }
        if !(0.0..1.0).contains(&test) {
            wrong.push(("split.test_fraction", format!("is {test}; it must be at least 0 and below 1")));
        } else if validation < 1.0 && validation + test >= 1.0 {
            let message = format!("is {test}, and `validation_fraction` {validation}: nothing is left for training");
            wrong.push(("split.test_fraction", message));
        }
        wrong
    }

    /// The places of the recordings in each part, ascending.
    ///
    /// # Errors
    /// [`DataError`] where a recording has no speaker or take to go by, a name is unknown, or a part that must not be is
    /// empty.
    pub(super) fn of(&self, speech: &Speech) -> Result<Parts, DataError> {
        let parts = match self {
            Self::Speaker(split) => {
                let speakers = speech.keys("speaker", |recording| recording.speaker)?;
                check_speakers("split.test", &split.test, speech)?;
                check_speakers("split.validation", &split.validation, speech)?;
                let speaker = |index: usize| &speech.speakers[speakers[index]];
                let held = |names: &[String], index| names.contains(speaker(index));
                let held = |index| [held(&split.validation, index), held(&split.test, index)];
                by_hand(speech, held, split.validation_fraction, split.split_seed)
            }
            Self::Take(split) => {
                let takes = speech.keys("take", |recording| recording.take)?;
                check_takes("split.test", &split.test, &takes)?;
                check_takes("split.validation", &split.validation, &takes)?;
                let held =
                    |index: usize| [split.validation.contains(&takes[index]), split.test.contains(&takes[index])];
                by_hand(speech, held, split.validation_fraction, split.split_seed)
            }
            Self::Random(s) => {
                let all: Vec<usize> = (0..speech.recordings.len()).collect();
                at_random(speech, &all, s.validation_fraction, s.test_fraction, s.split_seed)
            }
        };
        check_parts(speech, &parts)?;
        Ok(parts)
    }
}

/// Parts by a rule that tells of each recording whether it is kept for validation and for the test. Where none is kept
/// for validation, a fraction of the rest is.
fn by_hand(speech: &Speech, held: impl Fn(usize) -> [bool; 2], fraction: f64, seed: u64) -> Parts {
    let places = 0..speech.recordings.len();
    let (test, rest): (Vec<usize>, Vec<usize>) = places.partition(|index| held(*index)[1]);
    let (validation, train): (Vec<usize>, Vec<usize>) = rest.iter().partition(|index| held(**index)[0]);
    if validation.is_empty() {
        return Parts { test, ..at_random(speech, &rest, fraction, 0.0, seed) };
    }
    Parts { train, validation, test }
}

/// Fractions of each class of the recordings at `places`.
fn at_random(speech: &Speech, places: &[usize], validation: f64, test: f64, seed: u64) -> Parts {
    let recordings = places.iter().map(|place| &speech.recordings[*place]);
    let named: Vec<(&str, usize)> = recordings.map(|recording| (recording.name.as_str(), recording.label)).collect();
    let groups: Vec<Vec<usize>> = (0..named.len()).map(|index| vec![index]).collect();
    let parts = split(&named, &groups, speech.classes.len(), validation, test, seed);
    let placed = |part: Vec<usize>| part.into_iter().map(|index| places[index]).collect();
    Parts { train: placed(parts.train), validation: placed(parts.validation), test: placed(parts.test) }
}

fn check_speakers(key: &'static str, names: &[String], speech: &Speech) -> Result<(), DataError> {
    let Some(name) = names.iter().find(|name| !speech.speakers.contains(name)) else { return Ok(()) };
    let likeness = |known: &String| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let nearest = speech.speakers.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let meant = match nearest.filter(|nearest| likeness(nearest) > 0.75) {
        Some(nearest) => format!(" Is `{nearest}` meant?"),
        None => String::new(),
    };
    let listed: Vec<String> = speech.speakers.iter().take(LISTED).map(|known| format!("`{known}`")).collect();
    let more = match speech.speakers.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("names the speaker `{name}`; there are {}{more}.{meant}", listed.join(", "));
    Err(DataError::Config { key, message })
}

fn check_takes(key: &'static str, wanted: &[usize], takes: &[usize]) -> Result<(), DataError> {
    let known: BTreeSet<usize> = takes.iter().copied().collect();
    let Some(take) = wanted.iter().find(|take| !known.contains(take)) else { return Ok(()) };
    let (first, last) = (known.first().copied().unwrap_or(0), known.last().copied().unwrap_or(0));
    let message = format!("names the take {take}, which no recording has; takes go from {first} to {last}");
    Err(DataError::Config { key, message })
}

/// A part without recordings is an error here, before anything divides by its size.
fn check_parts(speech: &Speech, parts: &Parts) -> Result<(), DataError> {
    let wrong = |message: String| Err(DataError::Config { key: "split", message });
    if parts.train.is_empty() {
        return wrong("leaves no recording for training; keep fewer for validation and test".to_owned());
    }
    if parts.validation.is_empty() {
        return wrong("leaves no recording for validation; keep more, or give more recordings".to_owned());
    }
    let trained: BTreeSet<usize> = parts.train.iter().map(|index| speech.recordings[*index].label).collect();
    let held = parts.validation.iter().chain(&parts.test).map(|index| speech.recordings[*index].label);
    match held.into_iter().find(|label| !trained.contains(label)) {
        Some(label) => wrong(format!(
            "leaves no recording of the class `{}` for training; keep fewer, or give more recordings of it",
            speech.classes[label]
        )),
        None => Ok(()),
    }
}

impl Speech {
    /// What a split goes by, of every recording.
    fn keys<T>(&self, what: &str, key: impl Fn(&super::source::Recording) -> Option<T>) -> Result<Vec<T>, DataError> {
        let found = |recording| {
            key(recording).ok_or_else(|| DataError::BadAudio {
                path: self.root.join(&recording.name),
                message: format!(
                    "no {what} is known, and the split goes by it. Name files `<class>_<speaker>_<take>.wav`, set \
                     `{what}_column` for a table, or use `split = {{ kind = \"random\" }}`"
                ),
            })
        };
        self.recordings.iter().map(found).collect()
    }
}
