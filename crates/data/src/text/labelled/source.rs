//! Reading labelled texts: embedded, from a folder by class, or from a table.

use super::config::{EMBEDDED, LabelledConfig};
use super::{reviews, table};
use crate::text::corpus::{EMBEDDED_PREFIX, entries, read_text, text_files};
use crate::text::{Encoding, columns};
use crate::{DataError, locate};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One text of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelledText {
    /// The text, without white space at its ends; never empty.
    pub text: String,
    /// The second text of a pair, in the same way.
    pub pair: Option<String>,
    /// Its class, by place in [`LabelledSource::classes`].
    pub label: usize,
    /// Its file, by place in [`LabelledSource::files`].
    pub file: usize,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
}

impl LabelledText {
    /// The text, and the second below it where there is one.
    pub fn whole(&self) -> Cow<'_, str> {
        match &self.pair {
            Some(pair) => Cow::Owned(format!("{}\n{pair}", self.text)),
            None => Cow::Borrowed(&self.text),
        }
    }
}

/// All texts of a source.
#[derive(Debug, Default)]
pub(super) struct LabelledSource {
    /// The classes, sorted by name once everything is read.
    pub classes: Vec<String>,
    /// The texts, in the order of the files.
    pub texts: Vec<LabelledText>,
    /// The files they come from, as absolute paths; for an embedded source, its name.
    pub files: Vec<PathBuf>,
    /// Empty texts, which are passed over.
    pub num_empty: usize,
    /// The number of each class while reading.
    numbers: HashMap<String, usize>,
}

impl LabelledSource {
    /// Reads what `config.source` names; there are at least two classes with a text each.
    pub fn read(config: &LabelledConfig) -> Result<Self, DataError> {
        let mut source = Self::default();
        let path = match config.source.strip_prefix(EMBEDDED_PREFIX) {
            Some("reviews") if !config.pair_column.is_empty() => return Err(no_pairs(&config.source)),
            Some("reviews") => {
                source.add_reviews(&config.source);
                PathBuf::from(&config.source)
            }
            Some(other) => return Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
            None => {
                let path = locate(&config.source)?;
                source.add_path(&path, config)?;
                path
            }
        };
        source.sort_classes();
        match source.classes.as_slice() {
            [] => Err(DataError::Empty { path }),
            [only] => {
                let message =
                    format!("all texts are of one class, `{only}`; a classifier needs texts of at least two classes");
                Err(DataError::BadClasses { path, message })
            }
            _ => Ok(source),
        }
    }

    /// Takes one text of `class` that begins on `line` of the file added last.
    pub fn add(&mut self, text: &str, class: &str, line: usize) {
        self.add_pair(text, None, class, line);
    }

    /// As [`add`](Self::add), perhaps with a second text.
    pub fn add_pair(&mut self, text: &str, pair: Option<&str>, class: &str, line: usize) {
        let (text, pair) = (text.trim(), pair.map(str::trim));
        if text.is_empty() || pair.is_some_and(str::is_empty) {
            self.num_empty += 1;
            return;
        }
        let label = match self.numbers.get(class) {
            Some(label) => *label,
            None => {
                self.classes.push(class.to_owned());
                self.numbers.insert(class.to_owned(), self.classes.len() - 1);
                self.classes.len() - 1
            }
        };
        let file = self.files.len() - 1;
        self.texts.push(LabelledText { text: text.to_owned(), pair: pair.map(str::to_owned), label, file, line });
    }

    fn add_reviews(&mut self, name: &str) {
        self.files.push(PathBuf::from(name));
        for (number, review) in (1..).zip(reviews::reviews()) {
            self.add(&review.text, review.class(), number);
        }
    }

    fn add_path(&mut self, path: &Path, config: &LabelledConfig) -> Result<(), DataError> {
        let delimiter = if path.is_dir() { None } else { columns::delimiter(path) };
        if delimiter.is_none() && !config.pair_column.is_empty() {
            return Err(no_pairs(&config.source));
        }
        if path.is_dir() {
            return self.add_folder(path, config.encoding);
        }
        match delimiter {
            Some(delimiter) => table::read(path, delimiter, config, self),
            None => {
                let message = "labelled texts are expected as a .csv or .tsv file, as a folder with one sub-folder of \
                               .txt files per class, or as a folder with one file per class and one text a line";
                Err(DataError::BadClasses { path: path.to_owned(), message: message.to_owned() })
            }
        }
    }

