//! `train config`: a config with all its defaults and what each key means, or the schema for editors.

use std::io::Write;

use crate::{
    cli::ConfigArgs,
    config::{ConfigSource, nearest, peek_job},
    failure::Failure,
    jobs::{self, AnyJob},
};

/// Runs the command.
pub fn run(args: &ConfigArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let text = match (&args.schema, &args.config) {
        (Some(Some(job)), _) => find(job)?.schema(),
        (Some(None), _) => jobs::schema_of_all(),
        (None, Some(path)) => {
            let source = ConfigSource::file(path)?;
            let job = peek_job(&source, &args.set, &jobs::names())?;
            find(&job)?.explain(&source, &args.set)?
        }
        // clap lets nothing else through.
        (None, None) => String::new(),
    };
    Ok(writeln!(out, "{}", text.trim_end())?)
}

fn find(name: &str) -> Result<&'static dyn AnyJob, Failure> {
    jobs::find(name).ok_or_else(|| {
        let names = jobs::names();
        let meant = nearest(name, names.iter().copied());
        let meant = meant.map_or(String::new(), |near| format!("did you mean {near}?\n  "));
        Failure::user(format!("there is no job \"{name}\"\n  {meant}there is {}", names.join(", ")))
    })
}
