//! Reading a text: embedded, from a file, or from all text files of a folder.

use crate::text::{Documents, Encoding, TextConfig, stories};
use crate::{DataError, locate};
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a source begins with that is no path.
pub const EMBEDDED_PREFIX: &str = "embedded:";

/// The embedded sources, by the name that follows [`EMBEDDED_PREFIX`].
pub const EMBEDDED: [&str; 1] = ["stories"];

/// The rest of a sentence that begins with `source`, where that can never work: it is empty, or names nothing that is `embedded`.
pub(crate) fn wrong_source(source: &str, embedded: &[&str]) -> Option<String> {
    if source.trim().is_empty() {
        return Some(format!("is empty; give `{EMBEDDED_PREFIX}{}` or a path", embedded[0]));
    }
    let name = source.strip_prefix(EMBEDDED_PREFIX)?;
    let known: Vec<String> = embedded.iter().map(|known| format!("`{EMBEDDED_PREFIX}{known}`")).collect();
    (!embedded.contains(&name)).then(|| format!("is `{source}`, which is not embedded; there is {}", known.join(", ")))
}

/// A text and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    /// The whole text, never empty.
    pub text: String,
    /// The files it was read from, as absolute paths in the order of the text; empty for an embedded source.
    pub files: Vec<PathBuf>,
    /// Where each document stands in the text, in order; none is empty. For [`Documents::Whole`] there are none.
    pub documents: Vec<Range<usize>>,
}

impl Corpus {
    /// Reads what `config.source` names, by `config.encoding`, `config.separator` and `config.documents`; the other keys play no
    /// part.
    ///
    /// # Errors
    /// [`DataError`] for a source that is missing, empty, not text in that encoding, not divided as it should be, or not readable.
    pub fn read(config: &TextConfig) -> Result<Self, DataError> {
        let mut corpus = match config.source.strip_prefix(EMBEDDED_PREFIX) {
            Some("stories") => Self { text: stories::text(), files: Vec::new(), documents: Vec::new() },
            Some(other) => return Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
            None if config.documents == Documents::JsonLines => {
                return Self::read_json_lines(&locate(&config.source)?, config.encoding);
            }
            None => Self::read_path(&locate(&config.source)?, config.encoding, &config.separator)?,
        };
        match config.documents {
            Documents::Lines => corpus.documents = lines(&corpus.text),
            Documents::Files if !corpus.documents.is_empty() => {}
            Documents::Files | Documents::JsonLines => return Err(undivided(config)),
            Documents::Whole => corpus.documents.clear(),
        }
        Ok(corpus)
    }

    /// Reads the documents of one file of JSON lines, or of all `.jsonl` and `.jsonl.gz` files at or below a folder, sorted by path.
    fn read_json_lines(path: &Path, encoding: Encoding) -> Result<Self, DataError> {
        /// What is read of a line; other keys may be there.
        #[derive(serde::Deserialize)]
        struct Line {
            text: String,
        }
        let files = if path.is_dir() { files_that_end(path, &[".jsonl", ".jsonl.gz"])? } else { vec![path.to_owned()] };
        if files.is_empty() {
            let message = "no .jsonl or .jsonl.gz file in this folder or below it".to_owned();
            return Err(DataError::BadTable { path: path.to_owned(), message });
        }
        let mut corpus = Self { text: String::new(), files: Vec::new(), documents: Vec::new() };
        for file in files {
            let content = read_text(&file, encoding)?;
            for (number, line) in (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                let Line { text } = serde_json::from_str(line).map_err(|error| {
                    let message = format!("expected is a JSON object with the document under the key `text` ({error})");
                    DataError::BadLine { path: file.clone(), line: number, message }
                })?;
                if !text.trim().is_empty() {
                    let start = corpus.text.len();
                    corpus.text.push_str(&text);
                    corpus.documents.push(start..corpus.text.len());
                    corpus.text.push('\n');
                }
            }
            corpus.files.push(file);
        }
        if corpus.documents.is_empty() { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(corpus) }
    }

