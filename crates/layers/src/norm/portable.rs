//! The normalisations in plain tensor operations: the path of every backend and float type without a kernel, and the one that
//! can be differentiated more than once. Public so that tests can hold the kernel to it.

use burn::tensor::{Tensor, backend::Backend};

/// [`layer_norm`](super::layer_norm()) in plain tensor operations.
///
/// # Shapes
/// As [`layer_norm`](super::layer_norm()).
pub fn layer_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Option<Tensor<B, 1>>,
    epsilon: f64,
) -> Tensor<B, D> {
    let centred = input.clone() - input.mean_dim(D - 1);
    let output = rms_norm(centred, weight, epsilon);
    match bias {
        Some(bias) => output + row(bias),
        None => output,
    }
}

/// [`rms_norm`](super::rms_norm()) in plain tensor operations.
///
/// # Shapes
/// As [`rms_norm`](super::rms_norm()).
pub fn rms_norm<B: Backend, const D: usize>(input: Tensor<B, D>, weight: Tensor<B, 1>, epsilon: f64) -> Tensor<B, D> {
    let mean_square = (input.clone() * input.clone()).mean_dim(D - 1); // [.., 1]
    input / (mean_square + epsilon).sqrt() * row(weight)
}

/// [`group_norm`](super::group_norm()) in plain tensor operations.
///
/// # Shapes
/// As [`group_norm`](super::group_norm()).
pub fn group_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    groups: usize,
    affine: Option<[Tensor<B, 1>; 2]>,
    epsilon: f64,
) -> Tensor<B, D> {
    let shape = input.dims();
    let [batch, channels] = [shape[0], shape[1]];
    let pixels = shape[2..].iter().product::<usize>();
    let flat = input.reshape([batch, groups, channels / groups * pixels]);
    let centred = flat.clone() - flat.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2); // [batch, groups, 1]
    let normal = (centred / (variance + epsilon).sqrt()).reshape([batch, channels, pixels]);
    let output = match affine {
        Some([weight, bias]) => normal * weight.reshape([1, channels, 1]) + bias.reshape([1, channels, 1]),
        None => normal,
    };
    output.reshape(shape)
}

/// `[size]` as `[1, .., 1, size]`.
fn row<B: Backend, const D: usize>(values: Tensor<B, 1>) -> Tensor<B, D> {
    let mut shape = [1; D];
    [shape[D - 1]] = values.dims();
    values.reshape(shape)
}
