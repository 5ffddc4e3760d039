use super::{Found, Part, Pixels};
use crate::DataError;
use crate::gather::Content;
use crate::image::ImageConfig;
use crate::text::Encoding;
use crate::text::columns::{self, Column};
use std::collections::BTreeSet;
use std::path::Path;

/// Between the labels of a picture.
const BETWEEN_LABELS: char = '|';

/// The pictures that a table names, one a row.
pub(super) fn find(path: &Path, delimiter: u8, config: &ImageConfig) -> Result<Vec<Found>, DataError> {
    let table = columns::read_many(path, delimiter, Encoding::default(), &wanted(config))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = |(line, cells): (usize, Vec<String>)| {
        let row = Row { path, line, cells: cells.iter().map(|cell| cell.trim()).collect() };
        let name = row.filled(0, &config.path_column)?;
        let (part, labels) = match &config.split_column {
            Some(column) => (Some(row.part(1, column)?), 2),
            None => (None, 1),
        };
        let labels = row.labels(labels, config)?;
        let pixels = Pixels::Encoded(Content::File(folder.join(name)));
        Ok(Found { name: name.to_owned(), labels, part, pixels })
    };
    let found = table.rows.into_iter().map(found).collect::<Result<Vec<Found>, DataError>>()?;
    if !config.multi_label {
        check_classes(path, &found, &table.names, config)?;
    }
    Ok(found)
}

/// The columns that are read: that of the paths, that of the parts where there is one, and those of the labels.
fn wanted(config: &ImageConfig) -> Vec<Column<'_>> {
    let mut wanted = vec![("path_column", config.path_column.as_str())];
    wanted.extend(config.split_column.as_ref().map(|column| ("split_column", column.as_str())));
    match config.label_columns.as_slice() {
        [] => wanted.push(("label_column", &config.label_column)),
        columns => wanted.extend(columns.iter().map(|column| ("label_columns", column.as_str()))),
    }
    wanted
}

/// One row of the table.
struct Row<'a> {
    path: &'a Path,
    line: usize,
    /// Without white space at their ends.
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn bad(&self, column: &str, message: &str) -> DataError {
        let message = format!("the column `{column}` {message}");
        DataError::BadLine { path: self.path.to_owned(), line: self.line, message }
    }

    /// The cell at `place`, which must not be empty.
    fn filled(&self, place: usize, column: &str) -> Result<&'a str, DataError> {
        match self.cells[place] {
            "" => Err(self.bad(column, "is empty; fill it in or remove the row")),
            cell => Ok(cell),
        }
    }

    fn part(&self, place: usize, column: &str) -> Result<Part, DataError> {
        let cell = self.cells[place];
        Part::named(cell).ok_or_else(|| {
            self.bad(column, &format!("holds `{cell}`, where `train`, `validation` or `test` is expected"))
        })
    }

    /// The labels in the cells from `first` on.
    fn labels(&self, first: usize, config: &ImageConfig) -> Result<Vec<String>, DataError> {
        if !config.label_columns.is_empty() {
            return self.marked(first, &config.label_columns);
        }
        if !config.multi_label {
            return Ok(vec![self.filled(first, &config.label_column)?.to_owned()]);
        }
        let labels = self.cells[first].split(BETWEEN_LABELS).map(str::trim).filter(|label| !label.is_empty());
        Ok(labels.map(str::to_owned).collect())
    }

    /// The columns, from `first` on, that hold 1.
    fn marked(&self, first: usize, columns: &[String]) -> Result<Vec<String>, DataError> {
        let mut labels = Vec::new();
        for (column, cell) in columns.iter().zip(&self.cells[first..]) {
            match cell.parse() {
                Ok(0.0) => {}
                Ok(1.0) => labels.push(column.clone()),
                _ => return Err(self.bad(column, &format!("holds `{cell}`, where 0 or 1 is expected"))),
            }
        }
        Ok(labels)
    }
}

/// A column of numbers or of names would otherwise be taken for thousands of classes.
fn check_classes(path: &Path, found: &[Found], columns: &str, config: &ImageConfig) -> Result<(), DataError> {
    let classes: BTreeSet<&String> = found.iter().flat_map(|found| &found.labels).collect();
    if classes.len() <= 2 || classes.len() * 2 <= found.len() {
        return Ok(());
    }
    let message = format!(
        "the column `{}` has {} different values in {} rows, as no column of classes does; set `label_column` to the column \
         with the classes: there are {columns}",
        config.label_column,
        classes.len(),
        found.len()
    );
    Err(DataError::BadClasses { path: path.to_owned(), message })
}
