//! `train`: from one config file to a trained model.

use std::process::ExitCode;

use sequence::task::language_model::LanguageModelJob;
use train::{Jobs, job};

/// Every job that a config can name, one line each.
const JOBS: Jobs = Jobs(&[job::<LanguageModelJob>()]);

fn main() -> ExitCode {
    train::main(&JOBS)
}
