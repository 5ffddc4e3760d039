//! Reading labelled texts from a table.

use super::{LabelledConfig, source::LabelledSource};
use crate::DataError;
use crate::text::columns;
use std::collections::BTreeSet;
use std::path::Path;

/// Reads the columns that `config` names into `source`.
pub(super) fn read(
    path: &Path,
    delimiter: u8,
    config: &LabelledConfig,
    source: &mut LabelledSource,
) -> Result<(), DataError> {
    let mut wanted = vec![("text_column", config.text_column.as_str()), ("label_column", config.label_column.as_str())];
    if !config.pair_column.is_empty() {
        wanted.push(("pair_column", config.pair_column.as_str()));
    }
    let table = columns::read_many(path, delimiter, config.encoding, &wanted)?;
    source.files.push(path.to_owned());
    let mut labels = BTreeSet::new();
    for (line, cells) in &table.rows {
        let (text, label) = (&cells[0], cells[1].trim());
        if label.is_empty() {
            let message = format!("the column `{}` is empty; give the text a class or remove it", config.label_column);
            return Err(DataError::BadLine { path: path.to_owned(), line: *line, message });
        }
        labels.insert(label);
        source.add_pair(text, cells.get(2).map(String::as_str), label, *line);
    }
    // A column of numbers or of texts would otherwise be taken for thousands of classes.
    if labels.len() > 2 && labels.len() * 2 > table.rows.len() {
        let message = format!(
            "the column `{}` has {} different values in {} rows, as no column of classes does; set `label_column` to \
             the column with the classes: there are {}",
            config.label_column,
            labels.len(),
            table.rows.len(),
            table.names
        );
        return Err(DataError::BadClasses { path: path.to_owned(), message });
    }
    Ok(())
}
