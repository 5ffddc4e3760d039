use super::config::Scaling;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// How each column is brought to a range that a model learns well, and back: `scaled = (value - shift) / scale`. Fitted
/// on the training part alone; a run keeps it as JSON, so that a later forecast is scaled the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Targets, then covariates.
    columns: Vec<String>,
    num_targets: usize,
    /// Of each column the mean, the minimum or 0, in its unit.
    shift: Vec<f64>,
    /// Of each column the standard deviation, the range or 1, in its unit; always above 0.
    scale: Vec<f64>,
}

impl Scaler {
    /// Computes the scale of each column from `rows`, row-major `[rows, columns]` and not empty. A column that never
    /// changes gets scale 1.
    pub(super) fn fit(scaling: Scaling, columns: Vec<String>, num_targets: usize, rows: &[f64]) -> Self {
        let scales = (0..columns.len()).map(|column| {
            let values = || rows.iter().skip(column).step_by(columns.len()).copied();
            scale_of(scaling, values)
        });
        let (shift, scale) = scales.unzip();
        Self { columns, num_targets, shift, scale }
    }

    /// The names of the columns that a model reads: targets, then covariates.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The names of the columns that are forecast.
    pub fn targets(&self) -> &[String] {
        &self.columns[..self.num_targets]
    }

    /// The names of the columns that are inputs only.
    pub fn covariates(&self) -> &[String] {
        &self.columns[self.num_targets..]
    }

    /// Scales rows of all columns.
    ///
    /// # Shapes
    /// Row-major `[rows, columns]`, from the columns' units to scaled values.
    pub fn transform(&self, rows: &[f64]) -> Vec<f32> {
        let scales = self.shift.iter().zip(&self.scale).cycle();
        rows.iter().zip(scales).map(|(value, (shift, scale))| ((value - shift) / scale) as f32).collect()
    }

    /// Brings forecasts, or true targets, back to their units.
    ///
    /// # Shapes
    /// Row-major `[.., targets]`, from scaled values to the columns' units.
    pub fn inverse(&self, targets: &[f32]) -> Vec<f64> {
        let scales = self.shift.iter().zip(&self.scale).take(self.num_targets).cycle();
        targets.iter().zip(scales).map(|(value, (shift, scale))| f64::from(*value) * scale + shift).collect()
    }

    /// Scale and shift of the targets, for [`inverse`](Self::inverse) on a device: `value = scaled * scale + shift`.
    pub fn targets_scale_and_shift(&self) -> (Vec<f32>, Vec<f32>) {
        let floats = |values: &[f64]| values[..self.num_targets].iter().map(|value| *value as f32).collect();
        (floats(&self.scale), floats(&self.shift))
    }

