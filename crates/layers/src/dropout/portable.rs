//! Dropout in plain tensor operations: the path of every backend and float type without a kernel, and the one that can be
//! differentiated more than once. Public so that tests can hold the kernel to it.

use crate::checkpoint::random;
use burn::tensor::{Distribution, Tensor, backend::Backend};

/// [`dropout`](super::dropout()) in plain tensor operations, whether or not gradients are recorded.
///
/// # Shapes
/// As [`dropout`](super::dropout()).
pub fn dropout<B: Backend, const D: usize>(input: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    if probability == 1.0 {
        return input * 0.0;
    }
    let keep = 1.0 - probability;
    random::before_drawing::<B>(&input.device());
    let kept = input.random_like(Distribution::Bernoulli(keep));
    input * (kept / keep)
}

/// [`drop_path`](super::drop_path) in plain tensor operations, whether or not gradients are recorded.
///
/// # Shapes
/// As [`drop_path`](super::drop_path).
pub fn drop_path<B: Backend, const D: usize>(branch: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    if probability == 1.0 {
        return branch * 0.0;
    }
    let keep = 1.0 - probability;
    let mut shape = [1; D];
    shape[0] = branch.dims()[0];
    random::before_drawing::<B>(&branch.device());
    let kept = Tensor::random(shape, Distribution::Bernoulli(keep), (&branch.device(), branch.dtype()));
    branch * (kept / keep)
}
