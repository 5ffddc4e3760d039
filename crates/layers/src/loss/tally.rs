//! Loss and accuracy over the batches of an evaluation.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use super::{CrossEntropy, nll_per_row};

/// Sums that stay on the device and are read once, after the last batch.
#[derive(Debug)]
pub struct Tally<B: Backend> {
    /// `[1]`
    loss: Tensor<B, 1>,
    /// `[1]`
    correct: Tensor<B, 1, Int>,
    count: usize,
}

impl<B: Backend> Tally<B> {
    /// Of nothing yet.
    pub fn new(device: &B::Device) -> Self {
        Self { loss: Tensor::zeros([1], device), correct: Tensor::zeros([1], device), count: 0 }
    }

    /// Adds a batch, of whose rows `count` are not ignored.
    ///
    /// # Shapes
    /// - logits: `[rows, classes]`
    /// - targets: `[rows]`
    ///
    /// # Panics
    /// As [`nll_per_row`].
    pub fn add(&mut self, logits: Tensor<B, 2>, targets: Tensor<B, 1, Int>, options: &CrossEntropy, count: usize) {
        let likeliest = logits.clone().argmax(1).flatten::<1>(0, 1);
        self.correct = self.correct.clone() + likeliest.equal(targets.clone()).int().sum();
        self.loss = self.loss.clone() + nll_per_row(logits, targets, options).sum();
        self.count += count;
    }

    /// Rows that were not ignored.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean loss and the share of rows whose likeliest class is their target; not a number without any row.
    pub fn means(self) -> [f64; 2] {
        let mean = |sum: TensorData| sum.iter::<f64>().sum::<f64>() / self.count as f64;
        [mean(self.loss.into_data()), mean(self.correct.into_data())]
    }
}
