//! Dimensionality reduction of tables by an autoencoder
//! ([Hinton and Salakhutdinov 2006](https://doi.org/10.1126/science.1127647)): a point for each row, from which the row is rebuilt.

use burn::{
    module::{AutodiffModule, Module},
    optim::{AdamConfig, GradientsParams, Optimizer},
    tensor::{
        Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::{SplitMix64, stream_seed};
use layers::{
    activation::relu,
    projection::{Linear, LinearConfig},
};
use reduce::{Matrix, Progress, ReduceError, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows that are looked at together when the training is over.
const TOGETHER: usize = 1024;

/// The settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReductionConfig {
    /// Numbers of a point. Default: 2.
    pub n_components: usize,
    /// Features of the layers between a row and its point; the way back has them in the opposite order. Default: `[256, 64]`.
    pub hidden: Vec<usize>,
    /// Passes over the rows. Default: 60.
    pub epochs: usize,
    /// Rows in a step. Default: 64.
    pub batch_size: usize,
    /// Of Adam at the beginning; it falls to 0 along a cosine. Default: 1e-3.
    pub learning_rate: f64,
    /// Of the weights and of the order of rows. Default: 0.
    pub seed: u64,
}

impl Default for ReductionConfig {
    fn default() -> Self {
        Self { n_components: 2, hidden: vec![256, 64], epochs: 60, batch_size: 64, learning_rate: 1e-3, seed: 0 }
    }
}

/// Projections with a rectifier between each two.
#[derive(Module, Debug)]
struct Projections<B: Backend> {
    layers: Vec<Linear<B>>,
}

#[derive(Module, Debug)]
struct Network<B: Backend> {
    encoder: Projections<B>,
    decoder: Projections<B>,
}

/// Points, and how well rows are rebuilt from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    /// A row for each row of the table.
    pub points: Matrix,
    /// The part of the variance of the table that the points give back.
    pub explained: f64,
}

impl ReductionConfig {
    /// The values that can never work: keys with the rest of a sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let counts = [
            ("n_components", self.n_components),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("hidden", self.hidden.iter().copied().min().unwrap_or(1)),
        ];
        for (key, count) in counts {
            if count == 0 {
                wrong.push((key, "must be at least 1".to_string()));
            }
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            wrong.push(("learning_rate", "must be above 0".to_string()));
        }
        wrong
    }

    /// Trains on a table and gives the point of each of its rows. Columns are centred, and all are divided by one number, the deviation of
    /// the table, so that distances mean what they meant.
    ///
    /// # Errors
    /// [`ReduceError`] for a table without numbers, with numbers that are not finite or whose squares are not, or where the training ends at such.
    pub fn fit<B: AutodiffBackend>(
        &self,
        table: &Matrix,
        device: &B::Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Reduction, ReduceError> {
        let (rows, columns) = (table.rows(), table.columns());
        if rows == 0 || columns == 0 {
            return Err(ReduceError::Empty { rows, columns, needed: "one row of one column" });
        }
        let data: Tensor<B::InnerBackend, 2> =
            Tensor::from_data(TensorData::new(table.values().to_vec(), [rows, columns]), device);
        let centred = data.clone() - data.mean_dim(0);
        let variance = centred.clone().square().mean().into_data().iter::<f64>().sum::<f64>();
        if !variance.is_finite() {
            return Err(not_computable(table));
        }
        let data = centred / variance.max(f64::from(f32::MIN_POSITIVE)).sqrt();

        B::seed(device, self.seed);
        let mut sizes = vec![columns];
        sizes.extend(&self.hidden);
        sizes.push(self.n_components);
        let encoder = Projections::new(&sizes, device);
        sizes.reverse();
        let mut network = Network::<B> { encoder, decoder: Projections::new(&sizes, device) };
        let mut adam = AdamConfig::new().init();
        let per_epoch = rows.div_ceil(self.batch_size);
        let steps = (self.epochs * per_epoch) as f64;
        for epoch in 0..self.epochs {
            progress(Progress { stage: Stage::Layout, done: epoch, total: self.epochs, divergence: None });
            for (number, batch) in self.order(epoch, rows).chunks(self.batch_size).enumerate() {
                let batch = Tensor::from_data(TensorData::new(batch.to_vec(), [batch.len()]), device);
                let seen = Tensor::<B, 2>::from_inner(data.clone().select(0, batch));
                let loss = (network.rebuild(seen.clone()) - seen).square().mean();
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                let done = (epoch * per_epoch + number) as f64 / steps;
                let rate = self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
                network = adam.step(rate, network, gradients);
            }
        }
        network.valid().reduce(data, rows)
    }

    /// The rows in the order of an epoch.
    fn order(&self, epoch: usize, rows: usize) -> Vec<i64> {
        let mut order: Vec<i64> = (0..rows as i64).collect();
        let mut random = SplitMix64::new(stream_seed(self.seed, epoch as u64, 0));
        for place in (1..rows).rev() {
            order.swap(place, random.below(place + 1));
        }
        order
    }
}