    /// Reads one file, or all `.txt` and `.txt.gz` files at or below a folder (where there is none, whatever files are in it, but for
    /// a README), sorted by path and joined by `separator`.
    ///
    /// # Errors
    /// As [`Corpus::read`]. Empty files of a folder are passed over; it is an error if all are. Each file is a document.
    pub fn read_path(path: &Path, encoding: Encoding, separator: &str) -> Result<Self, DataError> {
        let mut files = if path.is_dir() { text_files(path)? } else { vec![path.to_owned()] };
        if files.is_empty() {
            files = entries(path)?.1;
        }
        if files.is_empty() {
            return Err(DataError::NoTextFiles { path: path.to_owned() });
        }
        let mut corpus = Self { text: String::new(), files: Vec::new(), documents: Vec::new() };
        for file in files {
            let text = read_text(&file, encoding)?;
            if text.is_empty() {
                continue;
            }
            if !corpus.files.is_empty() {
                corpus.text.push_str(separator);
            }
            let start = corpus.text.len();
            corpus.text.push_str(&text);
            corpus.documents.push(start..corpus.text.len());
            corpus.files.push(file);
        }
        if corpus.files.is_empty() {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        Ok(corpus)
    }
}

/// Reads one text file, decompressed if its name ends in `.gz`. A byte order mark is dropped; line ends stay as they are.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Gzip`], [`DataError::NotUtf8`].
pub fn read_text(path: &Path, encoding: Encoding) -> Result<String, DataError> {
    decode(read_bytes(path)?, encoding, path)
}

/// Reads a file's bytes, decompressed if its name ends in `.gz`.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Gzip`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let stored = std::fs::read(path).map_err(DataError::reading(path))?;
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
        return Ok(stored);
    }
    let mut bytes = Vec::new();
    match MultiGzDecoder::new(stored.as_slice()).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(DataError::Gzip { path: path.to_owned(), source }),
    }
}

fn decode(bytes: Vec<u8>, encoding: Encoding, path: &Path) -> Result<String, DataError> {
    match encoding {
        Encoding::Utf8 => match String::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text)),
            Err(error) => Err(not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to())),
        },
        Encoding::Latin1 => Ok(bytes.into_iter().map(char::from).collect()),
        Encoding::Windows1252 => Ok(bytes.into_iter().map(windows_1252).collect()),
    }
}

fn not_utf8(path: &Path, bytes: &[u8], offset: usize) -> DataError {
    let hint = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "; it looks like UTF-16",
        [0x1F, 0x8B, ..] => "; it looks like a gzip file whose name lacks `.gz`",
        _ if bytes.iter().take(4096).any(|byte| *byte == 0) => "; it looks like a binary file",
        _ => "",
    };
    DataError::NotUtf8 {
        path: path.to_owned(),
        offset,
        line: 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count(),
        byte: bytes[offset],
        hint,
    }
}

/// One byte of Windows-1252; the five bytes it leaves undefined keep their number, as web browsers do.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// The lines of a text that are not blank, without the white space at their ends.
fn lines(text: &str) -> Vec<Range<usize>> {
    let place = |line: &str| line.as_ptr() as usize - text.as_ptr() as usize;
    let trimmed = text.lines().map(str::trim).filter(|line| !line.is_empty());
    trimmed.map(|line| place(line)..place(line) + line.len()).collect()
}

/// An embedded text is asked for in a form that it does not have.
fn undivided(config: &TextConfig) -> DataError {
    let message = format!("does not apply to `{}`, which is no file; set it to \"whole\" or \"lines\"", config.source);
    DataError::Config { key: "documents", message }
}

/// All `.txt` and `.txt.gz` files at any depth below `folder`, sorted by path.
pub(super) fn text_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    files_that_end(folder, &[".txt", ".txt.gz"])
}

