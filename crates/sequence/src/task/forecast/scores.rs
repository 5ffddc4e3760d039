//! The model's scores on one part of the data, and what the report shows of them.

use std::collections::BTreeMap;

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use report::Section;
use training_loop::task::Scores;

use super::{
    ForecastOptions, ForecastTask,
    errors::{BaselineScores, ErrorSums, Sum},
    loss,
    page::{self, Window},
    units::Units,
};

/// Sums over the model's forecasts.
#[derive(Default)]
pub(super) struct ModelSums<B: Backend> {
    /// Numbers forecast so far.
    count: usize,
    loss: Sum<B>,
    errors: ErrorSums<B>,
    /// How often the truth was at most each quantile.
    below: Sum<B>,
}

impl<B: Backend> ModelSums<B> {
    pub fn add(&mut self, forecast: &Tensor<B, 4>, truth: &Tensor<B, 3>, units: &Units<B>, options: &ForecastOptions) {
        let [.., outputs] = forecast.dims();
        let value = forecast.clone().narrow(3, outputs / 2, 1).squeeze_dim::<3>(3);
        self.count += truth.shape().num_elements();
        self.loss.add(loss(forecast.clone(), truth.clone(), options).sum());
        self.errors.add(&value, truth, units);
        if !options.quantiles.is_empty() {
            let below = truth.clone().unsqueeze_dim::<4>(3).lower_equal(forecast.clone()).float();
            self.below.add(below.flatten::<2>(0, 2).sum_dim(0).reshape([outputs]));
        }
    }

    /// The scores and the report's sections; the baselines are those of `task`.
    pub fn finish<A>(self, task: &ForecastTask<A>, drawn: Vec<Window<B>>) -> (Scores, Vec<Section>)
    where
        A: AutodiffBackend<InnerBackend = B>,
    {
        let count = self.count as f64;
        let (errors, by_step) = self.errors.finish(&task.mase_scale);
        let mut sections = vec![page::comparison(&errors, task.baselines.as_ref())];
        let (quantiles, shown) = (&task.options.quantiles, task.options.plotted_targets);
        sections
            .extend(drawn.into_iter().flat_map(|window| window.sections(&task.units, &task.targets, shown, quantiles)));
        sections.push(page::error_by_step(by_step));

        // What has a slash shares a plot.
        let mut scores = BTreeMap::from([
            ("loss", self.loss.read().iter().sum::<f64>() / count),
            ("mse", errors.mse),
            ("mae", errors.mae),
            ("rmse", errors.mse.sqrt()),
            ("original/mae", errors.mae_original),
            ("original/rmse", errors.mse_original.sqrt()),
            ("smape", errors.smape),
            ("mase", errors.mase),
        ]);
        if let Some(BaselineScores { naive, seasonal_naive, .. }) = &task.baselines {
            scores.extend([("mse/naive", naive.mse), ("mse/seasonal_naive", seasonal_naive.mse)]);
        }
        let mut scores: Scores = scores.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        let below: Vec<f64> = self.below.read().iter().map(|sum| sum / count).collect();
        for (quantile, share) in quantiles.iter().zip(&below) {
            scores.insert(format!("coverage/q{quantile}"), *share);
        }
        if let [first, .., last] = below.as_slice() {
            scores.insert("coverage/interval".to_string(), last - first);
        }
        (scores, sections)
    }
}
