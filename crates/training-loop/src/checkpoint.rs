//! Checkpoints: everything that the next training step depends on.
//!
//! ```text
//! checkpoints/
//!   last, best                    text files that name one of these folders
//!   step-500/
//!     manifest.json               size and SHA-256 of every other file
//!     state.json                  position in the data, schedules, best score, unfinished log window
//!     model.safetensors           the weights
//!     ema.safetensors             their moving average, when it is on; what evaluation uses then
//!     optimizer-main.safetensors  one for each optimiser
//!     task.safetensors            what the task carries from step to step
//!   average/                      the mean of the last ones, made when the run ends: manifest.json, state.json, model.safetensors
//! ```
//!
//! A checkpoint is written under a temporary name, synced and renamed, so a folder named `step-N` is always complete; the manifest
//! guards against what happens to it later.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::TrainError,
    lr_scheduler::PlateauState,
    run_folder::{checkpoints_of, write_atomically, write_synced},
    weights::{self, NamedTensors},
};

/// The loop's own state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopState {
    /// Completed optimiser steps.
    pub step: u64,
    /// Training batches consumed since the beginning; with `batches_per_epoch` the position in the data.
    pub batches: u64,
    /// Batches in an epoch when this was written; another number means other data.
    pub batches_per_epoch: u64,
    /// Items trained on.
    pub items: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The best monitored score and its step.
    pub best: Option<Best>,
    /// The step of the last validation.
    pub validated_at: Option<u64>,
    /// What early stopping measures an improvement against: the last score that was better by `min_delta`.
    pub stopping_reference: Option<f64>,
    /// Validations since the last improvement.
    pub bad_validations: u64,
    /// What plateau schedules remember, by optimiser.
    pub plateau: BTreeMap<String, PlateauState>,
    /// Lines of `metrics.jsonl` that were written: what a killed run wrote after this checkpoint is dropped on resume.
    pub metrics_rows: u64,
    /// Values since the last log line.
    pub window: Window,
    /// The last steps of which `checkpoint_every` asked for a checkpoint, oldest first: those that are averaged. Others, of a best
    /// validation or an interruption, are none of them, so that a run that was interrupted averages what it would have.
    #[serde(default)]
    pub scheduled: Vec<u64>,
}

/// The best score so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The monitored value.
    pub value: f64,
    /// When it was reached.
    pub step: u64,
}

/// Sums of the training metrics since the last log line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Steps in the window.
    pub steps: u64,
    /// Items in the window.
    pub items: u64,
    /// Seconds spent in training steps.
    pub seconds: f64,
    /// By metric: the weighted sum and the weight.
    pub sums: BTreeMap<String, (f64, f64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    files: BTreeMap<String, FileDigest>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FileDigest {
    bytes: u64,
    sha256: String,
}

/// The folder of averaged weights.
pub const AVERAGE: &str = "average";

const FORMAT: u32 = 1;
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// A checkpoint in memory.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// The loop's own state.
    pub state: LoopState,
    /// Tensor files by name without extension: `model`, `ema`, `optimizer-main`, `task`.
    pub tensors: BTreeMap<String, NamedTensors>,
}

impl Checkpoint {
    /// The weights to evaluate and to generate with: the moving average when there is one.
    pub fn evaluation_weights(&self) -> Option<&NamedTensors> {
        self.tensors.get("ema").or_else(|| self.tensors.get("model"))
    }

    /// Writes it below `checkpoints` and points `last` at it.
    pub fn save(&self, checkpoints: &Path) -> Result<PathBuf, TrainError> {
        let name = step_name(self.state.step);
        let path = self.save_as(checkpoints, &name)?;
        point(checkpoints, "last", &name)?;
        Ok(path)
    }

    /// Writes it below `checkpoints` under a name; what has that name is replaced.
    pub(crate) fn save_as(&self, checkpoints: &Path, name: &str) -> Result<PathBuf, TrainError> {
        let path = checkpoints.join(name);
        let temporary = checkpoints.join(format!(".{name}.tmp-{}", std::process::id()));
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(TrainError::io(&temporary))?;
        }
        fs::create_dir_all(&temporary).map_err(TrainError::io(&temporary))?;

