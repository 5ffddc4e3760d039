//! The key `model.pretrained`, as far as it is alike for all models: no weights, and those of another run.

use std::path::{Path, PathBuf};

use crate::{checkpoint, error::TaskError, fit::read_weights, preparation::Preparation, weights::NamedTensors};

/// What stands for no pretrained weights.
pub const NONE: &str = "none";

/// Begins the name of a run.
const RUN_PREFIX: &str = "run:";

/// A run whose weights another one starts from.
#[derive(Debug)]
pub struct PretrainedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its best checkpoint, or else its last.
    pub checkpoint: PathBuf,
}

impl PretrainedRun {
    /// The run below `runs` that `"run:NAME"` names; none where `pretrained` is something else.
    ///
    /// # Errors
    /// As [`in_folder`](Self::in_folder).
    pub fn named(pretrained: &str, runs: &Path) -> Result<Option<Self>, TaskError> {
        let name = pretrained.strip_prefix(RUN_PREFIX);
        name.map(|name| Self::in_folder(&runs.join(name), name)).transpose()
    }

    /// The run in a folder, which the user called `name`.
    ///
    /// # Errors
    /// When it is not there or has no checkpoint.
    pub fn in_folder(folder: &Path, name: &str) -> Result<Self, TaskError> {
        if !folder.is_dir() {
            let message = format!(
                "`model.pretrained` names the run {name}, and {} is not there: train it first, or list it in `[[stages]]`",
                folder.display()
            );
            return Err(message.into());
        }
        let checkpoint = checkpoint::find(folder, "best").or_else(|_| checkpoint::find(folder, "last"))?;
        Ok(Self { folder: folder.to_path_buf(), checkpoint })
    }

    /// Its weights.
    ///
    /// # Errors
    /// As [`read_weights`].
    pub fn weights(&self) -> Result<NamedTensors, TaskError> {
        Ok(read_weights(&self.checkpoint)?)
    }
}

/// Notes what became of the weights called `name`, line by line.
pub fn note_weights(progress: &dyn Preparation, name: &str, lines: &[String]) {
    progress.note(&format!("weights of {name}:"));
    lines.iter().for_each(|line| progress.note(&format!("  {line}")));
}
