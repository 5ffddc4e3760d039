//! Forecasters: from the last rows of a table of numbers to the next ones.
//!
//! - recurrent networks with a direct head (all steps at once) or an autoregressive one (each forecast is fed back);
//! - DLinear and NLinear, the linear models that are the published bar for long horizons: Zeng et al., "Are Transformers
//!   Effective for Time Series Forecasting?", <https://arxiv.org/abs/2205.13504>, after its code
//!   [LTSF-Linear](https://github.com/cure-lab/LTSF-Linear).
//!
//! The columns of the input are the targets first, then the covariates; a forecast has the targets alone.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig},
    tensor::{Distribution, Tensor, backend::Backend, module::avg_pool1d},
};
use layers::{
    projection::linear_transposed,
    recurrent::{Cell, Recurrent, RecurrentConfig},
};
use serde::{Deserialize, Serialize};

/// The architecture. Lengths and numbers of columns are not part of it but of the data: see [`ForecasterSizes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ForecasterConfig {
    /// Trend (a moving average) and what is left of it, each through a linear layer over time.
    Dlinear {
        /// Length of the moving average in rows: odd, at least 3.
        #[serde(default = "default_kernel_size")]
        kernel_size: usize,
        /// Whether each target has linear layers of its own.
        #[serde(default)]
        individual: bool,
    },
    /// A linear layer over time on what the input differs by from its last row.
    Nlinear {
        /// Whether each target has a linear layer of its own.
        #[serde(default)]
        individual: bool,
    },
    /// A long short-term memory.
    Lstm(RecurrentForecaster),
    /// Gated recurrent units.
    Gru(RecurrentForecaster),
    /// A plain recurrent network with tanh.
    Rnn(RecurrentForecaster),
}

/// A recurrent forecaster beside its cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentForecaster {
    /// Length of the recurrent state of each layer.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Probability of dropping a value in training, between recurrent layers and before the head.
    pub dropout: f64,
    /// How the horizon is forecast: `direct`, or `autoregressive`, which holds covariates at their last known value, as nothing
    /// says what they are in the rows to come. Where covariates change within the horizon, `direct` is the better choice.
    pub head: ForecastHead,
    /// Let the network see and forecast differences from the last known row of the targets, as NLinear does: levels that
    /// training never saw are then no obstacle.
    pub subtract_last: bool,
}

impl Default for RecurrentForecaster {
    fn default() -> Self {
        Self { hidden_size: 128, num_layers: 1, dropout: 0.0, head: ForecastHead::Direct, subtract_last: true }
    }
}

/// How a recurrent forecaster makes the steps of its horizon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ForecastHead {
    /// All at once, by one linear layer.
    #[default]
    Direct,
    /// One after the other: each forecast is the next input (covariates stay at their last known value).
    Autoregressive,
}

fn default_kernel_size() -> usize {
    25
}

impl Default for ForecasterConfig {
    fn default() -> Self {
        Self::Lstm(RecurrentForecaster::default())
    }
}

/// What the data say about a forecaster's shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForecasterSizes {
    /// Rows that are known.
    pub input_len: usize,
    /// Rows that are forecast.
    pub horizon: usize,
    /// Columns of the input: the targets, then the covariates.
    pub inputs: usize,
    /// Columns of the forecast.
    pub targets: usize,
    /// Values for each forecast number: 1, or one a quantile.
    pub outputs: usize,
}

/// `[horizon, targets, outputs]`
type Sizes = [usize; 3];

impl ForecasterSizes {
    fn of_forecast(self) -> Sizes {
        [self.horizon, self.targets, self.outputs]
    }
}

/// From `[batch, input_len, inputs]` to `[batch, horizon, targets, outputs]`.
#[derive(Module, Debug)]
pub enum Forecaster<B: Backend> {
    /// See [`ForecasterConfig::Dlinear`].
    Dlinear(Dlinear<B>),
    /// See [`ForecasterConfig::Nlinear`].
    Nlinear(Nlinear<B>),
    /// See [`RecurrentForecaster`].
    Recurrent(RecurrentNetwork<B>),
}

/// Moving average and remainder, each with its linear layer.
#[derive(Module, Debug)]
pub struct Dlinear<B: Backend> {
    /// For what is left of the trend.
    pub seasonal: TimeProjection<B>,
    /// For the trend.
    pub trend: TimeProjection<B>,
    kernel_size: usize,
    sizes: Sizes,
}

/// A linear layer on differences from the last row.
#[derive(Module, Debug)]
pub struct Nlinear<B: Backend> {
    /// From known to forecast rows.
    pub linear: TimeProjection<B>,
    sizes: Sizes,
}

/// A linear layer over time, shared by all columns or one for each.
#[derive(Module, Debug)]
pub struct TimeProjection<B: Backend> {
    /// `[columns, horizon * outputs, input_len]`, with one entry where it is shared.
    pub weight: Param<Tensor<B, 3>>,
    /// `[columns, horizon * outputs]`
    pub bias: Param<Tensor<B, 2>>,
}