        let mut files = BTreeMap::new();
        let mut add = |name: String, content: &[u8]| {
            let digest = FileDigest { bytes: content.len() as u64, sha256: hex_digest(content) };
            let result = write_synced(&temporary.join(&name), content);
            files.insert(name, digest);
            result
        };
        let state =
            serde_json::to_vec_pretty(&self.state).map_err(|error| TrainError::checkpoint(&path, error.to_string()))?;
        add(STATE.into(), &state)?;
        for (name, tensors) in &self.tensors {
            let bytes = weights::to_safetensors(tensors).map_err(|message| TrainError::checkpoint(&path, message))?;
            add(format!("{name}.safetensors"), &bytes)?;
        }
        let manifest = serde_json::to_vec_pretty(&Manifest { format: FORMAT, files })
            .map_err(|error| TrainError::checkpoint(&path, error.to_string()))?;
        write_synced(&temporary.join(MANIFEST), &manifest)?;
        sync_folder(&temporary);

        // The same step again: after the last validation of a run, or after a resume from an earlier checkpoint.
        let replaced = checkpoints.join(format!(".{name}.delete"));
        if path.exists() {
            fs::rename(&path, &replaced).map_err(TrainError::io(&path))?;
        }
        fs::rename(&temporary, &path).map_err(TrainError::io(&path))?;
        sync_folder(checkpoints);
        if replaced.exists() {
            fs::remove_dir_all(&replaced).map_err(TrainError::io(&replaced))?;
        }
        Ok(path)
    }

    /// Reads the checkpoint in `path` and verifies it. The error offers the newest complete checkpoint before it.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        Self::load_verified(path).map_err(|message| TrainError::Checkpoint {
            path: path.to_path_buf(),
            message,
            previous: previous_complete(path),
        })
    }

    fn load_verified(path: &Path) -> Result<Self, String> {
        let read = |name: &str| fs::read(path.join(name)).map_err(|error| format!("{name}: {error}"));
        let manifest: Manifest =
            serde_json::from_slice(&read(MANIFEST)?).map_err(|error| format!("{MANIFEST} is damaged ({error})"))?;
        if manifest.format != FORMAT {
            return Err(format!("its format is {}, this version reads {FORMAT}", manifest.format));
        }
        let mut checkpoint = Self::default();
        for (name, expected) in &manifest.files {
            let content = read(name)?;
            if content.len() as u64 != expected.bytes {
                return Err(format!("{name} is damaged: {} bytes, expected {}", content.len(), expected.bytes));
            }
            if hex_digest(&content) != expected.sha256 {
                return Err(format!("{name} is damaged: its checksum differs"));
            }
            if name == STATE {
                checkpoint.state = serde_json::from_slice(&content).map_err(|error| format!("{name}: {error}"))?;
            } else if let Some(stem) = name.strip_suffix(".safetensors") {
                let tensors = weights::from_safetensors(&content).map_err(|error| format!("{name}: {error}"))?;
                checkpoint.tensors.insert(stem.into(), tensors);
            }
        }
        Ok(checkpoint)
    }
}

/// Points `best` or `last` at the checkpoint named `name`.
pub fn point(checkpoints: &Path, pointer: &str, name: &str) -> Result<(), TrainError> {
    write_atomically(&checkpoints.join(pointer), format!("{name}\n").as_bytes())
}

/// The folder of the checkpoint of a step.
pub(crate) fn step_name(step: u64) -> String {
    format!("step-{step}")
}

