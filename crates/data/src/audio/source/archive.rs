use super::{Sound, naming};
use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Whether a file is an archive, by its name.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

/// All `.wav` files of an archive, in the order of their paths. They are read into memory; nothing is written.
pub(super) fn files(path: &Path) -> Result<Vec<(String, Sound)>, DataError> {
    let file = BufReader::new(File::open(path).map_err(DataError::reading(path))?);
    let compressed = !path.to_string_lossy().to_lowercase().ends_with(".tar");
    let mut files = if compressed { unpack(MultiGzDecoder::new(file)) } else { unpack(file) }.map_err(|error| {
        let message = format!(
            "not a complete archive ({error}); a tar archive, as its name says, is expected. Fetch or copy it again"
        );
        DataError::BadAudio { path: path.to_owned(), message }
    })?;
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn unpack(archive: impl Read) -> std::io::Result<Vec<(String, Sound)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().replace('\\', "/");
        let name = name.trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() && naming::is_recording(&name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.push((name, Sound::Bytes(bytes)));
        }
    }
    Ok(files)
}
