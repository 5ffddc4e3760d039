//! Weights from files into a [`Network`], and back.
//!
//! Names are torchvision's; those of timm (its ResNets have the same, its VGGs others), of the published checkpoints for CIFAR-10
//! ([`cifar_resnet`](crate::cifar_resnet)) and of Kiln's own checkpoints are understood. What [`save`] writes loads in PyTorch
//! with `model.load_state_dict(safetensors.torch.load_file(path), strict=False)` (it has no `num_batches_tracked`).

mod file;
mod names;
mod pickle;
mod pytorch;
mod report;

pub use file::read;
pub use report::{LoadOutcome, LoadReport, LoadRow};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{
    module::ParamId,
    tensor::{TensorData, backend::Backend},
};
use burn_store::{ModuleSnapshot, SafetensorsStore, TensorSnapshot};

use crate::network::Network;
use names::Names;

/// Tensors by name, as PyTorch's `state_dict()` gives them.
pub type StateDict = BTreeMap<String, TensorData>;

/// Of burn-store: the names of enums' variants are no part of a path.
const SKIP_ENUM_VARIANTS: bool = true;

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
    /// The tensors are those of another network: each that is missing, of another shape, or too many.
    #[error("these weights are those of another network than {architecture}: {}", listed(.problems))]
    Mismatch {
        /// What the network is: its family, and its number of parameters.
        architecture: String,
        /// One sentence each.
        problems: Vec<String>,
    },
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
    let mut found: BTreeMap<String, TensorData> =
        tensors.into_iter().filter_map(|(name, data)| Some((names.ours(&name)?, data))).collect();
    let own: Vec<(String, Vec<usize>)> = network
        .collect(None, None, SKIP_ENUM_VARIANTS)
        .iter()
        .map(|own| (own.full_path(), own.shape.to_vec()))
        .collect();
    let head_fits = own
        .iter()
        .filter(|(name, _)| names.is_head(name))
        .all(|(name, shape)| found.get(name).is_some_and(|data| fitting(&names, name, data, shape).is_some()));

    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut snapshots = Vec::new();
    for (name, shape) in own {
        let data = found.remove(&name);
        let in_file = data.as_ref().map(|data| data.shape.to_vec());
        let outcome = match data {
            _ if names.is_head(&name) && !head_fits => match in_file {
                Some(_) => LoadOutcome::Replaced,
                None => LoadOutcome::Missing,
            },
            None => {
                problems.push(format!("{name} {shape:?} is missing"));
                continue;
            }
            Some(data) => match fitting(&names, &name, &data, &shape) {
                Some((fit, outcome)) => match fit.apply::<B>(data, &shape) {
                    Ok(data) => {
                        let path = name.split('.').map(str::to_string).collect();
                        snapshots.push(TensorSnapshot::from_data(data, path, Vec::new(), ParamId::new()));
                        outcome
                    }
                    Err(message) => {
                        problems.push(format!("{name} {message}"));
                        continue;
                    }
                },
                None => {
                    problems.push(format!("{name} should be {shape:?}, found {:?}", data.shape.to_vec()));
                    continue;
                }
            },
        };
        rows.push(LoadRow { name, in_file, in_network: Some(shape), outcome });
    }
    for (name, data) in found {
        let shape = data.shape.to_vec();
        if names.is_trunk(&name) {
            problems.push(format!("{name} {shape:?} is not in the network"));
        }
        rows.push(LoadRow { name, in_file: Some(shape), in_network: None, outcome: LoadOutcome::Unused });
    }
    let mismatch = |problems| PretrainedError::Mismatch { architecture: names.network.clone(), problems };
    if !problems.is_empty() {
        return Err(mismatch(problems));
    }
    let result = network.apply(snapshots, None, None, SKIP_ENUM_VARIANTS);
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    if errors.is_empty() { Ok(LoadReport { rows }) } else { Err(mismatch(errors)) }
}

/// How a tensor of a file becomes one of the network.
#[derive(Clone, Copy)]
enum Fit {
    /// The same numbers in the same order.
    Reshape,
    /// The sum over the channels of a first convolution.
    SumChannels,
}

/// How a tensor fits, if it does.
fn fitting(names: &Names, name: &str, data: &TensorData, shape: &[usize]) -> Option<(Fit, LoadOutcome)> {
    let found = data.shape.to_vec();
    // timm's VGGs have convolutions that see the whole map in place of projections.
    let is_flattened = found.len() == 4 && shape.len() == 2 && found[0] == shape[0];
    let is_colour =
        matches!((&found[..], shape), ([a, 3, b, c], [x, 1, y, z]) if [a, b, c] == [x, y, z]) && names.is_first(name);
    if found == shape || (is_flattened && found[1..].iter().product::<usize>() == shape[1]) {
        Some((Fit::Reshape, LoadOutcome::Loaded))
    } else if is_colour {
        Some((Fit::SumChannels, LoadOutcome::SummedChannels))
    } else {
        None
    }
}

impl Fit {
    fn apply<B: Backend>(self, data: TensorData, shape: &[usize]) -> Result<TensorData, String> {
        if !data.dtype.is_float() {
            return Err(format!("holds {:?} and not floats", data.dtype));
        }
        let data = match self {
            Self::Reshape => TensorData { shape: shape.to_vec().into(), ..data },
            Self::SumChannels => sum_channels(data, shape),
        };
        Ok(data.convert::<B::FloatElem>())
    }
}

/// `[out, 3, height, width]` to `[out, 1, height, width]`
fn sum_channels(data: TensorData, shape: &[usize]) -> TensorData {
    let values: Vec<f64> = data.iter::<f64>().collect();
    let pixels = shape[2] * shape[3];
    let kernels = values.chunks(3 * pixels);
    let sums = kernels.flat_map(|kernel| {
        (0..pixels).map(|pixel| (0..3).map(|channel| kernel[channel * pixels + pixel]).sum::<f64>())
    });
    TensorData::new(sums.collect(), shape.to_vec())
}
