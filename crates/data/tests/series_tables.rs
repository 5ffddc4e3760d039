//! Tables as people have them: what is read, and what is said about what cannot be.

use data::series::{Missing, Part, SeriesConfig, SeriesData, Split};
use data::text::Encoding;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;

/// Settings under which two rows are enough.
fn small() -> SeriesConfig {
    let none = Part::Fraction(0.0);
    SeriesConfig {
        split: Split { train: Part::Fraction(1.0), validation: none, test: none },
        input_len: 1,
        horizon: 1,
        ..SeriesConfig::default()
    }
}

fn load_file(name: &str, bytes: &[u8], config: SeriesConfig) -> Result<SeriesData, data::DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    SeriesData::load(&SeriesConfig { source: path.to_str().unwrap().to_owned(), ..config })
}

fn load(text: &str, config: SeriesConfig) -> Result<SeriesData, data::DataError> {
    load_file("table.csv", text.as_bytes(), config)
}

#[track_caller]
fn assert_refused(text: &str, config: SeriesConfig, parts: &[&str]) {
    let message = load(text, config).unwrap_err().to_string();
    for part in parts.iter().chain(&["table.csv"]) {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[test]
fn a_first_column_without_numbers_is_the_date() {
    let data = load("when,a,b\nMon,1,2\nTue,3,4\n", small()).unwrap();
    assert_eq!(data.scaler().columns(), ["a", "b"]);
    assert_eq!(data.values(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(data.dates().unwrap(), ["Mon", "Tue"]);
}

#[test]
fn a_first_column_of_numbers_is_a_series_unless_its_name_says_otherwise() {
    let data = load("a,b\n1,2\n3,4\n", small()).unwrap();
    assert_eq!((data.values(), data.dates()), (&[1.0, 2.0, 3.0, 4.0][..], None));
    // As pandas writes its index, and seconds since 1970.
    for header in [",b", "timestamp,b", "Date,b"] {
        let data = load(&format!("{header}\n1,2\n3,4\n"), small()).unwrap();
        assert_eq!((data.values(), data.dates().unwrap()), (&[2.0, 4.0][..], &names(&["1", "3"])[..]), "{header}");
    }
    let config = SeriesConfig { date_column: Some("b".to_owned()), ..small() };
    let data = load("a,b\n1,2\n3,4\n", config).unwrap();
    assert_eq!((data.values(), data.dates().unwrap()), (&[1.0, 3.0][..], &names(&["2", "4"])[..]));
}

#[test]
fn other_columns_may_hold_anything() {
    let config = SeriesConfig { targets: names(&["c"]), covariates: names(&["a"]), ..small() };
    let data = load("a,note,c\n1,fine,2\n3,\"so, so\",4\n", config).unwrap();
    assert_eq!(data.scaler().columns(), ["c", "a"]);
    assert_eq!(data.values(), [2.0, 1.0, 4.0, 3.0]);
}

#[test]
fn delimiters_are_found_or_given() {
    for text in
        ["t;a;b\nx;1;2\ny;3;4", "t\ta\tb\nx\t1\t2\ny\t3\t4", "t|a|b\r\nx|1|2\r\ny|3|4\r\n", "t,a,b\nx,1,2\n\ny,3,4\n\n"]
    {
        assert_eq!(load(text, small()).unwrap().values(), [1.0, 2.0, 3.0, 4.0], "{text}");
    }
    let config = SeriesConfig { delimiter: Some(' '), ..small() };
    assert_eq!(load("a b\n1 2\n3 4\n", config).unwrap().values(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn without_header_columns_are_named_by_number() {
    let config = SeriesConfig { header: false, ..small() };
    let data = load("Mon,1,2\nTue,3,4\n", config.clone()).unwrap();
    assert_eq!((data.scaler().columns(), data.values()), (&names(&["1", "2"])[..], &[1.0, 2.0, 3.0, 4.0][..]));
    let config = SeriesConfig { date_column: Some("2".to_owned()), targets: names(&["0"]), ..config };
    let data = load("1,x,2020\n2,y,2021\n", config).unwrap();
    assert_eq!((data.values(), data.dates().unwrap()), (&[1.0, 2.0][..], &names(&["2020", "2021"])[..]));
}

#[test]
fn a_forgotten_header_setting_is_said() {
    assert_refused("1.5,2\n3,4\n", small(), &["line 1", "`1.5`, `2`", "`header = false`"]);
    let config = SeriesConfig { header: false, ..small() };
    assert_refused("a,b\n1,2\n3,4\n", config, &["line 1, column `0`", "`a` is not a number", "`header = true`"]);
    // Whole numbers name columns in many published tables.
    assert!(load("date,0,1\nx,1,2\ny,3,4\n", small()).is_ok());
}

#[test]
fn junk_names_its_line_and_column() {
    assert_refused("t,a,b\nx,1,2\n\ny,3,abc\n", small(), &["line 4, column `b`: `abc` is not a number", "12.5"]);
    assert_refused("t,a\r\n\r\nx,1\r\n\r\n\r\ny,abc\r\n", small(), &["line 6, column `a`"]);
    assert_refused("t;a\nx;1,5\ny;2,5\n", small(), &["line 2, column `a`: `1,5` has a comma", "as in 1.5"]);
    assert_refused("a;b\n1,5;2\n2,5;3\n", small(), &["line 2, column `a`: `1,5` has a comma"]);
    assert_refused("t,a\nx,1\ny,inf\n", small(), &["line 3, column `a`: `inf` is too large"]);
    assert_refused("t,a\nx,1\ny,1e39\n", small(), &["line 3, column `a`: `1e39` is too large"]);
    assert_refused("t,a\nx,1\n\"y\nz\",2\nw,?!\n", small(), &["line 5, column `a`"]);
    assert_refused("t,a,b\nx,1,2\ny,3\n", small(), &["line 3: 2 columns where the first line has 3", "','"]);
}

#[test]
fn columns_that_are_not_there_are_said() {
    let config = SeriesConfig { targets: names(&["a", "OT"]), ..small() };
    assert_refused("t,a\nx,1\ny,2\n", config, &["no column `OT` for `targets`; there are `t`, `a`"]);
    let config = SeriesConfig { covariates: names(&["c", "d"]), ..small() };
    assert_refused("t,a\nx,1\ny,2\n", config, &["no columns `c`, `d` for `covariates`"]);
    let config = SeriesConfig { date_column: Some("when".to_owned()), ..small() };
    assert_refused("t,a\nx,1\ny,2\n", config, &["no column `when` for `date_column`"]);
    let config = SeriesConfig { targets: names(&["b"]), ..small() };
    assert_refused("a:b\n1:2\n", config, &["no column `b`", "there are `a:b`", "`delimiter`"]);
    let config = SeriesConfig { targets: names(&["t"]), ..small() };
    assert_refused("t,a\nx,1\ny,2\n", config, &["`t` holds the dates"]);
    let config = SeriesConfig { covariates: names(&["a"]), ..small() };
    assert_refused("t,a\nx,1\ny,2\n", config, &["no column is left to forecast"]);
}

#[test]
fn headers_must_tell_columns_apart() {
    assert_refused("t,a,a\nx,1,2\ny,3,4\n", small(), &["line 1: two columns have the name `a`"]);
    assert_refused("t,a,\nx,1,\ny,3,\n", small(), &["line 1: column number 3 has no name"]);
}

#[test]
fn empty_tables_are_said() {
    assert_refused("", small(), &["the table is empty"]);
    assert_refused("a,b\n", small(), &["no row below the column names"]);
}

#[test]
fn gaps_are_closed_as_told() {
    let text = "t,a,b\nv,1,10\nw,,20\nx,NA,NaN\ny,4,?\nz,5,50\n";
    assert_refused(text, small(), &["line 3, column `a`: has no value", "`missing`"]);
    let load = |missing| load(text, SeriesConfig { missing, ..small() }).unwrap();
    assert_eq!(load(Missing::Previous).values(), [1.0, 10.0, 1.0, 20.0, 1.0, 20.0, 4.0, 20.0, 5.0, 50.0]);
    assert_eq!(load(Missing::Linear).values(), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0, 5.0, 50.0]);
    let dropped = load(Missing::DropRows);
    assert_eq!((dropped.values(), dropped.dates().unwrap()), (&[1.0, 10.0, 5.0, 50.0][..], &names(&["v", "z"])[..]));
    let fact = |data: &SeriesData, name: &str| data.facts().into_iter().find(|fact| fact.0 == name).map(|fact| fact.1);
    assert_eq!(fact(&dropped, "rows left out for gaps").as_deref(), Some("3"));
    assert_eq!(fact(&load(Missing::Linear), "values filled in").as_deref(), Some("4"));
}

#[test]
fn compressed_tables_and_old_encodings_are_read() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"t\ta\nx\t1\ny\t2\n").unwrap();
    let data = load_file("table.tsv.gz", &encoder.finish().unwrap(), small()).unwrap();
    assert_eq!(data.values(), [1.0, 2.0]);
    let latin = b"t,\xB0C\nx,1\ny,2\n";
    let message = load_file("table.csv", latin, small()).unwrap_err().to_string();
    assert!(message.contains("`encoding = \"windows-1252\"`"), "{message}");
    let config = SeriesConfig { encoding: Encoding::Latin1, ..small() };
    assert_eq!(load_file("table.csv", latin, config).unwrap().scaler().columns(), ["°C"]);
}

/// A table: column names, rows of values, and a label a row.
type Written = (Vec<String>, Vec<(String, Vec<f64>)>);

fn tables() -> impl Strategy<Value = Written> {
    let name = "c[a-z°\"',;|\t\n ]{0,6}[a-z]";
    let label = "d[a-z0-9\"',;|\t: -]{0,8}[a-z]";
    let value = prop_oneof![-1e30..1e30, -10.0..10.0, prop::num::f32::NORMAL.prop_map(f64::from)];
    prop::collection::btree_set(name, 1..5).prop_flat_map(move |names| {
        let row = (label, prop::collection::vec(value.clone(), names.len()));
        (Just(names.into_iter().collect()), prop::collection::vec(row, 2..30))
    })
}

proptest! {
    #[test]
    fn any_table_reads_back_the_same(
        (columns, rows) in tables(), delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        header: bool, dates: bool, guessed: bool, always_quoted: bool,
    ) {
        let style = if always_quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).quote_style(style).from_writer(Vec::new());
        let label = |label: &str| dates.then(|| label.to_owned()).into_iter();
        if header {
            writer.write_record(label("when").chain(columns.iter().cloned())).unwrap();
        }
        for (date, values) in &rows {
            writer.write_record(label(date).chain(values.iter().map(f64::to_string))).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        // A delimiter can be told where each cell with another one in it is quoted.
        let delimiter = (!(guessed && always_quoted)).then_some(char::from(delimiter));
        let data = load(&text, SeriesConfig { header, delimiter, ..small() }).unwrap();

        let numbered = (usize::from(dates)..).take(columns.len()).map(|number| number.to_string()).collect();
        prop_assert_eq!(data.scaler().columns(), if header { columns } else { numbered });
        let (labels, values): (Vec<String>, Vec<Vec<f64>>) = rows.into_iter().unzip();
        prop_assert_eq!(data.values(), values.concat());
        prop_assert_eq!(data.dates(), dates.then_some(&labels[..]));
    }
}
