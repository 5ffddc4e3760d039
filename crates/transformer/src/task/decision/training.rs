//! Training and evaluation of a decision transformer.

use std::collections::BTreeMap;

use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::{
    stream_seed,
    text::windows::IGNORE_TARGET,
    trajectories::{TrajectoryBatch, TrajectoryFacts},
};
use layers::loss::{CrossEntropy, Tally, cross_entropy};
use report::{BarSeries, Bars, Body, LinePlot, Section, Series, Table};
use training_loop::{
    error::TaskError,
    optimizer::ParameterGroup,
    task::{InnerModel, Scores, StepContext, StepOutput, Task},
};

use super::{
    DecisionOptions, PLAYED,
    rollouts::{Asked, Played, Player},
};
use crate::decision::{DecisionTransformer, Episodes};

/// Prediction of actions with cross entropy.
#[derive(Debug)]
pub struct DecisionTask {
    options: DecisionOptions,
    asked: Vec<Asked>,
    player: Player,
    facts: TrajectoryFacts,
    seed: u64,
    groups: Vec<ParameterGroup>,
    /// Episodes that an evaluation plays.
    episodes: usize,
    pages: BTreeMap<String, serde_json::Value>,
}

impl DecisionTask {
    pub(super) fn new(
        options: DecisionOptions,
        asked: Vec<Asked>,
        player: Player,
        facts: TrajectoryFacts,
        seed: u64,
        groups: Vec<ParameterGroup>,
    ) -> Self {
        let episodes = options.validation_episodes;
        Self { options, asked, player, facts, seed, groups, episodes, pages: BTreeMap::new() }
    }
}

impl<B: AutodiffBackend> Task<B> for DecisionTask {
    type Model = DecisionTransformer<B>;
    type Batch = TrajectoryBatch;

    fn item_name(&self) -> &'static str {
        "actions"
    }

    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        self.groups.clone()
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let windows = Windows::<B>::new(batch, context.device);
        let (targets, items) = (windows.targets.clone(), windows.items);
        let logits = windows.logits(model);
        let correct = logits.clone().inner().argmax(1).flatten::<1>(0, 1).equal(targets.clone().inner());
        let accuracy = correct.int().sum().float() / items as f64;
        let loss = cross_entropy(logits, targets, &CrossEntropy::ignoring(IGNORE_TARGET));
        Ok(StepOutput::new(loss, items).with_metric("accuracy", accuracy))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut tally = Tally::new(device);
        for batch in batches {
            let windows = Windows::<B::InnerBackend>::new(batch?, device);
            let (targets, count) = (windows.targets.clone(), windows.items);
            tally.add(windows.logits(model), targets, &CrossEntropy::ignoring(IGNORE_TARGET), count);
        }
        if tally.count() == 0 {
            return Err("there is no step to score".into());
        }
        let [loss, accuracy] = tally.means();
        let mut scores = Scores::from([("loss".to_string(), loss), ("accuracy".to_string(), accuracy)]);
        if self.episodes > 0 && self.player.can_play() {
            let seed = stream_seed(self.seed, PLAYED, 0);
            let played = self.player.play(model, &self.asked, self.episodes, seed, device)?;
            scores.extend(returns(&played));
            let sections = sections(&played, &self.facts);
            self.pages = BTreeMap::from([("returns".to_string(), serde_json::to_value(sections)?)]);
        }
        Ok(scores)
    }

    fn begin_test(&mut self) {
        self.episodes = self.options.episodes;
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// The mean return for each that was asked, and as `return` that for the highest.
fn returns(played: &[Played]) -> Scores {
    let mut scores = Scores::new();
    let mut highest = f64::NEG_INFINITY;
    for played in played {
        if let Asked::Return(asked) = played.asked {
            scores.insert(format!("return_asked_{asked}"), played.mean());
            if asked < highest {
                continue;
            }
            highest = asked;
        }
        scores.insert("return".to_string(), played.mean());
    }
    scores
}

/// What was achieved, beside what was asked for and what was learned from.
fn sections(played: &[Played], facts: &TrajectoryFacts) -> Vec<Section> {
    let row = |played: &Played| {
        let returns = played.returns();
        let (least, most) = returns.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), r| (a.min(*r), b.max(*r)));
        let asked = match played.asked {
            Asked::Nothing => "nothing".to_string(),
            Asked::Return(asked) => format!("{asked:.2}"),
        };
        let numbers = [played.mean(), played.deviation(), least, most].map(|value| format!("{value:.2}"));
        let count = played.episodes.len().to_string();
        std::iter::once(asked).chain(numbers).chain([count]).collect()
    };
    let columns = ["asked", "achieved (mean)", "standard deviation", "least", "most", "episodes"].map(str::to_string);
    let table = Table { columns: columns.to_vec(), rows: played.iter().map(row).collect() };
    let mut sections = vec![Section::new("Returns", Body::Table(table))];
    let asked: Vec<f64> = played
        .iter()
        .filter_map(|played| if let Asked::Return(asked) = played.asked { Some(asked) } else { None })
        .collect();
    if asked.len() > 1 {
        let (means, deviations): (Vec<f64>, Vec<f64>) =
            played.iter().map(|played| (played.mean(), played.deviation())).unzip();
        let edge = |sign: f64| means.iter().zip(&deviations).map(|(mean, deviation)| mean + sign * deviation).collect();
        let (lower, upper) = (edge(-1.0), edge(1.0));
        let achieved =
            Series { name: "achieved".into(), x: asked.clone(), y: means, lower, upper, ..Series::default() };
        let wished = Series { name: "as asked".into(), x: asked.clone(), y: asked, ..Series::default() };
        let plot = LinePlot {
            x_label: "asked return".into(),
            y_label: "achieved return".into(),
            series: vec![achieved, wished],
            ..LinePlot::default()
        };
        let caption = "The mean return of the episodes that the model played, by the return that it was asked for; the band is one \
                       standard deviation.";
        sections.push(Section::new("Asked and achieved", Body::LinePlot(plot)).with_caption(caption));
    }
    let deciles = &facts.train_returns.deciles;
    let labels = (0..deciles.len()).map(|decile| format!("{} %", 10 * decile)).collect();
    let bars =
        Bars { labels, series: vec![BarSeries { name: "return".into(), values: deciles.to_vec() }], ..Bars::default() };
    let caption =
        "The returns of the episodes that the model learns from: that part of them has a return of at most so much.";
    sections.push(Section::new("Returns of the episodes", Body::Bars(bars)).with_caption(caption));
    sections
}

