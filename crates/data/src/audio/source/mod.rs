//! Reading recordings: embedded, from a folder or an archive of one, or from a table.

mod naming;
mod table;

use super::config::{EMBEDDED, SpeechConfig};
use super::digits;
use super::resample::Resampler;
use super::wav::{Waveform, decode, read_wav};
use crate::gather::{self, Content};
use crate::text::columns;
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::{DataError, OnError, locate};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One recording of a source.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// Its path below [`Speech::root`].
    pub name: String,
    /// Its class, by place in [`Speech::classes`].
    pub label: usize,
    /// Who speaks, by place in [`Speech::speakers`].
    pub speaker: Option<usize>,
    /// Its number among the recordings of the same words by the same speaker.
    pub take: Option<usize>,
    /// How long it sounds.
    pub seconds: f64,
    /// Its samples at the configured rate.
    pub samples: Vec<f32>,
}

/// All recordings of a source.
#[derive(Debug)]
pub(super) struct Speech {
    /// What recordings' names start from: a folder, an archive, or the name of an embedded source.
    pub root: PathBuf,
    /// The classes, sorted by name or as given.
    pub classes: Vec<String>,
    /// The speakers that are known, sorted by name.
    pub speakers: Vec<String>,
    /// The recordings, in the order of the source.
    pub recordings: Vec<Recording>,
    /// Recordings that could not be read and were passed over.
    pub num_skipped: usize,
    /// Recordings that came at another rate.
    pub num_resampled: usize,
}

/// A recording that is yet to be read.
#[derive(Debug)]
struct Found {
    name: String,
    class: String,
    speaker: Option<String>,
    take: Option<usize>,
    sound: Sound,
}

/// Where a recording's sound is.
#[derive(Debug)]
enum Sound {
    /// In a file of its own.
    File(PathBuf),
    /// In memory, as a `.wav` file.
    Bytes(Vec<u8>),
    /// In memory.
    Wave(Waveform),
}

impl Speech {
    /// Reads what `config.source` names, at the rate that features are computed at. With `classes`, these decide the
    /// numbers of the classes and no other may come; without, there are at least two.
    pub fn read(config: &SpeechConfig, classes: Option<Vec<String>>) -> Result<Self, DataError> {
        let (root, found) = find(config)?;
        let classes = match classes {
            Some(classes) => {
                check_known(&root, &found, &classes)?;
                classes
            }
            None => classes_of(&root, &found)?,
        };
        let num_found = found.len();
        let read = read_all(found, &root, config.on_error)?;
        if read.is_empty() {
            let message = format!("none of its {num_found} recordings can be read");
            return Err(DataError::BadAudio { path: root, message });
        }
        let speakers: BTreeSet<&String> = read.iter().filter_map(|(found, _)| found.speaker.as_ref()).collect();
        let speakers: Vec<String> = speakers.into_iter().cloned().collect();
        let rate = config.features.sample_rate;
        let resamplers = resamplers(&read, rate);
        let (num_skipped, num_resampled) =
            (num_found - read.len(), read.iter().filter(|(_, wave)| wave.rate != rate).count());
        let recording = |(found, wave): (Found, Waveform)| Recording {
            label: place(&classes, &found.class),
            speaker: found.speaker.map(|speaker| place(&speakers, &speaker)),
            name: found.name,
            take: found.take,
            seconds: wave.seconds(),
            samples: match resamplers.get(&wave.rate) {
                Some(resampler) => resampler.resample(&wave.samples),
                None => wave.samples,
            },
        };
        let recordings = read.into_par_iter().map(recording).collect();
        Ok(Self { root, recordings, num_skipped, num_resampled, classes, speakers })
    }

    /// Where a recording lies, for people.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.recordings[index].name)
    }
}

