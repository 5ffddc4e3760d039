use super::gaps::{self, Closed};
use super::split::Parts;
use super::table::{Table, Wanted};
use super::windows::{ScaledRows, Sizes};
use super::{Scaler, SeriesBatches, SeriesConfig};
use crate::{DataError, locate};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Series that are read, split and scaled: all that training a forecaster needs of its data.
#[derive(Debug, Clone)]
pub struct SeriesData {
    source: String,
    path: PathBuf,
    scaler: Scaler,
    /// Row-major `[rows, columns]`, in the columns' units.
    values: Arc<[f64]>,
    scaled: Arc<ScaledRows>,
    dates: Option<Arc<[String]>>,
    parts: Parts,
    closed: Closed,
    sizes: Sizes,
    stride: usize,
}

impl SeriesData {
    /// Reads the source, closes its gaps, splits it, and fits the scaling on the training part.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or is no table of numbers, and a part
    /// without a single window.
    pub fn load(config: &SeriesConfig) -> Result<Self, DataError> {
        config.checked()?;
        let wanted = Wanted { targets: &config.targets, covariates: &config.covariates };
        let table = Table::read(config, wanted)?;
        Self::build(config, table, |table, parts| {
            let train = &table.values[..parts.train.end * table.names.len()];
            Scaler::fit(config.scaling, table.names.clone(), table.num_targets, train)
        })
    }

    /// As [`SeriesData::load`] with a scaler that exists already, as when a run is resumed or evaluated. Its columns
    /// are read; `config.targets`, `config.covariates` and `config.scaling` play no part.
    ///
    /// # Errors
    /// As [`SeriesData::load`].
    pub fn load_with(config: &SeriesConfig, scaler: Scaler) -> Result<Self, DataError> {
        config.checked()?;
        let table = Table::read(config, Wanted::of(&scaler))?;
        Self::build(config, table, |_, _| scaler)
    }

    fn build(
        config: &SeriesConfig,
        mut table: Table,
        scaler: impl FnOnce(&Table, &Parts) -> Scaler,
    ) -> Result<Self, DataError> {
        let closed = gaps::close(&mut table, config.missing)?;
        let parts = config.split.of(table.rows())?;
        check_parts(config, &table.path, &parts)?;
        let scaler = scaler(&table, &parts);
        let scaled = ScaledRows {
            values: scaler.transform(&table.values),
            num_columns: table.names.len(),
            num_targets: table.num_targets,
        };
        Ok(Self {
            source: config.source.clone(),
            path: table.path,
            scaler,
            values: table.values.into(),
            scaled: Arc::new(scaled),
            dates: table.dates.map(Into::into),
            parts,
            closed,
            sizes: Sizes { input_len: config.input_len, horizon: config.horizon, batch_size: config.batch_size },
            stride: config.stride,
        })
    }

    /// The columns' names and how they are scaled.
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// The whole series in the columns' units, without gaps.
    ///
    /// # Shapes
    /// Row-major `[rows, columns]`: targets, then covariates.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The label of each row, where the table has a column of dates.
    pub fn dates(&self) -> Option<&[String]> {
        self.dates.as_deref()
    }

    /// Rows of the whole series, also those that no part uses.
    pub fn num_rows(&self) -> usize {
        self.values.len() / self.scaler.columns().len()
    }

    /// The training part.
    pub fn train_rows(&self) -> Range<usize> {
        self.parts.train.clone()
    }

    /// The validation part; empty where the split gives it nothing.
    pub fn validation_rows(&self) -> Range<usize> {
        self.parts.validation.clone()
    }

    /// The test part; empty where the split gives it nothing.
    pub fn test_rows(&self) -> Range<usize> {
        self.parts.test.clone()
    }

