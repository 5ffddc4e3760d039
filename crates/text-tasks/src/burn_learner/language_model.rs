//! Language models under burn's learner. See `examples/burn-learner`.
//!
//! burn's learner has no place for carried state, so each window begins with an empty one.

use burn::{
    data::dataloader::batcher::Batcher,
    tensor::{Int, Tensor, TensorData, backend::Backend},
    train::SequenceOutput,
};
use data::text::windows::{IGNORE_TARGET, TextBatch};
use layers::loss::{CrossEntropy, cross_entropy};

use crate::language_model::LanguageModel;

/// A batch of windows on the device.
///
/// # Shapes
/// Both are `[batch, time]`.
#[derive(Clone, Debug)]
pub struct LanguageModelBatch<B: Backend> {
    /// Tokens to read.
    pub inputs: Tensor<B, 2, Int>,
    /// The token after each, or -100 where nothing is to be predicted.
    pub targets: Tensor<B, 2, Int>,
}

/// Puts windows of equal length, one row or several each, into one batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct LanguageModelBatcher;

impl<B: Backend> Batcher<B, TextBatch, LanguageModelBatch<B>> for LanguageModelBatcher {
    /// # Panics
    /// When `items` is empty or the windows differ in length.
    fn batch(&self, items: Vec<TextBatch>, device: &B::Device) -> LanguageModelBatch<B> {
        let rows = |data: &dyn Fn(TextBatch) -> Vec<i32>| {
            let rows = items.iter().map(|window| {
                let shape = [window.batch_size, window.seq_len];
                Tensor::from_data(TensorData::new(data(window.clone()), shape), device)
            });
            Tensor::cat(rows.collect(), 0)
        };
        LanguageModelBatch { inputs: rows(&|window| window.inputs), targets: rows(&|window| window.targets) }
    }
}

/// Logits, and the mean loss over the targets that count.
pub fn predict_tokens<B: Backend>(model: &impl LanguageModel<B>, batch: LanguageModelBatch<B>) -> SequenceOutput<B> {
    let (logits, _) = model.forward_window(batch.inputs, None);
    let options = CrossEntropy::ignoring(IGNORE_TARGET);
    let targets = batch.targets.clone().flatten(0, 1);
    let loss = cross_entropy(logits.clone().flatten(0, 1), targets, &options);
    SequenceOutput::new(loss, logits, None, batch.targets)
}
