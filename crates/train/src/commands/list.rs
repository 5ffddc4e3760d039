//! `train list`: the jobs and their configs.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    config::{ConfigSource, peek_job, toml_files},
    failure::Failure,
    jobs::Jobs,
};

/// Runs the command.
pub fn run(jobs: &Jobs, out: &mut dyn Write) -> Result<(), Failure> {
    let configs = with_job(jobs, toml_files(Path::new("configs")));
    for job in jobs.all() {
        writeln!(out, "{}\n  {}", job.name(), job.summary())?;
        for (_, path) in configs.iter().filter(|(name, _)| name == job.name()) {
            writeln!(out, "    --config {}", path.display())?;
        }
    }
    if configs.is_empty() {
        writeln!(out, "\nThere is no folder `configs` here, so no configs are shown.")?;
    }
    Ok(())
}

/// The configs whose job is known, each with it; one that cannot be read belongs to none.
fn with_job(jobs: &Jobs, paths: Vec<PathBuf>) -> Vec<(String, PathBuf)> {
    let job = |path: &PathBuf| peek_job(&ConfigSource::file(path).ok()?, &[], &jobs.names()).ok();
    paths.into_iter().filter_map(|path| Some((job(&path)?, path))).collect()
}
