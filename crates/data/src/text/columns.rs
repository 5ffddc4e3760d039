//! Columns of text from a table: `.csv` by RFC 4180, or `.tsv`, in which quotes are ordinary characters.

use super::Encoding;
use super::corpus::read_text;
use crate::DataError;
use std::path::Path;

/// A column that is wanted: the key of the configuration that names it, and its name.
pub(crate) type Column<'a> = (&'static str, &'a str);

/// The wanted columns of a table.
#[derive(Debug)]
pub(crate) struct Columns<Cells> {
    /// The cells of each row in the wanted order, with the line on which the row begins, from 1.
    pub rows: Vec<(usize, Cells)>,
    /// The names of all columns, quoted and joined by commas.
    pub names: String,
}

/// The delimiter of a table by its name, which may end in `.gz`; none where it is no table.
pub(crate) fn delimiter(path: &Path) -> Option<u8> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".csv") {
        Some(b',')
    } else if name.ends_with(".tsv") {
        Some(b'\t')
    } else {
        None
    }
}

/// Reads the wanted columns of a table whose first line names its columns.
///
/// # Errors
/// [`DataError`] for a file that cannot be read, a column that is not there, and rows of unequal lengths.
pub(crate) fn read<const N: usize>(
    path: &Path,
    delimiter: u8,
    encoding: Encoding,
    wanted: [Column<'_>; N],
) -> Result<Columns<[String; N]>, DataError> {
    let Columns { rows, names } = read_many(path, delimiter, encoding, &wanted)?;
    let fixed = |cells: Vec<String>| <[String; N]>::try_from(cells).expect("a cell for each wanted column");
    Ok(Columns { rows: rows.into_iter().map(|(line, cells)| (line, fixed(cells))).collect(), names })
}

/// As [`read`], with any number of columns.
pub(crate) fn read_many(
    path: &Path,
    delimiter: u8,
    encoding: Encoding,
    wanted: &[Column<'_>],
) -> Result<Columns<Vec<String>>, DataError> {
    read_chosen(path, delimiter, encoding, |header| {
        let place = |(key, name): &Column<'_>| {
            header.iter().position(|column| column == *name).ok_or_else(|| no_column(key, name, header))
        };
        wanted.iter().map(place).collect()
    })
}

/// As [`read`], with the columns at the places that `choose` finds among their names; an error of its is one of the first line.
pub(crate) fn read_chosen(
    path: &Path,
    delimiter: u8,
    encoding: Encoding,
    choose: impl FnOnce(&csv::StringRecord) -> Result<Vec<usize>, String>,
) -> Result<Columns<Vec<String>>, DataError> {
    let text = read_text(path, encoding)?;
    let bad = |line: usize, message: String| DataError::BadLine { path: path.to_owned(), line, message };
    let failed = |error: csv::Error| bad(line_of(&text, error.position()), explain(&error, delimiter));
    let mut table = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .trim(csv::Trim::Headers)
        .from_reader(text.as_bytes());
    let header = table.headers().map_err(failed)?.clone();
    let places = choose(&header).map_err(|message| bad(1, message))?;
    let mut rows = Vec::new();
    for row in table.records() {
        let row = row.map_err(failed)?;
        let cells = places.iter().map(|place| row.get(*place).unwrap_or_default().to_owned()).collect();
        rows.push((line_of(&text, row.position()), cells));
    }
    Ok(Columns { rows, names: quoted(&header) })
}

/// The line on which a row begins. The parser's own position may lie before empty lines, or before the second half of a
/// Windows line end.
fn line_of(text: &str, position: Option<&csv::Position>) -> usize {
    let Some(position) = position else { return 1 };
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let passed = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| **byte == b'\n').count();
    position.line() as usize + passed
}

fn explain(error: &csv::Error, delimiter: u8) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } if delimiter == b',' => format!(
            "a row of {len} columns where the first line has {expected_len}; a text with a comma in it must stand in \
             double quotes, and a double quote in it must be doubled"
        ),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "a row of {len} columns where the first line has {expected_len}; a text may hold neither a tab nor a line break"
        ),
        _ => error.to_string(),
    }
}

fn no_column(key: &str, name: &str, header: &csv::StringRecord) -> String {
    let semicolons = header.len() == 1 && header.get(0).is_some_and(|only| only.contains(';'));
    let remedy = if semicolons {
        "; the columns are divided by semicolons here, and commas are expected"
    } else {
        "; the first line must name the columns"
    };
    format!("no column `{name}`; there are {}. Set `{key}`{remedy}", quoted(header))
}

/// The names of columns, in quotes, with commas between.
pub(crate) fn quoted(header: &csv::StringRecord) -> String {
    header.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}
