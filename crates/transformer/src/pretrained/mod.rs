//! Weights from files into the models of this crate, and back.
//!
//! [`load`] understands the names and layouts of
//! - GPT-2, Llama and BERT on Hugging Face, and of nanoGPT;
//! - timm's and torchvision's vision transformers, and the DeiTs on `torch.hub`;
//! - PyTorch's `nn.Transformer`, and of the authors' decision transformer;
//! - what [`save`] writes, and Kiln's own checkpoints.

mod bert;
mod decision;
mod gpt;
mod names;
mod plan;
mod seq2seq;
mod vit;

pub use state_dict::{LoadOutcome, LoadReport, LoadRow, PretrainedError, StateDict};

use std::path::Path;

use burn::{
    module::Module,
    tensor::{TensorData, backend::Backend},
};
use burn_store::{ModuleSnapshot, SafetensorsStore};

use plan::Plan;

/// Of burn-store: the names of enums' variants are no part of a path.
const SKIP_ENUM_VARIANTS: bool = true;

/// A model that knows what others call its weights.
pub trait Pretrained<B: Backend>: Module<B> + ModuleSnapshot<B> {
    /// What the family is called, for people.
    const FAMILY: &'static str;

    /// Beginnings of the names of heads. One that is missing from a file, or of another size, stays at its initial values.
    const HEADS: &'static [&'static str];

    /// The tensors of a file under this model's names and in its layouts, as far as they have any here.
    fn adapt(&self, tensors: StateDict) -> StateDict;

    /// A tensor of another shape than the model's as one of the model's, if it can be.
    fn fit(&self, _name: &str, _data: &TensorData, _shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
        None
    }

    /// Whether a tensor for which the model has no place means something that the model cannot do without, besides those of blocks.
    fn is_needed(&self, _name: &str) -> bool {
        false
    }
}

/// Reads the weights in a file of safetensors or PyTorch, as [`state_dict::read`] does.
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, PretrainedError> {
    Ok(state_dict::read(path)?)
}

/// The weights of a model by name, copied to the host.
pub fn state_dict<B: Backend, M: ModuleSnapshot<B>>(model: &M) -> StateDict {
    let snapshots = model.collect(None, None, SKIP_ENUM_VARIANTS).into_iter();
    snapshots
        .map(|snapshot| {
            let name = snapshot.full_path();
            // A snapshot of a live module reads a tensor, which has no error to report.
            let data = snapshot.to_data().unwrap_or_else(|error| unreachable!("{name}: {error}"));
            (name, data)
        })
        .collect()
}

/// Writes the weights of a model as a safetensors file under this crate's names, replacing an existing one.
///
/// # Errors
/// [`PretrainedError::File`] when it cannot be written.
pub fn save<B: Backend, M: ModuleSnapshot<B>>(model: &M, path: impl AsRef<Path>) -> Result<(), PretrainedError> {
    let path = path.as_ref();
    let mut store = SafetensorsStore::from_file(path).overwrite(true).skip_enum_variants(SKIP_ENUM_VARIANTS);
    model
        .save_into(&mut store)
        .map_err(|error| PretrainedError::File { path: path.to_path_buf(), message: error.to_string() })
}

/// Puts tensors into `model`, in its float type, and tells what became of each.
///
/// - A head that is missing or of another size stays at its initial values, and so do additions of [LoRA](crate::lora) that are
///   missing.
/// - Learned positions of a longer context are cut off, those of another grid of patches interpolated; a patch embedding for 3 channels
///   in a model for 1 is summed over the channels.
/// - Tensors of other names are not used, unless they belong to a block: then the file is that of a larger model.
///
/// # Errors
/// [`PretrainedError::Mismatch`] with everything else that is missing, of another shape or too many; `model` is then as it was.
pub fn load<B: Backend, M: Pretrained<B>>(model: &mut M, tensors: StateDict) -> Result<LoadReport, PretrainedError> {
    let own = model.collect(None, None, SKIP_ENUM_VARIANTS);
    let own = own.iter().map(|own| (own.full_path(), own.shape.to_vec())).collect();
    let Plan { rows, snapshots, problems } = Plan::new(model, own, tensors);
    let architecture = format!("this {} of {:.1} M parameters", M::FAMILY, model.num_params() as f64 / 1e6);
    let mismatch = |problems| PretrainedError::Mismatch { architecture, problems };
    if !problems.is_empty() {
        return Err(mismatch(problems));
    }
    let result = model.apply(snapshots, None, None, SKIP_ENUM_VARIANTS);
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    if errors.is_empty() { Ok(LoadReport { rows }) } else { Err(mismatch(errors)) }
}
