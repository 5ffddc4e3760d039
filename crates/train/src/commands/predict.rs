//! `train predict`: applies a trained model to new input.

use std::{io::Write, path::Path};

use burn::tensor::backend::AutodiffBackend;
use training_loop::{
    fit::read_weights,
    job::{Job, PredictRequest, Trained},
};

use super::{
    generate::{failed, printing},
    runs::{self, Located},
};
use crate::{
    backend::{self, WithBackend},
    cli::PredictArgs,
    config::{self, ConfigSource},
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &PredictArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let located = runs::locate(&args.run.run)?;
    let source = ConfigSource::file(&located.run.join("config.toml"))?;
    jobs.of(&source, &[])?.predict(args, &located, out)
}

/// Predicts with a job.
pub fn job<J: Job>(args: &PredictArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let source = ConfigSource::file(&run.join("config.toml"))?;
    let experiment = config::load::<ExperimentOf<J>>(&source, &[])?.config;
    let checkpoint = located.chosen(args.run.checkpoint)?;
    let choice = runs::choose_backend(&args.device, &experiment)?;
    if args.items.is_empty() && args.input.is_none() {
        return Err(Failure::user("nothing to predict: give texts or files, or --input FILE"));
    }
    let request = PredictRequest { items: args.items.clone(), input: args.input.clone(), output: args.output.clone() };
    backend::dispatch(&choice, Prediction::<J> { experiment: &experiment, run, checkpoint: &checkpoint, request, out })?
}

struct Prediction<'a, J: Job> {
    experiment: &'a ExperimentOf<J>,
    run: &'a Path,
    checkpoint: &'a Path,
    request: PredictRequest,
    out: &'a mut dyn Write,
}

impl<J: Job> WithBackend for Prediction<'_, J> {
    type Output = Result<(), Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let Self { experiment, run, checkpoint, request, out } = self;
        let weights = read_weights(checkpoint)?;
        let trained = Trained { device: &device, artefacts: run, weights: &weights };
        let blocks = experiment.blocks::<J>();
        J::predict::<B::InnerBackend>(&blocks, &trained, &request, &mut printing(out)).map_err(failed)
    }
}
