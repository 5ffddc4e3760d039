//! Weights from files into a [`Network`], and back.
//!
//! Names are torchvision's; those of timm (its ResNets have the same, its VGGs others), of the published checkpoints for CIFAR-10
//! ([`cifar_resnet`](crate::cifar_resnet)) and of Kiln's own checkpoints are understood. What [`save`] writes loads in PyTorch
//! with `model.load_state_dict(safetensors.torch.load_file(path), strict=False)` (it has no `num_batches_tracked`).

mod fit;
mod names;
mod plan;

pub use state_dict::{LoadOutcome, LoadReport, LoadRow, PretrainedError, StateDict};

use std::path::Path;

use burn::tensor::backend::Backend;
use burn_store::{ModuleSnapshot, SafetensorsStore};

use crate::network::Network;
use names::Names;
use plan::Plan;

/// Of burn-store: the names of enums' variants are no part of a path.
const SKIP_ENUM_VARIANTS: bool = true;

/// Reads the weights in a file of safetensors or PyTorch, as [`state_dict::read`] does.
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, PretrainedError> {
    Ok(state_dict::read(path)?)
}

/// The weights and running statistics of a network by name, copied to the host.
pub fn state_dict<B: Backend>(network: &Network<B>) -> StateDict {
    let snapshots = network.collect(None, None, SKIP_ENUM_VARIANTS).into_iter();
    snapshots
        .map(|snapshot| {
            let name = snapshot.full_path();
            // A snapshot of a live module reads a tensor, which has no error to report.
            let data = snapshot.to_data().unwrap_or_else(|error| unreachable!("{name}: {error}"));
            (name, data)
        })
        .collect()
}

/// Writes the weights of `network` as a safetensors file, replacing an existing one.
///
/// # Errors
/// [`PretrainedError::File`] when it cannot be written.
pub fn save<B: Backend>(network: &Network<B>, path: impl AsRef<Path>) -> Result<(), PretrainedError> {
    let path = path.as_ref();
    let mut store = SafetensorsStore::from_file(path).overwrite(true).skip_enum_variants(SKIP_ENUM_VARIANTS);
    network
        .save_into(&mut store)
        .map_err(|error| PretrainedError::File { path: path.to_path_buf(), message: error.to_string() })
}

/// Puts tensors into `network`, in its float type, and tells what became of each.
///
/// - A head that is missing or of another size stays at its initial value.
/// - A first convolution for 3 channels on a network for 1 is summed over the channels.
/// - Tensors of other names are not used, unless they belong to a part that this network has too: then the file is that of a larger
///   network.
///
/// # Errors
/// [`PretrainedError::Mismatch`] with everything else that is missing, of another shape or too many; `network` is then as it was.
pub fn load<B: Backend>(network: &mut Network<B>, tensors: StateDict) -> Result<LoadReport, PretrainedError> {
    let names = Names::of(network);
    let own = network.collect(None, None, SKIP_ENUM_VARIANTS);
    let own = own.iter().map(|own| (own.full_path(), own.shape.to_vec())).collect();
    let Plan { rows, snapshots, problems } = Plan::new::<B>(&names, own, tensors);
    let mismatch = |problems| PretrainedError::Mismatch { architecture: names.network.clone(), problems };
    if !problems.is_empty() {
        return Err(mismatch(problems));
    }
    let result = network.apply(snapshots, None, None, SKIP_ENUM_VARIANTS);
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    if errors.is_empty() { Ok(LoadReport { rows }) } else { Err(mismatch(errors)) }
}
