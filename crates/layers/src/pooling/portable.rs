//! burn's own pools: the path of every backend and float type without a kernel. They cannot be differentiated twice, and so not at
//! all under an `Autodiff` of an `Autodiff`; only the mean of whole images can.

use super::Pool2dOptions;
use burn::tensor::{Tensor, backend::Backend, module};

/// [`max_pool2d`](super::max_pool2d) by burn.
///
/// # Shapes
/// As [`max_pool2d`](super::max_pool2d).
pub fn max_pool2d<B: Backend>(input: Tensor<B, 4>, options: &Pool2dOptions) -> Tensor<B, 4> {
    module::max_pool2d(input, options.kernel, options.stride, options.padding, [1, 1], false)
}

/// [`avg_pool2d`](super::avg_pool2d) by burn.
///
/// # Shapes
/// As [`avg_pool2d`](super::avg_pool2d).
pub fn avg_pool2d<B: Backend>(input: Tensor<B, 4>, options: &Pool2dOptions, count_padding: bool) -> Tensor<B, 4> {
    module::avg_pool2d(input, options.kernel, options.stride, options.padding, count_padding, false)
}

/// [`adaptive_avg_pool2d`](super::adaptive_avg_pool2d) by burn.
///
/// # Shapes
/// As [`adaptive_avg_pool2d`](super::adaptive_avg_pool2d).
pub fn adaptive_avg_pool2d<B: Backend>(input: Tensor<B, 4>, output_size: [usize; 2]) -> Tensor<B, 4> {
    if output_size == [1, 1] {
        return input.mean_dim(3).mean_dim(2);
    }
    module::adaptive_avg_pool2d(input, output_size)
}
