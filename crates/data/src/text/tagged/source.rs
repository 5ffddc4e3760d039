//! Reading tagged sentences: embedded, from a file, or from a folder of files.

use super::config::{EMBEDDED, TaggedConfig};
use super::entities;
use crate::split::{Parts, duplicates, split};
use crate::text::corpus::{EMBEDDED_PREFIX, read_text};
use crate::{DataError, locate};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// What CoNLL-2003 writes between documents.
const DOCUMENT_START: &str = "-DOCSTART-";

/// One sentence: as many tags as words, and at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub words: Vec<String>,
    /// By place in [`TaggedSource::tags`].
    pub tags: Vec<usize>,
    /// By place in [`TaggedSource::files`].
    pub file: usize,
    /// The line of its first word, from 1.
    pub line: usize,
}

/// All sentences of a source and their parts, of which training and validation are never empty.
#[derive(Debug, Default)]
pub(super) struct TaggedSource {
    pub sentences: Vec<Sentence>,
    /// `O` first, where there is one, and then sorted by name.
    pub tags: Vec<String>,
    pub files: Vec<PathBuf>,
    pub parts: Parts,
    /// The number of each tag while reading.
    numbers: HashMap<String, usize>,
}

impl TaggedSource {
    /// Reads what `config.source` names.
    pub fn read(config: &TaggedConfig) -> Result<Self, DataError> {
        let mut source = Self::default();
        match config.source.strip_prefix(EMBEDDED_PREFIX) {
            Some("entities") => {
                source.files.push(PathBuf::from(&config.source));
                for (line, sentence) in (1..).zip(entities::sentences()) {
                    let (words, tags) = sentence.into_iter().map(|(word, tag)| (word, source.number(&tag))).unzip();
                    source.sentences.push(Sentence { words, tags, file: 0, line });
                }
                source.divide(config.validation_fraction, config.test_fraction, config.split_seed);
            }
            Some(other) => return Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
            None => source.read_path(&locate(&config.source)?, config)?,
        }
        source.sort_tags();
        source.checked()
    }

