//! The rotation in plain tensor operations: the path of every backend and float type without a kernel, and the one that can
//! be differentiated more than once. Public so that tests can hold the kernel to it.

use super::RotaryTable;
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

/// [`rotate`](super::rotate) in plain tensor operations.
///
/// # Shapes
/// As [`rotate`](super::rotate).
pub fn rotate<B: Backend>(
    input: Tensor<B, 3>,
    heads: Range<usize>,
    table: &RotaryTable<B>,
    offset: usize,
) -> Tensor<B, 3> {
    let [batch, time, width] = input.dims();
    let [_, half] = table.cos.dims();
    let count = width / (2 * half);
    if heads.is_empty() || batch * time == 0 {
        return input;
    }
    let dtype = input.dtype();
    let angles = |of: &Tensor<B, 2>| of.clone().narrow(0, offset, time).cast(dtype).reshape([1, time, 1, half]);
    let (cos, sin) = (angles(&table.cos), angles(&table.sin));
    let input = input.reshape([batch, time, count, 2 * half]);
    let turned = input.clone().narrow(2, heads.start, heads.len()); // [batch, time, heads, 2 * half]
    let (first, second) = (turned.clone().narrow(3, 0, half), turned.narrow(3, half, half));
    let turned = Tensor::cat(
        vec![
            first.clone() * cos.clone() - second.clone() * sin.clone(), // [batch, time, heads, half]
            second * cos + first * sin,
        ],
        3,
    );
    let mut parts = Vec::with_capacity(3);
    if heads.start > 0 {
        parts.push(input.clone().narrow(2, 0, heads.start));
    }
    parts.push(turned);
    if heads.end < count {
        parts.push(input.narrow(2, heads.end, count - heads.end));
    }
    Tensor::cat(parts, 2).reshape([batch, time, width])
}
