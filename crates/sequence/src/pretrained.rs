//! Weights from and for PyTorch.
//!
//! Layouts are PyTorch's and need no change; names are turned into PyTorch's and back. What [`save`] writes loads there
//! with `model.load_state_dict(safetensors.torch.load_file(path))` into
//!
//! ```python
//! class LanguageModel(nn.Module):
//!     def __init__(self, vocab_size, embedding_size, hidden_size, num_layers):
//!         super().__init__()
//!         self.embedding = nn.Embedding(vocab_size, embedding_size)
//!         self.rnn = nn.LSTM(embedding_size, hidden_size, num_layers, batch_first=True)  # or nn.GRU, nn.RNN
//!         self.output = nn.Linear(hidden_size, vocab_size)
//! ```
//!
//! (With tied weights, give `strict=False` there and tie after loading.)

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{module::ParamId, tensor::backend::Backend};
use burn_store::{KeyRemapper, ModuleSnapshot, SafetensorsStore, TensorSnapshot};
use layers::recurrent::state_dict::{FROM_PYTORCH, TO_PYTORCH};
use state_dict::ReadError;

use crate::language_model::LanguageModel;

pub use state_dict::StateDict;

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
    /// The tensors are not those of this model: each name that is missing, unknown or of another shape.
    #[error("the weights do not fit this model: {}", .0.join("; "))]
    Mismatch(Vec<String>),
}

impl From<ReadError> for PretrainedError {
    fn from(error: ReadError) -> Self {
        Self::File { path: error.path, message: error.message }
    }
}

/// The prefix of PyTorch's `DataParallel`.
const MODULE: (&str, &str) = (r"^module\.", "");

/// Other names for the parts of a language model: those of PyTorch's `word_language_model`.
const ALIASES: [(&str, &str); 2] = [(r"^encoder\.", "embedding."), (r"^decoder\.", "output.")];

/// Reads the weights in a file of safetensors or PyTorch, as [`state_dict::read`] does.
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, is damaged or holds no tensors.
pub fn read(path: impl AsRef<Path>) -> Result<StateDict, PretrainedError> {
    Ok(state_dict::read(path)?)
}

/// Loads the weights in a file into `model`: [`read`], then [`load_state_dict`].
///
/// # Errors
/// [`PretrainedError::File`] when the file cannot be read, and those of [`load_state_dict`].
pub fn load<B: Backend, M: ModuleSnapshot<B>>(model: &mut M, path: impl AsRef<Path>) -> Result<(), PretrainedError> {
    load_state_dict(model, read(path)?)
}

/// Puts the tensors of a PyTorch `state_dict` into `model`, a model of this crate.
///
/// Those of a language model are called `embedding.weight`, `rnn.weight_ih_l0`, …, `output.weight` and `output.bias`;
/// `encoder` and `decoder` in place of `embedding` and `output` are understood, and so is a `module.` before everything. A model with
/// tied weights does not need `output.weight`, and refuses one that is not the embedding. Values of another float type
/// are converted.
///
/// # Errors
/// [`PretrainedError::Mismatch`] with every name that is missing, unknown or of another shape; `model` is then as it
/// was.
pub fn load_state_dict<B: Backend, M: ModuleSnapshot<B>>(
    model: &mut M,
    tensors: StateDict,
) -> Result<(), PretrainedError> {
    let own = model.collect(None, None, true);
    let has = |prefix: &str| own.iter().any(|own| own.full_path().starts_with(prefix));
    let aliases: &[_] = if has("encoder.") || has("decoder.") { &[] } else { &ALIASES };
    let mut tensors: BTreeMap<String, TensorSnapshot> =
        rename::<B>(tensors, aliases).into_iter().map(|snapshot| (snapshot.full_path(), snapshot)).collect();
    let mut problems = Vec::new();
    if has("embedding.weight")
        && !has("output.weight")
        && let Some(weight) = tensors.remove("output.weight")
        && let Some(embedding) = tensors.get("embedding.weight")
        && weight.to_data().ok() != embedding.to_data().ok()
    {
        let message = "output.weight is not embedding.weight, though this model ties them";
        problems.push(message.to_string());
    }

    for own in &own {
        let name = own.full_path();
        match tensors.get(&name) {
            None => problems.push(format!("{name} is missing")),
            Some(found) if found.shape != own.shape => {
                problems.push(format!("{name} should be {:?}, found {:?}", own.shape.to_vec(), found.shape.to_vec()))
            }
            Some(_) => {}
        }
    }
    let unknown = tensors.keys().filter(|name| own.iter().all(|own| own.full_path() != **name));
    problems.extend(unknown.map(|name| format!("{name} is not in the model")));
    if !problems.is_empty() {
        return Err(PretrainedError::Mismatch(problems));
    }

    let result = model.apply(tensors.into_values().collect(), None, None, true);
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    if errors.is_empty() { Ok(()) } else { Err(PretrainedError::Mismatch(errors)) }
}

/// Writes the weights of `model` as a safetensors file that PyTorch loads, replacing an existing one.
///
/// # Errors
/// [`PretrainedError::File`] when it cannot be written.
pub fn save<B: Backend>(model: &LanguageModel<B>, path: impl AsRef<Path>) -> Result<(), PretrainedError> {
    let path = path.as_ref();
    let mut store = SafetensorsStore::from_file(path).overwrite(true).remap(remapper(&TO_PYTORCH));
    model
        .save_into(&mut store)
        .map_err(|error| PretrainedError::File { path: path.to_path_buf(), message: error.to_string() })
}

/// The tensors under our names and in the float type of the backend: a load keeps the type that it finds, and not every
/// backend computes in every type.
fn rename<B: Backend>(tensors: StateDict, aliases: &[(&str, &str)]) -> Vec<TensorSnapshot> {
    let snapshots = tensors
        .into_iter()
        .map(|(name, data)| {
            let stack = name.split('.').map(str::to_string).collect();
            let data = data.convert::<B::FloatElem>();
            TensorSnapshot::from_data(data, stack, Vec::new(), ParamId::new())
        })
        .collect();
    let names = remapper(&[&[MODULE], aliases, &FROM_PYTORCH].concat());
    names.remap(snapshots).0
}

/// # Panics
/// When a pattern is no regular expression; they are all constants.
fn remapper(patterns: &[(&str, &str)]) -> KeyRemapper {
    KeyRemapper::from_patterns(patterns.to_vec()).expect("constant patterns are valid")
}
