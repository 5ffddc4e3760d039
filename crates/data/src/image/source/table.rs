use super::{Found, Part, Pixels};
use crate::DataError;
use crate::gather::Content;
use crate::image::ImageConfig;
use crate::text::{Encoding, columns};
use std::path::Path;

/// Between the labels of a picture.
const BETWEEN_LABELS: char = '|';

/// The pictures that a table names, one a row.
pub(super) fn find(path: &Path, delimiter: u8, config: &ImageConfig) -> Result<Vec<Found>, DataError> {
    // A column that is not wanted is read as one that is.
    let (split_key, split) = match &config.split_column {
        Some(name) => ("split_column", name.as_str()),
        None => ("path_column", config.path_column.as_str()),
    };
    let wanted = [
        ("path_column", config.path_column.as_str()),
        ("label_column", config.label_column.as_str()),
        (split_key, split),
    ];
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = |(line, cells): (usize, [String; 3])| {
        let [name, labels, part] = cells.map(|cell| cell.trim().to_owned());
        let bad = |message: String| DataError::BadLine { path: path.to_owned(), line, message };
        let empty = |column: &str| bad(format!("the column `{column}` is empty; fill it in or remove the row"));
        if name.is_empty() {
            return Err(empty(&config.path_column));
        }
        let labels: Vec<String> = match config.multi_label {
            true => labels
                .split(BETWEEN_LABELS)
                .map(str::trim)
                .filter(|label| !label.is_empty())
                .map(str::to_owned)
                .collect(),
            false if labels.is_empty() => return Err(empty(&config.label_column)),
            false => vec![labels],
        };
        let part = match &config.split_column {
            None => None,
            Some(column) => Some(Part::named(&part).ok_or_else(|| {
                bad(format!("the column `{column}` holds `{part}`, where `train`, `validation` or `test` is expected"))
            })?),
        };
        let pixels = Pixels::Encoded(Content::File(folder.join(&name)));
        Ok(Found { name, labels, part, pixels })
    };
    columns::read(path, delimiter, Encoding::default(), wanted)?.rows.into_iter().map(found).collect()
}