    fn read_path(&mut self, path: &Path, config: &TaggedConfig) -> Result<(), DataError> {
        if !path.is_dir() {
            self.add_file(path, config)?;
            self.divide(config.validation_fraction, config.test_fraction, config.split_seed);
            return Ok(());
        }
        self.add_file(&locate(&path.join(&config.train).to_string_lossy())?, config)?;
        // Parts without a file of their own are kept from the sentences to learn from.
        let kept = |fraction: f64, name: &str| if name.is_empty() { fraction } else { 0.0 };
        let validation = kept(config.validation_fraction, &config.validation);
        self.divide(validation, kept(config.test_fraction, &config.test), config.split_seed);
        for (name, is_test) in [(&config.validation, false), (&config.test, true)] {
            if name.is_empty() {
                continue;
            }
            let before = self.sentences.len();
            self.add_file(&locate(&path.join(name).to_string_lossy())?, config)?;
            let part = if is_test { &mut self.parts.test } else { &mut self.parts.validation };
            part.extend(before..self.sentences.len());
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, config: &TaggedConfig) -> Result<(), DataError> {
        let text = read_text(path, config.encoding)?;
        let (before, file) = (self.sentences.len(), self.files.len());
        self.files.push(path.to_owned());
        let mut open: Option<Sentence> = None;
        let mut seen = BTreeSet::new();
        let mut num_words = 0;
        for (line, content) in (1..).zip(text.lines()) {
            if content.trim().is_empty() || content.starts_with(DOCUMENT_START) {
                self.sentences.extend(open.take());
                continue;
            }
            let (word, tag) = columns(content, config).map_err(|message| DataError::BadLine {
                path: path.to_owned(),
                line,
                message,
            })?;
            seen.insert(tag);
            num_words += 1;
            let tag = self.number(tag);
            let new = || Sentence { words: Vec::new(), tags: Vec::new(), file, line };
            let sentence = open.get_or_insert_with(new);
            sentence.words.push(word.to_owned());
            sentence.tags.push(tag);
        }
        self.sentences.extend(open);
        // A column of words would otherwise be taken for thousands of tags.
        if seen.len() > 2 && seen.len() * 2 > num_words && num_words > 20 {
            let message = format!(
                "the column of the tags has {} different values in {num_words} lines, as no tags do; set `tag_column`",
                seen.len()
            );
            return Err(DataError::BadClasses { path: path.to_owned(), message });
        }
        if self.sentences.len() == before { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(()) }
    }

    fn number(&mut self, tag: &str) -> usize {
        if let Some(number) = self.numbers.get(tag) {
            return *number;
        }
        self.tags.push(tag.to_owned());
        self.numbers.insert(tag.to_owned(), self.tags.len() - 1);
        self.tags.len() - 1
    }

    /// Sentences of the same words stay on one side.
    fn divide(&mut self, validation: f64, test: f64, seed: u64) {
        let texts: Vec<String> = self.sentences.iter().map(|sentence| sentence.words.join(" ")).collect();
        let groups = duplicates(texts.iter().map(String::as_str));
        let texts: Vec<(&str, usize)> = texts.iter().map(|text| (text.as_str(), 0)).collect();
        self.parts = split(&texts, &groups, 1, validation, test, seed);
    }

    /// Numbers the tags: `O` first, and the others in the order of their names.
    fn sort_tags(&mut self) {
        let mut sorted = self.tags.clone();
        sorted.sort_by_key(|tag| (tag != "O", tag.clone()));
        let place = |tag: &String| sorted.iter().position(|other| other == tag).unwrap_or_default();
        let numbers: Vec<usize> = self.tags.iter().map(place).collect();
        self.sentences.iter_mut().flat_map(|sentence| &mut sentence.tags).for_each(|tag| *tag = numbers[*tag]);
        self.tags = sorted;
    }

    /// Numbers the tags as in `tags`, those that a finished model knows.
    pub fn renumber(&mut self, tags: Vec<String>) -> Result<(), DataError> {
        let known = |tag: &String| tags.iter().position(|known| known == tag);
        let numbers: Vec<Option<usize>> = self.tags.iter().map(known).collect();
        for sentence in &mut self.sentences {
            for tag in &mut sentence.tags {
                let Some(number) = numbers[*tag] else {
                    let path = self.files[sentence.file].clone();
                    let message = DataError::unknown_tag(&self.tags[*tag], &tags);
                    return Err(DataError::BadLine { path, line: sentence.line, message });
                };
                *tag = number;
            }
        }
        self.tags = tags;
        Ok(())
    }

    /// A part without sentences is an error here, before anything divides by its size.
    fn checked(self) -> Result<Self, DataError> {
        let key = "validation_fraction";
        if self.parts.train.is_empty() {
            let message =
                "and `test_fraction` leave no sentence for training; lower them or give more sentences".to_owned();
            return Err(DataError::Config { key, message });
        }
        if self.parts.validation.is_empty() {
            let message = "leaves no sentence for validation; raise it or give more sentences".to_owned();
            return Err(DataError::Config { key, message });
        }
        Ok(self)
    }
}

/// The word and the tag of a line.
fn columns<'a>(line: &'a str, config: &TaggedConfig) -> Result<(&'a str, &'a str), String> {
    let cells: Vec<&str> =
        if line.contains('\t') { line.split('\t').map(str::trim).collect() } else { line.split_whitespace().collect() };
    let tag_column = config.tag_column.unwrap_or(cells.len().max(2));
    let cell = |column: usize| column.checked_sub(1).and_then(|place| cells.get(place)).filter(|cell| !cell.is_empty());
    match (cell(config.token_column), cell(tag_column)) {
        _ if tag_column == config.token_column => {
            Err("the last column is that of the words; set `tag_column` or `token_column`".to_owned())
        }
        (Some(word), Some(tag)) => Ok((word, tag)),
        _ => Err(format!(
            "{} column(s), where the word is expected in column {} and its tag in column {tag_column}; between sentences \
             there must be an empty line",
            cells.len(),
            config.token_column
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_by_tab_or_space() {
        let config = TaggedConfig::default();
        assert_eq!(columns("EU NNP B-NP B-ORG", &config), Ok(("EU", "B-ORG")));
        assert_eq!(columns("New York\tB-LOC", &config), Ok(("New York", "B-LOC")));
        let second = TaggedConfig { tag_column: Some(2), ..config.clone() };
        assert_eq!(columns("EU NNP B-NP B-ORG", &second), Ok(("EU", "NNP")));
        assert!(columns("EU", &config).unwrap_err().starts_with("1 column(s), where the word is expected in column 1"));
        assert!(columns("\tB-LOC", &config).is_err());
        let last = TaggedConfig { token_column: 2, ..config };
        assert!(columns("O Jordan", &last).unwrap_err().contains("set `tag_column`"));
    }
}
