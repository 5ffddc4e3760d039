//! Normalisation of an example on its own, without a look at the others of its batch.
//!
//! Layer normalisation ([Ba, Kiros and Hinton 2016](https://arxiv.org/abs/1607.06450)) and that by the root mean square ([Zhang and
//! Sennrich 2019](https://arxiv.org/abs/1910.07467)) are over the features of each position: the last axis, with any number of axes
//! before it. Group normalisation ([Wu and He 2018](https://arxiv.org/abs/1803.08494)) is over the pixels of some channels, and
//! instance normalisation ([Ulyanov, Vedaldi and Lempitsky 2016](https://arxiv.org/abs/1607.08022)) over those of each channel.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod group_kernel;
pub mod group_norm;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod layer_norm;
pub mod portable;
pub mod rms_norm;

pub use group_norm::{GroupNorm, GroupNormConfig};
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

/// `(x - mean) / √(variance + epsilon)`, with mean and (biased) variance over all pixels of each of `groups` equal parts of an example's
/// channels, then `· weight + bias` of each channel, where there are these two.
///
/// # Shapes
/// - input: `[batch, channels, ..]`
/// - affine: weight and bias, `[channels]` each
/// - output: as the input
///
/// # Panics
/// When the shapes disagree, or the groups do not divide the channels.
pub fn group_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    groups: usize,
    affine: Option<[Tensor<B, 1>; 2]>,
    epsilon: f64,
) -> Tensor<B, D> {
    const { assert!(D >= 2, "an input has a batch and channels") };
    let channels = input.dims()[1];
    let divided = groups > 0 && channels.is_multiple_of(groups);
    assert!(divided, "group norm: {channels} channels in {groups} groups");
    for [found] in affine.iter().flatten().map(Tensor::dims) {
        assert_eq!(found, channels, "group norm: {channels} channels, but a weight or a bias for {found}");
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if group_kernel::takes(&input, &affine) {
        return group_kernel::group_norm(input, groups, affine, epsilon);
    }
    portable::group_norm(input, groups, affine, epsilon)
}

/// [`group_norm()`] with each channel on its own.
///
/// # Shapes
/// As [`group_norm()`].
///
/// # Panics
/// When the shapes disagree, or there are no channels.
pub fn instance_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    affine: Option<[Tensor<B, 1>; 2]>,
    epsilon: f64,
) -> Tensor<B, D> {
    let channels = input.dims()[1];
    group_norm(input, channels, affine, epsilon)
}

fn check_shapes<const D: usize>(what: &str, input: [usize; D], [weight]: [usize; 1], bias: Option<[usize; 1]>) {
    const { assert!(D >= 1, "an input has features") };
    let size = input[D - 1];
    assert_eq!(weight, size, "{what}: {size} features, but a weight for {weight}");
    if let Some([bias]) = bias {
        assert_eq!(bias, size, "{what}: {size} features, but a bias for {bias}");
    }
}
