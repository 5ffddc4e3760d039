//! The stages of a config: what of them is done, what is left, and whether they still are what the config says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    runs::Located,
    train::{Plan, Role},
};
use crate::{
    cli::TrainArgs,
    config::{ConfigSource, Override},
    failure::Failure,
    jobs::{AnyJob, Jobs, Outline},
    stage::{self, Stage},
};

/// Keys in which a run may differ and still be the same training.
const IMMATERIAL: [&str; 4] = ["name", "runs", "backend", "device"];

/// A stage that passed every check.
pub struct Staged {
    /// Name of its run.
    pub name: String,
    job: &'static dyn AnyJob,
    state: State,
}

enum State {
    /// Trained by an earlier command: how it ended.
    Done(String),
    Left(Box<Plan>),
}

/// What all stages have from the run that they come before.
pub struct Main<'a> {
    /// The command line.
    pub args: &'a TrainArgs,
    /// How the run is to be trained.
    pub plan: &'a Plan,
    /// Its config in short.
    pub outline: &'a Outline,
    /// Folder of its run and of those of the stages.
    pub runs: &'a Path,
}

impl Main<'_> {
    /// Checks every stage, before any of them is trained.
    pub fn stages(&self, jobs: &Jobs) -> Result<Vec<Staged>, Failure> {
        self.outline.stages.iter().map(|stage| self.stage(stage, jobs)).collect()
    }

    fn stage(&self, stage: &Stage, jobs: &Jobs) -> Result<Staged, Failure> {
        let mut overrides = stage.overrides();
        let source = match &stage.config {
            Some(path) => ConfigSource::file(&whole(path, self.args))?,
            None => {
                overrides.push(Override::flag("stages", "stages", "[]"));
                self.plan.source.clone()
            }
        };
        overrides.push(Override::text_flag("stages: name", "name", &stage.name));
        overrides.push(Override::text_flag("runs", "runs", &self.outline.runs.to_string_lossy()));
        overrides.extend(self.args.overrides_of_all_stages());
        let job = jobs.of(&source, &overrides)?;
        let outline = job.outline(&source, &overrides)?;
        if !outline.stages.is_empty() {
            return Err(Failure::user(format!(
                "stage \"{}\": its config has stages of its own\n  list them here before it instead",
                stage.name
            )));
        }
        let folder = self.runs.join(&stage.name);
        let there = folder.join("config.toml").is_file();
        if there {
            same_training(&stage.name, &folder, &outline.resolved, jobs)?;
        }
        let state = match ended(&folder).filter(|_| there) {
            Some(status) => State::Done(status),
            None => State::Left(Box::new(Plan {
                source,
                overrides,
                resume: there.then_some(Located { run: folder, checkpoint: None }),
                stem: stage.name.clone(),
                scratch: self.plan.scratch.clone(),
                role: Role::Stage,
            })),
        };
        Ok(Staged { name: stage.name.clone(), job, state })
    }
}

/// The stages as the config in the run folder must have them to find the same ones: with whole paths, and the seed of the command
/// line.
pub fn resolved(stages: &[Stage], args: &TrainArgs) -> Override {
    let mut stages = stages.to_vec();
    for stage in &mut stages {
        stage.config = stage.config.as_ref().map(|path| whole(path, args));
        if let Some(seed) = args.seed {
            stage.set.insert("training.seed".into(), seed.into());
        }
    }
    Override::flag("stages", "stages", stage::list_in_toml(&stages))
}

/// A path beside the config file.
fn whole(path: &Path, args: &TrainArgs) -> PathBuf {
    let beside = args.config.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let path = beside.join(path);
    std::path::absolute(&path).unwrap_or(path)
}

impl Staged {
    /// Trains the stage or what is left of it; one that is done stays as it is. `say` is told which it is.
    pub fn train(&self, args: &TrainArgs, place: &str, say: &dyn Fn(&str)) -> Result<(), Failure> {
        let name = &self.name;
        match &self.state {
            State::Done(status) => {
                say(&format!("{place}: {name} is trained already ({status})"));
                Ok(())
            }
            State::Left(plan) => {
                let goes_on = if plan.resume.is_some() { ", going on" } else { "" };
                say(&format!("{place}: {name}{goes_on}"));
                // These two are about the run that the stages come before.
                let args = TrainArgs { resume: None, init_from: None, ..args.clone() };
                self.job.train(&args, plan)
            }
        }
    }
}

/// How a run came to its end; none where it did not.
fn ended(run: &Path) -> Option<String> {
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(run.join("summary.json")).ok()?).ok()?;
    let status = summary["status"].as_str()?;
    ["finished", "stopped"].contains(&status).then(|| status.to_string())
}

/// Refuses a run that was trained with another config than the stage now has.
fn same_training(name: &str, run: &Path, wanted: &str, jobs: &Jobs) -> Result<(), Failure> {
    let source = ConfigSource::file(&run.join("config.toml"))?;
    let found = jobs.of(&source, &[])?.outline(&source, &[])?.resolved;
    let (found, wanted) = (settings(&found), settings(wanted));
    let keys: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let value = |of: &BTreeMap<String, String>, key: &str| of.get(key).cloned().unwrap_or_else(|| "not set".into());
    let differences: Vec<String> = keys
        .into_iter()
        .map(|key| (key, value(&found, key), value(&wanted, key)))
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(key, found, wanted)| format!("\n  {key}: {found} there, {wanted} here"))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::user(format!(
        "stage \"{name}\": the run {} was trained with another config{}\n  \
         give the stage another name, or delete that folder to train it again",
        run.display(),
        differences.concat()
    )))
}

/// What matters of a resolved config, by dotted key.
fn settings(resolved: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    // It was written by this program a moment ago.
    flatten("", &toml::Value::Table(resolved.parse().unwrap_or_default()), &mut settings);
    settings.retain(|key, _| !IMMATERIAL.contains(&key.as_str()));
    settings
}

fn flatten(path: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            let dot = if path.is_empty() { "" } else { "." };
            table.iter().for_each(|(key, value)| flatten(&format!("{path}{dot}{key}"), value, into));
        }
        other => {
            into.insert(path.to_string(), other.to_string());
        }
    }
}