/// Recurrent layers and a head.
#[derive(Module, Debug)]
pub struct RecurrentNetwork<B: Backend> {
    /// The recurrent layers.
    pub rnn: Recurrent<B>,
    /// `[outputs of the head, hidden]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[outputs of the head]`
    pub bias: Param<Tensor<B, 1>>,
    /// Before the head.
    pub dropout: Dropout,
    sizes: Sizes,
    is_autoregressive: bool,
    subtract_last: bool,
}

impl ForecasterConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        match self {
            Self::Dlinear { kernel_size, .. } if *kernel_size < 3 || kernel_size % 2 == 0 => {
                wrong.push(("kernel_size", "must be odd, so that the average is centred, and at least 3".to_string()));
            }
            Self::Dlinear { .. } | Self::Nlinear { .. } => {}
            Self::Lstm(network) | Self::Gru(network) | Self::Rnn(network) => {
                for (key, size) in [("hidden_size", network.hidden_size), ("num_layers", network.num_layers)] {
                    if size == 0 {
                        wrong.push((key, "must be at least 1".to_string()));
                    }
                }
                if !(0.0..1.0).contains(&network.dropout) {
                    wrong.push(("dropout", "must be at least 0 and below 1".to_string()));
                }
            }
        }
        wrong
    }

    /// A forecaster with random weights, uniform within ±1/√inputs of each layer as PyTorch draws them.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or a size is 0.
    pub fn init<B: Backend>(&self, sizes: ForecasterSizes, device: &B::Device) -> Forecaster<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        let ForecasterSizes { input_len, horizon, inputs, targets, outputs } = sizes;
        assert!(
            input_len > 0 && horizon > 0 && outputs > 0 && targets > 0 && inputs >= targets,
            "impossible sizes: {sizes:?}"
        );
        let over_time = |individual: bool| {
            TimeProjection::init(if individual { targets } else { 1 }, input_len, horizon * outputs, device)
        };
        match self {
            Self::Dlinear { kernel_size, individual } => Forecaster::Dlinear(Dlinear {
                seasonal: over_time(*individual),
                trend: over_time(*individual),
                kernel_size: *kernel_size,
                sizes: sizes.of_forecast(),
            }),
            Self::Nlinear { individual } => {
                Forecaster::Nlinear(Nlinear { linear: over_time(*individual), sizes: sizes.of_forecast() })
            }
            Self::Lstm(network) => Forecaster::Recurrent(network.init(Cell::Lstm, sizes, device)),
            Self::Gru(network) => Forecaster::Recurrent(network.init(Cell::Gru, sizes, device)),
            Self::Rnn(network) => Forecaster::Recurrent(network.init(Cell::RnnTanh, sizes, device)),
        }
    }
}

impl RecurrentForecaster {
    fn init<B: Backend>(&self, cell: Cell, sizes: ForecasterSizes, device: &B::Device) -> RecurrentNetwork<B> {
        let rnn = RecurrentConfig::new(cell, sizes.inputs, self.hidden_size)
            .with_num_layers(self.num_layers)
            .with_dropout(self.dropout)
            .init(device);
        // Its parameters are lazy; counting them draws them, so that they follow from the backend's seed at this call.
        rnn.num_params();
        let is_autoregressive = self.head == ForecastHead::Autoregressive;
        let steps = if is_autoregressive { 1 } else { sizes.horizon };
        let width = steps * sizes.targets * sizes.outputs;
        let bound = 1.0 / (self.hidden_size as f64).sqrt();
        let within = Distribution::Uniform(-bound, bound);
        RecurrentNetwork {
            rnn,
            weight: Param::from_tensor(Tensor::random([width, self.hidden_size], within, device)),
            bias: Param::from_tensor(Tensor::random([width], within, device)),
            dropout: DropoutConfig::new(self.dropout).init(),
            sizes: sizes.of_forecast(),
            is_autoregressive,
            subtract_last: self.subtract_last,
        }
    }
}

impl<B: Backend> Forecaster<B> {
    /// The rows that follow.
    ///
    /// # Shapes
    /// - input: `[batch, input_len, inputs]`, of the columns the targets first
    /// - forecast: `[batch, horizon, targets, outputs]`
    pub fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        match self {
            Self::Dlinear(model) => model.forward(input),
            Self::Nlinear(model) => model.forward(input),
            Self::Recurrent(model) => model.forward(input),
        }
    }
}

impl<B: Backend> Dlinear<B> {
    /// As [`Forecaster::forward`]; covariates are not looked at.
    pub fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        let series = targets_of(&input, self.sizes).swap_dims(1, 2); // [batch, targets, input_len]
        let trend = moving_average(series.clone(), self.kernel_size);
        let forecast = self.seasonal.forward(series - trend.clone()) + self.trend.forward(trend);
        rows_first(forecast, self.sizes)
    }
}

impl<B: Backend> Nlinear<B> {
    /// As [`Forecaster::forward`]; covariates are not looked at.
    pub fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        let series = targets_of(&input, self.sizes);
        let last = last_row(&series); // [batch, 1, targets]
        let differences = (series - last.clone()).swap_dims(1, 2);
        rows_first(self.linear.forward(differences), self.sizes) + last.unsqueeze_dim::<4>(3)
    }
}

