//! The registry: every job that a config can name.

use std::{io::Write, marker::PhantomData, path::PathBuf};

use training_loop::job::Job;

use crate::{
    cli::{EmbedArgs, EvalArgs, GenerateArgs, PredictArgs, TrainArgs},
    commands::{self, Located},
    config::{self, ConfigError, ConfigSource, Override},
    experiment::ExperimentOf,
    failure::Failure,
    stage::Stage,
};

/// The jobs that a config can name.
///
/// Only the binary knows them, so only the binary compiles each of them for each backend.
pub struct Jobs(pub &'static [&'static dyn AnyJob]);

/// A job for the registry.
pub const fn job<J: Job>() -> &'static dyn AnyJob {
    &Entry::<J>(PhantomData)
}

/// A job behind its name: what each command does with it.
pub trait AnyJob: Sync {
    /// Name in a config.
    fn name(&self) -> &'static str;
    /// One line about it.
    fn summary(&self) -> &'static str;
    /// The JSON schema of its configs.
    fn schema(&self) -> String;
    /// A config with every key and what it means.
    fn explain(&self, source: &ConfigSource, overrides: &[Override]) -> Result<String, ConfigError>;
    /// What of a config matters before its job is run.
    fn outline(&self, source: &ConfigSource, overrides: &[Override]) -> Result<Outline, ConfigError>;
    /// `train --config`.
    fn train(&self, args: &TrainArgs, plan: &commands::train::Plan) -> Result<(), Failure>;
    /// `train eval`.
    fn eval(&self, args: &EvalArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure>;
    /// `train predict`.
    fn predict(&self, args: &PredictArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure>;
    /// `train generate`.
    fn generate(&self, args: &GenerateArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure>;
    /// `train embed`.
    fn embed(&self, args: &EmbedArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure>;
}

/// What is known of a config whose job is only a name.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Name of the run; empty where the file does not say.
    pub name: String,
    /// Folder of all runs.
    pub runs: PathBuf,
    /// Runs that come before this one.
    pub stages: Vec<Stage>,
    /// The whole config, resolved, as TOML.
    pub resolved: String,
}

struct Entry<J>(PhantomData<fn() -> J>);

impl<J: Job> AnyJob for Entry<J> {
    fn name(&self) -> &'static str {
        J::NAME
    }

    fn summary(&self) -> &'static str {
        J::SUMMARY
    }

    fn schema(&self) -> String {
        config::schema::<ExperimentOf<J>>()
    }

    fn explain(&self, source: &ConfigSource, overrides: &[Override]) -> Result<String, ConfigError> {
        Ok(config::load::<ExperimentOf<J>>(source, overrides)?.annotated_toml().to_string())
    }

    fn outline(&self, source: &ConfigSource, overrides: &[Override]) -> Result<Outline, ConfigError> {
        let loaded = config::load::<ExperimentOf<J>>(source, overrides)?;
        let resolved = loaded.resolved_toml().to_string();
        let config = loaded.config;
        Ok(Outline { name: config.name, runs: config.runs.0, stages: config.stages, resolved })
    }

    fn train(&self, args: &TrainArgs, plan: &commands::train::Plan) -> Result<(), Failure> {
        commands::train::job::<J>(args, plan)
    }

    fn eval(&self, args: &EvalArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure> {
        commands::eval::job::<J>(args, run, out)
    }

    fn predict(&self, args: &PredictArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure> {
        commands::predict::job::<J>(args, run, out)
    }

    fn generate(&self, args: &GenerateArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure> {
        commands::generate::job::<J>(args, run, out)
    }

    fn embed(&self, args: &EmbedArgs, run: &Located, out: &mut dyn Write) -> Result<(), Failure> {
        commands::embed::job::<J>(args, run, out)
    }
}

impl Jobs {
    /// All jobs.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn AnyJob> {
        self.0.iter().copied()
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().map(AnyJob::name).collect()
    }

    /// The job that a config names.
    pub fn of(&self, source: &ConfigSource, overrides: &[Override]) -> Result<&'static dyn AnyJob, Failure> {
        self.find(&config::peek_job(source, overrides, &self.names())?)
    }

    /// The job of that name.
    pub fn find(&self, name: &str) -> Result<&'static dyn AnyJob, Failure> {
        self.all().find(|job| job.name() == name).ok_or_else(|| {
            let names = self.names();
            let meant = config::nearest(name, names.iter().copied());
            let meant = meant.map_or(String::new(), |near| format!("did you mean {near}?\n  "));
            Failure::user(format!("there is no job \"{name}\"\n  {meant}there is {}", names.join(", ")))
        })
    }

    /// One schema that accepts the configs of every job.
    pub fn schema_of_all(&self) -> String {
        config::schema_of_any(self.all().map(|job| (job.name(), job.schema())))
    }
}
