//! What the report shows of a forecaster: its errors beside the baselines', forecasts beside the truth, and where in the
//! horizon the errors lie.

use burn::tensor::{Tensor, backend::Backend};
use report::{Body, LinePlot, LineStyle, Mark, Section, Series, Table};

use super::errors::{BaselineScores, ErrorScores};
use super::units::Units;

/// The errors of the model and the baselines, one row each.
pub(super) fn comparison(model: &ErrorScores, baselines: Option<&BaselineScores>) -> Section {
    let columns = ["forecast", "mse", "mae", "rmse", "mse, units", "mae, units", "rmse, units", "smape", "mase"];
    let row = |name: &str, errors: &ErrorScores| {
        let ErrorScores { mse, mae, mse_original, mae_original, smape, mase } = *errors;
        let values = [mse, mae, mse.sqrt(), mse_original, mae_original, mse_original.sqrt(), smape, mase];
        std::iter::once(name.to_string()).chain(values.iter().map(|value| format!("{value:.4}"))).collect()
    };
    let mut rows = vec![row("model", model)];
    if let Some(BaselineScores { naive, seasonal_naive, .. }) = baselines {
        rows.push(row("naive (the last row)", naive));
        rows.push(row("seasonal naive (the last season)", seasonal_naive));
    }
    let table = Table { columns: columns.map(str::to_string).to_vec(), rows };
    Section::new("Forecast errors", Body::Table(table)).with_caption(
        "mse, mae and rmse of scaled values, and in the units of the table; smape in percent; mase below 1 beats the \
         seasonal-naive forecast one season ahead.",
    )
}

/// The mean absolute error of each step of the horizon.
pub(super) fn error_by_step(errors: Vec<f64>) -> Section {
    let x = (1..=errors.len()).map(|step| step as f64).collect();
    let error = Series { name: "mean absolute error".into(), x, y: errors, ..Series::default() };
    let plot = LinePlot {
        x_label: "step of the horizon".into(),
        y_label: "error, scaled".into(),
        series: vec![error],
        ..LinePlot::default()
    };
    Section::new("Error by step", Body::LinePlot(plot))
}

/// What is drawn of a batch: its first window.
pub(super) struct Window<B: Backend> {
    /// Row of the table where the forecast begins.
    first_row: usize,
    inputs: Tensor<B, 3>,
    truth: Tensor<B, 3>,
    forecast: Tensor<B, 4>,
}

impl<B: Backend> Window<B> {
    /// # Shapes
    /// - inputs: `[batch, input_len, inputs]`, of which the first columns are the targets
    /// - truth: `[batch, horizon, targets]`
    /// - forecast: `[batch, horizon, targets, outputs]`
    pub fn first_of(first_row: usize, inputs: Tensor<B, 3>, truth: Tensor<B, 3>, forecast: Tensor<B, 4>) -> Self {
        Self {
            first_row,
            inputs: inputs.narrow(0, 0, 1),
            truth: truth.narrow(0, 0, 1),
            forecast: forecast.narrow(0, 0, 1),
        }
    }

    /// One section for each of the first targets, in the units of the table.
    pub fn sections(self, units: &Units<B>, targets: &[String], shown: usize, quantiles: &[f64]) -> Vec<Section> {
        let [_, horizon, _] = self.truth.dims();
        let [_, known, _] = self.inputs.dims();
        let numbers = |values: Tensor<B, 3>| units.original(values).into_data().iter::<f64>().collect::<Vec<_>>();
        let drawn = DrawnWindow {
            first_row: self.first_row,
            targets: targets.len(),
            known,
            horizon,
            inputs: numbers(self.inputs.narrow(2, 0, targets.len())),
            truth: numbers(self.truth),
            forecast: units.original_outputs(self.forecast).into_data().iter::<f64>().collect(),
        };
        targets.iter().enumerate().take(shown).map(|(target, name)| drawn.section(target, name, quantiles)).collect()
    }
}

/// A window in original units.
struct DrawnWindow {
    first_row: usize,
    targets: usize,
    known: usize,
    horizon: usize,
    /// `[known, targets]`
    inputs: Vec<f64>,
    /// `[horizon, targets]`
    truth: Vec<f64>,
    /// `[horizon, targets, outputs]`
    forecast: Vec<f64>,
}

impl DrawnWindow {
    fn section(&self, target: usize, name: &str, quantiles: &[f64]) -> Section {
        let first_row = self.first_row;
        let outputs = quantiles.len().max(1);
        let column = |rows: &[f64]| rows.iter().skip(target).step_by(self.targets).copied().collect::<Vec<_>>();
        let output = |index: usize| -> Vec<f64> {
            self.forecast.iter().skip(target * outputs + index).step_by(self.targets * outputs).copied().collect()
        };
        let rows = |from: usize, count: usize| (from..from + count).map(|row| row as f64).collect::<Vec<_>>();
        let known = self.known.min(first_row);
        let mut truth = column(&self.inputs);
        truth.extend(column(&self.truth));
        let mut forecast = Series {
            name: "forecast".into(),
            x: rows(first_row, self.horizon),
            y: output(outputs / 2),
            style: LineStyle::Dashed,
            ..Series::default()
        };
        if outputs > 1 {
            forecast.lower = output(0);
            forecast.upper = output(outputs - 1);
        }
        let plot = LinePlot {
            x_label: "row".into(),
            y_label: name.into(),
            series: vec![
                Series {
                    name: "truth".into(),
                    x: rows(first_row - known, known + self.horizon),
                    y: truth,
                    ..Series::default()
                },
                forecast,
            ],
            marks: vec![Mark { x: first_row as f64, label: "forecast begins".into(), ..Mark::default() }],
            ..LinePlot::default()
        };
        Section::new(format!("{name} from row {first_row}"), Body::LinePlot(plot))
    }
}
