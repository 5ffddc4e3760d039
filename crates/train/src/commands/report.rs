//! `train report`: a run's report once more.

use std::io::Write;

use super::runs;
use crate::{cli::ReportArgs, failure::Failure};

/// Runs the command.
pub fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let located = runs::locate(&args.run)?;
    let run = report::Run::open(&located.run).map_err(Failure::user)?;
    write!(out, "{}", report::summary_table(&run))?;
    let path = report::write(&located.run).map_err(Failure::internal)?;
    writeln!(out, "report: {}", path.display())?;
    Ok(())
}
