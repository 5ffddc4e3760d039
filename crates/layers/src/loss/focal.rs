//! The focal loss ([Lin et al. 2017](https://arxiv.org/abs/1708.02002)): cross entropy in which examples that are right
//! already count less.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use super::{CrossEntropy, nll_per_row};

/// The mean of `(1 - p)^gamma · -ln p`, where `p` is the probability of a row's target; with `class_weights`, the mean
/// weighted by those of the targets, as [`cross_entropy`](super::cross_entropy) weights it. Targets are not smoothed.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows]`, in `0..classes`
/// - output: `[1]`
///
/// # Panics
/// As [`cross_entropy`](super::cross_entropy).
pub fn focal<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    gamma: f64,
    class_weights: Option<&[f32]>,
) -> Tensor<B, 1> {
    let device = logits.device();
    let surprise = nll_per_row(logits, targets.clone(), &CrossEntropy::default());
    // Not quite 0, where a power below 1 has no gradient.
    let missing = (surprise.clone().neg().exp().neg() + 1.0).clamp_min(f32::EPSILON);
    let losses = surprise * missing.powf_scalar(gamma);
    match class_weights {
        None => losses.mean(),
        Some(weights) => {
            let weights = Tensor::<B, 1>::from_data(TensorData::new(weights.to_vec(), [weights.len()]), &device);
            let weights = weights.select(0, targets);
            (losses * weights.clone()).sum() / weights.sum()
        }
    }
}
