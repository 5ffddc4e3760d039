//! Translators under burn's learner, which read the true tokens.

use burn::{
    tensor::{Int, Tensor, backend::Backend},
    train::SequenceOutput,
};
use data::text::windows::IGNORE_TARGET;
use layers::loss::{CrossEntropy, cross_entropy};

use crate::translation::EncoderDecoder;

/// Texts and their translations.
#[derive(Clone, Debug)]
pub struct TranslationBatch<B: Backend> {
    /// `[batch, source time]`, padded at the end with any token.
    pub sources: Tensor<B, 2, Int>,
    /// `batch` numbers in `1..=source time`.
    pub lengths: Vec<usize>,
    /// What the decoder reads, `[batch, time]`.
    pub inputs: Tensor<B, 2, Int>,
    /// What it should write, `[batch, time]`; -100 where that does not count.
    pub targets: Tensor<B, 2, Int>,
}

/// Logits, and the mean loss over the targets that count.
pub fn translate<B: Backend>(model: &impl EncoderDecoder<B>, batch: TranslationBatch<B>) -> SequenceOutput<B> {
    let logits = model.decode(batch.inputs, model.encode(batch.sources, &batch.lengths));
    let options = CrossEntropy::ignoring(IGNORE_TARGET);
    let loss = cross_entropy(logits.clone().flatten(0, 1), batch.targets.clone().flatten(0, 1), &options);
    SequenceOutput::new(loss, logits, None, batch.targets)
}