    /// Windows of the training part, each once an epoch; their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> SeriesBatches {
        SeriesBatches::training(self.scaled.clone(), self.train_rows(), self.stride, self.sizes, seed)
    }

    /// One pass over the validation part in the order of time: a forecast begins in each row that leaves it room.
    ///
    /// # Errors
    /// [`DataError::TooFewRows`] where the split gives validation no rows.
    pub fn validation_batches(&self) -> Result<SeriesBatches, DataError> {
        self.scoring("validation part", self.validation_rows())
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches).
    ///
    /// # Errors
    /// [`DataError::TooFewRows`] where the split gives the test no rows.
    pub fn test_batches(&self) -> Result<SeriesBatches, DataError> {
        self.scoring("test part", self.test_rows())
    }

    fn scoring(&self, name: &'static str, part: Range<usize>) -> Result<SeriesBatches, DataError> {
        check_scored(&self.path, name, part.len(), self.sizes.horizon)?;
        Ok(SeriesBatches::scoring(self.scaled.clone(), part, self.sizes))
    }

    /// Of each target, the mean absolute difference between rows of the training part that lie `season` rows apart, in
    /// the target's unit: what a mean absolute error is divided by to give MASE (Hyndman and Koehler, "Another look at
    /// measures of forecast accuracy", 2006).
    ///
    /// Always above 0, so that it can be divided by even where a target never changes. Not a number where `season` is
    /// not shorter than the training part.
    pub fn mase_scale(&self, season: usize) -> Vec<f64> {
        let width = self.scaler.columns().len();
        let train = &self.values[..self.parts.train.end * width];
        let later = train.get(season.saturating_mul(width)..).unwrap_or_default();
        let mut scales = vec![0.0; self.scaler.targets().len()];
        for (now, before) in later.chunks_exact(width).zip(train.chunks_exact(width)) {
            for (target, scale) in scales.iter_mut().enumerate() {
                *scale += (now[target] - before[target]).abs();
            }
        }
        let pairs = later.len() / width;
        let mean = |sum: f64| if pairs == 0 { f64::NAN } else { (sum / pairs as f64).max(f64::MIN_POSITIVE) };
        scales.into_iter().map(mean).collect()
    }

    /// What people should know of the data, as pairs of a name and a value.
    pub fn facts(&self) -> Vec<(String, String)> {
        let Parts { train, validation, test } = &self.parts;
        let mut facts = vec![
            ("source", self.source.clone()),
            ("rows", self.num_rows().to_string()),
            ("targets", listed(self.scaler.targets())),
        ];
        if !self.scaler.covariates().is_empty() {
            facts.push(("covariates", listed(self.scaler.covariates())));
        }
        if let Some([first, .., last]) = self.dates() {
            facts.push(("dates", format!("{first} to {last}")));
        }
        facts.push(("training rows", train.len().to_string()));
        facts.push(("validation rows", validation.len().to_string()));
        facts.push(("test rows", test.len().to_string()));
        for (name, count) in [
            ("rows in no part", self.num_rows() - test.end),
            ("values filled in", self.closed.filled),
            ("rows left out for gaps", self.closed.dropped),
        ] {
            if count > 0 {
                facts.push((name, count.to_string()));
            }
        }
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What a forecast starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct LastRows {
    /// Scaled values, row-major `[input_len, columns]`.
    pub values: Vec<f32>,
    /// The label of each row, where the table has a column of dates.
    pub dates: Option<Vec<String>>,
}

/// The last `config.input_len` rows of the table at `path`, scaled by `scaler`, for a forecast of what follows them.
/// Only the columns that `scaler` names are read, in whatever order the table has them; of `config` the keys on how to
/// read a table and on missing values count.
///
/// # Errors
/// [`DataError`] for a table that cannot be read, lacks a column, or has fewer rows.
pub fn read_last_rows(path: &Path, config: &SeriesConfig, scaler: &Scaler) -> Result<LastRows, DataError> {
    let path = locate(&path.to_string_lossy())?;
    let mut table = Table::read_file(&path, config, Wanted::of(scaler))?;
    gaps::close(&mut table, config.missing)?;
    let (have, need) = (table.rows(), config.input_len);
    if have < need {
        let reason = "as the model reads `input_len` of them. Give a table that reaches further back";
        return Err(DataError::TooFewRows { path, part: "table", have, need, reason });
    }
    Ok(LastRows {
        values: scaler.transform(&table.values[(have - need) * table.names.len()..]),
        dates: table.dates.map(|mut dates| dates.split_off(have - need)),
    })
}

fn check_parts(config: &SeriesConfig, path: &Path, parts: &Parts) -> Result<(), DataError> {
    let need = config.input_len.saturating_add(config.horizon);
    let have = parts.train.len();
    if have < need {
        let reason = "for a window of `input_len` and `horizon`. Lower one of them, enlarge the part by `split`, or use a \
                      longer table";
        return Err(DataError::TooFewRows { path: path.to_owned(), part: "training part", have, need, reason });
    }
    for (name, part) in [("validation part", &parts.validation), ("test part", &parts.test)] {
        if !part.is_empty() {
            check_scored(path, name, part.len(), config.horizon)?;
        }
    }
    Ok(())
}

fn check_scored(path: &Path, part: &'static str, have: usize, need: usize) -> Result<(), DataError> {
    if have >= need {
        return Ok(());
    }
    let reason = "for a forecast of `horizon`. Lower it, enlarge the part by `split`, or use a longer table";
    Err(DataError::TooFewRows { path: path.to_owned(), part, have, need, reason })
}

/// Names for people, the first few of many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Part, Scaling, Split};

    /// Columns `a` with `a(row)` and `b` with `100 - row` in 20 rows, of which 10 are for training, 4 for validation
    /// and 4 for the test.
    fn config_of(folder: &tempfile::TempDir, a: impl Fn(usize) -> f64) -> SeriesConfig {
        let rows: String = (0..20).map(|row| format!("{},{}\n", a(row), 100 - row)).collect();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, format!("a,b\n{rows}")).unwrap();
        SeriesConfig {
            source: path.to_str().unwrap().to_owned(),
            split: Split { train: Part::Rows(10), validation: Part::Rows(4), test: Part::Rows(4) },
            input_len: 5,
            horizon: 2,
            batch_size: 3,
            ..SeriesConfig::default()
        }
    }

    #[test]
    fn the_scaling_knows_the_training_part_alone() {
        let folder = tempfile::tempdir().unwrap();
        let scaler = |beyond: f64| {
            let config = config_of(&folder, |row| if row < 10 { row as f64 } else { beyond });
            SeriesData::load(&config).unwrap().scaler().clone()
        };
        assert_eq!(scaler(1e6), scaler(-3.0));
        // Rows 0 to 9: mean 4.5 and population variance 99 / 12.
        let (scale, shift) = scaler(0.0).targets_scale_and_shift();
        assert_eq!((scale[0], shift[0]), ((99.0f64 / 12.0).sqrt() as f32, 4.5));
    }

    #[test]
    fn parts_keep_apart_and_score_each_of_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let data = SeriesData::load(&config_of(&folder, |row| row as f64)).unwrap();
        let starts = |batches: SeriesBatches| {
            let mut starts: Vec<usize> =
                (0..batches.num_batches()).flat_map(|index| batches.batch(0, index).starts).collect();
            starts.sort_unstable();
            starts
        };
        // Forecasts of 2 rows, so that the last one begins 2 rows before the part's end.
        assert_eq!(starts(data.train_batches(1)), [5, 6, 7, 8]);
        assert_eq!(starts(data.validation_batches().unwrap()), [10, 11, 12]);
        assert_eq!(starts(data.test_batches().unwrap()), [14, 15, 16]);
        // What the validation windows hold, in the units of column a, which counts the rows: none of the test's rows.
        let batch = data.validation_batches().unwrap().batch(0, 0);
        let targets = data.scaler().inverse(&batch.targets);
        let inputs = data.scaler().inverse(&batch.inputs);
        let rows = |values: &[f64]| values.iter().step_by(2).map(|a| a.round() as usize).collect::<Vec<_>>();
        assert_eq!(rows(&targets), [10, 11, 11, 12, 12, 13]);
        assert_eq!(rows(&inputs)[..5], [5, 6, 7, 8, 9]);
    }

    #[test]
    fn covariates_are_read_and_not_forecast() {
        let folder = tempfile::tempdir().unwrap();
        let config = SeriesConfig {
            covariates: vec!["a".to_owned()],
            scaling: Scaling::None,
            ..config_of(&folder, |row| row as f64)
        };
        let data = SeriesData::load(&config).unwrap();
        assert_eq!(
            (data.scaler().targets(), data.scaler().covariates()),
            (&["b".to_owned()][..], &config.covariates[..])
        );
        let batch = data.validation_batches().unwrap().batch(0, 0);
        assert_eq!((batch.num_inputs, batch.num_targets), (2, 1));
        assert_eq!(batch.inputs[..4], [95.0, 5.0, 94.0, 6.0]);
        assert_eq!(batch.targets[..2], [90.0, 89.0]);
    }

    #[test]
    fn mase_is_scaled_by_seasonal_differences_of_the_training_part() {
        let folder = tempfile::tempdir().unwrap();
        // Squares: rows 3 apart differ by 6 row + 9 for row = 0 to 6, 27 on average; column b by 3.
        let config = config_of(&folder, |row| if row < 10 { (row * row) as f64 } else { 1e9 });
        let data = SeriesData::load(&config).unwrap();
        assert_eq!(data.mase_scale(3), [27.0, 3.0]);
        assert_eq!(data.mase_scale(9), [81.0, 9.0]);
        assert!(data.mase_scale(10).iter().chain(&data.mase_scale(usize::MAX)).all(|scale| scale.is_nan()));
        let flat = SeriesData::load(&config_of(&folder, |_| 7.0)).unwrap();
        assert!(flat.mase_scale(1)[0] > 0.0);
    }

    #[test]
    fn a_kept_scaler_gives_the_same_batches() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_of(&folder, |row| (row * row) as f64);
        let data = SeriesData::load(&config).unwrap();
        let scaler = Scaler::from_json(&data.scaler().to_json()).unwrap();
        let again = SeriesData::load_with(&config, scaler).unwrap();
        assert_eq!(again.train_batches(3).batch(1, 0), data.train_batches(3).batch(1, 0));
        assert_eq!(again.facts(), data.facts());
    }

    #[test]
    fn the_last_rows_of_another_table_are_prepared_alike() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_of(&folder, |row| (row * row) as f64);
        let data = SeriesData::load(&config).unwrap();
        let path = folder.path().join("new.csv");
        // The columns in another order, and one more.
        let rows: String = (0..20).map(|row| format!("{},word,{}\n", 100 - row, row * row)).collect();
        std::fs::write(&path, format!("b,note,a\n{rows}")).unwrap();
        let last = read_last_rows(&path, &config, data.scaler()).unwrap();
        assert_eq!(last.values, data.scaler().transform(&data.values()[15 * 2..]));
        assert_eq!(last.dates, None);

        let rows: String = (0..20).map(|row| format!("day {row},{},{}\n", row * row, 100 - row)).collect();
        std::fs::write(&path, format!("date,a,b\n{rows}")).unwrap();
        let dated = read_last_rows(&path, &config, data.scaler()).unwrap();
        assert_eq!(dated.values, last.values);
        assert_eq!(dated.dates.unwrap(), ["day 15", "day 16", "day 17", "day 18", "day 19"]);

        std::fs::write(&path, "b,c\n1,2\n").unwrap();
        let message = read_last_rows(&path, &config, data.scaler()).unwrap_err().to_string();
        assert!(message.contains("new.csv: no column `a` for `targets`; there are `b`, `c`"), "{message}");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let message = read_last_rows(&path, &config, data.scaler()).unwrap_err().to_string();
        assert!(
            message.contains("new.csv: the table has 1 row, and needs 5 as the model reads `input_len`"),
            "{message}"
        );
    }

    #[test]
    fn parts_without_a_window_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_of(&folder, |row| row as f64);
        let split = |train, validation, test| {
            let split = Split { train: Part::Rows(train), validation: Part::Rows(validation), test: Part::Rows(test) };
            SeriesData::load(&SeriesConfig { split, ..config.clone() })
        };
        for (data, part) in [
            (split(6, 4, 4), "table.csv: the training part has 6 rows, and needs 7 for a window"),
            (split(10, 1, 4), "the validation part has 1 row, and needs 2 for a forecast"),
            (split(10, 4, 1), "the test part has 1 row"),
            (split(10, 6, 6), "`split` wants 22 rows (10 + 6 + 6), and there are 20"),
        ] {
            let message = data.unwrap_err().to_string();
            assert!(message.contains(part), "{part} in {message}");
        }
        let data = split(7, 0, 13).unwrap();
        assert_eq!(data.train_batches(0).num_windows(), 1);
        assert!(data.validation_batches().unwrap_err().to_string().contains("has 0 rows"));
        assert_eq!(data.test_batches().unwrap().num_windows(), 12);
    }

    #[test]
    fn the_embedded_signals_need_no_settings() {
        let data = SeriesData::load(&SeriesConfig::default()).unwrap();
        assert_eq!(data.scaler().targets(), ["demand", "carrier", "mackey_glass"]);
        assert_eq!((data.train_rows().len(), data.validation_rows().len(), data.test_rows().len()), (3528, 504, 1008));
        let fact = |name: &str| data.facts().into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
        assert_eq!(fact("dates").as_deref(), Some("2023-01-01 00:00 to 2023-07-29 23:00"));
        assert_eq!(fact("values filled in"), None);
        let one = SeriesConfig { targets: vec!["carrier".to_owned()], ..SeriesConfig::default() };
        assert_eq!(SeriesData::load(&one).unwrap().test_batches().unwrap().batch(0, 0).num_inputs, 1);
    }

    #[test]
    fn impossible_settings_are_errors_not_panics() {
        let config = SeriesConfig { horizon: 0, ..SeriesConfig::default() };
        assert!(matches!(SeriesData::load(&config), Err(DataError::Config { key: "horizon", .. })));
        let config = SeriesConfig { input_len: usize::MAX, ..SeriesConfig::default() };
        assert!(matches!(SeriesData::load(&config), Err(DataError::TooFewRows { .. })));
        let config = SeriesConfig { batch_size: usize::MAX, stride: usize::MAX, ..SeriesConfig::default() };
        assert_eq!(SeriesData::load(&config).unwrap().train_batches(0).batch(0, 0).batch_size, 1);
        let fraction = |fraction| Part::Fraction(fraction);
        let split = Split { train: fraction(f64::NAN), validation: fraction(0.1), test: fraction(0.1) };
        let config = SeriesConfig { split, ..SeriesConfig::default() };
        assert!(matches!(SeriesData::load(&config), Err(DataError::Config { key: "split.train", .. })));
    }

    #[test]
    fn data_and_batches_go_between_threads() {
        fn assert_shared<T: Send + Sync + 'static>() {}
        assert_shared::<SeriesData>();
        assert_shared::<SeriesBatches>();
    }
}
