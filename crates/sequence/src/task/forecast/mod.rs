//! The job `forecast`: from the last rows of a table to the next ones.

mod errors;
mod page;
mod prediction;
mod scores;
mod units;

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::{
    DataError,
    series::{self, Scaler, SeriesBatch, SeriesBatches, SeriesConfig, SeriesData},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained, read_artefact},
    model_block,
    task::{Batches, InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use self::{
    errors::{BaselineScores, BaselineSums},
    page::Window,
    scores::ModelSums,
    units::Units,
};
use crate::forecaster::{Forecaster, ForecasterConfig, ForecasterSizes};

/// The artefact beside the weights without which they mean nothing.
const SCALER_FILE: &str = "scaler.json";

data_block! {
    /// `[data]`: the table, its columns, and its windows.
    SeriesBlock(SeriesConfig)
}

model_block!(ForecasterConfig);

/// `[task]`: what is minimised, and what forecasts are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForecastOptions {
    /// What is minimised, on scaled values. With `quantiles` it is their pinball loss instead.
    pub loss: ForecastLoss,
    /// Forecast these quantiles, in ascending order with 0.5 in the middle: `[0.1, 0.5, 0.9]`. None: one value.
    pub quantiles: Vec<f64>,
    /// Rows in a season, for the seasonal-naive baseline and for MASE: 24 for hours with a daily rhythm.
    pub season: usize,
    /// Targets that are drawn in the report.
    pub plotted_targets: usize,
}

/// A loss on scaled values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForecastLoss {
    /// Mean squared error.
    #[default]
    Mse,
    /// Mean absolute error.
    Mae,
}

impl Default for ForecastOptions {
    fn default() -> Self {
        Self { loss: ForecastLoss::Mse, quantiles: Vec::new(), season: 24, plotted_targets: 3 }
    }
}

impl Validate for ForecastOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.season > 0, "season", "must be at least 1");
        let quantiles = &self.quantiles;
        let inside = quantiles.iter().all(|quantile| *quantile > 0.0 && *quantile < 1.0);
        let ascending = quantiles.windows(2).all(|pair| pair[0] < pair[1]);
        let centred = quantiles.is_empty() || (quantiles.len() % 2 == 1 && quantiles[quantiles.len() / 2] == 0.5);
        problems.check(
            inside && ascending && centred,
            "quantiles",
            "must lie between 0 and 1 in ascending order with 0.5 in the middle, for example [0.1, 0.5, 0.9]",
        );
    }
}

/// `job = "forecast"`.
#[derive(Debug, Clone, Copy)]
pub struct ForecastJob;

impl Job for ForecastJob {
    const NAME: &'static str = "forecast";
    const SUMMARY: &'static str =
        "an LSTM, GRU, plain recurrent network, DLinear or NLinear that forecasts a table of numbers";

    type Data = SeriesBlock;
    type Model = ForecasterConfig;
    type Options = ForecastOptions;
    type Task<B: AutodiffBackend> = ForecastTask<B>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        if blocks.task.season > config.input_len {
            return Err(format!(
                "`task.season` is {} rows, but a window shows only `data.input_len` = {} of them: the seasonal-naive \
                 baseline needs a whole season",
                blocks.task.season, config.input_len
            )
            .into());
        }
        let series = match context.artefacts {
            Some(folder) => SeriesData::load_with(config, load_scaler(folder)?)?,
            None => SeriesData::load(config)?,
        };
        let dealt = |source: SeriesBatches| {
            Batches::dealt(source.num_batches(), move |epoch, index| source.batch(epoch, index))
        };
        let train = dealt(series.train_batches(context.seed));
        // A part that the split leaves out is no mistake.
        let scored = |part: std::ops::Range<usize>, batches_of: Result<SeriesBatches, DataError>| match part.is_empty()
        {
            true => Ok(None),
            false => batches_of.map(|source| Some(dealt(source))),
        };
        let validation = scored(series.validation_rows(), series.validation_batches())?;
        let test = scored(series.test_rows(), series.test_batches())?;

        B::seed(context.device, context.seed);
        let sizes = sizes(config, series.scaler(), &blocks.task);
        let model = blocks.model.init::<B>(sizes, context.device);
        let mut facts = series.facts();
        facts.push(("parameters".to_string(), model.num_params().to_string()));
        let artefacts = BTreeMap::from([(SCALER_FILE.to_string(), series.scaler().to_json().into_bytes())]);
        let task = ForecastTask::new(blocks.task.clone(), &series, context.device);
        let splits = Splits { train, validation, test };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let Some(input) = &request.input else {
            return Err("a forecast needs the known rows: give --input FILE.csv".into());
        };
        let config = &blocks.data.0;
        let scaler = load_scaler(trained.artefacts)?;
        let known = series::read_last_rows(input, config, &scaler)?;
        let mut model = blocks.model.init::<B>(sizes(config, &scaler, &blocks.task), trained.device);
        weights::apply(&mut model, trained.weights)?;

        let shape = [1, config.input_len, scaler.columns().len()];
        let rows = Tensor::from_data(TensorData::new(known.values, shape), trained.device);
        let forecast = Units::<B>::new(&scaler, trained.device).original_outputs(model.forward(rows));
        let forecast: Vec<f32> = forecast.into_data().iter::<f32>().collect();
        let dates = known.dates.and_then(|known| series::dates_after(&known, config.horizon));
        let rows = prediction::table(&forecast, scaler.targets(), &blocks.task.quantiles, dates.as_deref());
        request.give_table(rows, output)
    }
}

