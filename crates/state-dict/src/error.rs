//! Why weights cannot be had, or are of no use.

use std::path::PathBuf;

/// Why there are no weights to be had from a file: it cannot be read, is damaged, is of another kind or holds no tensors.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The cause, and what to do.
    pub message: String,
}

/// Why weights cannot be read, used or written.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file cannot be read or written, or holds no weights.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause, and what to do.
        message: String,
    },
    /// The tensors are those of another model: each that is missing, of another shape, or too many.
    #[error("these weights are those of another network than {architecture}: {}", listed(.problems))]
    Mismatch {
        /// What the model is: its family, and its number of parameters.
        architecture: String,
        /// One sentence each.
        problems: Vec<String>,
    },
}

impl From<ReadError> for PretrainedError {
    fn from(error: ReadError) -> Self {
        Self::File { path: error.path, message: error.message }
    }
}

/// The first of many problems, and how many more there are.
fn listed(problems: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = problems[..problems.len().min(SHOWN)].join("; ");
    if problems.len() > SHOWN {
        text += &format!("; and {} more", problems.len() - SHOWN);
    }
    text
}
