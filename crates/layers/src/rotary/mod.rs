//! Rotary positions ([Su et al. 2021](https://arxiv.org/abs/2104.09864)): queries and keys are turned by an angle that grows
//! with the position, so that their product knows how far apart they are.
//!
//! Feature `i` of the first half of a head is turned with feature `i` of the second half, as Llama and Hugging Face's
//! `rotate_half` have it. (The paper pairs neighbours: the same up to an order of the features.)

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};
use std::ops::Range;

/// What the rotation is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotaryConfig {
    /// Features of a head, an even number.
    pub head_size: usize,
    /// The angle of pair `i` at position 1 is `base^(-2 i / head_size)`. Default: 10,000.
    pub base: f64,
}

/// Cosine and sine of each angle, without a gradient. No part of a checkpoint.
#[derive(Module, Debug)]
pub struct RotaryTable<B: Backend> {
    /// `[max_len, head_size / 2]`
    pub cos: Tensor<B, 2>,
    /// `[max_len, head_size / 2]`
    pub sin: Tensor<B, 2>,
}

impl RotaryConfig {
    /// A rotation with the paper's base.
    pub fn new(head_size: usize) -> Self {
        Self { head_size, base: 10_000.0 }
    }

    /// Sets the base.
    pub fn with_base(mut self, base: f64) -> Self {
        self.base = base;
        self
    }

    /// The table for positions up to `max_len`. Angles are computed in 64 bits.
    ///
    /// # Panics
    /// When the head size is odd.
    pub fn table<B: Backend>(&self, max_len: usize, device: &B::Device) -> RotaryTable<B> {
        let Self { head_size, base } = *self;
        assert!(head_size.is_multiple_of(2), "rotary: {head_size} features of a head are no pairs");
        let half = head_size / 2;
        let of_angles = |function: fn(f64) -> f64| {
            let angle = |at: usize| (at / half) as f64 * base.powf(-2.0 * (at % half) as f64 / head_size as f64);
            let values: Vec<f32> = (0..max_len * half).map(|at| function(angle(at)) as f32).collect();
            Tensor::from_data(TensorData::new(values, [max_len, half]), device)
        };
        RotaryTable { cos: of_angles(f64::cos), sin: of_angles(f64::sin) }
    }
}

/// Turns some heads of each row and leaves the others as they are: those of queries and keys, but not of values, of a packed
/// projection.
///
/// # Shapes
/// - input, output: `[batch, time, heads_side_by_side * head_size]`
/// - heads: which of the row's heads are turned
/// - offset: the position of the first row
///
/// # Panics
/// When a row is no whole number of heads or has no such heads, or the table ends before the last position.
pub fn rotate<B: Backend>(
    input: Tensor<B, 3>,
    heads: Range<usize>,
    table: &RotaryTable<B>,
    offset: usize,
) -> Tensor<B, 3> {
    check_shapes(input.dims(), &heads, table.cos.dims(), offset);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, table) {
        return kernel::rotate(input, heads, table, offset);
    }
    portable::rotate(input, heads, table, offset)
}

fn check_shapes([_, time, width]: [usize; 3], heads: &Range<usize>, [positions, half]: [usize; 2], offset: usize) {
    let size = 2 * half;
    assert!(size > 0 && width.is_multiple_of(size), "rotary: {width} features are no heads of {size}");
    let found = width / size;
    assert!(heads.start <= heads.end && heads.end <= found, "rotary: heads {heads:?} of {found}");
    let end = offset + time;
    assert!(end <= positions, "rotary: positions up to {end}, but a table for {positions}");
}
