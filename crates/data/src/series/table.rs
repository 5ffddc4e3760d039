//! Reading the columns of a table of numbers.

use super::config::{EMBEDDED, SeriesConfig};
use super::{Scaler, delimiter, signals};
use crate::text::corpus::{EMBEDDED_PREFIX, read_text};
use crate::{DataError, locate};
use csv::StringRecord;
use std::path::{Path, PathBuf};

/// Names of a first column that is taken for the dates even if it holds numbers; also if it has none.
const DATE_NAMES: [&str; 6] = ["", "date", "datetime", "timestamp", "time", "ds"];

/// Rows by which a first column of numbers is told from one of dates.
const PEEKED_ROWS: usize = 100;

/// What a cell may say in place of a missing value, in lower case.
const MISSING_MARKS: [&str; 8] = ["", "nan", "na", "n/a", "#n/a", "null", "none", "?"];

/// Which columns are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Columns to forecast; empty for all that are neither dates nor covariates.
    pub targets: &'a [String],
    /// Columns that are inputs only.
    pub covariates: &'a [String],
}

/// The wanted columns of a table, targets first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Where it was read: an absolute path, or the name of an embedded source.
    pub path: PathBuf,
    /// The columns' names: targets, then covariates.
    pub names: Vec<String>,
    /// How many of them are targets.
    pub num_targets: usize,
    /// Row-major `[rows, names]`; NaN where a value is missing.
    pub values: Vec<f64>,
    /// The label of each row, where the table has a column of dates.
    pub dates: Option<Vec<String>>,
    /// The line of each row, from 1.
    pub lines: Vec<usize>,
}

impl<'a> Wanted<'a> {
    /// The columns that `scaler` was fitted on.
    pub(super) fn of(scaler: &'a Scaler) -> Self {
        Self { targets: scaler.targets(), covariates: scaler.covariates() }
    }
}

impl Table {
    /// Reads what `config.source` names.
    pub(super) fn read(config: &SeriesConfig, wanted: Wanted) -> Result<Self, DataError> {
        match config.source.strip_prefix(EMBEDDED_PREFIX) {
            Some("signals") => embedded_signals(&config.source, wanted),
            Some(other) => Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
            None => Self::read_file(&locate(&config.source)?, config, wanted),
        }
    }

    /// Reads the file at `path` as `config` describes tables; `config.source` plays no part.
    pub(super) fn read_file(path: &Path, config: &SeriesConfig, wanted: Wanted) -> Result<Self, DataError> {
        parse(&read_text(path, config.encoding)?, path, config, wanted)
    }

    /// Rows.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }
}

fn embedded_signals(source: &str, wanted: Wanted) -> Result<Table, DataError> {
    let names = signals::NAMES.map(str::to_owned);
    let path = PathBuf::from(source);
    let columns = Columns::pick(&path, &names, None, wanted)?;
    let rows = signals::values();
    Ok(Table {
        values: rows.iter().flat_map(|row| columns.indices.iter().map(|index| row[*index])).collect(),
        dates: Some(signals::dates()),
        lines: (1..=rows.len()).collect(),
        names: columns.names(&names),
        num_targets: columns.num_targets,
        path,
    })
}

