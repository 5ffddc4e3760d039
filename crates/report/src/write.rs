use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{ReportError, Run};

/// Reads the run at `path` and writes its `report.html`, whose path is returned.
///
/// The page takes the place of an earlier one at once: a browser that reloads never sees half of it.
pub fn write(path: impl AsRef<Path>) -> Result<PathBuf, ReportError> {
    let run = Run::open(&path)?;
    let target = path.as_ref().join("report.html");
    replace(&target, run.to_html().as_bytes()).map_err(|source| ReportError::Write { path: target.clone(), source })?;
    Ok(target)
}

fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    // Two processes that report on one run must not write into one another's file.
    let temporary = target.with_extension(format!("html.{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&temporary, target));
    if replaced.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}
