use super::{Found, Sound};
use crate::DataError;
use crate::audio::SpeechConfig;
use crate::text::{Encoding, columns};
use std::path::Path;

/// The recordings that a table names, one a row.
pub(super) fn find(path: &Path, delimiter: u8, config: &SpeechConfig) -> Result<Vec<Found>, DataError> {
    // Columns that are not wanted are read as one that is.
    let optional = |key, name: &'_ Option<String>| match name {
        Some(name) => (key, name.clone()),
        None => ("path_column", config.path_column.clone()),
    };
    let (speaker_key, speaker) = optional("speaker_column", &config.speaker_column);
    let (take_key, take) = optional("take_column", &config.take_column);
    let wanted = [
        ("path_column", config.path_column.as_str()),
        ("label_column", config.label_column.as_str()),
        (speaker_key, speaker.as_str()),
        (take_key, take.as_str()),
    ];
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = |(line, cells): (usize, [String; 4])| {
        let [name, class, speaker, take] = cells.map(|cell| cell.trim().to_owned());
        let bad = |message: String| DataError::BadLine { path: path.to_owned(), line, message };
        let empty = |column: &str| bad(format!("the column `{column}` is empty; fill it in or remove the row"));
        if name.is_empty() {
            return Err(empty(&config.path_column));
        }
        if class.is_empty() {
            return Err(empty(&config.label_column));
        }
        let take = match &config.take_column {
            Some(column) => Some(take.parse().map_err(|_| {
                bad(format!("the column `{column}` holds `{take}`, where the number of a take is expected"))
            })?),
            None => None,
        };
        let speaker = config.speaker_column.as_ref().map(|_| speaker).filter(|speaker| !speaker.is_empty());
        Ok(Found { class, speaker, take, sound: Sound::File(folder.join(&name)), name })
    };
    let table = columns::read(path, delimiter, Encoding::default(), wanted)?;
    table.rows.into_iter().map(found).collect()
}
