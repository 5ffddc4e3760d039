//! Reading pairs of texts: embedded, from a folder of aligned files, or from a table.

use super::config::{EMBEDDED, ParallelConfig};
use super::dates;
use crate::split::{Parts, duplicates, split};
use crate::text::columns;
use crate::text::corpus::{EMBEDDED_PREFIX, read_text};
use crate::{DataError, locate};
use std::path::{Path, PathBuf};

/// A text and its translation, both without white space at their ends and neither empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub source: String,
    pub target: String,
}

/// All pairs of a source and their parts, of which training and validation are never empty.
#[derive(Debug)]
pub(super) struct ParallelSource {
    pub pairs: Vec<Pair>,
    pub parts: Parts,
    /// Pairs with nothing on one side, which were passed over.
    pub num_empty: usize,
}

impl ParallelSource {
    /// Reads what `config.source` names.
    pub fn read(config: &ParallelConfig) -> Result<Self, DataError> {
        match config.source.strip_prefix(EMBEDDED_PREFIX) {
            Some("dates") => {
                let pairs = dates::dates().into_iter().map(|(source, target)| Pair { source, target }).collect();
                Self::divided(pairs, 0, config)
            }
            Some(other) => Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
            None => {
                let path = locate(&config.source)?;
                if path.is_dir() { Self::read_folder(&path, config) } else { Self::read_table(&path, config) }
            }
        }
    }

    fn read_table(path: &Path, config: &ParallelConfig) -> Result<Self, DataError> {
        let Some(delimiter) = columns::delimiter(path) else {
            let message = "pairs of texts are expected as a .csv or .tsv file, or as a folder of files like train.de and \
                           train.en";
            return Err(DataError::BadTable { path: path.to_owned(), message: message.to_owned() });
        };
        let wanted = [("from", config.from.as_str()), ("to", config.to.as_str())];
        let table = columns::read(path, delimiter, config.encoding, wanted)?;
        let rows = table.rows.into_iter().map(|(_, [source, target])| (source, target));
        let (pairs, num_empty) = without_empty(rows);
        if pairs.is_empty() {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        Self::divided(pairs, num_empty, config)
    }

    fn read_folder(folder: &Path, config: &ParallelConfig) -> Result<Self, DataError> {
        let (mut pairs, mut num_empty) = read_aligned(folder, &config.train, config)?;
        // Parts without a file of their own are kept from the training pairs.
        let divided = |fraction: f64, name: &str| if name.is_empty() { fraction } else { 0.0 };
        let validation = divided(config.validation_fraction, &config.validation);
        let mut parts = divide(&pairs, validation, divided(config.test_fraction, &config.test), config.split_seed);
        for (name, part) in [(&config.validation, &mut parts.validation), (&config.test, &mut parts.test)] {
            if name.is_empty() {
                continue;
            }
            let (more, empty) = read_aligned(folder, name, config)?;
            part.extend(pairs.len()..pairs.len() + more.len());
            pairs.extend(more);
            num_empty += empty;
        }
        Self::checked(pairs, parts, num_empty)
    }

    fn divided(pairs: Vec<Pair>, num_empty: usize, config: &ParallelConfig) -> Result<Self, DataError> {
        let parts = divide(&pairs, config.validation_fraction, config.test_fraction, config.split_seed);
        Self::checked(pairs, parts, num_empty)
    }

    /// A part without pairs is an error here, before anything divides by its size.
    fn checked(pairs: Vec<Pair>, parts: Parts, num_empty: usize) -> Result<Self, DataError> {
        let key = "validation_fraction";
        if parts.train.is_empty() {
            let message = "and `test_fraction` leave no pair for training; lower them or give more pairs".to_owned();
            return Err(DataError::Config { key, message });
        }
        if parts.validation.is_empty() {
            let message = "leaves no pair for validation; raise it or give more pairs".to_owned();
            return Err(DataError::Config { key, message });
        }
        Ok(Self { pairs, parts, num_empty })
    }
}

/// Pairs with the same source stay on one side.
fn divide(pairs: &[Pair], validation: f64, test: f64, seed: u64) -> Parts {
    let sources: Vec<(&str, usize)> = pairs.iter().map(|pair| (pair.source.as_str(), 0)).collect();
    split(&sources, &duplicates(sources.iter().map(|source| source.0)), 1, validation, test, seed)
}

/// The pairs of `folder/name.from` and `folder/name.to`, and how many had nothing on one side.
fn read_aligned(folder: &Path, name: &str, config: &ParallelConfig) -> Result<(Vec<Pair>, usize), DataError> {
    let read = |language: &str| -> Result<(PathBuf, String), DataError> {
        let path = text_file(folder, &format!("{name}.{language}"))?;
        let text = read_text(&path, config.encoding)?;
        Ok((path, text))
    };
    let ((path, sources), (other_path, targets)) = (read(&config.from)?, read(&config.to)?);
    let (lines, others) = (sources.lines().count(), targets.lines().count());
    if lines != others {
        let message =
            format!("{lines} lines, but {} has {others}; the two must be aligned, line by line", other_path.display());
        return Err(DataError::BadTable { path, message });
    }
    let lines = sources.lines().zip(targets.lines()).map(|(source, target)| (source.to_owned(), target.to_owned()));
    let (pairs, num_empty) = without_empty(lines);
    if pairs.is_empty() { Err(DataError::Empty { path }) } else { Ok((pairs, num_empty)) }
}

/// `folder/name`, or the same with `.gz`.
fn text_file(folder: &Path, name: &str) -> Result<PathBuf, DataError> {
    let compressed = folder.join(format!("{name}.gz"));
    if compressed.is_file() { Ok(compressed) } else { locate(&folder.join(name).to_string_lossy()) }
}

fn without_empty(pairs: impl Iterator<Item = (String, String)>) -> (Vec<Pair>, usize) {
    let mut num_empty = 0;
    let trimmed = pairs.filter_map(|(source, target)| {
        let pair = Pair { source: source.trim().to_owned(), target: target.trim().to_owned() };
        let is_empty = pair.source.is_empty() || pair.target.is_empty();
        num_empty += usize::from(is_empty);
        (!is_empty).then_some(pair)
    });
    let pairs = trimmed.collect();
    (pairs, num_empty)
}
