use burn::tensor::{
    Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use layers::loss::{CrossEntropy, cross_entropy, focal};
use training_loop::task::StepOutput;

/// Cross entropy, with smoothed labels and class weights, or the focal loss.
#[derive(Debug, Clone)]
pub struct ClassificationLoss {
    cross_entropy: CrossEntropy,
    focal_gamma: f64,
}

impl ClassificationLoss {
    /// Without `focal_gamma` (0), cross entropy.
    pub fn new(label_smoothing: f32, class_weights: Option<Vec<f32>>, focal_gamma: f64) -> Self {
        let cross_entropy = CrossEntropy { ignore_index: None, label_smoothing, class_weights };
        Self { cross_entropy, focal_gamma }
    }

    /// The mean loss of a batch.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - labels: `[batch]`
    /// - output: `[1]`
    pub fn of<B: Backend>(&self, logits: Tensor<B, 2>, labels: Tensor<B, 1, Int>) -> Tensor<B, 1> {
        if self.focal_gamma > 0.0 {
            focal(logits, labels, self.focal_gamma, self.cross_entropy.class_weights.as_deref())
        } else {
            cross_entropy(logits, labels, &self.cross_entropy)
        }
    }

    /// The loss of a batch, and the share of it that is right.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - labels: `[batch]`
    pub fn step<B: AutodiffBackend>(&self, logits: Tensor<B, 2>, labels: Tensor<B, 1, Int>) -> StepOutput<B> {
        let [items, _] = logits.dims();
        let correct = logits.clone().inner().argmax(1).flatten::<1>(0, 1).equal(labels.clone().inner());
        let loss = self.of(logits, labels);
        StepOutput::new(loss, items).with_metric("accuracy", correct.float().mean())
    }
}