    fn add_folder(&mut self, folder: &Path, encoding: Encoding) -> Result<(), DataError> {
        let (folders, files) = entries(folder)?;
        let mut classes = Vec::new();
        for folder in folders {
            classes.push((text_files(&folder)?, folder));
        }
        if classes.iter().all(|(texts, _)| texts.is_empty()) {
            return self.add_class_files(folder, files, encoding);
        }
        for (texts, folder) in classes {
            if texts.is_empty() {
                return Err(DataError::NoTextFiles { path: folder });
            }
            let class = file_name(&folder);
            for file in texts {
                let text = read_text(&file, encoding)?;
                self.files.push(file);
                self.add(&text, &class, 1);
            }
        }
        Ok(())
    }

    fn add_class_files(&mut self, folder: &Path, files: Vec<PathBuf>, encoding: Encoding) -> Result<(), DataError> {
        if files.is_empty() {
            return Err(DataError::NoTextFiles { path: folder.to_owned() });
        }
        let names = class_names(&files);
        for (at, (file, class)) in files.into_iter().zip(&names).enumerate() {
            if names[..at].contains(class) {
                let message = format!("a second file of the class `{class}`; keep one file per class");
                return Err(DataError::BadClasses { path: file, message });
            }
            let text = read_text(&file, encoding)?;
            let before = self.texts.len();
            self.files.push(file.clone());
            for (line, text) in (1..).zip(text.lines()) {
                self.add(text, class, line);
            }
            if self.texts.len() == before {
                return Err(DataError::Empty { path: file });
            }
        }
        Ok(())
    }

    /// Numbers the classes in the order of their names.
    fn sort_classes(&mut self) {
        let mut sorted = self.classes.clone();
        sorted.sort();
        let number = |name: &String| sorted.binary_search(name).unwrap_or_default();
        let numbers: Vec<usize> = self.classes.iter().map(number).collect();
        for text in &mut self.texts {
            text.label = numbers[text.label];
        }
        self.classes = sorted;
    }
}

/// A second text is asked for where there can be none.
fn no_pairs(source: &str) -> DataError {
    let message = format!("applies to a .csv or .tsv file only, and `source` is `{source}`; leave it out");
    DataError::Config { key: "pair_column", message }
}

/// The class of each file: its extension where all stems are equal and no two extensions are, else its stem.
fn class_names(files: &[PathBuf]) -> Vec<String> {
    let names: Vec<String> = files.iter().map(|file| plain_name(file)).collect();
    let parts: Vec<(&str, &str)> = names.iter().map(|name| name.rsplit_once('.').unwrap_or((name, ""))).collect();
    let same_stem = parts.iter().all(|(stem, _)| *stem == parts[0].0);
    let same_extension = parts.iter().all(|(_, extension)| *extension == parts[0].1);
    let by_extension = same_stem && !same_extension;
    parts.iter().map(|(stem, extension)| if by_extension { *extension } else { *stem }.to_owned()).collect()
}

/// A file's name without `.gz`.
fn plain_name(path: &Path) -> String {
    let name = file_name(path);
    let plain = name.len().saturating_sub(3);
    match name.get(plain..) {
        Some(end) if end.eq_ignore_ascii_case(".gz") => name[..plain].to_owned(),
        _ => name,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes_of(names: &[&str]) -> Vec<String> {
        class_names(&names.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_class_is_named_by_what_differs() {
        assert_eq!(classes_of(&["rt-polarity.neg", "rt-polarity.pos"]), ["neg", "pos"]);
        assert_eq!(classes_of(&["rt.neg.gz", "rt.pos.gz"]), ["neg", "pos"]);
        assert_eq!(classes_of(&["happy.txt", "sad.txt"]), ["happy", "sad"]);
        assert_eq!(classes_of(&["a.neg", "b.pos"]), ["a", "b"]);
        assert_eq!(classes_of(&["neg", "pos"]), ["neg", "pos"]);
    }
}
