//! Activations: what stands between two projections or convolutions, or behind the last.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// An activation by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// [`relu`]
    Relu,
    /// [`gelu`]: what BERT and vision transformers have. The default.
    #[default]
    Gelu,
    /// [`gelu_tanh`]: what GPT-2 has.
    GeluTanh,
    /// [`silu`]
    Silu,
}

impl Activation {
    /// The activation of each number.
    ///
    /// # Shapes
    /// - output: as the input
    pub fn forward<B: Backend, const D: usize>(self, input: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => relu(input),
            Self::Gelu => gelu(input),
            Self::GeluTanh => gelu_tanh(input),
            Self::Silu => silu(input),
        }
    }
}

/// `max(0, x)`. Its slope at 0 is 0.
///
/// # Shapes
/// - output: as the input
pub fn relu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes_lines(&input) {
        return kernel::activate(kernel::Relu, input);
    }
    portable::relu(input)
}

/// `x` where it is positive, else `slope · x` ([Maas, Hannun and Ng
/// 2013](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf)). Its slope at 0 is `slope`, as in PyTorch.
///
/// # Shapes
/// - output: as the input
pub fn leaky_relu<B: Backend, const D: usize>(input: Tensor<B, D>, slope: f64) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes_lines(&input) {
        return kernel::activate(kernel::LeakyRelu(slope as f32), input);
    }
    portable::leaky_relu(input, slope)
}

/// The logistic function `σ(x) = 1 / (1 + exp(-x))`.
///
/// # Shapes
/// - output: as the input
pub fn sigmoid<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::activate(kernel::Sigmoid, input);
    }
    portable::sigmoid(input)
}

/// The hyperbolic tangent.
///
/// # Shapes
/// - output: as the input
pub fn tanh<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::activate(kernel::Tanh, input);
    }
    portable::tanh(input)
}

/// `x · Φ(x)` with the distribution function `Φ(x) = (1 + erf(x / √2)) / 2` of the normal distribution
/// ([Hendrycks and Gimpel 2016](https://arxiv.org/abs/1606.08415)).
///
/// # Shapes
/// - output: as the input
pub fn gelu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::activate(kernel::Gelu, input);
    }
    portable::gelu(input)
}

/// `x / 2 · (1 + tanh(√(2 / π) (x + 0.044715 x³)))`, the approximation of [`gelu()`] that GPT-2 has (PyTorch's
/// `approximate="tanh"`, Hugging Face's `gelu_new`).
///
/// # Shapes
/// - output: as the input
pub fn gelu_tanh<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::activate(kernel::GeluTanh, input);
    }
    portable::gelu_tanh(input)
}

/// `x · σ(x)` with the logistic function `σ`, also called swish
/// ([Elfwing, Uchibe and Doya 2017](https://arxiv.org/abs/1702.03118)).
///
/// # Shapes
/// - output: as the input
pub fn silu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::activate(kernel::Silu, input);
    }
    portable::silu(input)
}

/// `silu(gate) · up`, of a packed projection whose first half are the gates
/// ([Shazeer 2020](https://arxiv.org/abs/2002.05202)).
///
/// # Shapes
/// - gate and up: `[.., 2 n]`
/// - output: `[.., n]`
///
/// # Panics
/// When the last axis has no two halves.
pub fn swiglu<B: Backend, const D: usize>(gate_and_up: Tensor<B, D>) -> Tensor<B, D> {
    const { assert!(D >= 1, "an input has features") };
    let size = gate_and_up.dims()[D - 1];
    assert!(size.is_multiple_of(2), "SwiGLU: {size} features are no gates and as many numbers");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&gate_and_up) {
        return kernel::swiglu(gate_and_up);
    }
    portable::swiglu(gate_and_up)
}
