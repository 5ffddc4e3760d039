//! The job `forecast`: from the last rows of a table to the next ones.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use burn::{
    module::Module,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::{
    DataError,
    series::{Scaler, SeriesBatch, SeriesBatches, SeriesConfig, SeriesData},
};
use report::{Body, LinePlot, LineStyle, Mark, Section, Series, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained},
    task::{InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use super::{batches, csv_cell, give_table, report_problems};
use crate::forecaster::{Forecaster, ForecasterConfig, ForecasterSizes};

/// The artefact beside the weights without which they mean nothing.
const SCALER_FILE: &str = "scaler.json";

/// `[data]`: the table, its columns, and its windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SeriesBlock(pub SeriesConfig);

impl Validate for SeriesBlock {
    fn validate(&self, problems: &mut Problems) {
        report_problems(self.0.validate(), problems);
    }
}

impl Validate for ForecasterConfig {
    fn validate(&self, problems: &mut Problems) {
        report_problems(ForecasterConfig::validate(self), problems);
    }
}

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
        let dealt =
            |source: SeriesBatches| batches(source.num_batches(), move |epoch, index| source.batch(epoch, index));
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
        let known = data::series::read_last_rows(input, config, &scaler)?;
        let mut model = blocks.model.init::<B>(sizes(config, &scaler, &blocks.task), trained.device);
        weights::apply(&mut model, trained.weights)?;

        let rows =
            Tensor::from_data(TensorData::new(known, [1, config.input_len, scaler.columns().len()]), trained.device);
        let units = Units::<B>::new(&scaler, trained.device);
        let forecast = units.original(model.forward(rows)).into_data().convert::<f32>();
        let table = forecast_csv(&forecast, scaler.targets(), &blocks.task.quantiles)?;
        give_table(&table, request, output)
    }
}

