use super::{Vectors, VectorsConfig, numbered};
use crate::DataError;
use crate::text::Encoding;
use crate::text::columns::{header, read_many};
use std::path::Path;

/// The points of a table: every column but that of the labels is a number.
pub(super) fn read(path: &Path, delimiter: u8, config: &VectorsConfig) -> Result<Vectors, DataError> {
    let names = header(path, delimiter, Encoding::default())?;
    let unknown = config.ignored.iter().chain(&config.labels).find(|name| !names.contains(name));
    if let Some(unknown) = unknown {
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!("no column `{unknown}`; there are {listed}");
        return Err(DataError::BadLine { path: path.to_owned(), line: 1, message });
    }
    let is_number = |name: &&String| !config.ignored.contains(name) && config.labels.as_ref() != Some(name);
    let features: Vec<&String> = names.iter().filter(is_number).collect();
    let mut wanted: Vec<(&'static str, &str)> = features.iter().map(|name| ("columns", name.as_str())).collect();
    wanted.extend(config.labels.iter().map(|name| ("labels", name.as_str())));
    let rows = read_many(path, delimiter, Encoding::default(), &wanted)?.rows;

    let mut values = Vec::with_capacity(rows.len() * features.len());
    let mut labels = Vec::new();
    for (line, cells) in &rows {
        for (cell, name) in cells.iter().zip(&features) {
            values.push(number(cell).ok_or_else(|| no_number(path, *line, name, cell))?);
        }
        labels.extend(cells.get(features.len()).map(|label| label.trim().to_owned()));
    }
    let vectors = Vectors {
        values,
        rows: rows.len(),
        columns: features.len(),
        names: numbered(rows.len()),
        ..Vectors::default()
    };
    Ok(if config.labels.is_some() { vectors.with_labels(&labels) } else { vectors })
}

fn number(cell: &str) -> Option<f32> {
    cell.trim().parse().ok().filter(|number: &f32| number.is_finite())
}

fn no_number(path: &Path, line: usize, column: &str, cell: &str) -> DataError {
    let message = if cell.trim().is_empty() {
        format!(
            "the column `{column}` is empty here; fill it in, drop the row, or pass the column over with `--ignore {column}`"
        )
    } else {
        format!(
            "`{cell}` in the column `{column}` is no number; if these are labels, say `--labels {column}`, else pass the column \
             over with `--ignore {column}`"
        )
    };
    DataError::BadLine { path: path.to_owned(), line, message }
}
