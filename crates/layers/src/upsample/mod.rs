//! Larger images out of small ones, without weights.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};

/// Every pixel as a square of `factor` times `factor`, as
/// [`torch.nn.Upsample`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html) does with a scale that is an integer.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels, height · factor, width · factor]`
///
/// # Panics
/// When the factor is 0.
pub fn nearest<B: Backend>(input: Tensor<B, 4>, factor: usize) -> Tensor<B, 4> {
    assert!(factor > 0, "upsampling by a factor of 0");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::nearest(input, factor);
    }
    portable::nearest(input, factor)
}
