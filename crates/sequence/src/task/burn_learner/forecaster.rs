//! burn's own training traits for the forecasters, with the mean squared error.

use burn::{
    tensor::{Tensor, backend::Backend},
    train::RegressionOutput,
};
use training_loop::burn_steps;

use crate::forecaster::Forecaster;

/// Windows of rows, and the rows that follow.
#[derive(Clone, Debug)]
pub struct ForecastBatch<B: Backend> {
    /// `[batch, input_len, inputs]`, of the columns the targets first.
    pub inputs: Tensor<B, 3>,
    /// `[batch, horizon, targets]`
    pub truth: Tensor<B, 3>,
}

/// The first output of each target, which is the only one of a model without quantiles.
fn predict<B: Backend>(model: &Forecaster<B>, batch: ForecastBatch<B>) -> RegressionOutput<B> {
    let forecast = model.forward(batch.inputs).narrow(3, 0, 1).squeeze_dim::<3>(3); // [batch, horizon, targets]
    let loss = (forecast.clone() - batch.truth.clone()).powi_scalar(2).mean();
    RegressionOutput::new(loss, forecast.flatten(1, 2), batch.truth.flatten(1, 2))
}

burn_steps!(Forecaster, ForecastBatch, RegressionOutput, predict);
