//! How the states of all steps of a sequence become one vector.

use burn::{
    module::{Module, Param},
    tensor::{Distribution, Tensor, TensorData, activation::softmax, backend::Backend},
};
use layers::projection::linear_transposed;
use serde::{Deserialize, Serialize};

use crate::padding::padding_mask;

/// How the states of all steps become one vector. Padding never counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The state after the last step that each direction read.
    Last,
    /// The mean over the steps.
    Mean,
    /// The largest value over the steps.
    #[default]
    Max,
    /// A mean weighted by learned attention (Yang et al. 2016, <https://aclanthology.org/N16-1174>): the softmax over the
    /// steps of `v · tanh(W h + b)`.
    Attention,
}

/// The weights of a mean over steps.
#[derive(Module, Debug)]
pub struct AttentionPooling<B: Backend> {
    /// `[features, features]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[features]`
    pub bias: Param<Tensor<B, 1>>,
    /// `[1, features]`: what each step is compared with.
    pub context: Param<Tensor<B, 2>>,
}

impl Pooling {
    /// The weights that this pooling has, if any, from the uniform distribution within ±1/√features.
    pub fn init<B: Backend>(self, features: usize, device: &B::Device) -> Option<AttentionPooling<B>> {
        if self != Self::Attention {
            return None;
        }
        let weight = Param::from_tensor(uniform([features, features], features, device));
        let bias = Param::from_tensor(uniform([features], features, device));
        let context = Param::from_tensor(uniform([1, features], features, device));
        Some(AttentionPooling { weight, bias, context })
    }

    /// One vector for each sequence, and with attention how much each step counts in it.
    ///
    /// # Shapes
    /// - states: `[batch, time, features]`, 0 for padding
    /// - last: `[batch, features]`: the state after the last step that each direction read
    /// - lengths: `batch` numbers in `1..=time`
    /// - output: `[batch, features]`
    /// - attention: `[batch, time]`, 0 for padding; each row sums to 1
    ///
    /// # Panics
    /// With attention and without its weights.
    pub fn forward<B: Backend>(
        self,
        states: Tensor<B, 3>,
        last: Tensor<B, 2>,
        lengths: &[usize],
        attention: Option<&AttentionPooling<B>>,
    ) -> (Tensor<B, 2>, Option<Tensor<B, 2>>) {
        let [_, time, _] = states.dims();
        let device = states.device();
        let exclude = |states: Tensor<B, 3>| match padding_mask(lengths, time, &device) {
            Some(mask) => states + mask.unsqueeze_dim::<3>(2),
            None => states,
        };
        match self {
            Self::Last => (last, None),
            Self::Mean => {
                let counts: Vec<f32> = lengths.iter().map(|length| *length as f32).collect();
                let counts = Tensor::from_data(TensorData::new(counts, [lengths.len(), 1]), &device);
                (states.sum_dim(1).squeeze_dim::<2>(1) / counts, None)
            }
            Self::Max => (exclude(states).max_dim(1).squeeze_dim::<2>(1), None),
            Self::Attention => {
                let attention = attention.expect("attention pooling comes with its weights");
                let hidden =
                    linear_transposed(states.clone(), attention.weight.val(), Some(attention.bias.val())).tanh();
                let scores = linear_transposed(hidden, attention.context.val(), None); // [batch, time, 1]
                let weights = softmax(exclude(scores), 1);
                let pooled = (states * weights.clone()).sum_dim(1).squeeze_dim::<2>(1);
                (pooled, Some(weights.squeeze_dim::<2>(2)))
            }
        }
    }
}

/// Numbers within ±1/√inputs, as PyTorch starts a projection. Drawn now rather than at first use, so that the weights follow from
/// the backend's seed at this call.
pub(crate) fn uniform<B: Backend, const D: usize>(
    shape: [usize; D],
    inputs: usize,
    device: &B::Device,
) -> Tensor<B, D> {
    let bound = 1.0 / (inputs as f64).sqrt();
    Tensor::random(shape, Distribution::Uniform(-bound, bound), device)
}
