//! Tensors out of files.

use std::{collections::HashMap, path::Path};

use burn_store::{ModuleStore, SafetensorsStore};

use super::{PretrainedError, StateDict, pytorch};

/// What checkpoints and wrappers put before the names of weights, from the outside in.
const PREFIXES: [&str; 6] = ["state_dict.", "model_state_dict.", "model.", "module.", "_orig_mod.", "backbone."];

/// Reads the weights in a `.safetensors` file, or in one of PyTorch (`.pth`, `.pt`, `.th`, `.bin`, …; of any version).
///
/// Of a checkpoint that holds other things beside the weights, those under `state_dict`, `model_state_dict` or `model` are taken.
/// A `module.` (of `DataParallel`), `_orig_mod.` (of `torch.compile`), `model.` or `backbone.` before names is taken off, and
/// `num_batches_tracked` is left out. Nothing in a file of PyTorch is run.
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, PretrainedError> {
    let path = path.as_ref();
    let is_safetensors = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    let tensors = if is_safetensors { safetensors(path) } else { pytorch::read(path, weights_among) };
    let hint = if is_safetensors {
        ""
    } else {
        " (what is read: safetensors files, and what PyTorch writes with `torch.save(model.state_dict(), file)`)"
    };
    let error =
        |message: String| PretrainedError::File { path: path.to_path_buf(), message: format!("{message}{hint}") };
    let tensors = tensors.map_err(error)?;
    if tensors.is_empty() { Err(error("there are no tensors in it".to_string())) } else { Ok(tensors) }
}

fn safetensors(path: &Path) -> Result<StateDict, String> {
    std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut store = SafetensorsStore::from_file(path).map_indices_contiguous(false);
    let snapshots = store.get_all_snapshots().map_err(|error| error.to_string())?;
    weights_among(snapshots.keys().cloned().collect())
        .into_iter()
        .map(|(theirs, ours)| match snapshots[&theirs].to_data() {
            Ok(data) => Ok((ours, data)),
            Err(error) => Err(format!("{theirs}: {error}")),
        })
        .collect()
}

/// The names that are those of weights, and what they are without the prefixes: where some names have one, those without it are
/// something else. Counters of batch normalisation are left out.
fn weights_among(names: Vec<String>) -> HashMap<String, String> {
    let is_counter = |name: &str| name.ends_with("num_batches_tracked");
    let mut weights: HashMap<String, String> =
        names.into_iter().filter(|name| !is_counter(name)).map(|name| (name.clone(), name)).collect();
    while let Some(prefix) = PREFIXES.iter().find(|prefix| weights.values().any(|name| name.starts_with(*prefix))) {
        weights = weights
            .into_iter()
            .filter_map(|(full, name)| Some((full, name.strip_prefix(prefix)?.to_string())))
            .collect();
    }
    weights
}