fn load_scaler(folder: &Path) -> Result<Scaler, TaskError> {
    Ok(Scaler::from_json(&read_artefact(folder, SCALER_FILE)?)?)
}

fn sizes(config: &SeriesConfig, scaler: &Scaler, options: &ForecastOptions) -> ForecasterSizes {
    ForecasterSizes {
        input_len: config.input_len,
        horizon: config.horizon,
        inputs: scaler.columns().len(),
        targets: scaler.targets().len(),
        outputs: options.quantiles.len().max(1),
    }
}

/// Forecasting with the errors that the field reports, beside the naive baselines.
#[derive(Debug)]
pub struct ForecastTask<B: AutodiffBackend> {
    options: ForecastOptions,
    units: Units<B::InnerBackend>,
    targets: Vec<String>,
    /// For each target, the mean absolute seasonal difference of the training part, in its units (Hyndman and Koehler
    /// 2006, <https://doi.org/10.1016/j.ijforecast.2006.03.001>).
    mase_scale: Vec<f64>,
    /// Of the part that was scored last.
    baselines: Option<BaselineScores>,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> ForecastTask<B> {
    /// A task for these data.
    pub fn new(options: ForecastOptions, series: &SeriesData, device: &B::Device) -> Self {
        let scaler = series.scaler();
        Self {
            units: Units::new(scaler, device),
            targets: scaler.targets().to_vec(),
            mase_scale: series.mase_scale(options.season),
            options,
            baselines: None,
            pages: BTreeMap::new(),
        }
    }
}

impl<B: AutodiffBackend> Task<B> for ForecastTask<B> {
    type Model = Forecaster<B>;
    type Batch = SeriesBatch;

    fn item_name(&self) -> &'static str {
        "windows"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let items = batch.batch_size;
        let (inputs, truth) = tensors::<B>(batch, self.targets.len(), context.device);
        let forecast = model.forward(inputs);
        Ok(StepOutput::new(loss(forecast, truth, &self.options).mean(), items))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut errors = ModelSums::default();
        let mut baselines = BaselineSums::default();
        let mut known = None;
        let mut drawn = Vec::new();
        let (mut first_row, mut windows) = (0, 0);
        for batch in batches {
            let batch = batch?;
            let start = batch.starts.first().copied().unwrap_or_default();
            if windows == 0 {
                first_row = start;
                known = self.baselines.take().filter(|baselines| baselines.first_row == start);
            }
            windows += batch.batch_size;
            let (inputs, truth) = tensors::<B::InnerBackend>(batch, self.targets.len(), device);
            let forecast = model.forward(inputs.clone());
            errors.add(&forecast, &truth, &self.units, &self.options);
            if known.is_none() {
                baselines.add(&inputs, &truth, &self.units, self.options.season);
            }
            // The first and the last batch are drawn.
            drawn.truncate(1);
            drawn.push(Window::first_of(start, inputs, truth, forecast));
        }
        if windows == 0 {
            return Err("there is no window to score: the part is shorter than `data.horizon`".into());
        }
        self.baselines = match known {
            // Never in training, which scores the same windows each time: of others nothing is known.
            Some(known) => Some(known).filter(|known| known.windows == windows),
            None => Some(baselines.finish(first_row, windows, &self.mase_scale)),
        };
        let (scores, sections) = errors.finish(self, drawn);
        self.pages = BTreeMap::from([("forecast".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// `[batch, input_len, inputs]` and `[batch, horizon, targets]`.
fn tensors<B: Backend>(batch: SeriesBatch, targets: usize, device: &B::Device) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let SeriesBatch { inputs, targets: truth, batch_size, input_len, horizon, num_inputs, .. } = batch;
    (
        Tensor::from_data(TensorData::new(inputs, [batch_size, input_len, num_inputs]), device),
        Tensor::from_data(TensorData::new(truth, [batch_size, horizon, targets]), device),
    )
}

/// What is minimised, for each number of the forecast: `[batch, horizon, targets]`.
fn loss<B: Backend>(forecast: Tensor<B, 4>, truth: Tensor<B, 3>, options: &ForecastOptions) -> Tensor<B, 3> {
    let difference = truth.unsqueeze_dim::<4>(3) - forecast; // [batch, horizon, targets, outputs]
    if options.quantiles.is_empty() {
        let difference = difference.squeeze_dim::<3>(3);
        return match options.loss {
            ForecastLoss::Mse => difference.powi_scalar(2),
            ForecastLoss::Mae => difference.abs(),
        };
    }
    // The pinball loss: max(q d, (q - 1) d).
    let outputs = options.quantiles.len();
    let device = difference.device();
    let quantiles = TensorData::new(options.quantiles.clone(), [1, 1, 1, outputs]).convert::<f32>();
    let quantiles = Tensor::<B, 4>::from_data(quantiles, &device);
    let above = difference.clone() * quantiles;
    let pinball = above.clone().max_pair(above - difference);
    pinball.mean_dim(3).squeeze_dim::<3>(3)
}
