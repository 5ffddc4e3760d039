//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).

pub mod burn_learner;
pub mod classification;
pub mod forecast;

pub mod language_model;
mod predictions;
mod speech;
pub mod speech_classification;
pub mod speech_recognition;
pub mod translation;

use std::fs;

use training_loop::{
    config::Problems,
    error::TaskError,
    job::{Generated, PredictRequest},
    task::Batches,
};

/// What a block found wrong with itself, for the loop's own list.
fn report_problems(found: Vec<(&'static str, String)>, problems: &mut Problems) {
    for (key, message) in found {
        problems.check(false, key, message);
    }
}

/// Batches for the loop from batches of the data crate, by epoch and index.
fn batches<T: Send + 'static>(per_epoch: usize, batch: impl Fn(u64, usize) -> T + Send + Sync + 'static) -> Batches<T> {
    Batches::new(per_epoch as u64, move |epoch, index| Ok(batch(epoch, index as usize)))
}

/// Rows, the header among them, as CSV.
fn csv_table(rows: impl IntoIterator<Item = Vec<String>>) -> Result<String, TaskError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Gives predictions, a CSV table, to the file that was asked for, or else as text.
fn give_table(
    table: &str,
    request: &PredictRequest,
    output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
) -> Result<(), TaskError> {
    match &request.output {
        Some(path) => {
            fs::write(path, table).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            output(Generated::File(path))?;
        }
        None => output(Generated::Text(table))?,
    }
    Ok(())
}