fn parse(text: &str, path: &Path, config: &SeriesConfig, wanted: Wanted) -> Result<Table, DataError> {
    let delimiter = config.delimiter.map_or_else(|| delimiter::guess(text), |delimiter| delimiter as u8);
    let mut records = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
        .into_records()
        .map(|record| match record {
            Ok(record) => Ok((line_of(text, record.position()), record)),
            Err(error) => Err(bad_record(path, text, delimiter, &error)),
        });
    let head: Vec<(usize, StringRecord)> = records.by_ref().take(1 + PEEKED_ROWS).collect::<Result<_, _>>()?;
    let Some((first_line, first)) = head.first() else {
        return Err(DataError::BadTable { path: path.to_owned(), message: "the table is empty".to_owned() });
    };
    let names: Vec<String> = match config.header {
        true => first.iter().map(str::to_owned).collect(),
        false => (0..first.len()).map(|number| number.to_string()).collect(),
    };
    if config.header {
        check_header(path, *first_line, &names)?;
    }
    let body = usize::from(config.header);
    let date = date_column(path, config, &names, &head[body..])?;
    let columns = Columns::pick(path, &names, date, wanted)?;

    let mut table = Table {
        path: path.to_owned(),
        names: columns.names(&names),
        num_targets: columns.num_targets,
        values: Vec::new(),
        dates: date.map(|_| Vec::new()),
        lines: Vec::new(),
    };
    for record in head.into_iter().skip(body).map(Ok).chain(records) {
        let (line, record) = record?;
        for index in &columns.indices {
            let value = number(&record[*index]).map_err(|message| DataError::BadCell {
                path: path.to_owned(),
                line,
                column: names[*index].clone(),
                message: message + header_hint(config.header, line),
            })?;
            table.values.push(value);
        }
        if let (Some(dates), Some(date)) = (&mut table.dates, date) {
            dates.push(record[date].to_owned());
        }
        table.lines.push(line);
    }
    if table.rows() == 0 {
        let message = "there is no row below the column names".to_owned();
        return Err(DataError::BadTable { path: path.to_owned(), message });
    }
    Ok(table)
}

/// The wanted columns' places in a table.
struct Columns {
    indices: Vec<usize>,
    num_targets: usize,
}

impl Columns {
    fn pick(path: &Path, names: &[String], date: Option<usize>, wanted: Wanted) -> Result<Self, DataError> {
        let bad = |message: String| DataError::BadTable { path: path.to_owned(), message };
        let find = |key: &str, wanted: &[String]| -> Result<Vec<usize>, DataError> {
            let missing: Vec<&String> = wanted.iter().filter(|name| !names.contains(name)).collect();
            if !missing.is_empty() {
                return Err(bad(no_column(key, &missing, names)));
            }
            let found = |name: &String| names.iter().position(|other| other == name);
            let indices: Vec<usize> = wanted.iter().filter_map(found).collect();
            match indices.iter().find(|index| Some(**index) == date) {
                Some(index) => Err(bad(format!(
                    "the column `{}` holds the dates, so it cannot be among `{key}`; if it holds numbers, name another \
                     column in `date_column`",
                    names[*index]
                ))),
                None => Ok(indices),
            }
        };
        let covariates = find("covariates", wanted.covariates)?;
        let mut indices = find("targets", wanted.targets)?;
        if indices.is_empty() {
            indices = (0..names.len()).filter(|index| Some(*index) != date && !covariates.contains(index)).collect();
        }
        if indices.is_empty() {
            let found = quoted(names.iter());
            let message = format!("no column is left to forecast besides dates and covariates; there are {found}");
            return Err(bad(message));
        }
        let num_targets = indices.len();
        indices.extend(covariates);
        Ok(Self { indices, num_targets })
    }

    fn names(&self, all: &[String]) -> Vec<String> {
        self.indices.iter().map(|index| all[*index].clone()).collect()
    }
}

fn no_column(key: &str, missing: &[&String], names: &[String]) -> String {
    let remedy = match names.len() {
        1 => ". If one line holds several columns, say what stands between them with `delimiter`",
        _ => "",
    };
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    let missing = quoted(missing.iter().copied());
    format!("no {noun} {missing} for `{key}`; there are {}{remedy}", quoted(names.iter()))
}

