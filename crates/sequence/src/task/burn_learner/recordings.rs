//! burn's own training traits for the classifier of recordings.

use burn::{
    tensor::{Int, Tensor, backend::Backend},
    train::ClassificationOutput,
};
use layers::loss::{CrossEntropy, cross_entropy};
use training_loop::burn_steps;

use crate::speech_classifier::SpeechClassifier;

/// Recordings and their classes.
#[derive(Clone, Debug)]
pub struct RecordingBatch<B: Backend> {
    /// `[batch, frames, features]`, padded at the end.
    pub features: Tensor<B, 3>,
    /// `batch` numbers in `1..=frames`.
    pub lengths: Vec<usize>,
    /// `[batch]`
    pub classes: Tensor<B, 1, Int>,
}

fn predict<B: Backend>(model: &SpeechClassifier<B>, batch: RecordingBatch<B>) -> ClassificationOutput<B> {
    let logits = model.forward(batch.features, &batch.lengths);
    let loss = cross_entropy(logits.clone(), batch.classes.clone(), &CrossEntropy::default());
    ClassificationOutput::new(loss, logits, batch.classes)
}

burn_steps!(SpeechClassifier, RecordingBatch, ClassificationOutput, predict);
