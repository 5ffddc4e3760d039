//! The whole of a config file: the job's blocks and the loop's.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, TrainingConfig, Validate},
    fit::LoopConfig,
    job::{Block, Blocks, Job},
    lr_scheduler::LrSchedulerConfig,
    optimizer::{OptimizerConfig, ParameterGroup},
};

use crate::{
    backend::{BackendKind, DeviceRequest},
    stage::{self, Stage},
};

/// A config file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, bound = "D: Block, M: Block, O: Block")]
#[schemars(bound = "D: Block, M: Block, O: Block")]
pub struct Experiment<D, M, O> {
    /// What is trained: one of the names that `train list` shows.
    pub job: String,
    /// Name of the run folder. Default: the name of the config file.
    pub name: String,
    /// Folder of all runs.
    pub runs: RunsFolder,
    /// Backend to train on, of those compiled in. Default: the fastest.
    pub backend: Option<BackendKind>,
    /// Device of the backend: `cpu`, `gpu`, `gpu:1`. Default: the backend's own choice.
    pub device: Option<DeviceRequest>,
    /// Where the data come from and how they are batched.
    pub data: D,
    /// The architecture.
    pub model: M,
    /// Loss, evaluation and samples.
    pub task: O,
    /// How long to train, and what happens along the way.
    pub training: TrainingConfig,
    /// The update rule.
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    pub lr_scheduler: LrSchedulerConfig,
    /// Another update rule for one of several optimisers, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub optimizers: BTreeMap<String, OptimizerConfig>,
    /// Settings for the parameters whose path matches a pattern.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameter_groups: Vec<ParameterGroup>,
    /// Runs that come before this one, in order, each trained once: `[[stages]]` with the `name` of its run, its `config` (a file
    /// relative to this one; this file itself unless it is given), `set` with what differs (`set = { "data.source" = "photos" }`), and
    /// `compare = true` to show it in the report of this run. Of the command line, --backend, --device and --seed hold for them as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
}

/// The config file of a job.
pub type ExperimentOf<J> = Experiment<<J as Job>::Data, <J as Job>::Model, <J as Job>::Options>;

/// Folder of all runs; `runs` unless it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RunsFolder(pub PathBuf);

impl Default for RunsFolder {
    fn default() -> Self {
        Self("runs".into())
    }
}

impl<D: Clone, M: Clone, O: Clone> Experiment<D, M, O> {
    /// The blocks that belong to the job.
    pub fn blocks<J: Job<Data = D, Model = M, Options = O>>(&self) -> Blocks<J> {
        Blocks { data: self.data.clone(), model: self.model.clone(), task: self.task.clone() }
    }

    /// The blocks that belong to the loop.
    pub fn loop_config(&self) -> LoopConfig {
        LoopConfig {
            training: self.training.clone(),
            optimizer: self.optimizer.clone(),
            optimizers: self.optimizers.clone(),
            parameter_groups: self.parameter_groups.clone(),
            lr_scheduler: self.lr_scheduler.clone(),
        }
    }
}

impl<D: Block, M: Block, O: Block> Validate for Experiment<D, M, O> {
    fn validate(&self, problems: &mut Problems) {
        let plain = |name: &str| !name.contains(['/', '\\']) && name != "." && name != "..";
        problems.check(plain(&self.name), "name", "names a folder below `runs`, so it cannot contain a path");
        problems.nested("data", |problems| self.data.validate(problems));
        problems.nested("model", |problems| self.model.validate(problems));
        problems.nested("task", |problems| self.task.validate(problems));
        self.loop_config().validate(problems);
        stage::validate(&self.stages, problems);
    }
}