/// Removes the averaged weights, if there are any, and points `best` at the best of the others again.
pub(crate) fn discard_average(checkpoints: &Path) -> Result<(), TrainError> {
    let path = checkpoints.join(AVERAGE);
    let pointer = checkpoints.join("best");
    if fs::read_to_string(&pointer).is_ok_and(|name| name.trim() == AVERAGE) {
        let state = fs::read(path.join(STATE)).ok().and_then(|text| serde_json::from_slice::<LoopState>(&text).ok());
        let best = state.and_then(|state| state.best).map(|best| step_name(best.step));
        match best.filter(|name| checkpoints.join(name).is_dir()) {
            Some(name) => point(checkpoints, "best", &name)?,
            None => fs::remove_file(&pointer).map_err(TrainError::io(&pointer))?,
        }
    }
    if path.exists() { remove(checkpoints, AVERAGE) } else { Ok(()) }
}

/// Finds a checkpoint of the run in `run`: `last`, `best`, `average` or `step-N`.
pub fn find(run: &Path, which: &str) -> Result<PathBuf, TrainError> {
    let checkpoints = checkpoints_of(run);
    let no_run = |message: String| TrainError::NoRun { path: run.to_path_buf(), message };
    let name = match which {
        // `last` is the newest by number, so that a kill between the rename and the pointer loses nothing.
        "last" => {
            let newest = list(&checkpoints).pop();
            newest.map(|(_, name)| name).ok_or_else(|| no_run("it has no checkpoint yet".into()))?
        }
        "best" => fs::read_to_string(checkpoints.join("best"))
            .map(|name| name.trim().to_string())
            .map_err(|_| no_run("it has no best checkpoint; use --checkpoint last".into()))?,
        name => name.to_string(),
    };
    let path = checkpoints.join(&name);
    if path.is_dir() {
        return Ok(path);
    }
    if name == AVERAGE {
        return Err(no_run(
            "it has no averaged weights: they are made when a run with training.average_last ends".into(),
        ));
    }
    let available: Vec<_> = list(&checkpoints).into_iter().map(|(_, name)| name).collect();
    Err(no_run(format!("there is no checkpoint {name}; there are: {}", available.join(", "))))
}

/// Removes all but the newest `keep` checkpoints, the best one and those of the steps `needed`.
pub(crate) fn prune(checkpoints: &Path, keep: usize, needed: &[u64]) -> Result<(), TrainError> {
    let best = fs::read_to_string(checkpoints.join("best")).unwrap_or_default();
    let all = list(checkpoints);
    for (step, name) in &all[..all.len().saturating_sub(keep)] {
        if name != best.trim() && !needed.contains(step) {
            remove(checkpoints, name)?;
        }
    }
    Ok(())
}

/// Removes a checkpoint, renamed first: one that has its own name must never be half deleted.
fn remove(checkpoints: &Path, name: &str) -> Result<(), TrainError> {
    let path = checkpoints.join(name);
    let doomed = checkpoints.join(format!(".{name}.delete"));
    fs::rename(&path, &doomed).map_err(TrainError::io(&path))?;
    fs::remove_dir_all(&doomed).map_err(TrainError::io(&doomed))
}

/// Removes what a killed process left half written.
pub(crate) fn sweep(checkpoints: &Path) {
    let Ok(entries) = fs::read_dir(checkpoints) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".step-", ".average."].iter().any(|start| name.starts_with(start)) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The step folders, oldest first.
fn list(checkpoints: &Path) -> Vec<(u64, String)> {
    let Ok(entries) = fs::read_dir(checkpoints) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_string();
            Some((name.strip_prefix("step-")?.parse().ok()?, name))
        })
        .collect();
    found.sort();
    found
}

fn previous_complete(path: &Path) -> Option<PathBuf> {
    let checkpoints = path.parent()?;
    let name = path.file_name()?.to_str()?;
    let step: u64 = name.strip_prefix("step-")?.parse().ok()?;
    let earlier = list(checkpoints).into_iter().rev().filter(|(other, _)| *other < step);
    earlier.map(|(_, name)| checkpoints.join(name)).find(|path| Checkpoint::load_verified(path).is_ok())
}

fn hex_digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a rename in `folder` survive a power failure, where the system can; it is no error where it cannot.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
