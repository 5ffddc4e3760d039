//! The job `decision-transformer`: to act in an environment, learned from episodes of others.

mod rollouts;
mod training;

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    tensor::backend::{AutodiffBackend, Backend},
};
use data::trajectories::{
    TrajectoryArtefact, TrajectoryBatches, TrajectoryConfig, TrajectoryData, TrajectoryFacts, write_trajectories,
};
use environments::Trajectories;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained, read_artefact},
    model_block, parameters,
    task::Splits,
    weights,
};

pub use training::DecisionTask;

use crate::decision::{DecisionConfig, DecisionSizes, DecisionTransformer};
use rollouts::{Asked, Player};

/// The artefact beside the weights without which they mean nothing.
const TRAJECTORIES_FILE: &str = "trajectories.json";

/// Keeps the episodes that are played apart from the rest of what follows from a seed.
const PLAYED: u64 = 0x706c_6179;

data_block! {
    /// `[data]`: the episodes, and how they become batches.
    TrajectoryBlock(TrajectoryConfig)
}

model_block!(DecisionConfig);

/// `[task]`: what the model is asked for when it is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionOptions {
    /// Returns that the model is asked for, in the unit of the rewards. Empty: a quarter, a half, three quarters and the whole of the
    /// highest return in the training part. A model that is not conditioned on returns is asked for nothing.
    pub asked_returns: Vec<f64>,
    /// Episodes that `train eval` plays for each asked return.
    pub episodes: usize,
    /// The same in the validations of a training; 0 plays none.
    pub validation_episodes: usize,
    /// Draw actions by their probabilities. Otherwise the likeliest is taken, which where many played badly by chance is what the best
    /// of them do, whatever is asked for.
    pub sample_actions: bool,
}

impl Default for DecisionOptions {
    fn default() -> Self {
        Self { asked_returns: Vec::new(), episodes: 100, validation_episodes: 10, sample_actions: true }
    }
}

impl Validate for DecisionOptions {
    fn validate(&self, problems: &mut Problems) {
        let finite = self.asked_returns.iter().all(|asked| asked.is_finite());
        problems.check(finite, "asked_returns", "must hold finite numbers");
        problems.check(self.episodes > 0, "episodes", "must be at least 1");
    }
}

impl DecisionOptions {
    /// What a model is asked for; one of nothing where it does not read what it is asked for.
    fn asked(&self, model: &DecisionConfig, artefact: &TrajectoryArtefact) -> Vec<Asked> {
        let best = f64::from(artefact.best_return);
        if !model.condition_on_return {
            return vec![Asked::Nothing];
        }
        match self.asked_returns.as_slice() {
            [] => [0.25, 0.5, 0.75, 1.0].map(|part| Asked::Return(part * best)).to_vec(),
            asked => asked.iter().copied().map(Asked::Return).collect(),
        }
    }
}

/// `job = "decision-transformer"`.
#[derive(Debug, Clone, Copy)]
pub struct DecisionJob;

impl Job for DecisionJob {
    const NAME: &'static str = "decision-transformer";
    const SUMMARY: &'static str =
        "a transformer that learns to act from episodes and is asked for a return; or behaviour cloning";

    type Data = TrajectoryBlock;
    type Model = DecisionConfig;
    type Options = DecisionOptions;
    type Task<B: AutodiffBackend> = DecisionTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let episodes = match context.artefacts {
            Some(folder) => TrajectoryData::load_with(config, load_artefact(folder)?)?,
            None => TrajectoryData::load(config)?,
        };
        let learned = [episodes.train_batches(context.seed), episodes.validation_batches()];
        let splits = Splits::dealt(learned, None, TrajectoryBatches::num_batches, TrajectoryBatches::batch);
        B::seed(context.device, context.seed);
        let model = blocks.model.init::<B>(sizes(&episodes.artefact), context.device);
        let artefacts = BTreeMap::from([(TRAJECTORIES_FILE.to_string(), episodes.artefact.to_json().into_bytes())]);
        let facts = describe(&episodes.facts, model.num_params());
        let groups = super::start::undecayed(&parameters::list(&model));
        let asked = blocks.task.asked(&blocks.model, &episodes.artefact);
        let player = Player::new(episodes.artefact.clone(), config.context_len, blocks.task.sample_actions);
        let task = DecisionTask::new(blocks.task.clone(), asked, player, episodes.facts, context.seed, groups);
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    /// Plays episodes, for each return that is named one after the other, and writes them in the format of trajectories or says how
    /// they went.
    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let mut model: DecisionTransformer<B> = blocks.model.init(sizes(&artefact), trained.device);
        weights::apply(&mut model, trained.weights)?;
        let asked = match request.items.as_slice() {
            [] => blocks.task.asked(&blocks.model, &artefact),
            items => items.iter().map(|item| asked_of(item)).collect::<Result<_, _>>()?,
        };
        let player = Player::new(artefact.clone(), blocks.data.0.context_len, blocks.task.sample_actions);
        let mut all = Vec::new();
        for asked in asked {
            let played = player.play(&model, &[asked], blocks.task.episodes, PLAYED, trained.device)?;
            output(Generated::Text(&format!("{}\n", played[0].line())))?;
            all.extend(played.into_iter().flat_map(|played| played.episodes));
        }
        if let Some(path) = &request.output {
            let environment = player.environment()?.name().to_string();
            let (observation_size, num_actions) = (artefact.observation_size(), artefact.num_actions);
            let played = Trajectories { environment, observation_size, num_actions, episodes: all };
            write_trajectories(path, &played)?;
            output(Generated::File(path))?;
        }
        Ok(())
    }
}

fn asked_of(item: &str) -> Result<Asked, TaskError> {
    let number = item.parse::<f64>().ok().filter(|number| number.is_finite());
    let asked = number.map(Asked::Return);
    Ok(asked.ok_or_else(|| format!("\"{item}\" is no return: give numbers, such as `predict --run RUN 100 200`"))?)
}

fn load_artefact(folder: &Path) -> Result<TrajectoryArtefact, TaskError> {
    Ok(TrajectoryArtefact::from_json(&read_artefact(folder, TRAJECTORIES_FILE)?)?)
}

fn sizes(artefact: &TrajectoryArtefact) -> DecisionSizes {
    DecisionSizes {
        observation_size: artefact.observation_size(),
        num_actions: artefact.num_actions,
        max_steps: artefact.max_steps,
    }
}

fn describe(facts: &TrajectoryFacts, parameters: usize) -> Vec<(String, String)> {
    let TrajectoryFacts { part_episodes: [train, validation], train_returns: returns, .. } = facts;
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("environment".to_string(), facts.environment.clone()),
        ("episodes".to_string(), format!("{train} to learn from, {validation} for validation")),
        ("steps".to_string(), format!("{} in all, {} in the longest episode", facts.num_steps, facts.longest)),
        ("returns".to_string(), format!("{:.1} to {:.1}, mean {:.1}", returns.min(), returns.max(), returns.mean)),
        ("observations".to_string(), format!("{} numbers", facts.observation_size)),
        ("actions".to_string(), facts.num_actions.to_string()),
    ];
    if facts.num_left_out > 0 {
        lines.push(("left out".to_string(), format!("{} episodes of lower return", facts.num_left_out)));
    }
    lines.push(("parameters".to_string(), parameters.to_string()));
    lines
}
