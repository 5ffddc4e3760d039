//! `train`: from one config file to a trained model.

mod backend;
mod cli;
mod commands;
mod config;
mod experiment;
mod failure;
mod jobs;
mod watch;

use std::{
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    panic::set_hook(Box::new(|info| {
        // A broken standard error is no reason for a second panic.
        let _ = writeln!(
            io::stderr(),
            "internal error: {info}\nThis is a bug in kiln, not in what you did; please report it."
        );
    }));
    let failure = match panic::catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(failure)) => failure,
        // The hook has said what there is to say.
        Err(_) => return ExitCode::from(1),
    };
    failure.print();
    ExitCode::from(failure.code())
}

fn run(cli: Cli) -> Result<(), Failure> {
    // Not locked: the threads of a run print as well.
    let out = &mut io::stdout();
    match cli.command {
        None => commands::train::run(&cli.train, out),
        Some(Command::Eval(args)) => commands::eval::run(&args, out),
        Some(Command::Generate(args)) => commands::generate::run(&args, out),
        Some(Command::List) => commands::list::run(out),
        Some(Command::Info) => commands::info::run(out),
        Some(Command::Config(args)) => commands::config::run(&args, out),
        Some(Command::Report(args)) => commands::report::run(&args, out),
    }?;
    Ok(out.flush()?)
}
