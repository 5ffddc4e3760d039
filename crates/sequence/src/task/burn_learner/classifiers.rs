//! burn's own training traits for the classifiers of texts and of recordings.

use burn::{
    tensor::{Int, Tensor, backend::Backend},
    train::ClassificationOutput,
};
use layers::loss::{CrossEntropy, cross_entropy};
use training_loop::burn_steps;

use crate::{classifier::Classifier, speech_classifier::SpeechClassifier};

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

/// A model whose inputs have classes: its logits, `[batch, classes]`.
trait Logits<B: Backend, Batch> {
    fn logits(&self, batch: Batch) -> (Tensor<B, 2>, Tensor<B, 1, Int>);
}

impl<B: Backend> Logits<B, TextClassBatch<B>> for Classifier<B> {
    fn logits(&self, batch: TextClassBatch<B>) -> (Tensor<B, 2>, Tensor<B, 1, Int>) {
        (self.forward(batch.tokens, &batch.lengths), batch.classes)
    }
}

impl<B: Backend> Logits<B, RecordingBatch<B>> for SpeechClassifier<B> {
    fn logits(&self, batch: RecordingBatch<B>) -> (Tensor<B, 2>, Tensor<B, 1, Int>) {
        (self.forward(batch.features, &batch.lengths), batch.classes)
    }
}

fn predict<B: Backend, Batch>(model: &impl Logits<B, Batch>, batch: Batch) -> ClassificationOutput<B> {
    let (logits, classes) = model.logits(batch);
    let loss = cross_entropy(logits.clone(), classes.clone(), &CrossEntropy::default());
    ClassificationOutput::new(loss, logits, classes)
}

burn_steps!(Classifier, TextClassBatch, ClassificationOutput, predict);
burn_steps!(SpeechClassifier, RecordingBatch, ClassificationOutput, predict);