/// Why the variance of a table is not finite.
fn not_computable(table: &Matrix) -> ReduceError {
    let at = |place: usize| (place / table.columns(), place % table.columns(), table.values()[place]);
    let values = table.values().iter().enumerate();
    if let Some((place, _)) = values.clone().find(|(_, value)| !value.is_finite()) {
        let (row, column, value) = at(place);
        return ReduceError::NotFinite { row, column, value };
    }
    let largest = values.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs())).map_or(0, |(place, _)| place);
    let (row, column, value) = at(largest);
    ReduceError::TooLarge { row, column, value }
}

impl<B: Backend> Projections<B> {
    fn new(sizes: &[usize], device: &B::Device) -> Self {
        Self { layers: sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect() }
    }

    /// `[rows, first size]` to `[rows, last size]`
    fn forward(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(rows, |rows, (place, layer)| {
            let rows = layer.forward(rows);
            if place < last { relu(rows) } else { rows }
        })
    }
}

impl<B: Backend> Network<B> {
    fn rebuild(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        self.decoder.forward(self.encoder.forward(rows))
    }

    /// The points of `[rows, columns]` numbers whose variance is 1.
    fn reduce(&self, data: Tensor<B, 2>, rows: usize) -> Result<Reduction, ReduceError> {
        let starts: Vec<i64> = (0..rows as i64).collect();
        let (mut values, mut error) = (Vec::new(), 0.0);
        for together in starts.chunks(TOGETHER) {
            let chosen =
                Tensor::<B, 1, Int>::from_data(TensorData::new(together.to_vec(), [together.len()]), &data.device());
            let seen = data.clone().select(0, chosen);
            let points = self.encoder.forward(seen.clone());
            let missing = (self.decoder.forward(points.clone()) - seen).square().mean();
            error += missing.into_data().iter::<f64>().sum::<f64>() * together.len() as f64 / rows as f64;
            values.extend(points.into_data().iter::<f32>());
        }
        if values.iter().any(|value| !value.is_finite()) {
            let message = "is too large: the training ended at numbers that are not finite".to_string();
            return Err(ReduceError::Config { key: "learning_rate", message });
        }
        let columns = values.len() / rows;
        Ok(Reduction { points: Matrix::new(values, rows, columns)?, explained: 1.0 - error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    #[test]
    fn what_is_no_number_is_named() {
        let table = Matrix::new(vec![1.0, 2.0, f32::NAN, 3.0], 2, 2).unwrap();
        let error = ReductionConfig::default().fit::<Autodiff<Flex>>(&table, &Default::default(), &mut |_| ());
        assert!(matches!(error, Err(ReduceError::NotFinite { row: 1, column: 0, .. })), "{error:?}");
        let table = Matrix::new(vec![1.0, 2.0, -3e30, 3.0], 2, 2).unwrap();
        let error = ReductionConfig::default().fit::<Autodiff<Flex>>(&table, &Default::default(), &mut |_| ());
        assert!(matches!(error, Err(ReduceError::TooLarge { row: 1, column: 0, .. })), "{error:?}");
        let config = ReductionConfig { hidden: vec![4, 0], learning_rate: 0.0, ..ReductionConfig::default() };
        assert_eq!(config.validate().iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["hidden", "learning_rate"]);
    }
}
