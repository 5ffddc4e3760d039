//! `train info`: versions, backends and devices.

use std::io::Write;

use crate::{backend, failure::Failure};

/// Runs the command.
pub fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let (kiln, burn, rustc) = (env!("CARGO_PKG_VERSION"), env!("KILN_BURN_VERSION"), env!("KILN_RUSTC_VERSION"));
    writeln!(out, "kiln {kiln}, burn {burn}, {rustc}\n")?;
    write!(out, "{}", backend::describe())?;
    Ok(())
}
