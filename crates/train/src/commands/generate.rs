//! `train generate`: lets a trained model make something new.

use std::{io::Write, path::Path};

use burn::tensor::backend::AutodiffBackend;
use training_loop::{
    error::{TaskError, TrainError},
    fit::read_weights,
    job::{GenerateRequest, Generated, Job, Trained},
};

use super::runs::{self, Located, Opened};
use crate::{
    backend::{self, WithBackend},
    cli::GenerateArgs,
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &GenerateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (job, located) = runs::with_job(jobs, &args.run.run, &[])?;
    job.generate(args, &located, out)
}

/// Generates with a job.
pub fn job<J: Job>(args: &GenerateArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let Opened { experiment, checkpoint, choice } = Opened::<J>::new(located, &args.run, &args.device, &[])?;
    if args.class.is_some() && !J::MAKES_CLASSES {
        return Err(Failure::user(format!("the job \"{}\" makes nothing by class: leave out --class", J::NAME)));
    }
    if args.interpolate && !J::INTERPOLATES {
        let message = "has no pictures to go between: leave out --interpolate";
        return Err(Failure::user(format!("the job \"{}\" {message}", J::NAME)));
    }
    let request = GenerateRequest {
        prompt: args.prompt.clone(),
        tokens: args.tokens,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        stop: args.stop.clone(),
        repetition_penalty: args.repetition_penalty,
        seed: args.seed,
        count: args.n,
        out: args.out.clone(),
        class: args.class.clone(),
        interpolate: args.frames(),
    };
    backend::dispatch(&choice, Generation::<J> { experiment: &experiment, run, checkpoint: &checkpoint, request, out })?
}

struct Generation<'a, J: Job> {
    experiment: &'a ExperimentOf<J>,
    run: &'a Path,
    checkpoint: &'a Path,
    request: GenerateRequest,
    out: &'a mut dyn Write,
}

impl<J: Job> WithBackend for Generation<'_, J> {
    type Output = Result<(), Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let Self { experiment, run, checkpoint, request, out } = self;
        let weights = read_weights(checkpoint)?;
        let trained = Trained { device: &device, artefacts: run, weights: &weights };
        let blocks = experiment.blocks::<J>();
        J::generate::<B::InnerBackend>(&blocks, &trained, &request, &mut printing(out)).map_err(failed)?;
        Ok(writeln!(out)?)
    }
}

/// Prints what a job makes, text as it is made.
pub fn printing(out: &mut dyn Write) -> impl FnMut(Generated<'_>) -> std::io::Result<()> {
    move |generated| {
        match generated {
            Generated::Text(text) => write!(out, "{text}")?,
            Generated::File(path) => writeln!(out, "{}", path.display())?,
        }
        out.flush()
    }
}

/// A reader that went away is no failure of the generation.
pub fn failed(error: TaskError) -> Failure {
    match error.downcast::<std::io::Error>() {
        Ok(error) => Failure::from(*error),
        Err(error) => Failure::from(TrainError::from(error)),
    }
}
