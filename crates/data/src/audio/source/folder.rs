use super::Sound;
use crate::DataError;
use std::fs;
use std::path::Path;

/// All `.wav` files in a folder and below it, by their path from there with `/` between its parts, in the order of these.
pub(super) fn files(root: &Path) -> Result<Vec<(String, Sound)>, DataError> {
    let mut files = Vec::new();
    gather(root, "", &mut files)?;
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn gather(folder: &Path, prefix: &str, files: &mut Vec<(String, Sound)>) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::reading(folder))? {
        let path = entry.map_err(DataError::reading(folder))?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files)?;
        } else if super::naming::is_recording(&name) {
            files.push((name, Sound::File(path)));
        }
    }
    Ok(())
}