/// Names as people read them, in at most two dozen.
fn quoted<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 24;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Names must be there, differ, and be names.
fn check_header(path: &Path, line: usize, names: &[String]) -> Result<(), DataError> {
    let bad = |message: String| Err(DataError::BadLine { path: path.to_owned(), line, message });
    if let Some(index) = (1..names.len()).find(|index| names[*index].is_empty()) {
        return bad(format!(
            "column number {} has no name; name it in the first line, or remove the delimiter at the end of each line",
            index + 1
        ));
    }
    if let Some(index) = (1..names.len()).find(|index| names[..*index].contains(&names[*index])) {
        return bad(format!("two columns have the name `{}`; give each its own", names[index]));
    }
    // Whole numbers are common names of columns; numbers with decimals are a first row of values.
    let is_number = |name: &String| name.parse::<f64>().is_ok();
    let has_decimals = names.iter().any(|name| is_number(name) && name.contains('.'));
    if has_decimals && names.iter().skip(usize::from(names.len() > 1)).all(is_number) {
        return bad(format!(
            "names of columns are expected, and there is {}; if this line is the first row of values, set \
             `header = false`",
            quoted(names.iter())
        ));
    }
    Ok(())
}

/// The place of the column with dates.
fn date_column(
    path: &Path,
    config: &SeriesConfig,
    names: &[String],
    head: &[(usize, StringRecord)],
) -> Result<Option<usize>, DataError> {
    if let Some(wanted) = &config.date_column {
        let found = names.iter().position(|name| name == wanted);
        let missing = || no_column("date_column", &[wanted], names);
        return match found {
            Some(found) => Ok(Some(found)),
            None => Err(DataError::BadTable { path: path.to_owned(), message: missing() }),
        };
    }
    let named = config.header && DATE_NAMES.contains(&names[0].to_lowercase().as_str());
    let mut cells = head.iter().map(|(_, record)| &record[0]).filter(|cell| !is_missing(cell)).peekable();
    let texts = cells.peek().is_some() && cells.all(|cell| cell.parse::<f64>().is_err() && !decimal_comma(cell));
    Ok((names.len() > 1 && (named || texts)).then_some(0))
}

fn is_missing(cell: &str) -> bool {
    MISSING_MARKS.iter().any(|mark| cell.eq_ignore_ascii_case(mark))
}

/// Whether a cell is a number once its comma is a point.
fn decimal_comma(cell: &str) -> bool {
    cell.matches(',').count() == 1 && cell.replace(',', ".").parse::<f64>().is_ok()
}

/// The number in a cell, NaN if it is missing, or what is wrong with it.
fn number(cell: &str) -> Result<f64, String> {
    if is_missing(cell) {
        return Ok(f64::NAN);
    }
    match cell.parse::<f64>() {
        Ok(value) if value.abs() <= f64::from(f32::MAX) => Ok(value),
        Ok(_) => Err(format!("`{cell}` is too large; numbers up to 3.4e38 are expected")),
        Err(_) if decimal_comma(cell) => {
            let point = cell.replace(',', ".");
            Err(format!("`{cell}` has a comma; a number with a decimal point is expected, as in {point}"))
        }
        Err(_) => Err(format!(
            "`{cell}` is not a number. A number such as 12.5 is expected, or nothing where the value is missing; to \
             leave this column out, name the others in `targets` and `covariates`"
        )),
    }
}

fn header_hint(header: bool, line: usize) -> &'static str {
    if !header && line == 1 { ". If this line names the columns, set `header = true`" } else { "" }
}

/// The line in which a record begins, from 1: the reader's own count includes the empty lines before it.
fn line_of(text: &str, position: Option<&csv::Position>) -> usize {
    let Some(position) = position else { return 1 };
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    position.line() as usize + skipped
}

fn bad_record(path: &Path, text: &str, delimiter: u8, error: &csv::Error) -> DataError {
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "{len} columns where the first line has {expected_len}, divided by {:?}. Each line must have as many; if \
             something else divides the columns, set `delimiter`",
            char::from(delimiter)
        ),
        _ => error.to_string(),
    };
    DataError::BadLine { path: path.to_owned(), line: line_of(text, error.position()), message }
}
