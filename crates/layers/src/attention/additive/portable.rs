//! The score in plain tensor operations: the path of every backend and float type without a kernel, and the one that
//! can be differentiated more than once. Public so that tests can hold the kernel to it.

use burn::tensor::{Tensor, backend::Backend};

/// [`additive_scores`](super::additive_scores) in plain tensor operations, with `[batch, queries, steps, features]` in
/// between.
///
/// # Shapes
/// As [`additive_scores`](super::additive_scores).
pub fn additive_scores<B: Backend>(query: Tensor<B, 3>, keys: Tensor<B, 3>, weight: Tensor<B, 1>) -> Tensor<B, 3> {
    let [batch, queries, features] = query.dims();
    let [_, steps, _] = keys.dims();
    let sums = query.reshape([batch, queries, 1, features]) + keys.reshape([batch, 1, steps, features]);
    let terms = sums.tanh() * weight.reshape([1, 1, 1, features]); // [batch, queries, steps, features]
    terms.sum_dim(3).reshape([batch, queries, steps])
}
