//! How a tensor of a file becomes one of a network.

use burn::tensor::{TensorData, backend::Backend};

use state_dict::LoadOutcome;

use super::names::Names;

/// How a tensor of a file becomes one of the network.
#[derive(Clone, Copy)]
pub(super) enum Fit {
    /// The same numbers in the same order.
    Reshape,
    /// The sum over the channels of a first convolution.
    SumChannels,
}

impl Fit {
    /// How `data` becomes the tensor `name` of `shape`, if it can.
    pub fn of(names: &Names, name: &str, data: &TensorData, shape: &[usize]) -> Option<Self> {
        let found = data.shape.to_vec();
        // timm's VGGs have convolutions that see the whole map in place of projections.
        let is_flattened = found.len() == 4 && shape.len() == 2 && found[0] == shape[0];
        let is_colour = matches!((&found[..], shape), ([a, 3, b, c], [x, 1, y, z]) if [a, b, c] == [x, y, z])
            && names.is_first(name);
        if found == shape || (is_flattened && found[1..].iter().product::<usize>() == shape[1]) {
            Some(Self::Reshape)
        } else if is_colour {
            Some(Self::SumChannels)
        } else {
            None
        }
    }

    /// What a report says of it.
    pub fn outcome(self) -> LoadOutcome {
        match self {
            Self::Reshape => LoadOutcome::Loaded,
            Self::SumChannels => LoadOutcome::SummedChannels,
        }
    }

    /// The tensor of `shape`, in the float type of the backend.
    ///
    /// # Errors
    /// When `data` holds no floats.
    pub fn apply<B: Backend>(self, data: TensorData, shape: &[usize]) -> Result<TensorData, String> {
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
