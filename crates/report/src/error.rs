use std::io;
use std::path::PathBuf;

/// Why a run folder could not be read or its report not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The path does not lead to a folder.
    #[error("there is no run folder at `{}`: expected a folder such as `runs/<name>`", path.display())]
    Missing {
        /// The path that was given.
        path: PathBuf,
    },
    /// The folder holds nothing that a run writes.
    #[error(
        "`{}` is not a run folder: it holds none of `config.toml`, `metrics.jsonl`, `summary.json`; \
         give the folder of one run, such as `runs/<name>`",
        path.display()
    )]
    NotARun {
        /// The path that was given.
        path: PathBuf,
    },
    /// A file of the run could not be read.
    #[error("could not read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be written.
    #[error("could not write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A comparison was asked for without a run.
    #[error("nothing to compare: give at least one run folder")]
    NoRuns,
}
