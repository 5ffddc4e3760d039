use super::{Vectors, VectorsConfig, numbered};
use crate::DataError;
use crate::text::Encoding;
use crate::text::columns::{quoted, read_chosen};
use std::path::Path;

/// The points of a table: every column but that of the labels is a number.
pub(super) fn read(path: &Path, delimiter: u8, config: &VectorsConfig) -> Result<Vectors, DataError> {
    let mut features: Vec<String> = Vec::new();
    let rows = read_chosen(path, delimiter, Encoding::default(), |header| {
        let place = |name: &String| header.iter().position(|column| column == name);
        if let Some(unknown) = config.ignored.iter().chain(&config.labels).find(|name| place(name).is_none()) {
            return Err(format!("no column `{unknown}`; there are {}", quoted(header)));
        }
        let is_number = |name: &str| !config.ignored.iter().chain(&config.labels).any(|other| other == name);
        let (mut places, names): (Vec<usize>, Vec<String>) = header
            .iter()
            .enumerate()
            .filter(|(_, name)| is_number(name))
            .map(|(at, name)| (at, name.to_owned()))
            .unzip();
        features = names;
        places.extend(config.labels.as_ref().and_then(place));
        Ok(places)
    })?
    .rows;

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
