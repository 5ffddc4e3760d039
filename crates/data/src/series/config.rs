use super::split::Split;
use crate::DataError;
use crate::text::Encoding;
use crate::text::corpus::{EMBEDDED_PREFIX, wrong_source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded series, by the name that follows [`EMBEDDED_PREFIX`].
pub(super) const EMBEDDED: [&str; 1] = ["signals"];

/// What a file of series may end in, before an optional `.gz`.
const EXTENSIONS: [&str; 3] = [".csv", ".tsv", ".txt"];

/// The data section of a forecaster's configuration: which series, which of them are forecast, and how they become
/// windows.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// source = "embedded:signals"      # or a .csv, .tsv or .txt file, also with .gz
/// targets = []                     # all columns of numbers
/// covariates = []
/// missing = "error"                # or "previous", "linear", "drop_rows"
/// scaling = "standard"             # or "min_max", "none"
/// split = { train = 0.7, validation = 0.1, test = 0.2 }
/// input_len = 96
/// horizon = 24
/// batch_size = 32
/// stride = 1
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesConfig {
    /// Where the series come from. `embedded:signals` needs no file. A `.csv`, `.tsv` or `.txt` file has one row a time
    /// step, oldest first, with one column a series; if it ends in `.gz` it is decompressed. A path is relative to the
    /// current directory, or begins with `$KILN_DATA/`.
    pub source: String,
    /// The encoding of the file: `utf-8`, `latin-1` or `windows-1252`.
    pub encoding: Encoding,
    /// What stands between two columns. Left out, it is found among tab, semicolon, vertical bar and comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line names the columns. Where it does not, columns are named `0`, `1`, `2` and so on.
    pub header: bool,
    /// The column with the dates, which are kept as labels and read by no model. Left out, the first column is taken
    /// for it if it holds no numbers, has no name, or is named `date`, `datetime`, `timestamp`, `time` or `ds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_column: Option<String>,
    /// The columns to forecast, which are inputs too. Empty: all columns but the dates and the covariates.
    pub targets: Vec<String>,
    /// Columns that are inputs only. A model knows them for the rows it reads, not for those it forecasts.
    pub covariates: Vec<String>,
    /// What to do where a value is missing: an empty cell, or one that says NaN, NA, N/A, null, none or `?`.
    pub missing: Missing,
    /// How columns are scaled before a model sees them, by numbers from the training part alone.
    pub scaling: Scaling,
    /// The three parts, in the order of time: fractions of all rows, as in
    /// `{ train = 0.7, validation = 0.1, test = 0.2 }`, or whole numbers of rows, as in
    /// `{ train = 8640, validation = 2880, test = 2880 }`. The inputs of the first validation and test windows reach
    /// back into the part before, so that every row of these parts is forecast.
    pub split: Split,
    /// Rows that the model reads for one forecast.
    pub input_len: usize,
    /// Rows that it forecasts.
    pub horizon: usize,
    /// Windows in a batch; the last batch of an epoch may have fewer.
    pub batch_size: usize,
    /// Rows from the start of one training window to the next. Validation and test always use 1.
    pub stride: usize,
}

impl Default for SeriesConfig {
    fn default() -> Self {
        Self {
            source: "embedded:signals".to_owned(),
            encoding: Encoding::default(),
            delimiter: None,
            header: true,
            date_column: None,
            targets: Vec::new(),
            covariates: Vec::new(),
            missing: Missing::default(),
            scaling: Scaling::default(),
            split: Split::default(),
            input_len: 96,
            horizon: 24,
            batch_size: 32,
            stride: 1,
        }
    }
}

impl SeriesConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"split.train"`) and the
    /// rest of a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(check_source(&self.source).map(|message| ("source", message)));
        if let Some(delimiter) = self.delimiter
            && (!delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || "\"\r\n.+-".contains(delimiter))
        {
            let message = format!("is {delimiter:?}; it must be one ASCII character that no number or line end has");
            wrong.push(("delimiter", message));
        }
        wrong.extend(self.check_columns());
        wrong.extend(self.split.validate());
        let sizes = [
            ("input_len", self.input_len),
            ("horizon", self.horizon),
            ("batch_size", self.batch_size),
            ("stride", self.stride),
        ];
        for (key, size) in sizes {
            if size == 0 {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(super) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }

    /// A column has one role, and is named once.
    fn check_columns(&self) -> Vec<(&'static str, String)> {
        let date = self.date_column.iter().map(|name| ("date_column", name));
        let targets = self.targets.iter().map(|name| ("targets", name));
        let covariates = self.covariates.iter().map(|name| ("covariates", name));
        let mut seen: Vec<(&str, &String)> = Vec::new();
        let mut wrong = Vec::new();
        for (key, name) in date.chain(targets).chain(covariates) {
            match seen.iter().find(|(_, other)| *other == name) {
                Some((before, _)) if *before == key => {
                    wrong.push((key, format!("names the column `{name}` twice")));
                }
                Some((before, _)) => {
                    let message =
                        format!("names the column `{name}`, and so does `{before}`; a column can only be one of them");
                    wrong.push((key, message));
                }
                None => seen.push((key, name)),
            }
        }
        wrong
    }
}

/// The rest of a sentence that begins with `source`, where that can never work.
fn check_source(source: &str) -> Option<String> {
    if source.trim().is_empty() || source.starts_with(EMBEDDED_PREFIX) {
        return wrong_source(source, &EMBEDDED);
    }
    if EMBEDDED.contains(&source) {
        return Some(format!("is `{source}`; the embedded series are `{EMBEDDED_PREFIX}{source}`"));
    }
    let name = source.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let message =
        format!("is `{source}`; a table that ends in .csv, .tsv or .txt, or in one of these and .gz, is expected");
    (!EXTENSIONS.iter().any(|extension| name.ends_with(extension))).then_some(message)
}

/// What happens where a value is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A missing value is an error that names the place.
    #[default]
    Error,
    /// The value before it in the same column is repeated. A column that begins with a gap is an error.
    Previous,
    /// A straight line between the values before and after it; at either end of a column, its nearest value. A gap that
    /// spans two parts of the split is filled from both.
    Linear,
    /// Rows in which any used column lacks a value are left out, before the split. Rows that were not neighbours become
    /// so.
    DropRows,
}

/// How columns are scaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// To mean 0 and standard deviation 1 over the training part (the population's, which divides by the number of
    /// rows).
    #[default]
    Standard,
    /// To the range from 0 to 1 over the training part; later values may lie outside.
    MinMax,
    /// As they are.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Part;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: SeriesConfig = toml::from_str(
            r#"
            source = "embedded:signals"
            targets = []
            covariates = []
            missing = "error"
            scaling = "standard"
            split = { train = 0.7, validation = 0.1, test = 0.2 }
            input_len = 96
            horizon = 24
            batch_size = 32
            stride = 1
            "#,
        )
        .unwrap();
        assert_eq!(config, SeriesConfig::default());
        assert_eq!(toml::from_str::<SeriesConfig>("").unwrap(), config);
        assert!(config.validate().is_empty());
    }

    #[test]
    fn survives_toml_and_json() {
        let config = SeriesConfig {
            source: "a/b.csv.gz".to_owned(),
            delimiter: Some('\t'),
            date_column: Some("when".to_owned()),
            targets: vec!["OT".to_owned()],
            missing: Missing::DropRows,
            scaling: Scaling::MinMax,
            split: Split { train: Part::Rows(8640), validation: Part::Rows(2880), test: Part::Rows(0) },
            ..SeriesConfig::default()
        };
        assert!(config.validate().is_empty(), "{:?}", config.validate());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<SeriesConfig>(&written).unwrap(), config, "{written}");
        let whole = SeriesConfig {
            split: Split { train: Part::Fraction(1.0), validation: Part::Fraction(0.0), test: Part::Fraction(0.0) },
            ..config
        };
        let written = toml::to_string(&whole).unwrap();
        assert_eq!(toml::from_str::<SeriesConfig>(&written).unwrap(), whole, "{written}");
        let written = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<SeriesConfig>(&written).unwrap(), whole, "{written}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        for wrong in [
            "input_length = 3",
            "missing = \"drop\"",
            "scaling = \"minmax\"",
            "delimiter = \";;\"",
            "split = { train = 0.7, validation = 0.1 }",
            "split = { train = 0.7, valid = 0.1, test = 0.2 }",
        ] {
            assert!(toml::from_str::<SeriesConfig>(wrong).is_err(), "{wrong}");
        }
        let message = toml::from_str::<SeriesConfig>("split = { train = \"most\", validation = 1, test = 1 }");
        let message = message.unwrap_err().to_string();
        assert!(message.contains("a whole number of rows or a fraction of all rows"), "{message}");
    }

    #[test]
    fn impossible_values_are_named() {
        let config: SeriesConfig = toml::from_str(
            r#"
            source = "table.xlsx"
            delimiter = "."
            date_column = "a"
            targets = ["b", "b"]
            covariates = ["a"]
            split = { train = 0.8, validation = 0.1, test = 0.2 }
            input_len = 0
            horizon = 0
            batch_size = 0
            stride = 0
            "#,
        )
        .unwrap();
        let found = config.validate();
        let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
        let expected =
            ["source", "delimiter", "targets", "covariates", "split", "input_len", "horizon", "batch_size", "stride"];
        assert_eq!(keys, expected, "{found:?}");
    }

    #[test]
    fn sources_that_cannot_work_are_told_from_those_that_can() {
        for good in ["embedded:signals", "a.csv", "A.CSV.GZ", "$KILN_DATA/a.tsv", "a.txt.gz"] {
            assert_eq!(check_source(good), None, "{good}");
        }
        for (wrong, part) in [
            ("", "empty"),
            ("embedded:novels", "there is `embedded:signals`"),
            ("signals", "are `embedded:signals`"),
            ("a.parquet", ".csv"),
            ("a.gz", ".csv"),
        ] {
            let message = check_source(wrong).unwrap();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_schema_carries_the_descriptions() {
        let schema = serde_json::to_string(&schemars::schema_for!(SeriesConfig)).unwrap();
        for part in ["Rows that the model reads", "drop_rows", "min_max", "additionalProperties\":false"] {
            assert!(schema.contains(part), "{part} in {schema}");
        }
    }
}
