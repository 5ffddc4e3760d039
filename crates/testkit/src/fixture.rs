//! Numbers taken from the reference implementation.

use std::path::PathBuf;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use training_loop::weights::{self, NamedTensors};

/// A safetensors file under `tests/fixtures`, written by the script beside it.
#[derive(Clone, Debug)]
pub struct Fixture {
    path: PathBuf,
    tensors: NamedTensors,
}

impl Fixture {
    /// Reads a fixture, with
    /// `concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/<name>.safetensors")` as its path.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    pub fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        match weights::read(&path) {
            Ok(tensors) => Self { path, tensors },
            Err(error) => panic!("{error}"),
        }
    }

    /// The tensor of that name.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn data(&self, name: &str) -> &TensorData {
        match self.tensors.get(name) {
            Some(data) => data,
            None => panic!("no {name} in {}; there are {:?}", self.path.display(), self.tensors.keys()),
        }
    }

    /// The tensor of that name as floats on `device`.
    ///
    /// # Panics
    /// When there is none, or it has another rank.
    #[track_caller]
    pub fn float<B: Backend, const D: usize>(&self, name: &str, device: &B::Device) -> Tensor<B, D> {
        Tensor::from_data(self.data(name).clone().convert::<B::FloatElem>(), device)
    }

    /// The tensor of that name as integers on `device`.
    ///
    /// # Panics
    /// When there is none, or it has another rank.
    #[track_caller]
    pub fn int<B: Backend, const D: usize>(&self, name: &str, device: &B::Device) -> Tensor<B, D, Int> {
        Tensor::from_data(self.data(name).clone().convert::<B::IntElem>(), device)
    }

    /// The single number of that name.
    ///
    /// # Panics
    /// When there is none, or it is not single.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        let data = self.data(name);
        assert_eq!(data.num_elements(), 1, "{name} is no single number");
        data.iter::<f64>().sum()
    }

    /// All tensors whose name begins with `prefix`, by the rest of their name: `under("lstm.")`.
    pub fn under(&self, prefix: &str) -> NamedTensors {
        self.tensors
            .iter()
            .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?.to_string(), data.clone())))
            .collect()
    }
}

/// The name that PyTorch gives a parameter with this dotted path: `encoder.layers.1.reverse.weight_ih` of a recurrent network is
/// `encoder.weight_ih_l1_reverse`, every other path is itself.
pub fn pytorch_name(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        [network, "layers", layer, "forward", name] => format!("{network}.{name}_l{layer}"),
        [network, "layers", layer, "reverse", name] => format!("{network}.{name}_l{layer}_reverse"),
        _ => path.to_string(),
    }
}
