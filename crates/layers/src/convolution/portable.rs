//! burn's own convolutions: the path of every backend and float type without a kernel.

use super::{Conv2dOptions, ConvTranspose2dOptions};
use burn::tensor::{
    Tensor,
    backend::Backend,
    module,
    ops::{ConvOptions, ConvTransposeOptions},
};

/// [`conv2d`](super::conv2d) by burn.
///
/// # Shapes
/// As [`conv2d`](super::conv2d).
pub fn conv2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) -> Tensor<B, 4> {
    let Conv2dOptions { stride, padding, dilation, groups } = *options;
    module::conv2d(input, weight, bias, ConvOptions::new(stride, padding, dilation, groups))
}

/// [`conv_transpose2d`](super::conv_transpose2d) by burn.
///
/// # Shapes
/// As [`conv_transpose2d`](super::conv_transpose2d).
pub fn conv_transpose2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &ConvTranspose2dOptions,
) -> Tensor<B, 4> {
    let ConvTranspose2dOptions { stride, padding, output_padding, dilation, groups } = *options;
    let options = ConvTransposeOptions::new(stride, padding, output_padding, dilation, groups);
    module::conv_transpose2d(input, weight, bias, options)
}