/// A batch on the device.
struct Windows<B: Backend> {
    returns: Tensor<B, 2>,
    observations: Tensor<B, 3>,
    actions: Tensor<B, 2, Int>,
    timesteps: Tensor<B, 2, Int>,
    lengths: Vec<usize>,
    /// `[batch · steps]`
    targets: Tensor<B, 1, Int>,
    /// Steps that are no padding.
    items: usize,
}

impl<B: Backend> Windows<B> {
    fn new(batch: TrajectoryBatch, device: &B::Device) -> Self {
        let (rows, steps) = (batch.batch_size, batch.seq_len);
        let lengths: Vec<usize> = batch.lengths.iter().map(|length| *length as usize).collect();
        let target = |(place, action): (usize, &i32)| {
            if place % steps < lengths[place / steps] { *action } else { IGNORE_TARGET }
        };
        let targets: Vec<i32> = batch.actions.iter().enumerate().map(target).collect();
        let observations = TensorData::new(batch.observations, [rows, steps, batch.observation_size]);
        Self {
            returns: Tensor::from_data(TensorData::new(batch.returns_to_go, [rows, steps]), device),
            observations: Tensor::from_data(observations, device),
            actions: Tensor::from_data(TensorData::new(batch.actions, [rows, steps]), device),
            timesteps: Tensor::from_data(TensorData::new(batch.timesteps, [rows, steps]), device),
            targets: Tensor::from_data(TensorData::new(targets, [rows * steps]), device),
            items: lengths.iter().sum(),
            lengths,
        }
    }

    /// `[batch · steps, actions]`
    fn logits(self, model: &DecisionTransformer<B>) -> Tensor<B, 2> {
        let Self { returns, observations, actions, timesteps, lengths, .. } = self;
        model.forward(Episodes { returns, observations, actions, timesteps, lengths: &lengths }).flatten(0, 1)
    }
}
