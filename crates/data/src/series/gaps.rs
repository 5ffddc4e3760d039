//! Closing the gaps of a table.

use super::config::Missing;
use super::table::Table;
use crate::DataError;

/// What was done about missing values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Closed {
    /// Values that were filled in.
    pub filled: usize,
    /// Rows that were left out.
    pub dropped: usize,
}

/// Closes all gaps of `table`, so that no NaN is left.
pub(super) fn close(table: &mut Table, missing: Missing) -> Result<Closed, DataError> {
    let gaps = table.values.iter().filter(|value| value.is_nan()).count();
    if gaps == 0 {
        return Ok(Closed::default());
    }
    match missing {
        Missing::Error => return Err(first_gap(table, "has no value", ADVICE)),
        Missing::DropRows => return drop_rows(table),
        Missing::Previous => repeat_previous(table)?,
        Missing::Linear => interpolate(table)?,
    }
    Ok(Closed { filled: gaps, dropped: 0 })
}

const ADVICE: &str = "Fill it in, or set `missing` to \"previous\", \"linear\" or \"drop_rows\"";

/// An error about the first value that is still missing.
fn first_gap(table: &Table, what: &str, advice: &str) -> DataError {
    let gap = table.values.iter().position(|value| value.is_nan()).unwrap_or(0);
    let width = table.names.len();
    DataError::BadCell {
        path: table.path.clone(),
        line: table.lines[gap / width],
        column: table.names[gap % width].clone(),
        message: format!("{what}. {advice}"),
    }
}

fn drop_rows(table: &mut Table) -> Result<Closed, DataError> {
    let width = table.names.len();
    let keep: Vec<bool> = table.values.chunks(width).map(|row| row.iter().all(|value| !value.is_nan())).collect();
    let mut cells = keep.iter().flat_map(|keep| std::iter::repeat_n(*keep, width));
    table.values.retain(|_| cells.next().unwrap_or(true));
    let mut rows = keep.iter().copied();
    table.lines.retain(|_| rows.next().unwrap_or(true));
    if let Some(dates) = &mut table.dates {
        let mut rows = keep.iter().copied();
        dates.retain(|_| rows.next().unwrap_or(true));
    }
    if table.lines.is_empty() {
        let message = "each row lacks a value of some column, and `missing = \"drop_rows\"` leaves none. Use fewer \
                       columns, or set `missing = \"linear\"`";
        return Err(DataError::BadTable { path: table.path.clone(), message: message.to_owned() });
    }
    Ok(Closed { filled: 0, dropped: keep.iter().filter(|keep| !**keep).count() })
}

fn repeat_previous(table: &mut Table) -> Result<(), DataError> {
    let width = table.names.len();
    for cell in width..table.values.len() {
        if table.values[cell].is_nan() {
            table.values[cell] = table.values[cell - width];
        }
    }
    if table.values.iter().any(|value| value.is_nan()) {
        let advice = "Remove the rows before its first value, or set `missing` to \"linear\" or \"drop_rows\"";
        return Err(first_gap(table, "has no value, and none before it to repeat", advice));
    }
    Ok(())
}

fn interpolate(table: &mut Table) -> Result<(), DataError> {
    let width = table.names.len();
    for column in 0..width {
        let values = &mut table.values;
        let known: Vec<usize> = (column..values.len()).step_by(width).filter(|cell| !values[*cell].is_nan()).collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else {
            let message = format!("the column `{}` has no value at all; leave it out", table.names[column]);
            return Err(DataError::BadTable { path: table.path.clone(), message });
        };
        for cell in (column..*first).step_by(width) {
            values[cell] = values[*first];
        }
        for cell in (*last..values.len()).step_by(width) {
            values[cell] = values[*last];
        }
        for ends in known.windows(2) {
            let (from, to) = (ends[0], ends[1]);
            for cell in (from + width..to).step_by(width) {
                let part = (cell - from) as f64 / (to - from) as f64;
                values[cell] = values[from] + part * (values[to] - values[from]);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: f64 = f64::NAN;

    /// Two columns, from rows.
    fn table(rows: &[[f64; 2]]) -> Table {
        Table {
            path: "table.csv".into(),
            names: vec!["a".to_owned(), "b".to_owned()],
            num_targets: 2,
            values: rows.concat(),
            dates: Some((0..rows.len()).map(|row| format!("day {row}")).collect()),
            lines: (2..2 + rows.len()).collect(),
        }
    }

    #[test]
    fn gaps_are_errors_unless_told_otherwise() {
        let mut gappy = table(&[[1.0, 2.0], [3.0, GAP]]);
        let message = close(&mut gappy, Missing::Error).unwrap_err().to_string();
        for part in ["table.csv, line 3, column `b`", "has no value", "\"linear\""] {
            assert!(message.contains(part), "{part} in {message}");
        }
        let mut whole = table(&[[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(close(&mut whole, Missing::Error).unwrap(), Closed::default());
    }

    #[test]
    fn previous_repeats() {
        let mut gappy = table(&[[1.0, 2.0], [GAP, 3.0], [GAP, GAP], [4.0, GAP]]);
        assert_eq!(close(&mut gappy, Missing::Previous).unwrap(), Closed { filled: 4, dropped: 0 });
        assert_eq!(gappy.values, [1.0, 2.0, 1.0, 3.0, 1.0, 3.0, 4.0, 3.0]);
        let mut headless = table(&[[1.0, GAP], [GAP, 3.0]]);
        let message = close(&mut headless, Missing::Previous).unwrap_err().to_string();
        assert!(message.contains("line 2, column `b`") && message.contains("none before it"), "{message}");
    }

    #[test]
    fn linear_draws_lines_and_extends_the_ends() {
        let mut gappy = table(&[[GAP, 1.0], [GAP, GAP], [2.0, GAP], [GAP, GAP], [4.0, 9.0], [GAP, 9.0]]);
        assert_eq!(close(&mut gappy, Missing::Linear).unwrap(), Closed { filled: 7, dropped: 0 });
        assert_eq!(gappy.values, [2.0, 1.0, 2.0, 3.0, 2.0, 5.0, 3.0, 7.0, 4.0, 9.0, 4.0, 9.0]);
        let mut empty = table(&[[1.0, GAP], [2.0, GAP]]);
        let message = close(&mut empty, Missing::Linear).unwrap_err().to_string();
        assert!(message.contains("`b` has no value at all"), "{message}");
    }

    #[test]
    fn dropped_rows_take_their_dates_along() {
        let mut gappy = table(&[[GAP, 1.0], [2.0, 3.0], [4.0, GAP], [5.0, 6.0]]);
        assert_eq!(close(&mut gappy, Missing::DropRows).unwrap(), Closed { filled: 0, dropped: 2 });
        assert_eq!(gappy.values, [2.0, 3.0, 5.0, 6.0]);
        assert_eq!(gappy.dates.unwrap(), ["day 1", "day 3"]);
        assert_eq!(gappy.lines, [3, 5]);
        let message = close(&mut table(&[[GAP, 1.0]]), Missing::DropRows).unwrap_err().to_string();
        assert!(message.contains("leaves none"), "{message}");
    }
}
