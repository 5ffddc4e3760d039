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

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::text::{Encoding, corpus::read_text};
use training_loop::{
    config::Problems,
    error::TaskError,
    job::{Generated, PredictRequest},
    task::{Batches, Splits},
};

/// A `[data]` block: a configuration of the data crate, which knows nothing of the loop, with the loop's check of its values.
macro_rules! data_block {
    ($(#[$documentation:meta])* $block:ident($config:ty)) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $block(pub $config);

        impl training_loop::config::Validate for $block {
            fn validate(&self, problems: &mut training_loop::config::Problems) {
                $crate::task::report_problems(self.0.validate(), problems);
            }
        }
    };
}
use data_block;

/// The loop's check of a model's own configuration, which knows nothing of the loop either.
macro_rules! model_block {
    ($config:ident) => {
        impl training_loop::config::Validate for $config {
            fn validate(&self, problems: &mut training_loop::config::Problems) {
                $crate::task::report_problems($config::validate(self), problems);
            }
        }
    };
}
use model_block;

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

/// The parts of a source that deals batches of its own kind, for the loop.
fn splits<S: Send + Sync + 'static, T: Send + 'static>(
    [train, validation]: [S; 2],
    test: Option<S>,
    num_batches: fn(&S) -> usize,
    batch: fn(&S, u64, usize) -> T,
) -> Splits<T> {
    let dealt = |source: S| batches(num_batches(&source), move |epoch, index| batch(&source, epoch, index));
    Splits { train: dealt(train), validation: Some(dealt(validation)), test: test.map(dealt) }
}

/// The texts that a request names, one by one or one a line of its input file.
fn requested_texts(request: &PredictRequest, encoding: Encoding) -> Result<Vec<String>, TaskError> {
    let mut texts = request.items.clone();
    if let Some(path) = &request.input {
        let file = read_text(path, encoding)?;
        texts.extend(file.lines().filter(|line| !line.trim().is_empty()).map(str::to_string));
    }
    Ok(texts)
}

/// Texts of several lengths as `[texts, longest]`, padded at their ends with token 0, and their lengths.
fn pad<B: Backend>(tokens: &[Vec<i32>], device: &B::Device) -> (Tensor<B, 2, Int>, Vec<usize>) {
    let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let padded = tokens.iter().flat_map(|tokens| {
        let padding = std::iter::repeat_n(0, longest - tokens.len());
        tokens.iter().copied().chain(padding)
    });
    let padded = TensorData::new(padded.collect::<Vec<i32>>(), [tokens.len(), longest]);
    (Tensor::from_data(padded, device), lengths)
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
