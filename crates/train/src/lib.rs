//! The command line as a library: [`main`] turns one config file into a trained model, for the jobs that it is given.
//!
//! The binary of this crate gives it kiln's own jobs. A program of yours gives it yours, beside them or instead:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     train::main(&Jobs(&[job::<LanguageModelJob>(), job::<MyJob>()]))
//! }
//! ```

mod animation;
pub mod backend;
pub mod cli;
mod commands;
pub mod config;
pub mod experiment;
mod failure;
pub mod jobs;
mod memory;
pub mod stage;
mod watch;

use std::{
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::Parser;

use crate::cli::{Cli, Command};
pub use crate::{
    failure::Failure,
    jobs::{AnyJob, Jobs, job},
};

/// Reads the command line, does what it says with these jobs, and tells a failure to a person.
pub fn main(jobs: &Jobs) -> ExitCode {
    memory::keep_freed();
    let cli = Cli::parse();
    panic::set_hook(Box::new(|info| {
        // A broken standard error is no reason for a second panic.
        let _ = writeln!(
            io::stderr(),
            "internal error: {info}\nThis is a bug in kiln, not in what you did; please report it."
        );
    }));
    let failure = match panic::catch_unwind(AssertUnwindSafe(|| run(cli, jobs))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(failure)) => failure,
        // The hook has said what there is to say.
        Err(_) => return ExitCode::from(1),
    };
    failure.print();
    ExitCode::from(failure.code())
}

fn run(cli: Cli, jobs: &Jobs) -> Result<(), Failure> {
    // Not locked: the threads of a run print as well.
    let out = &mut io::stdout();
    match cli.command {
        None => commands::train::run(jobs, &cli.train, out),
        Some(Command::Eval(args)) => commands::eval::run(jobs, &args, out),
        Some(Command::Predict(args)) => commands::predict::run(jobs, &args, out),
        Some(Command::Generate(args)) => commands::generate::run(jobs, &args, out),
        Some(Command::Embed(args)) => commands::embed::run(jobs, &args, out),
        Some(Command::Reduce(args)) => commands::reduce::run(&args, out),
        Some(Command::List) => commands::list::run(jobs, out),
        Some(Command::Info) => commands::info::run(out),
        Some(Command::Config(args)) => commands::config::run(jobs, &args, out),
        Some(Command::Report(args)) => commands::report::run(&args, out),
    }?;
    Ok(out.flush()?)
}
