//! Tensors out of files.

use std::{fmt::Display, path::Path};

use burn_store::{ModuleStore, SafetensorsStore, TensorSnapshot, pytorch::PytorchReader};

use super::{PretrainedError, StateDict};

/// What checkpoints and wrappers put before the names of weights, from the outside in.
const PREFIXES: [&str; 6] = ["state_dict.", "model_state_dict.", "model.", "module.", "_orig_mod.", "backbone."];

/// Reads the weights in a `.safetensors` file, or in one of PyTorch (`.pth`, `.pt`, `.th`, `.bin`, …; of any version).
///
/// Of a checkpoint that holds other things beside the weights, those under `state_dict`, `model_state_dict` or `model` are taken.
/// A `module.` (of `DataParallel`), `_orig_mod.` (of `torch.compile`), `model.` or `backbone.` before all names is taken off, and
/// `num_batches_tracked` is left out.
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, PretrainedError> {
    let path = path.as_ref();
    let error = |message: String| PretrainedError::File {
        path: path.to_path_buf(),
        message: format!("{message}{}", hint(path)),
    };
    let to_message = |error: &dyn Display| error.to_string();
    // burn-store's readers trust what they read, so a damaged file may make them panic.
    let snapshots = std::panic::catch_unwind(|| snapshots(path))
        .unwrap_or_else(|_| Err("the file is damaged".to_string()))
        .map_err(error)?;
    let mut tensors = StateDict::new();
    for (name, snapshot) in weights_among(snapshots) {
        let data = snapshot.to_data().map_err(|cause| error(format!("{name}: {}", to_message(&cause))))?;
        if data.bytes.len() != data.num_elements() * data.dtype.size() {
            return Err(error(format!("{name}: the file is damaged: it ends too early")));
        }
        tensors.insert(name, data);
    }
    if tensors.is_empty() {
        return Err(error("there are no tensors in it".to_string()));
    }
    Ok(tensors)
}

/// The tensors of a file under their full names, not yet read.
fn snapshots(path: &Path) -> Result<Vec<(String, TensorSnapshot)>, String> {
    std::fs::File::open(path).map_err(|error| error.to_string())?;
    if is_safetensors(path) {
        let mut store = SafetensorsStore::from_file(path).map_indices_contiguous(false);
        let snapshots = store.get_all_snapshots().map_err(|error| error.to_string())?;
        Ok(snapshots.iter().map(|(name, snapshot)| (name.clone(), snapshot.clone())).collect())
    } else {
        let reader = PytorchReader::new(path).map_err(|error| error.to_string())?;
        Ok(reader.into_tensors().into_iter().collect())
    }
}

fn is_safetensors(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

/// What to do about a file that cannot be read.
fn hint(path: &Path) -> &'static str {
    if is_safetensors(path) {
        ""
    } else {
        " (Kiln reads safetensors files, and what PyTorch writes with `torch.save(model.state_dict(), file)`)"
    }
}

/// Takes off the prefixes, and with them whatever does not have them; leaves out the counters of batch normalisation.
fn weights_among(mut snapshots: Vec<(String, TensorSnapshot)>) -> Vec<(String, TensorSnapshot)> {
    snapshots.retain(|(name, _)| !name.ends_with("num_batches_tracked"));
    while let Some(prefix) = PREFIXES.iter().find(|prefix| snapshots.iter().any(|(name, _)| name.starts_with(*prefix)))
    {
        snapshots = snapshots
            .into_iter()
            .filter_map(|(name, snapshot)| Some((name.strip_prefix(prefix)?.to_string(), snapshot)))
            .collect();
    }
    snapshots
}