impl<B: Backend> TimeProjection<B> {
    fn init(columns: usize, input_len: usize, outputs: usize, device: &B::Device) -> Self {
        let bound = 1.0 / (input_len as f64).sqrt();
        let within = Distribution::Uniform(-bound, bound);
        Self {
            weight: Param::from_tensor(Tensor::random([columns, outputs, input_len], within, device)),
            bias: Param::from_tensor(Tensor::random([columns, outputs], within, device)),
        }
    }

    /// From `[batch, columns, input_len]` to `[batch, columns, outputs]`.
    fn forward(&self, series: Tensor<B, 3>) -> Tensor<B, 3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let [columns, ..] = weight.dims();
        if columns == 1 {
            return linear_transposed(series, weight.squeeze_dim::<2>(0), Some(bias.squeeze_dim::<1>(0)));
        }
        let by_column = series.swap_dims(0, 1).matmul(weight.swap_dims(1, 2)); // [columns, batch, outputs]
        by_column.swap_dims(0, 1) + bias.unsqueeze_dim::<3>(0)
    }
}

impl<B: Backend> RecurrentNetwork<B> {
    /// As [`Forecaster::forward`].
    pub fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        let [_, _, inputs] = input.dims();
        let [_, targets, _] = self.sizes;
        let last = last_row(&targets_of(&input, self.sizes)); // [batch, 1, targets]
        let input = match (self.subtract_last, inputs - targets) {
            (false, _) => input,
            (true, 0) => input - last.clone(),
            (true, covariates) => {
                let differences = targets_of(&input, self.sizes) - last.clone();
                Tensor::cat(vec![differences, input.narrow(2, targets, covariates)], 2)
            }
        };
        let forecast = if self.is_autoregressive { self.step_by_step(input) } else { self.at_once(input) };
        if self.subtract_last { forecast + last.unsqueeze_dim::<4>(3) } else { forecast }
    }

    fn at_once(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        let (features, _) = self.rnn.forward(input, None);
        let [horizon, targets, outputs] = self.sizes;
        let [batch, ..] = features.dims();
        self.head(last_row(&features)).reshape([batch, horizon, targets, outputs])
    }

    fn step_by_step(&self, input: Tensor<B, 3>) -> Tensor<B, 4> {
        let [horizon, targets, outputs] = self.sizes;
        let [batch, _, inputs] = input.dims();
        let covariates = (inputs > targets).then(|| last_row(&input).narrow(2, targets, inputs - targets));
        let (features, mut state) = self.rnn.forward(input, None);
        let mut features = last_row(&features);
        let mut rows = Vec::with_capacity(horizon);
        loop {
            let row = self.head(features).reshape([batch, 1, targets, outputs]);
            rows.push(row.clone());
            if rows.len() == horizon {
                return Tensor::cat(rows, 1);
            }
            // Of several quantiles the middle one goes on.
            let row = row.narrow(3, outputs / 2, 1).squeeze_dim::<3>(3);
            let next = match &covariates {
                Some(covariates) => Tensor::cat(vec![row, covariates.clone()], 2),
                None => row,
            };
            (features, state) = self.rnn.forward(next, Some(state));
        }
    }

    fn head(&self, features: Tensor<B, 3>) -> Tensor<B, 3> {
        linear_transposed(self.dropout.forward(features), self.weight.val(), Some(self.bias.val()))
    }
}

/// `[batch, time, targets]`
fn targets_of<B: Backend>(input: &Tensor<B, 3>, [_, targets, _]: Sizes) -> Tensor<B, 3> {
    input.clone().narrow(2, 0, targets)
}

/// `[batch, 1, columns]`
fn last_row<B: Backend>(rows: &Tensor<B, 3>) -> Tensor<B, 3> {
    let [_, time, _] = rows.dims();
    rows.clone().narrow(1, time - 1, 1)
}

/// From `[batch, targets, horizon * outputs]` to `[batch, horizon, targets, outputs]`.
fn rows_first<B: Backend>(forecast: Tensor<B, 3>, [horizon, targets, outputs]: Sizes) -> Tensor<B, 4> {
    let [batch, ..] = forecast.dims();
    forecast.reshape([batch, targets, horizon, outputs]).swap_dims(1, 2)
}

/// The mean of `kernel_size` values around each, the first and the last value repeated beyond the ends.
///
/// # Shapes
/// - series: `[batch, columns, time]`
/// - average: `[batch, columns, time]`
fn moving_average<B: Backend>(series: Tensor<B, 3>, kernel_size: usize) -> Tensor<B, 3> {
    let [_, _, time] = series.dims();
    let beyond = kernel_size / 2;
    let first = series.clone().narrow(2, 0, 1).repeat_dim(2, beyond);
    let last = series.clone().narrow(2, time - 1, 1).repeat_dim(2, beyond);
    avg_pool1d(Tensor::cat(vec![first, series, last], 2), kernel_size, 1, 0, false, false)
}