fn load_scaler(folder: &Path) -> Result<Scaler, TaskError> {
    let path = folder.join(SCALER_FILE);
    let text = fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(Scaler::from_json(&text)?)
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

/// `step,<target>,…` or, with quantiles, `step,<target>_q0.1,…`.
fn forecast_csv(forecast: &TensorData, targets: &[String], quantiles: &[f64]) -> Result<String, TaskError> {
    let mut table = String::from("step");
    for target in targets {
        match quantiles {
            [] => write!(table, ",{}", csv_cell(target))?,
            _ => quantiles.iter().try_for_each(|q| write!(table, ",{}", csv_cell(&format!("{target}_q{q}"))))?,
        }
    }
    let values = forecast.to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
    for (step, row) in values.chunks(targets.len() * quantiles.len().max(1)).enumerate() {
        write!(table, "\n{}", step + 1)?;
        row.iter().try_for_each(|value| write!(table, ",{value}"))?;
    }
    table.push('\n');
    Ok(table)
}

/// From scaled values back to those of the table.
#[derive(Debug)]
struct Units<B: Backend> {
    /// `[1, 1, targets]`
    scale: Tensor<B, 3>,
    /// `[1, 1, targets]`
    shift: Tensor<B, 3>,
}

impl<B: Backend> Units<B> {
    fn new(scaler: &Scaler, device: &B::Device) -> Self {
        let targets = scaler.targets().len();
        let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [1, 1, targets]), device);
        let (scale, shift) = scaler.targets_scale_and_shift();
        Self { scale: tensor(scale), shift: tensor(shift) }
    }

    /// `[batch, horizon, targets, outputs]` in the units of the table.
    fn original(&self, forecast: Tensor<B, 4>) -> Tensor<B, 4> {
        forecast * self.scale.clone().unsqueeze_dim::<4>(3) + self.shift.clone().unsqueeze_dim::<4>(3)
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
        let mut errors = Errors::default();
        let mut windows = Vec::new();
        for batch in batches {
            let batch = batch?;
            let first_row = batch.starts.first().copied().unwrap_or_default();
            let (inputs, truth) = tensors::<B::InnerBackend>(batch, self.targets.len(), device);
            let forecast = model.forward(inputs.clone());
            let middle = forecast.dims()[3] / 2;
            let value = forecast.clone().narrow(3, middle, 1).squeeze_dim::<3>(3);
            errors.add_loss(loss(forecast.clone(), truth.clone(), &self.options));
            errors.add("", &value, &truth, &self.units);
            for (name, baseline) in baselines(&inputs, truth.dims(), self.options.season) {
                errors.add(name, &baseline, &truth, &self.units);
            }
            if !self.options.quantiles.is_empty() {
                errors.add_coverage(&forecast, &truth);
            }
            let window = Window { first_row, inputs, truth, forecast }.first();
            // The first and the last batch are drawn.
            windows.truncate(1);
            windows.push(window);
        }
        if windows.is_empty() {
            return Err("there is no window to score: the part is shorter than `data.horizon`".into());
        }
        let (mut scores, by_step) = errors.finish(&self.mase_scale, &self.options.quantiles);
        self.pages = BTreeMap::from([("forecast".to_string(), self.page(windows, &scores, by_step)?)]);
        // Baselines do not change from validation to validation: the page has all of theirs, the scores what they are measured by.
        scores.retain(|name, _| {
            !name.ends_with(NAIVE) || name.starts_with("mse_naive") || name.starts_with("mse_seasonal")
        });
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

impl<B: AutodiffBackend> ForecastTask<B> {
    /// The forecasts of some windows beside the truth, the error by step, and the baselines.
    fn page(
        &self,
        windows: Vec<Window<B::InnerBackend>>,
        scores: &Scores,
        by_step: Vec<f64>,
    ) -> Result<serde_json::Value, TaskError> {
        let mut sections = vec![comparison(scores)];
        for window in windows {
            let first_row = window.first_row;
            let drawn = window.read(&self.units)?;
            for (target, name) in self.targets.iter().enumerate().take(self.options.plotted_targets) {
                sections.push(drawn.section(target, name, first_row, &self.options.quantiles));
            }
        }
        let x = (1..=by_step.len()).map(|step| step as f64).collect();
        let error = Series { name: "mean absolute error".into(), x, y: by_step, ..Series::default() };
        let plot = LinePlot {
            x_label: "step of the horizon".into(),
            y_label: "error, scaled".into(),
            series: vec![error],
            ..LinePlot::default()
        };
        sections.push(Section::new("Error by step", Body::LinePlot(plot)));
        Ok(serde_json::to_value(sections)?)
    }
}

/// The model's errors beside those of the baselines.
fn comparison(scores: &Scores) -> Section {
    let metrics = ["mse", "mae", "rmse", "mse_original", "mae_original", "rmse_original", "smape", "mase"];
    let kinds = [("model", ""), ("naive (the last row)", NAIVE), ("seasonal naive (the last season)", SEASONAL_NAIVE)];
    let row = |(name, suffix): (&str, &str)| {
        let value =
            |metric: &&str| scores.get(&format!("{metric}{suffix}")).map_or(String::new(), |v| format!("{v:.4}"));
        std::iter::once(name.to_string()).chain(metrics.iter().map(value)).collect()
    };
    let columns = std::iter::once("forecast").chain(metrics).map(str::to_string).collect();
    let table = Table { columns, rows: kinds.into_iter().map(row).collect() };
    Section::new("Forecast errors", Body::Table(table)).with_caption(
        "mse, mae and rmse of scaled values; the others in the units of the table; smape in percent; mase below 1 beats \
         the seasonal-naive forecast one season ahead.",
    )
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

const NAIVE: &str = "_naive";
const SEASONAL_NAIVE: &str = "_seasonal_naive";

/// What is forecast without learning: the last row, and the last season, repeated.
fn baselines<B: Backend>(
    inputs: &Tensor<B, 3>,
    [_, horizon, targets]: [usize; 3],
    season: usize,
) -> [(&'static str, Tensor<B, 3>); 2] {
    let [_, time, _] = inputs.dims();
    let known = inputs.clone().narrow(2, 0, targets);
    let repeated = |rows: usize| {
        let last = known.clone().narrow(1, time - rows, rows);
        last.repeat_dim(1, horizon.div_ceil(rows)).narrow(1, 0, horizon)
    };
    [(NAIVE, repeated(1)), (SEASONAL_NAIVE, repeated(season))]
}

/// Sums over all forecasts, on the device until they are read.
#[derive(Default)]
struct Errors<B: Backend> {
    /// Numbers forecast so far.
    count: usize,
    loss: Sum<B>,
    by_suffix: BTreeMap<&'static str, ErrorSums<B>>,
    /// Absolute errors by step of the horizon.
    by_step: Sum<B>,
    /// How often the truth was at most each quantile.
    below: Sum<B>,
}

/// Of one forecaster: squares and absolutes, scaled and in original units (there by target), and sMAPE.
#[derive(Default)]
struct ErrorSums<B: Backend> {
    squares: Sum<B>,
    absolutes: Sum<B>,
    original_squares: Sum<B>,
    original_absolutes: Sum<B>,
    smape: Sum<B>,
}

/// A sum over the first dimensions of everything added.
#[derive(Default)]
struct Sum<B: Backend>(Option<Tensor<B, 1>>);

impl<B: Backend> Sum<B> {
    fn add(&mut self, value: Tensor<B, 1>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + value,
            None => value,
        });
    }

    fn read(self) -> Vec<f64> {
        self.0.map_or_else(Vec::new, |sum| sum.into_data().iter::<f64>().collect())
    }
}

/// Sums over all dimensions but one, which stays.
fn sum_to<B: Backend>(values: Tensor<B, 3>, kept: usize) -> Tensor<B, 1> {
    let length = values.dims()[kept];
    let summed = (0..3).filter(|dim| *dim != kept).fold(values, |values, dim| values.sum_dim(dim));
    summed.reshape([length])
}

impl<B: Backend> Errors<B> {
    fn add_loss(&mut self, loss: Tensor<B, 3>) {
        self.count += loss.shape().num_elements();
        self.loss.add(loss.sum());
    }

    fn add(&mut self, suffix: &'static str, forecast: &Tensor<B, 3>, truth: &Tensor<B, 3>, units: &Units<B>) {
        let difference = forecast.clone() - truth.clone();
        let absolute = difference.clone().abs();
        if suffix.is_empty() {
            self.by_step.add(sum_to(absolute.clone(), 1));
        }
        let original = |scaled: Tensor<B, 3>| scaled * units.scale.clone() + units.shift.clone();
        let in_units = difference.clone() * units.scale.clone();
        let (forecast, truth) = (original(forecast.clone()), original(truth.clone()));
        // Two zeros have no difference: the smallest positive number keeps the division whole.
        let size = (forecast.abs() + truth.abs()).clamp_min(f64::from(f32::MIN_POSITIVE));
        let sums = self.by_suffix.entry(suffix).or_default();
        sums.squares.add(difference.powi_scalar(2).sum());
        sums.absolutes.add(absolute.sum());
        sums.original_squares.add(in_units.clone().powi_scalar(2).sum());
        sums.smape.add((in_units.clone().abs() / size).sum());
        sums.original_absolutes.add(sum_to(in_units.abs(), 2));
    }

    /// How often the truth is at most each quantile, and inside of the outermost two.
    fn add_coverage(&mut self, forecast: &Tensor<B, 4>, truth: &Tensor<B, 3>) {
        let below = truth.clone().unsqueeze_dim::<4>(3).lower_equal(forecast.clone()).float();
        let [.., outputs] = below.dims();
        self.below.add(below.flatten::<2>(0, 2).sum_dim(0).reshape([outputs]));
    }

    /// The scores, and the mean absolute error by step of the horizon.
    fn finish(self, mase_scale: &[f64], quantiles: &[f64]) -> (Scores, Vec<f64>) {
        let count = self.count as f64;
        let mean = |sum: Sum<B>| sum.read().iter().sum::<f64>() / count;
        let mut scores = Scores::from([("loss".to_string(), mean(self.loss))]);
        for (suffix, sums) in self.by_suffix {
            let (mse, original_mse) = (mean(sums.squares), mean(sums.original_squares));
            let by_target = sums.original_absolutes.read();
            let each = count / by_target.len() as f64;
            let original_mae = by_target.iter().sum::<f64>() / count;
            let scaled = by_target.iter().zip(mase_scale).map(|(sum, scale)| sum / each / scale);
            let mase = scaled.sum::<f64>() / by_target.len() as f64;
            for (name, value) in [
                ("mse", mse),
                ("mae", mean(sums.absolutes)),
                ("rmse", mse.sqrt()),
                ("mse_original", original_mse),
                ("mae_original", original_mae),
                ("rmse_original", original_mse.sqrt()),
                ("smape", 200.0 * mean(sums.smape)),
                ("mase", mase),
            ] {
                scores.insert(format!("{name}{suffix}"), value);
            }
        }
        let below: Vec<f64> = self.below.read().iter().map(|sum| sum / count).collect();
        for (quantile, share) in quantiles.iter().zip(&below) {
            scores.insert(format!("coverage_q{quantile}"), *share);
        }
        if let [first, .., last] = below.as_slice() {
            scores.insert("coverage_interval".to_string(), last - first);
        }
        let by_step = self.by_step.read();
        let each = count / by_step.len() as f64;
        (scores, by_step.iter().map(|sum| sum / each).collect())
    }
}

/// What is drawn of a batch.
struct Window<B: Backend> {
    /// Row of the table where the forecast begins.
    first_row: usize,
    inputs: Tensor<B, 3>,
    truth: Tensor<B, 3>,
    forecast: Tensor<B, 4>,
}

impl<B: Backend> Window<B> {
    /// The first window of the batch alone.
    fn first(self) -> Self {
        Self {
            first_row: self.first_row,
            inputs: self.inputs.narrow(0, 0, 1),
            truth: self.truth.narrow(0, 0, 1),
            forecast: self.forecast.narrow(0, 0, 1),
        }
    }

    fn read(self, units: &Units<B>) -> Result<DrawnWindow, TaskError> {
        let [_, horizon, targets] = self.truth.dims();
        let [_, known, _] = self.inputs.dims();
        let numbers = |values: Tensor<B, 4>| units.original(values).into_data().iter::<f64>().collect::<Vec<_>>();
        let inputs = self.inputs.narrow(2, 0, targets).unsqueeze_dim::<4>(3);
        Ok(DrawnWindow {
            targets,
            known,
            horizon,
            inputs: numbers(inputs),
            truth: numbers(self.truth.unsqueeze_dim::<4>(3)),
            forecast: numbers(self.forecast),
        })
    }
}

/// A window in original units.
struct DrawnWindow {
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
    fn section(&self, target: usize, name: &str, first_row: usize, quantiles: &[f64]) -> Section {
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
