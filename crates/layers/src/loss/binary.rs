//! Binary cross entropy, where each class is there or not on its own: an image or a text with several labels.

use burn::tensor::{Tensor, TensorData, activation::log_sigmoid, backend::Backend};

/// The mean over rows and classes of `-(weight · t · ln σ(x) + (1 - t) · ln(1 - σ(x)))`, with the meaning of
/// [`binary_cross_entropy_with_logits`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html)
/// and its `pos_weight`.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows, classes]`, from 0 to 1
/// - positive_weights: one factor a class for what is there; none: 1
/// - output: `[1]`
///
/// # Panics
/// When the shapes disagree.
pub fn binary_cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    positive_weights: Option<&[f32]>,
) -> Tensor<B, 1> {
    assert_eq!(logits.dims(), targets.dims(), "binary cross entropy: shapes of logits and targets");
    let device = logits.device();
    let there = targets.clone() * log_sigmoid(logits.clone());
    let there = match positive_weights {
        None => there,
        Some(weights) => {
            let weights = TensorData::new(weights.to_vec(), [1, weights.len()]);
            there * Tensor::<B, 2>::from_data(weights, &device)
        }
    };
    let absent = (targets.neg() + 1.0) * log_sigmoid(logits.neg());
    (there + absent).mean().neg()
}
