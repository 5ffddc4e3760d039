//! Batch normalisation in plain tensor operations: the path of every backend and float type without a kernel, and the one that
//! can be differentiated more than once.

use super::{BatchNormOptions, BatchStatistics};
use burn::tensor::{Tensor, activation::relu, backend::Backend};

/// [`batch_norm_train`](super::batch_norm_train) in plain tensor operations.
///
/// # Shapes
/// As [`batch_norm_train`](super::batch_norm_train).
pub fn batch_norm_train<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> (Tensor<B, D>, BatchStatistics<B>) {
    let [batch, channels, pixels] = planes(input.dims());
    let count = batch * pixels;
    let flat = input.clone().reshape([batch, channels, pixels]);
    let mean = flat.clone().mean_dim(2).mean_dim(0); // [1, channels, 1]
    let centred = flat - mean.clone();
    let variance = (centred.clone() * centred).mean_dim(2).mean_dim(0); // [1, channels, 1]
    let (mean, variance) = (mean.reshape([channels]), variance.reshape([channels]));
    let statistics = BatchStatistics {
        mean: mean.clone().detach(),
        variance: variance.clone().detach() * (count as f64 / count.saturating_sub(1).max(1) as f64),
    };
    (batch_norm_infer(input, weight, bias, mean, variance, shortcut, options), statistics)
}

/// [`batch_norm_infer`](super::batch_norm_infer) in plain tensor operations. (Here mean and variance may have a graph.)
///
/// # Shapes
/// As [`batch_norm_infer`](super::batch_norm_infer).
pub fn batch_norm_infer<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    mean: Tensor<B, 1>,
    variance: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> Tensor<B, D> {
    let shape = input.dims();
    let [batch, channels, pixels] = planes(shape);
    let channel = |values: Tensor<B, 1>| values.reshape([1, channels, 1]);
    let centred = input.reshape([batch, channels, pixels]) - channel(mean);
    let scale = channel(weight / (variance + options.epsilon).sqrt());
    let output = (centred * scale + channel(bias)).reshape(shape);
    let output = match shortcut {
        Some(shortcut) => output + shortcut,
        None => output,
    };
    if options.relu { relu(output) } else { output }
}

/// Batch, channels, and pixels of a channel.
pub(super) fn planes<const D: usize>(shape: [usize; D]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}
