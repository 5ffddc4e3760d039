//! `train embed`: what a trained model makes of pictures before it answers.

use std::{io::Write, path::Path};

use burn::tensor::backend::AutodiffBackend;
use training_loop::{
    fit::read_weights,
    job::{EmbedRequest, Job, Trained},
};

use super::{
    generate::{failed, printing},
    runs::{self, Located, Opened},
};
use crate::{
    backend::{self, WithBackend},
    cli::EmbedArgs,
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &EmbedArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (job, located) = runs::with_job(jobs, &args.run.run, &[])?;
    job.embed(args, &located, out)
}

/// Embeds with a job.
pub fn job<J: Job>(args: &EmbedArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let Opened { experiment, checkpoint, choice } = Opened::<J>::new(located, &args.run, &args.device, &[])?;
    let request = EmbedRequest { input: args.input.clone(), out: args.out.clone() };
    backend::dispatch(&choice, Embedding::<J> { experiment: &experiment, run, checkpoint: &checkpoint, request, out })?
}

struct Embedding<'a, J: Job> {
    experiment: &'a ExperimentOf<J>,
    run: &'a Path,
    checkpoint: &'a Path,
    request: EmbedRequest,
    out: &'a mut dyn Write,
}

impl<J: Job> WithBackend for Embedding<'_, J> {
    type Output = Result<(), Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let Self { experiment, run, checkpoint, request, out } = self;
        let weights = read_weights(checkpoint)?;
        let trained = Trained { device: &device, artefacts: run, weights: &weights };
        let blocks = experiment.blocks::<J>();
        J::embed::<B::InnerBackend>(&blocks, &trained, &request, &mut printing(out)).map_err(failed)
    }
}
