//! The files of a folder or of an archive of one, by their paths inside it.

use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Where a file's bytes are.
#[derive(Debug)]
pub(crate) enum Content {
    /// In a file of its own.
    File(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

/// The wanted files in a folder and below it, by their path from there with `/` between its parts, in the order of these.
pub(crate) fn folder(root: &Path, wanted: fn(&str) -> bool) -> Result<Vec<(String, Content)>, DataError> {
    let mut files = Vec::new();
    below(root, "", wanted, &mut files)?;
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn below(
    folder: &Path,
    prefix: &str,
    wanted: fn(&str) -> bool,
    files: &mut Vec<(String, Content)>,
) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::reading(folder))? {
        let path = entry.map_err(DataError::reading(folder))?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            below(&path, &format!("{name}/"), wanted, files)?;
        } else if wanted(&name) {
            files.push((name, Content::File(path)));
        }
    }
    Ok(())
}

/// Whether a file is an archive, by its name.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

/// The wanted files of an archive, in the order of their paths. They are read into memory; nothing is written.
pub(crate) fn archive(path: &Path, wanted: fn(&str) -> bool) -> Result<Vec<(String, Content)>, DataError> {
    let file = BufReader::new(File::open(path).map_err(DataError::reading(path))?);
    let compressed = !path.to_string_lossy().to_lowercase().ends_with(".tar");
    let mut files = if compressed { unpack(MultiGzDecoder::new(file), wanted) } else { unpack(file, wanted) }
        .map_err(|source| DataError::BadArchive { path: path.to_owned(), source })?;
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn unpack(archive: impl Read, wanted: fn(&str) -> bool) -> std::io::Result<Vec<(String, Content)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().replace('\\', "/");
        let name = name.trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() && wanted(&name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.push((name, Content::Bytes(bytes)));
        }
    }
    Ok(files)
}

/// The folders of a path.
pub(crate) fn folders(name: &str) -> Vec<&str> {
    let mut folders: Vec<&str> = name.split('/').collect();
    folders.pop();
    folders
}

/// How many folders, from the first on, all paths share.
pub(crate) fn shared_folders<'a>(mut names: impl Iterator<Item = &'a str>) -> usize {
    let Some(first) = names.next() else { return 0 };
    let first = folders(first);
    let shared = |name| folders(name).iter().zip(&first).take_while(|(a, b)| a == b).count();
    names.map(shared).min().unwrap_or(first.len())
}
