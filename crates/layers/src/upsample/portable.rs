//! Upsampling in plain tensor operations: the path of every backend and float type without a kernel, and the one that can be
//! differentiated more than once. Public so that tests can hold the kernel to it.

use burn::tensor::{Tensor, backend::Backend};

/// [`nearest`](super::nearest) in plain tensor operations.
///
/// # Shapes
/// As [`nearest`](super::nearest).
pub fn nearest<B: Backend>(input: Tensor<B, 4>, factor: usize) -> Tensor<B, 4> {
    let [batch, channels, height, width] = input.dims();
    let rows = batch * channels;
    input.reshape([rows, height, 1, width, 1]).expand([rows, height, factor, width, factor]).reshape([
        batch,
        channels,
        height * factor,
        width * factor,
    ])
}
