//! Training losses.

mod binary;
mod focal;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;
mod tally;

pub use binary::binary_cross_entropy;
pub use focal::focal;
pub use tally::Tally;

use burn::tensor::{Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Options of [`cross_entropy`], with the meaning of
/// [`torch.nn.functional.cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
///
/// The default counts every row alike and smooths nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropy {
    /// Rows with this target (padding, say) add nothing to the loss, to its divisor or to the gradient. Default: none.
    pub ignore_index: Option<i64>,
    /// Share of each target's probability that is spread evenly over all classes, in `0.0..=1.0`. Default: 0.
    pub label_smoothing: f32,
    /// One factor a class; a row then counts as much as the factor of its target. Default: all 1.
    pub class_weights: Option<Vec<f32>>,
}

impl CrossEntropy {
    /// Rows with this target are passed over.
    pub fn ignoring(target: i32) -> Self {
        Self { ignore_index: Some(i64::from(target)), ..Self::default() }
    }
}

/// Cross entropy between `logits` and class indices: the mean over the rows that count, weighted by
/// [`class_weights`](CrossEntropy::class_weights) as PyTorch weights it.
///
/// Where every row is ignored the loss is 0 and so is its gradient. (PyTorch returns NaN there, which would end a run on
/// a batch of nothing but padding.)
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows]`, in `0..classes` or equal to `ignore_index`
/// - output: `[1]`
///
/// # Panics
/// When the shapes disagree, or (on the CPU backends, which can look) when a target is not a class.
pub fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    options: &CrossEntropy,
) -> Tensor<B, 1> {
    check_shapes(&logits, &targets, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if crate::cpu::is_cpu::<B>() && crate::cpu::is_f32(&logits) {
        return kernel::cross_entropy(logits, targets, options, kernel::Reduction::Mean);
    }
    portable::cross_entropy(logits, targets, options)
}

/// The loss of each row on its own: `cross_entropy(.., reduction="none")` in PyTorch, for evaluation.
///
/// Ignored rows are 0. With neither weights nor smoothing a row's value is `-ln p(target)`.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows]`
/// - output: `[rows]`
///
/// # Panics
/// As [`cross_entropy`].
pub fn nll_per_row<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    options: &CrossEntropy,
) -> Tensor<B, 1> {
    check_shapes(&logits, &targets, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if crate::cpu::is_cpu::<B>() && crate::cpu::is_f32(&logits) {
        return kernel::cross_entropy(logits, targets, options, kernel::Reduction::None);
    }
    portable::nll_per_row(logits, targets, options)
}

fn check_shapes<B: Backend>(logits: &Tensor<B, 2>, targets: &Tensor<B, 1, Int>, options: &CrossEntropy) {
    let [rows, classes] = logits.dims();
    let [targets] = targets.dims();
    assert_eq!(rows, targets, "cross entropy: {rows} rows of logits but {targets} targets");
    if let Some(weights) = &options.class_weights {
        assert_eq!(classes, weights.len(), "cross entropy: {classes} classes but {} class weights", weights.len());
    }
}
