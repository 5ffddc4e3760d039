//! Batch normalisation ([Ioffe and Szegedy 2015](https://arxiv.org/abs/1502.03167)), with what follows it in most networks,
//! the sum with a shortcut and the rectifier, in the same pass over memory.
//!
//! The functions return the batch's statistics and do not keep them; the layer [`BatchNorm`] does. Unlike burn's, the variance for
//! running ones is the unbiased one, as in PyTorch.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod module;
pub mod portable;

pub use module::{BatchNorm, BatchNormConfig};

use burn::tensor::{Tensor, backend::Backend};

/// Options of [`batch_norm_train`] and [`batch_norm_infer`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance. Default: 1e-5.
    pub epsilon: f64,
    /// Whether negative results become 0. Default: false.
    pub relu: bool,
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        Self { epsilon: 1e-5, relu: false }
    }
}

/// What a batch looked like, without a graph.
#[derive(Clone, Debug)]
pub struct BatchStatistics<B: Backend> {
    /// `[channels]`
    pub mean: Tensor<B, 1>,
    /// `[channels]`, unbiased: divided by one less than there are numbers in a channel (by one where there is one).
    pub variance: Tensor<B, 1>,
}

/// Normalises each channel by the mean and the (biased) variance that it has in this batch, then scales and shifts it.
///
/// `shortcut` is added to the result, before the rectifier.
///
/// # Shapes
/// - input, shortcut: `[batch, channels, ..]`
/// - weight, bias: `[channels]`
/// - output: as the input
///
/// # Panics
/// When the shapes disagree or there is nothing to normalise.
pub fn batch_norm_train<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> (Tensor<B, D>, BatchStatistics<B>) {
    check_shapes(&input, [&weight, &bias], &shortcut);
    assert!(input.shape().num_elements() > 0, "batch norm: statistics of nothing");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, [&weight, &bias], &shortcut) {
        return kernel::train(input, weight, bias, shortcut, options);
    }
    portable::batch_norm_train(input, weight, bias, shortcut, options)
}

/// Normalises each channel by the given mean and variance, then scales and shifts it. These two get no gradient.
///
/// # Shapes
/// - as [`batch_norm_train`]
/// - mean, variance: `[channels]`
///
/// # Panics
/// When the shapes disagree.
pub fn batch_norm_infer<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    mean: Tensor<B, 1>,
    variance: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> Tensor<B, D> {
    check_shapes(&input, [&weight, &bias], &shortcut);
    check_shapes(&input, [&mean, &variance], &None);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, [&weight, &bias], &shortcut) && kernel::takes(&input, [&mean, &variance], &None) {
        return kernel::infer(input, weight, bias, [mean, variance], shortcut, options);
    }
    portable::batch_norm_infer(input, weight, bias, mean, variance, shortcut, options)
}

fn check_shapes<B: Backend, const D: usize>(
    input: &Tensor<B, D>,
    of_channels: [&Tensor<B, 1>; 2],
    shortcut: &Option<Tensor<B, D>>,
) {
    const { assert!(D >= 2, "an input has a batch and channels") };
    let channels = input.dims()[1];
    for [found] in of_channels.map(Tensor::dims) {
        assert_eq!(found, channels, "batch norm: {channels} channels, but something for {found}");
    }
    if let Some(shortcut) = shortcut {
        assert_eq!(input.dims(), shortcut.dims(), "batch norm: shapes of input and shortcut");
    }
}
