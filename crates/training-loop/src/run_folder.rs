//! The run folder: the only place that decides paths in a run.
//!
//! ```text
//! runs/<name>/
//!   config.toml                resolved and reloadable, written before step 1
//!   metrics.jsonl              one line a logged window or validation
//!   checkpoints/step-N/        see `checkpoint`; `last` and `best` are files that name one, `average/` is a mean of several
//!   samples/step-000500.txt    what the model made
//!   samples/over-time.gif      pictures that it made, one after another
//!   report/<name>.json         sections of the report that the task writes
//!   summary.json               how the run ended
//!   compare.json               other runs that its report shows
//!   report.html, train.log, tensorboard/
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::TrainError,
    task::{Sample, SampleContent},
};

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// Completed optimiser steps.
    pub step: u64,
    /// Passes over the training data, with fraction.
    pub epoch: f64,
    /// `train`, `validation`, `test`, or `average` for the validation data with averaged weights.
    pub split: String,
    /// Seconds of training so far, resumed time included.
    pub seconds: f64,
    /// Values by name.
    pub metrics: BTreeMap<String, f64>,
}

/// A run on disk, locked against a second process for as long as this value lives.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a new run; an existing run is refused.
    pub fn create(root: &Path) -> Result<Self, TrainError> {
        Self::check_free(root)?;
        fs::create_dir_all(root).map_err(TrainError::io(root))?;
        Self::locked(root)
    }

    /// Refuses a folder that holds anything.
    pub fn check_free(root: &Path) -> Result<(), TrainError> {
        let occupied = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
        if occupied { Err(TrainError::RunExists(root.to_path_buf())) } else { Ok(()) }
    }

    /// Opens the folder of an existing run to continue it.
    pub fn open(root: &Path) -> Result<Self, TrainError> {
        if !root.join("config.toml").is_file() {
            return Err(TrainError::NoRun {
                path: root.to_path_buf(),
                message: "there is no config.toml in it".into(),
            });
        }
        Self::locked(root)
    }

    fn locked(root: &Path) -> Result<Self, TrainError> {
        for folder in ["checkpoints", "samples", REPORT] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(TrainError::io(&path))?;
        }
        let path = root.join(".lock");
        let lock = File::create(&path).map_err(TrainError::io(&path))?;
        // The system releases the lock when the process ends, however it ends.
        lock.try_lock().map_err(|_| TrainError::NoRun {
            path: root.to_path_buf(),
            message: "another process is training in this folder".into(),
        })?;
        Ok(Self { root: root.to_path_buf(), _lock: lock })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the run.
    pub fn name(&self) -> String {
        self.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        checkpoints_of(&self.root)
    }

    /// Writes a file of the run so that it is either the old one or complete.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, TrainError> {
        let path = self.root.join(name);
        write_atomically(&path, content)?;
        Ok(path)
    }

    /// Appends a line to `metrics.jsonl`.
    pub fn append_metrics(&self, row: &MetricsRow) -> Result<(), TrainError> {
        let path = self.root.join("metrics.jsonl");
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        let mut file = File::options().create(true).append(true).open(&path).map_err(TrainError::io(&path))?;
        file.write_all(&line).map_err(TrainError::io(&path))
    }

    /// Keeps the first `rows` lines of `metrics.jsonl`: what a killed run wrote after its last checkpoint is dropped, a torn
    /// last line among it. Returns how many lines there are now.
    pub fn rewind_metrics(&self, rows: u64) -> Result<u64, TrainError> {
        let path = self.root.join("metrics.jsonl");
        let Ok(file) = File::open(&path) else { return Ok(0) };
        let mut kept = String::new();
        let mut count = 0;
        for line in BufReader::new(file).lines().take(rows as usize) {
            let Ok(line) = line else { break };
            kept.push_str(&line);
            kept.push('\n');
            count += 1;
        }
        write_atomically(&path, kept.as_bytes())?;
        Ok(count)
    }

    /// Writes sections of the report; those of the same name are replaced.
    pub fn write_page(&self, name: &str, page: &serde_json::Value) -> Result<PathBuf, TrainError> {
        write_page(&self.root, name, page)
    }

    /// Removes sections of the report that are true no longer.
    pub(crate) fn remove_page(&self, name: &str) {
        // Most runs have none of that name.
        let _ = fs::remove_file(page_path(&self.root, name));
    }

    /// Writes what the model made at `step` and returns the path.
    pub fn write_sample(&self, step: u64, sample: &Sample) -> Result<PathBuf, TrainError> {
        let dash = if sample.name.is_empty() { "" } else { "-" };
        let (extension, content) = match &sample.content {
            SampleContent::Text(text) => ("txt", text.as_bytes()),
            SampleContent::Png(bytes) => ("png", bytes.as_slice()),
            SampleContent::Gif(bytes) => ("gif", bytes.as_slice()),
        };
        self.write(&format!("samples/step-{step:06}{dash}{}.{extension}", sample.name), content)
    }

    /// The main samples that are pictures, in the order of their steps; those of a run that went on are all there.
    pub fn pictures(&self) -> Result<Vec<PathBuf>, TrainError> {
        let folder = self.root.join("samples");
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(TrainError::io(&folder))? {
            let path = entry.map_err(TrainError::io(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let step = name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".png")?.parse::<u64>().ok());
            found.extend(step.map(|step| (step, path)));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Writes an animation of [`pictures`](Self::pictures), and returns its path in the run folder.
    pub fn write_animation(&self, gif: &[u8]) -> Result<&'static str, TrainError> {
        const NAME: &str = "samples/over-time.gif";
        self.write(NAME, gif)?;
        Ok(NAME)
    }
}

/// `checkpoints/` of the run in `root`.
pub fn checkpoints_of(root: &Path) -> PathBuf {
    root.join("checkpoints")
}

/// Writes sections of the report of the run in `root`; those of the same name are replaced.
pub fn write_page(root: &Path, name: &str, page: &serde_json::Value) -> Result<PathBuf, TrainError> {
    let path = page_path(root, name);
    let folder = root.join(REPORT);
    fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
    write_atomically(&path, page.to_string().as_bytes())?;
    Ok(path)
}

/// The folder of the sections of the report.
const REPORT: &str = "report";

fn page_path(root: &Path, name: &str) -> PathBuf {
    root.join(REPORT).join(format!("{name}.json"))
}

/// Writes under a temporary name, syncs, and renames.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), TrainError> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    write_synced(&temporary, content)?;
    fs::rename(&temporary, path).map_err(TrainError::io(path))
}

/// Writes a file and waits until it is on disk.
pub(crate) fn write_synced(path: &Path, content: &[u8]) -> Result<(), TrainError> {
    let mut file = File::create(path).map_err(TrainError::io(path))?;
    file.write_all(content).map_err(TrainError::io(path))?;
    file.sync_all().map_err(TrainError::io(path))
}
