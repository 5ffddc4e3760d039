//! The mean of the weights of a run's last checkpoints.
//!
//! Vaswani et al. 2017 ([arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 6.1) translate with the mean of the last 5 or 20
//! checkpoints; fairseq's `average_checkpoints.py --num-update-checkpoints` is the same after training.

use std::path::{Path, PathBuf};

use burn::{module::Module, tensor::backend::Backend};
use burn_store::ModuleSnapshot;

use crate::{
    checkpoint::{self, AVERAGE},
    error::TrainError,
    fit::read_weights,
    parameters::{self, ParameterInfo},
    run_folder::{MetricsRow, RunFolder},
    weights,
};

/// The split of its line in `metrics.jsonl`, and the name of its section of the report.
pub(crate) const SPLIT: &str = AVERAGE;

/// The averaged weights of a run that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    /// The steps of the checkpoints, in order.
    pub steps: Vec<u64>,
    /// Their scores on the validation data; none where the run does not validate.
    pub scores: Option<MetricsRow>,
    /// Whether they are the result of the run: `best` names them.
    pub is_best: bool,
    /// Their checkpoint.
    pub checkpoint: PathBuf,
}

/// The checkpoints of these steps that are still there, the oldest first.
pub(crate) fn checkpoints(run: &RunFolder, steps: &[u64]) -> Vec<(u64, PathBuf)> {
    let paths = steps.iter().map(|step| (*step, run.checkpoints().join(checkpoint::step_name(*step))));
    paths.filter(|(_, path)| path.is_dir()).collect()
}

/// `model` with the arithmetic mean of the weights that evaluation uses of each checkpoint, the newest last.
///
/// Only what is trained is averaged. Buffers such as the running means of batch normalisation are averages already, and whatever is
/// no float has no mean: those are the newest checkpoint's.
///
/// # Errors
/// A checkpoint that cannot be read or is of another model.
pub(crate) fn mean<B: Backend, M: Module<B> + ModuleSnapshot<B>>(
    mut model: M,
    plan: &[ParameterInfo],
    checkpoints: &[(u64, PathBuf)],
) -> Result<M, TrainError> {
    let mut mean = Vec::new();
    for (index, (_, path)) in checkpoints.iter().enumerate() {
        let named = read_weights(path)?;
        weights::apply::<B, _>(&mut model, &named)
            .map_err(|message| TrainError::Weights { path: path.clone(), message })?;
        let values = parameters::values(&model);
        if mean.is_empty() {
            mean = values;
            continue;
        }
        // In this form what never changed, as weights that are frozen, stays as it is to the bit.
        let count = (index + 1) as f64;
        let next = mean.into_iter().zip(values).zip(plan).map(|((mean, value), parameter)| match parameter.trainable {
            true => mean.clone() + (value - mean) / count,
            false => value,
        });
        mean = next.collect();
    }
    Ok(if mean.is_empty() { model } else { parameters::with_values(model, mean) })
}

/// Removes the average of a run that goes on: it belongs to an end that is none any more. `best` names what it named before.
///
/// # Errors
/// A run folder that cannot be written.
pub(crate) fn discard(run: &RunFolder) -> Result<(), TrainError> {
    run.remove_page(SPLIT);
    checkpoint::discard_average(&run.checkpoints())
}

/// Whether a checkpoint holds averaged weights and nothing to train on with.
pub(crate) fn is_average(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == AVERAGE)
}

/// Its section of the report: the scores beside the best of a single checkpoint.
pub(crate) fn page(average: &Average, monitor: &str, best: Option<(f64, u64)>) -> serde_json::Value {
    let mut columns = vec!["score".to_string(), "average".to_string()];
    columns.extend(best.map(|(_, step)| format!("best single one, {}", checkpoint::step_name(step))));
    let scores = average.scores.iter().flat_map(|row| &row.metrics);
    let rows: Vec<_> = scores
        .map(|(name, value)| {
            let mut row = vec![serde_json::json!(name), serde_json::json!(value)];
            row.extend(best.map(|(best, _)| if name == monitor { best.into() } else { "".into() }));
            row
        })
        .collect();
    let title = format!("Average of the checkpoints of steps {}", listed(&average.steps));
    serde_json::json!({ "kind": "table", "title": title, "columns": columns, "rows": rows })
}

/// `10, 20, 30`
pub fn listed(steps: &[u64]) -> String {
    steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