    /// The scaler as JSON, from which [`from_json`](Self::from_json) restores every bit.
    pub fn to_json(&self) -> String {
        // Text and finite numbers always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`DataError::BadScaler`] for text that is damaged or something else.
    pub fn from_json(json: &str) -> Result<Self, DataError> {
        let scaler: Self =
            serde_json::from_str(json).map_err(|error| DataError::BadScaler { reason: error.to_string() })?;
        match scaler.fault() {
            Some(reason) => Err(DataError::BadScaler { reason }),
            None => Ok(scaler),
        }
    }

    /// What no fitted scaler has.
    fn fault(&self) -> Option<String> {
        let [columns, shifts, scales] = [self.columns.len(), self.shift.len(), self.scale.len()];
        if self.num_targets == 0 || self.num_targets > columns || shifts != columns || scales != columns {
            let targets = self.num_targets;
            return Some(format!(
                "{columns} columns, {targets} targets, {shifts} shifts and {scales} scales do not agree"
            ));
        }
        let usable = |column: usize| {
            let (shift, scale) = (self.shift[column], self.scale[column]);
            shift.is_finite() && scale.is_finite() && scale > 0.0
        };
        let wrong = (0..columns).find(|column| !usable(*column))?;
        Some(format!(
            "column `{}` has shift {} and scale {}",
            self.columns[wrong], self.shift[wrong], self.scale[wrong]
        ))
    }
}

/// Shift and scale of one column's values.
fn scale_of<I: Iterator<Item = f64>>(scaling: Scaling, values: impl Fn() -> I) -> (f64, f64) {
    let minimum = values().fold(f64::INFINITY, f64::min);
    let maximum = values().fold(f64::NEG_INFINITY, f64::max);
    match scaling {
        Scaling::None => (0.0, 1.0),
        // Else rounding errors of the mean would become the standard deviation.
        Scaling::Standard | Scaling::MinMax if minimum == maximum => (minimum, 1.0),
        Scaling::MinMax => (minimum, maximum - minimum),
        Scaling::Standard => {
            let count = values().count() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            // Differences whose squares are too small for a number count as none.
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("c{index}")).collect()
    }

    #[test]
    fn scales_by_hand() {
        // Columns 1, 3, 5, 7 and 0.1, 0.1, 0.1, 0.1: mean 4, population variance (9 + 1 + 1 + 9) / 4 = 5.
        let rows = [1.0, 0.1, 3.0, 0.1, 5.0, 0.1, 7.0, 0.1];
        let fit = |scaling| {
            let scaler = Scaler::fit(scaling, names(2), 1, &rows);
            (scaler.shift, scaler.scale)
        };
        assert_eq!(fit(Scaling::Standard), (vec![4.0, 0.1], vec![5f64.sqrt(), 1.0]));
        assert_eq!(fit(Scaling::MinMax), (vec![1.0, 0.1], vec![6.0, 1.0]));
        assert_eq!(fit(Scaling::None), (vec![0.0, 0.0], vec![1.0, 1.0]));
    }

    #[test]
    fn inverse_undoes_transform_of_the_targets() {
        let rows = [1.0, -50.0, 9.0, 3.0, 20.0, 8.5, 7.0, 1.0, 7.0];
        let scaler = Scaler::fit(Scaling::Standard, names(3), 2, &rows);
        assert_eq!((scaler.targets().len(), scaler.covariates()), (2, &names(3)[2..]));
        let scaled = scaler.transform(&rows);
        let targets: Vec<f32> = scaled.chunks(3).flat_map(|row| row[..2].to_vec()).collect();
        let expected = [1.0, -50.0, 3.0, 20.0, 7.0, 1.0];
        let (scale, shift) = scaler.targets_scale_and_shift();
        for (index, (back, value)) in scaler.inverse(&targets).iter().zip(expected).enumerate() {
            assert!((back - value).abs() < 1e-5, "{back} for {value}");
            let on_device = targets[index] * scale[index % 2] + shift[index % 2];
            assert!((f64::from(on_device) - value).abs() < 1e-4, "{on_device} for {value}");
        }
    }

    #[test]
    fn json_keeps_every_bit() {
        let scaler = Scaler::fit(Scaling::Standard, names(2), 1, &[0.1, 0.2, 1.0 / 3.0, 7e-12]);
        assert_eq!(Scaler::from_json(&scaler.to_json()).unwrap(), scaler);
    }

    #[test]
    fn damaged_scalers_are_refused() {
        for (json, part) in [
            ("{}", "columns"),
            (r#"{"columns": [], "num_targets": 1, "shift": [], "scale": []}"#, "do not agree"),
            (r#"{"columns": ["a"], "num_targets": 1, "shift": [0], "scale": [1, 2]}"#, "do not agree"),
            (r#"{"columns": ["a"], "num_targets": 1, "shift": [0], "scale": [0]}"#, "`a` has shift 0 and scale 0"),
        ] {
            let message = Scaler::from_json(json).unwrap_err().to_string();
            assert!(message.contains("scaler.json") && message.contains(part), "{message}");
        }
    }
}
