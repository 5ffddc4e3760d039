//! Normalisation over the features of each position: layer normalisation ([Ba, Kiros and Hinton
//! 2016](https://arxiv.org/abs/1607.06450)) and that by the root mean square ([Zhang and Sennrich
//! 2019](https://arxiv.org/abs/1910.07467)).
//!
//! Both look at the last axis alone, so an input has any number of axes before it.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod layer_norm;
pub mod portable;
pub mod rms_norm;

pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use rms_norm::{RmsNorm, RmsNormConfig};

use burn::tensor::{Tensor, backend::Backend};

/// `(x - mean) / √(variance + epsilon) · weight + bias`, with mean and (biased) variance of each row of the last axis.
///
/// # Shapes
/// - input: `[.., size]`
/// - weight, bias: `[size]`
/// - output: as the input
///
/// # Panics
/// When the shapes disagree.
pub fn layer_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Option<Tensor<B, 1>>,
    epsilon: f64,
) -> Tensor<B, D> {
    check_shapes("layer norm", input.dims(), weight.dims(), bias.as_ref().map(Tensor::dims));
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &bias) {
        return kernel::layer_norm(input, weight, bias, epsilon);
    }
    portable::layer_norm(input, weight, bias, epsilon)
}

/// `x / √(mean of x² + epsilon) · weight`, with the mean over each row of the last axis.
///
/// # Shapes
/// - input: `[.., size]`
/// - weight: `[size]`
/// - output: as the input
///
/// # Panics
/// When the shapes disagree.
pub fn rms_norm<B: Backend, const D: usize>(input: Tensor<B, D>, weight: Tensor<B, 1>, epsilon: f64) -> Tensor<B, D> {
    check_shapes("RMS norm", input.dims(), weight.dims(), None);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &None) {
        return kernel::rms_norm(input, weight, epsilon);
    }
    portable::rms_norm(input, weight, epsilon)
}

fn check_shapes<const D: usize>(what: &str, input: [usize; D], [weight]: [usize; 1], bias: Option<[usize; 1]>) {
    const { assert!(D >= 1, "an input has features") };
    let size = input[D - 1];
    assert_eq!(weight, size, "{what}: {size} features, but a weight for {weight}");
    if let Some([bias]) = bias {
        assert_eq!(bias, size, "{what}: {size} features, but a bias for {bias}");
    }
}
