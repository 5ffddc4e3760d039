//! The errors that the field reports of a forecast, summed on the device over all of a part's windows.

use burn::tensor::{Tensor, backend::Backend};

use super::units::Units;

/// The errors of one forecaster over a part of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ErrorScores {
    /// Of scaled values.
    pub mse: f64,
    /// Of scaled values.
    pub mae: f64,
    /// In the units of the table, over all targets.
    pub mse_original: f64,
    /// In the units of the table, over all targets.
    pub mae_original: f64,
    /// Symmetric mean absolute percentage error, 0 to 200.
    pub smape: f64,
    /// Mean over the targets of their mean absolute error, each divided by that of a seasonal-naive forecast one season ahead
    /// on the training part.
    pub mase: f64,
}

/// Sums for [`ErrorScores`].
#[derive(Default)]
pub(super) struct ErrorSums<B: Backend> {
    /// Numbers forecast so far.
    count: usize,
    squares: Sum<B>,
    /// By step of the horizon.
    absolutes: Sum<B>,
    original_squares: Sum<B>,
    /// By target.
    original_absolutes: Sum<B>,
    smape: Sum<B>,
}

impl<B: Backend> ErrorSums<B> {
    /// Both are scaled, `[batch, horizon, targets]`.
    pub fn add(&mut self, forecast: &Tensor<B, 3>, truth: &Tensor<B, 3>, units: &Units<B>) {
        let difference = forecast.clone() - truth.clone();
        let in_units = units.original_difference(difference.clone());
        // Two zeros have no difference: the smallest positive number keeps the division whole.
        let size = units.original(forecast.clone()).abs() + units.original(truth.clone()).abs();
        let size = size.clamp_min(f64::from(f32::MIN_POSITIVE));
        self.count += truth.shape().num_elements();
        self.squares.add(difference.clone().powi_scalar(2).sum());
        self.absolutes.add(sum_to(difference.abs(), 1));
        self.original_squares.add(in_units.clone().powi_scalar(2).sum());
        let in_units = in_units.abs();
        self.smape.add((in_units.clone() / size).sum());
        self.original_absolutes.add(sum_to(in_units, 2));
    }

    /// The scores, and the mean absolute error of each step of the horizon. `mase_scale` has one number a target.
    pub fn finish(self, mase_scale: &[f64]) -> (ErrorScores, Vec<f64>) {
        let count = self.count as f64;
        let mean = |sum: Sum<B>| sum.read().iter().sum::<f64>() / count;
        let by_target = self.original_absolutes.read();
        let (targets, each) = (by_target.len() as f64, count / by_target.len() as f64);
        let mase = by_target.iter().zip(mase_scale).map(|(sum, scale)| sum / each / scale).sum::<f64>() / targets;
        let by_step = self.absolutes.read();
        let scores = ErrorScores {
            mse: mean(self.squares),
            mae: by_step.iter().sum::<f64>() / count,
            mse_original: mean(self.original_squares),
            mae_original: by_target.iter().sum::<f64>() / count,
            smape: 200.0 * mean(self.smape),
            mase,
        };
        let each = count / by_step.len() as f64;
        (scores, by_step.iter().map(|sum| sum / each).collect())
    }
}

/// What is forecast without learning: the last row, and the last season, repeated.
///
/// # Shapes
/// - inputs: `[batch, input_len, inputs]`, of which the first columns are the targets
/// - forecasts: `[batch, horizon, targets]`
fn baselines<B: Backend>(inputs: &Tensor<B, 3>, [horizon, targets]: [usize; 2], season: usize) -> [Tensor<B, 3>; 2] {
    let [_, time, _] = inputs.dims();
    let known = inputs.clone().narrow(2, 0, targets);
    [1, season].map(|rows| {
        let last = known.clone().narrow(1, time - rows, rows);
        last.repeat_dim(1, horizon.div_ceil(rows)).narrow(1, 0, horizon)
    })
}

/// The errors of the [`baselines`] on one part of the data. They never change, so they are computed once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BaselineScores {
    /// Where the first forecast of the part begins.
    pub first_row: usize,
    /// Windows of the part.
    pub windows: usize,
    /// The last row repeated.
    pub naive: ErrorScores,
    /// The last season repeated.
    pub seasonal_naive: ErrorScores,
}

/// Sums for [`BaselineScores`].
#[derive(Default)]
pub(super) struct BaselineSums<B: Backend>([ErrorSums<B>; 2]);

impl<B: Backend> BaselineSums<B> {
    pub fn add(&mut self, inputs: &Tensor<B, 3>, truth: &Tensor<B, 3>, units: &Units<B>, season: usize) {
        let [_, horizon, targets] = truth.dims();
        for (sums, forecast) in self.0.iter_mut().zip(baselines(inputs, [horizon, targets], season)) {
            sums.add(&forecast, truth, units);
        }
    }

    pub fn finish(self, first_row: usize, windows: usize, mase_scale: &[f64]) -> BaselineScores {
        let [(naive, _), (seasonal_naive, _)] = self.0.map(|sums| sums.finish(mase_scale));
        BaselineScores { first_row, windows, naive, seasonal_naive }
    }
}

/// A sum over everything added; on the device until it is read.
#[derive(Default)]
pub(super) struct Sum<B: Backend>(Option<Tensor<B, 1>>);

impl<B: Backend> Sum<B> {
    pub fn add(&mut self, value: Tensor<B, 1>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + value,
            None => value,
        });
    }

    /// Empty where nothing was added.
    pub fn read(self) -> Vec<f64> {
        self.0.map_or_else(Vec::new, |sum| sum.into_data().iter::<f64>().collect())
    }
}

/// Sums over all dimensions but one, which stays.
fn sum_to<B: Backend>(values: Tensor<B, 3>, kept: usize) -> Tensor<B, 1> {
    let length = values.dims()[kept];
    let summed = (0..3).filter(|dim| *dim != kept).fold(values, |values, dim| values.sum_dim(dim));
    summed.reshape([length])
}