/// The recordings that a source has, and what their names start from.
fn find(config: &SpeechConfig) -> Result<(PathBuf, Vec<Found>), DataError> {
    let (root, found) = match config.source.strip_prefix(EMBEDDED_PREFIX) {
        Some("spoken-digits") => (PathBuf::from(&config.source), embedded()),
        Some(other) => return Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
        None => {
            let path = locate(&config.source)?;
            if let Some(delimiter) = columns::delimiter(&path) {
                let found = table::find(&path, delimiter, config)?;
                (path.parent().unwrap_or(Path::new("")).to_owned(), found)
            } else if path.is_dir() {
                let found = naming::named(&path, sounds(gather::folder(&path, naming::is_recording)?))?;
                (path, found)
            } else if gather::is_archive(&path) {
                let found = naming::named(&path, sounds(gather::archive(&path, naming::is_recording)?))?;
                (path, found)
            } else {
                let message = "recordings are expected in a folder, in a .tar, .tar.gz or .tgz archive of one, or in a .csv \
                               or .tsv file that names them";
                return Err(DataError::BadAudio { path, message: message.to_owned() });
            }
        }
    };
    if found.is_empty() {
        return Err(DataError::BadAudio { path: root, message: "no .wav file in it".to_owned() });
    }
    Ok((root, found))
}

fn sounds(files: Vec<(String, Content)>) -> Vec<(String, Sound)> {
    let sound = |content| match content {
        Content::File(path) => Sound::File(path),
        Content::Bytes(bytes) => Sound::Bytes(bytes),
    };
    files.into_iter().map(|(name, content)| (name, sound(content))).collect()
}

fn embedded() -> Vec<Found> {
    let found = |digit: digits::SpokenDigit| Found {
        name: digit.name(),
        class: digit.digit.to_string(),
        speaker: Some(digit.speaker.to_owned()),
        take: Some(digit.take),
        sound: Sound::Wave(Waveform { samples: digit.samples, rate: digits::RATE }),
    };
    digits::spoken_digits().into_iter().map(found).collect()
}

/// The classes, sorted by name.
fn classes_of(root: &Path, found: &[Found]) -> Result<Vec<String>, DataError> {
    let classes: BTreeSet<&String> = found.iter().map(|found| &found.class).collect();
    match classes.first() {
        Some(only) if classes.len() == 1 => {
            let message =
                format!("all recordings are of one class, `{only}`; recordings of at least two classes are expected");
            Err(DataError::BadClasses { path: root.to_owned(), message })
        }
        _ => Ok(classes.into_iter().cloned().collect()),
    }
}

fn check_known(root: &Path, found: &[Found], classes: &[String]) -> Result<(), DataError> {
    let Some(unknown) = found.iter().find(|found| !classes.contains(&found.class)) else { return Ok(()) };
    let message = DataError::unknown_class(&unknown.class, classes);
    Err(DataError::BadClasses { path: root.join(&unknown.name), message })
}

/// Reads all recordings, on all cores; of several that cannot be read, the first is named.
fn read_all(found: Vec<Found>, root: &Path, on_error: OnError) -> Result<Vec<(Found, Waveform)>, DataError> {
    let read = |mut found: Found| {
        let sound = std::mem::replace(&mut found.sound, Sound::Bytes(Vec::new()));
        let wave = match sound {
            Sound::File(path) => read_wav(&path),
            Sound::Bytes(bytes) => decode(&bytes, &root.join(&found.name)),
            Sound::Wave(wave) => Ok(wave),
        };
        wave.map(|wave| (found, wave))
    };
    let read: Vec<Result<(Found, Waveform), DataError>> = found.into_par_iter().map(read).collect();
    match on_error {
        OnError::Refuse => read.into_iter().collect(),
        OnError::Skip => Ok(read.into_iter().flatten().collect()),
    }
}

/// A resampler for each other rate that occurs.
fn resamplers(read: &[(Found, Waveform)], rate: u32) -> BTreeMap<u32, Resampler> {
    let rates: BTreeSet<u32> = read.iter().map(|(_, wave)| wave.rate).filter(|other| *other != rate).collect();
    rates.into_iter().map(|other| (other, Resampler::new(other, rate))).collect()
}

fn place(names: &[String], name: &str) -> usize {
    names.iter().position(|known| known == name).expect("every name was gathered")
}