/// All files at any depth below `folder` whose names end so, sorted by path. Links to folders are not followed, so that a
/// loop of links ends.
fn files_that_end(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(DataError::reading(&folder))? {
            let entry = entry.map_err(DataError::reading(&folder))?;
            let kind = entry.file_type().map_err(DataError::reading(entry.path()))?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if endings.iter().any(|ending| name.ends_with(ending)) && entry.path().is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Sub-folders and files of `folder`, each sorted by path, without hidden ones and without a README.
pub(super) fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(DataError::reading(folder))? {
        let path = entry.map_err(DataError::reading(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with('.') || name == "readme" || name.starts_with("readme.") {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else if path.is_file() {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(path: &Path, encoding: Encoding) -> Result<Corpus, DataError> {
        Corpus::read_path(path, encoding, "|")
    }

    #[test]
    fn a_folder_is_its_text_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "b.txt", b"two");
        write(folder, "a/z.TXT", b"one");
        write(folder, "c.txt.gz", &gzip(b"three"));
        write(folder, "d.txt", b"");
        write(folder, "notes.md", b"no");
        let corpus = read(folder, Encoding::Utf8).unwrap();
        assert_eq!(corpus.text, "one|two|three");
        assert_eq!(corpus.files.len(), 3);
    }

    #[test]
    fn documents_by_line_file_and_json() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "a.txt", b" one two \r\n\n \nthree\n");
        write(folder, "b.txt", b"four");
        let documents = |documents, source: &Path| {
            let source = source.to_str().unwrap().to_owned();
            let corpus = Corpus::read(&TextConfig { source, documents, ..TextConfig::default() })?;
            Ok::<_, DataError>(
                corpus.documents.iter().map(|range| corpus.text[range.clone()].to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(documents(Documents::Lines, folder).unwrap(), ["one two", "three", "four"]);
        assert_eq!(documents(Documents::Files, folder).unwrap(), [" one two \r\n\n \nthree\n", "four"]);
        assert!(documents(Documents::Whole, folder).unwrap().is_empty());
        let said = documents(Documents::JsonLines, folder).unwrap_err().to_string();
        assert!(said.contains("no .jsonl or .jsonl.gz file"), "{said}");
        write(folder, "c.jsonl", b"{\"text\": \"one\\ntwo\", \"id\": 1}\n\n{\"text\": \" \"}\n{\"text\": \"three\"}\n");
        assert_eq!(documents(Documents::JsonLines, folder).unwrap(), ["one\ntwo", "three"]);
        let bad = write(folder, "d.jsonl", b"{\"text\": \"one\"}\n{\"body\": \"two\"}\n");
        let said = documents(Documents::JsonLines, &bad).unwrap_err().to_string();
        assert!(said.contains("d.jsonl, line 2: expected is a JSON object") && said.contains("`text`"), "{said}");
        let said = documents(Documents::Files, Path::new("embedded:stories")).unwrap_err().to_string();
        assert!(said.starts_with("`documents` does not apply to `embedded:stories`"), "{said}");
        assert!(documents(Documents::Lines, Path::new("embedded:stories")).unwrap().len() > 100);
    }

    #[test]
    fn encodings() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "a.txt", b"caf\xE9 \x93ok\x94 \x80\x81");
        assert_eq!(read(&path, Encoding::Latin1).unwrap().text, "café \u{93}ok\u{94} \u{80}\u{81}");
        assert_eq!(read(&path, Encoding::Windows1252).unwrap().text, "café “ok” €\u{81}");
        let marked = write(folder.path(), "b.txt", "\u{FEFF}hé".as_bytes());
        assert_eq!(read(&marked, Encoding::Utf8).unwrap().text, "hé");
    }

    #[test]
    fn invalid_utf8_names_the_place_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "a.txt", b"one\ntwo caf\xE9 x");
        let message = read(&path, Encoding::Utf8).unwrap_err().to_string();
        for part in ["a.txt", "0xE9", "offset 11", "line 2", "encoding = \"latin-1\""] {
            assert!(message.contains(part), "{part} in {message}");
        }
        let path = write(folder.path(), "b.txt", b"\xFF\xFEh\0");
        assert!(read(&path, Encoding::Utf8).unwrap_err().to_string().contains("UTF-16"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(matches!(read(folder, Encoding::Utf8), Err(DataError::NoTextFiles { .. })));
        let empty = write(folder, "empty.txt", b"");
        assert!(matches!(read(&empty, Encoding::Utf8), Err(DataError::Empty { .. })));
        assert!(matches!(read(folder, Encoding::Utf8), Err(DataError::Empty { .. })));
        let config = TextConfig { source: "embedded:storys".to_owned(), ..TextConfig::default() };
        assert!(Corpus::read(&config).unwrap_err().to_string().contains("there are: stories"));
    }

    #[test]
    fn damaged_gzip_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let whole = gzip(b"some text that is long enough to be cut");
        for bytes in [b"plain".as_slice(), &whole[..whole.len() - 6]] {
            let path = write(folder.path(), "a.txt.gz", bytes);
            let message = read(&path, Encoding::Utf8).unwrap_err().to_string();
            assert!(message.contains("not a complete gzip file"), "{message}");
        }
    }
}
