//! The losses in plain tensor operations: the path of every backend and float type without a kernel, and the one that
//! can be differentiated more than once. Public so that tests can hold the kernels to it.

use super::CrossEntropy;
use burn::tensor::{Bool, Int, Tensor, TensorData, activation::log_softmax, backend::Backend};

/// [`cross_entropy`](super::cross_entropy) in plain tensor operations.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows]`
/// - output: `[1]`
pub fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    options: &CrossEntropy,
) -> Tensor<B, 1> {
    let rows = Rows::new(&logits, targets, options);
    let total_weight = rows.target_weights.clone().sum();
    // Every row ignored: the numerator is 0 too, and 0 / 1 is the 0 that is promised.
    let nothing_counts = total_weight.clone().equal_elem(0);
    let divisor = total_weight.mask_fill(nothing_counts, 1);
    rows.losses(logits, options).sum() / divisor
}

/// [`nll_per_row`](super::nll_per_row) in plain tensor operations.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - targets: `[rows]`
/// - output: `[rows]`
pub fn nll_per_row<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    options: &CrossEntropy,
) -> Tensor<B, 1> {
    Rows::new(&logits, targets, options).losses(logits, options)
}

/// What is known of the rows before the logits are looked at.
struct Rows<B: Backend> {
    /// `[rows]`: the targets, 0 where ignored so that they can index.
    targets: Tensor<B, 1, Int>,
    /// `[rows]`
    ignored: Option<Tensor<B, 1, Bool>>,
    /// `[1, classes]`
    class_weights: Option<Tensor<B, 2>>,
    /// `[rows]`: what each row counts, 0 where ignored.
    target_weights: Tensor<B, 1>,
}

impl<B: Backend> Rows<B> {
    fn new(logits: &Tensor<B, 2>, targets: Tensor<B, 1, Int>, options: &CrossEntropy) -> Self {
        let [rows, classes] = logits.dims();
        let device = logits.device();
        let ignored = options.ignore_index.map(|index| targets.clone().equal_elem(index));
        let targets = match &ignored {
            Some(ignored) => targets.mask_fill(ignored.clone(), 0),
            None => targets,
        };
        let class_weights = options.class_weights.as_ref().map(|weights| {
            let data = TensorData::new(weights.clone(), [1, classes]);
            Tensor::<B, 2>::from_data(data, (&device, logits.dtype()))
        });
        let target_weights = match &class_weights {
            Some(weights) => weights.clone().reshape([classes]).select(0, targets.clone()),
            None => Tensor::ones([rows], (&device, logits.dtype())),
        };
        let target_weights = match &ignored {
            Some(ignored) => target_weights.mask_fill(ignored.clone(), 0),
            None => target_weights,
        };
        Self { targets, ignored, class_weights, target_weights }
    }

    /// `[rows]`: the loss of each row, not yet divided by anything.
    fn losses(self, logits: Tensor<B, 2>, options: &CrossEntropy) -> Tensor<B, 1> {
        let [rows, classes] = logits.dims();
        let log_probabilities = log_softmax(logits, 1); // [rows, classes]
        let smoothing = options.label_smoothing;
        let of_target = log_probabilities.clone().gather(1, self.targets.reshape([rows, 1])).reshape([rows]);
        let mut losses = of_target * self.target_weights * (smoothing - 1.0);
        if smoothing > 0.0 {
            let weighted = match self.class_weights {
                Some(weights) => log_probabilities * weights,
                None => log_probabilities,
            };
            let of_all = weighted.sum_dim(1).reshape([rows]);
            losses = losses - of_all * (smoothing / classes as f32);
        }
        match self.ignored {
            // Filled, not multiplied: an ignored row may hold infinities.
            Some(ignored) => losses.mask_fill(ignored, 0),
            None => losses,
        }
    }
}
