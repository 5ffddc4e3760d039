//! What the loop tells whoever watches: the terminal, TensorBoard, a log file.

use std::path::{Path, PathBuf};

use crate::{average::Average, preparation::Activity, run_folder::MetricsRow, task::Sample};

/// Something that happened in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// Training begins, or goes on at `step`.
    Start {
        /// Completed steps; above 0 when resumed.
        step: u64,
        /// Steps of the whole run, when known.
        total_steps: Option<u64>,
        /// Steps in an epoch.
        steps_per_epoch: u64,
        /// Elements of the parameters that train now.
        trainable: usize,
        /// Elements of all parameters.
        parameters: usize,
    },
    /// An optimiser step is done.
    Step {
        /// Completed steps.
        step: u64,
    },
    /// A line of training metrics.
    Train(&'a MetricsRow),
    /// The validation data were scored.
    Validation {
        /// The scores.
        row: &'a MetricsRow,
        /// Whether the monitored one is the best so far.
        is_best: bool,
    },
    /// The model made something.
    Sample {
        /// Completed steps.
        step: u64,
        /// What it made.
        sample: &'a Sample,
        /// Where it was written.
        path: &'a Path,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder.
        path: &'a Path,
    },
    /// The weights of the last checkpoints were averaged.
    Average(&'a Average),
    /// Something is computed before the first step.
    Preparing(&'a Activity<'a>),
    /// Anything else worth a line.
    Message(&'a str),
    /// The run is over.
    End(&'a Outcome),
}

/// Watches a run.
pub trait Observer {
    /// Is told of each event as it happens.
    fn on_event(&mut self, event: &Event<'_>);
}

/// Nobody watches.
impl Observer for () {
    fn on_event(&mut self, _: &Event<'_>) {}
}

impl Observer for Vec<Box<dyn Observer>> {
    fn on_event(&mut self, event: &Event<'_>) {
        for observer in self {
            observer.on_event(event);
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: StopReason,
    /// Completed steps.
    pub step: u64,
    /// Passes over the training data, with fraction.
    pub epoch: f64,
    /// Seconds of training, resumed time included.
    pub seconds: f64,
    /// The best monitored score, and its step: that of the end where the averaged weights are the best.
    pub best: Option<(f64, u64)>,
    /// The average of the last checkpoints, where one was made.
    pub average: Option<Average>,
    /// The last validation scores.
    pub scores: Option<MetricsRow>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All steps or epochs are done.
    Finished,
    /// `training.max_minutes` are over.
    TimeIsUp,
    /// `training.early_stopping`.
    NoImprovement,
    /// Somebody asked it to stop.
    Interrupted,
}

impl StopReason {
    /// A word for the summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::TimeIsUp => "time is up",
            Self::NoImprovement => "stopped early: no improvement",
            Self::Interrupted => "interrupted",
        }
    }
}
