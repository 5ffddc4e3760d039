//! Weights out of files: the [`StateDict`] in a `.safetensors` file, or in one of PyTorch.
//!
//! What the tensors are called in a model, and which of them it needs, is the business of the model's crate; what it says of them
//! is a [`LoadReport`].

mod error;
mod names;
mod pickle;
mod pytorch;
mod report;

pub use error::{PretrainedError, ReadError};
pub use report::{LoadOutcome, LoadReport, LoadRow};

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{DType, TensorData};
use burn_store::{ModuleStore, SafetensorsStore};

/// Tensors by name, as PyTorch's `state_dict()` gives them: of the file's shapes and types, their elements in row-major order.
pub type StateDict = BTreeMap<String, TensorData>;

/// Reads the weights in a `.safetensors` file, or in one of PyTorch (`.pth`, `.pt`, `.th`, `.bin`, …; of any version).
///
/// Of a checkpoint that holds other things beside the weights, those under `state_dict`, `model_state_dict` or `model` are taken.
/// A `module.` (of `DataParallel`), `_orig_mod.` (of `torch.compile`), `model.` or `backbone.` before names is taken off, and
/// `num_batches_tracked` is left out. Nothing in a file of PyTorch is run.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, ReadError> {
    let path = path.as_ref();
    let is_safetensors = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    let tensors = if is_safetensors { safetensors(path) } else { pytorch::read(path, names::of_weights) };
    let hint = if is_safetensors {
        ""
    } else {
        " (what is read: safetensors files, and what PyTorch writes with `torch.save(model.state_dict(), file)`)"
    };
    let error = |message: String| ReadError { path: path.to_path_buf(), message: format!("{message}{hint}") };
    tensors.and_then(checked).map_err(error)
}

/// That there are tensors, and that their booleans are some: burn panics at a byte which is neither 0 nor 1.
fn checked(tensors: StateDict) -> Result<StateDict, String> {
    if tensors.is_empty() {
        return Err("there are no tensors in it".to_string());
    }
    let is_damaged =
        |data: &TensorData| matches!(data.dtype, DType::Bool(_)) && data.bytes.iter().any(|byte| *byte > 1);
    match tensors.iter().find(|(_, data)| is_damaged(data)) {
        Some((name, _)) => Err(format!("{name}: a boolean is neither 0 nor 1")),
        None => Ok(tensors),
    }
}

fn safetensors(path: &Path) -> Result<StateDict, String> {
    std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut store = SafetensorsStore::from_file(path).map_indices_contiguous(false);
    let snapshots = store.get_all_snapshots().map_err(|error| error.to_string())?;
    names::of_weights(snapshots.keys().cloned().collect())
        .into_iter()
        .map(|(theirs, ours)| match snapshots[&theirs].to_data() {
            Ok(data) => Ok((ours, data)),
            Err(error) => Err(format!("{theirs}: {error}")),
        })
        .collect()
}
