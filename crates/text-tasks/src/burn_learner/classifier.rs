//! Classifiers of texts under burn's learner.

use burn::{
    tensor::{Int, Tensor, backend::Backend},
    train::ClassificationOutput,
};
use layers::loss::{CrossEntropy, cross_entropy};

use crate::{Texts, classification::TextClassifier};

/// Texts and their classes.
#[derive(Clone, Debug)]
pub struct TextClassBatch<B: Backend> {
    /// `[batch, time]`, padded at the end with any token.
    pub tokens: Tensor<B, 2, Int>,
    /// `batch` numbers in `1..=time`.
    pub lengths: Vec<usize>,
    /// `[batch]`
    pub classes: Tensor<B, 1, Int>,
}

/// Logits, and the mean loss.
pub fn classify<B: Backend>(model: &impl TextClassifier<B>, batch: TextClassBatch<B>) -> ClassificationOutput<B> {
    let logits = model.logits(&Texts { tokens: batch.tokens, segments: None, lengths: batch.lengths });
    let loss = cross_entropy(logits.clone(), batch.classes.clone(), &CrossEntropy::default());
    ClassificationOutput::new(loss, logits, batch.classes)
}
