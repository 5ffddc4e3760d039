//! `train predict`: applies a trained model to new input.

use std::{io::Write, path::Path};

use burn::tensor::backend::AutodiffBackend;
use training_loop::{
    fit::read_weights,
    job::{Job, PredictRequest, Trained},
};

use super::{
    generate::{failed, printing},
    runs::{self, Located, Opened},
};
use crate::{
    backend::{self, WithBackend},
    cli::PredictArgs,
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &PredictArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (job, located) = runs::with_job(jobs, &args.run.run, &[])?;
    job.predict(args, &located, out)
}

/// Predicts with a job.
pub fn job<J: Job>(args: &PredictArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let Opened { experiment, checkpoint, choice } = Opened::<J>::new(located, &args.run, &args.device, &[])?;
    if args.items.is_empty() && args.input.is_none() {
        return Err(Failure::user("nothing to predict: give texts or files, or --input FILE"));
    }
    if args.explain.is_some() && !J::EXPLAINS {
        return Err(Failure::user(format!(
            "the job \"{}\" has nothing to show of what a prediction rests on: leave out --explain",
            J::NAME
        )));
    }
    let request = PredictRequest {
        items: args.items.clone(),
        input: args.input.clone(),
        output: args.output.clone(),
        explain: args.explain.clone(),
    };
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
