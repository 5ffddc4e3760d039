//! `train config`: a config with all its defaults and what each key means, or the schema for editors.

use std::io::Write;

use crate::{cli::ConfigArgs, config::ConfigSource, failure::Failure, jobs::Jobs};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &ConfigArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let text = match (&args.schema, &args.config) {
        (Some(Some(job)), _) => jobs.find(job)?.schema(),
        (Some(None), _) => jobs.schema_of_all(),
        (None, Some(path)) => {
            let source = ConfigSource::file(path)?;
            jobs.of(&source, &args.set)?.explain(&source, &args.set)?
        }
        // clap lets nothing else through.
        (None, None) => String::new(),
    };
    Ok(writeln!(out, "{}", text.trim_end())?)
}
