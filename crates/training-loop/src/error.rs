//! What can go wrong in a run, said for people.

use std::path::{Path, PathBuf};

/// Whatever a task or its data report; shown to the user as it is.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A value in the config that only turns out wrong against the model or the data.
    #[error("config key `{key}`: {message}")]
    Config {
        /// Dotted key.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A run of that name is there already.
    #[error(
        "the run {} exists already and is never overwritten\n  continue it with --resume, or choose another name with --name",
        .0.display()
    )]
    RunExists(PathBuf),
    /// No such run to resume or to load.
    #[error("no run at {}: {message}", path.display())]
    NoRun {
        /// Where it was looked for.
        path: PathBuf,
        /// What was expected there.
        message: String,
    },
    /// A checkpoint that does not match its checksums, or does not fit the model.
    #[error("the checkpoint {} cannot be used: {message}{}", path.display(), offer_previous(previous.as_deref()))]
    Checkpoint {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// The newest complete checkpoint before it.
        previous: Option<PathBuf>,
    },
    /// Weights that do not fit the model.
    #[error("the weights in {} do not fit this model: {message}", path.display())]
    Weights {
        /// File of the weights.
        path: PathBuf,
        /// Names, expected and found shapes.
        message: String,
    },
    /// Loss or gradients became NaN or infinite.
    #[error("{what} is not finite at step {step}: the run stopped{}", last_good_hint(last_good.as_deref()))]
    NonFinite {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// The step, from 1, that produced it.
        step: u64,
        /// The last checkpoint with finite weights.
        last_good: Option<PathBuf>,
    },
    /// The monitored metric is not among the scores.
    #[error("`training.monitor` is \"{monitor}\", but the validation gives: {available}")]
    UnknownMonitor {
        /// What was asked for.
        monitor: String,
        /// What there is.
        available: String,
    },
    /// Reading or writing below the run folder failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The task or its data failed.
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn checkpoint(path: &Path, message: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_path_buf(), message: message.into(), previous: None }
    }
}

fn offer_previous(previous: Option<&Path>) -> String {
    match previous {
        Some(path) => format!("\n  the one before it is complete: --resume {}", path.display()),
        None => "\n  there is no complete checkpoint before it".into(),
    }
}

fn last_good_hint(last_good: Option<&Path>) -> String {
    let advice = "a lower `optimizer.learning_rate`, a longer warm-up or `training.clip_norm` usually helps";
    match last_good {
        Some(path) => format!("\n  the last good checkpoint is {}\n  {advice}", path.display()),
        None => format!("\n  no checkpoint had been written yet\n  {advice}"),
    }
}
