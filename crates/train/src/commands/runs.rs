//! Finding runs, checkpoints and weights by what a user types.

use std::path::{Path, PathBuf};

use training_loop::{checkpoint, job::Job};

use crate::{
    backend::BackendChoice,
    cli::{CheckpointRequest, DeviceArgs, RunArgs},
    config::{self, ConfigSource, Override, nearest},
    experiment::{Experiment, ExperimentOf},
    failure::Failure,
    jobs::{AnyJob, Jobs},
};

/// Folder of runs that a bare name is looked up in.
const RUNS: &str = "runs";

/// A run on disk, and one of its checkpoints if the user named it.
#[derive(Debug)]
pub struct Located {
    /// The run folder.
    pub run: PathBuf,
    /// The checkpoint folder that was named.
    pub checkpoint: Option<PathBuf>,
}

/// Finds a run by its name below `runs/`, by its path, or by the path of one of its checkpoints.
pub fn locate(typed: &str) -> Result<Located, Failure> {
    let path = Path::new(typed);
    let is_run = |path: &Path| path.join("config.toml").is_file();
    let below_runs = Path::new(RUNS).join(typed);
    if is_run(path) {
        return Ok(Located { run: path.to_path_buf(), checkpoint: None });
    }
    if is_run(&below_runs) {
        return Ok(Located { run: below_runs, checkpoint: None });
    }
    // runs/name/checkpoints/step-500
    if path.join("manifest.json").is_file()
        && let Some(run) = path.parent().and_then(Path::parent).filter(|run| is_run(run))
    {
        return Ok(Located { run: run.to_path_buf(), checkpoint: Some(path.to_path_buf()) });
    }
    let known = names();
    let hint = match (nearest(typed, known.iter().map(String::as_str)), known.is_empty()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, true) => format!("there are no runs in {RUNS}/ yet: train one with --config"),
        (None, false) => format!("there is: {}", known.join(", ")),
    };
    Err(Failure::user(format!(
        "there is no run \"{typed}\": neither {} nor {typed} holds a config.toml\n  {hint}",
        below_runs.display()
    )))
}

fn names() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(RUNS) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.flatten().filter(|e| e.path().join("config.toml").is_file()).map(|e| name_of(&e.path())).collect();
    names.sort();
    names
}

/// The name of a run.
pub fn name_of(run: &Path) -> String {
    run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The weights to start from: a file, a checkpoint, or a run (its best checkpoint, or else its last).
pub fn weights(typed: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(typed);
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    locate(typed)?.chosen(None)
}

impl Located {
    /// The checkpoint to use: the one asked for, or that was named by its path, or the best. A run that was never validated
    /// has no best one: its last is used.
    pub fn chosen(&self, request: Option<CheckpointRequest>) -> Result<PathBuf, Failure> {
        let find = |which: &str| -> Result<PathBuf, Failure> { Ok(checkpoint::find(&self.run, which)?) };
        match (request, &self.checkpoint) {
            (Some(request), Some(named)) => Err(Failure::user(format!(
                "--checkpoint {request} and {} each name a checkpoint: give one of the two",
                named.display()
            ))),
            (Some(CheckpointRequest::Best) | None, None) => find("best").or_else(|_| find("last")),
            (Some(request), None) => find(&request.to_string()),
            (None, Some(named)) => Ok(named.clone()),
        }
    }
}

/// The run that a user names, and its job.
pub fn with_job(jobs: &Jobs, typed: &str, overrides: &[Override]) -> Result<(&'static dyn AnyJob, Located), Failure> {
    let located = locate(typed)?;
    let source = ConfigSource::file(&located.run.join("config.toml"))?;
    Ok((jobs.of(&source, overrides)?, located))
}

/// A trained run, ready to be used: its config, the checkpoint to take and where to compute.
pub struct Opened<J: Job> {
    /// Its config.
    pub experiment: ExperimentOf<J>,
    /// The folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Backend and device.
    pub choice: BackendChoice,
}

impl<J: Job> Opened<J> {
    /// Opens a run as the command line asks.
    pub fn new(located: &Located, run: &RunArgs, device: &DeviceArgs, overrides: &[Override]) -> Result<Self, Failure> {
        let source = ConfigSource::file(&located.run.join("config.toml"))?;
        let experiment = config::load::<ExperimentOf<J>>(&source, overrides)?.config;
        let checkpoint = located.chosen(run.checkpoint)?;
        let choice = choose_backend(device, &experiment)?;
        Ok(Self { experiment, checkpoint, choice })
    }
}

/// Where to use a trained model: as the command line says, or as it was trained if this build can, or else on the fastest backend.
fn choose_backend<D, M, O>(args: &DeviceArgs, trained: &Experiment<D, M, O>) -> Result<BackendChoice, Failure> {
    let same = trained.backend.filter(|backend| backend.is_compiled_in());
    let backend = args.backend.or(same);
    let device = args.device.or(if backend == same { trained.device } else { None });
    Ok(BackendChoice::new(backend, device)?)
}
