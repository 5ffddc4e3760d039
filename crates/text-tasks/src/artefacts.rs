//! What a run keeps beside its weights, and without which they mean nothing.

use std::path::Path;

use data::text::tokenizer::Tokenizer;
use training_loop::{error::TaskError, job::read_artefact};

/// The tokenizer.
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";

/// The tokenizer of a run.
pub(crate) fn load_tokenizer(run: &Path) -> Result<Tokenizer, TaskError> {
    Ok(Tokenizer::load(&run.join(TOKENIZER_FILE))?)
}

/// A list of names that a run keeps under `file_name`: its classes, its tags.
pub(crate) fn load_names(run: &Path, file_name: &str) -> Result<Vec<String>, TaskError> {
    let damaged = |error| format!("{} is damaged: {error}", run.join(file_name).display());
    Ok(serde_json::from_str(&read_artefact(run, file_name)?).map_err(damaged)?)
}
