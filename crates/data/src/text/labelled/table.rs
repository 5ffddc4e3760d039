//! Reading labelled texts from a table: `.csv` by RFC 4180, or `.tsv`, in which quotes are ordinary characters.

use super::{LabelledConfig, source::LabelledSource};
use crate::DataError;
use crate::text::corpus::read_text;
use std::collections::BTreeSet;
use std::path::Path;

/// Reads the two columns that `config` names into `source`.
pub(super) fn read(
    path: &Path,
    delimiter: u8,
    config: &LabelledConfig,
    source: &mut LabelledSource,
) -> Result<(), DataError> {
    let text = read_text(path, config.encoding)?;
    let bad = |line: usize, message: String| DataError::BadLine { path: path.to_owned(), line, message };
    let failed = |error: csv::Error| bad(line_of(&text, error.position()), explain(&error, delimiter));
    let mut rows = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .trim(csv::Trim::Headers)
        .from_reader(text.as_bytes());
    let header = rows.headers().map_err(failed)?.clone();
    let column = |key: &str, name: &str| {
        let found = header.iter().position(|column| column == name);
        found.ok_or_else(|| bad(1, no_column(key, name, &header)))
    };
    let text_column = column("text_column", &config.text_column)?;
    let label_column = column("label_column", &config.label_column)?;

    source.files.push(path.to_owned());
    let mut labels = BTreeSet::new();
    let mut num_rows = 0;
    for row in rows.records() {
        let row = row.map_err(failed)?;
        let line = line_of(&text, row.position());
        let label = row.get(label_column).unwrap_or_default().trim();
        if label.is_empty() {
            let message = format!("the column `{}` is empty; give the text a class or remove it", config.label_column);
            return Err(bad(line, message));
        }
        labels.insert(label.to_owned());
        num_rows += 1;
        source.add(row.get(text_column).unwrap_or_default(), label, line);
    }
    // A column of numbers or of texts would otherwise be taken for thousands of classes.
    if labels.len() > 2 && labels.len() * 2 > num_rows {
        let message = format!(
            "the column `{}` has {} different values in {num_rows} rows, as no column of classes does; set `label_column` to \
             the column with the classes: there are {}",
            config.label_column,
            labels.len(),
            quoted(&header)
        );
        return Err(DataError::BadClasses { path: path.to_owned(), message });
    }
    Ok(())
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

fn quoted(header: &csv::StringRecord) -> String {
    header.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}
