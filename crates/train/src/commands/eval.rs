//! `train eval`: scores a trained model.

use std::{io::Write, path::Path};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use training_loop::{
    error::TrainError,
    fit::read_weights,
    job::{AssembleContext, Assembled, Job},
    task::Task,
    weights,
};

use super::runs::{self, Located};
use crate::{
    backend::{self, WithBackend},
    cli::EvalArgs,
    config::{self, ConfigSource},
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
    watch::value_text,
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &EvalArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let located = runs::locate(&args.run.run)?;
    let source = ConfigSource::file(&located.run.join("config.toml"))?;
    jobs.of(&source, &args.set)?.eval(args, &located, out)
}

/// Scores a job.
pub fn job<J: Job>(args: &EvalArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let source = ConfigSource::file(&run.join("config.toml"))?;
    let experiment = config::load::<ExperimentOf<J>>(&source, &args.set)?.config;
    let checkpoint = located.chosen(args.run.checkpoint)?;
    let choice = runs::choose_backend(&args.device, &experiment)?;
    let scores =
        backend::dispatch(&choice, Evaluation::<J> { experiment: &experiment, run, checkpoint: &checkpoint })??;
    writeln!(out, "{} of {}", runs::name_of(&checkpoint), run.display())?;
    let width = scores.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in &scores {
        writeln!(out, "  {name:<width$}  {}", value_text(*value))?;
    }
    Ok(())
}

struct Evaluation<'a, J: Job> {
    experiment: &'a ExperimentOf<J>,
    run: &'a Path,
    checkpoint: &'a Path,
}

impl<J: Job> WithBackend for Evaluation<'_, J> {
    type Output = Result<training_loop::task::Scores, Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let seed = self.experiment.training.seed;
        let context = AssembleContext { device: &device, seed, artefacts: Some(self.run) };
        let assembled = J::assemble::<B>(&self.experiment.blocks::<J>(), &context).map_err(TrainError::from)?;
        let Assembled { mut task, mut model, splits, .. } = assembled;
        let named = read_weights(self.checkpoint)?;
        weights::apply::<B, _>(&mut model, &named)
            .map_err(|message| TrainError::Weights { path: self.checkpoint.to_path_buf(), message })?;
        let batches = splits
            .test
            .or(splits.validation)
            .ok_or_else(|| Failure::user("this run has no data to score: it was configured without validation"))?;
        B::seed(&device, seed);
        Ok(task.evaluate(&model.valid(), &mut batches.iter(), &device).map_err(TrainError::from)?)
    }
}
