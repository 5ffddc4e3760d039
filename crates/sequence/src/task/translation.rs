//! The job `translation`: one text in, another out.

use burn::tensor::{
    Bool, Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use text_tasks::translation::{self as text, EncoderDecoder, EncoderDecoderFamily};
pub use text_tasks::translation::{ParallelBlock, TeacherForcing, TranslationOptions};
use training_loop::{error::TaskError, model_block};

use crate::translator::{DecoderState, Translator, TranslatorConfig};

model_block!(TranslatorConfig);

/// `job = "translation"`.
pub type TranslationJob = text::TranslationJob<TranslatorConfig>;

/// Translation with cross entropy.
pub type TranslationTask = text::TranslationTask<TranslatorConfig>;

impl EncoderDecoderFamily for TranslatorConfig {
    const NAME: &'static str = "translation";
    const SUMMARY: &'static str =
        "a recurrent encoder and decoder with attention that turns one text into another (translation, dates)";

    type Model<B: Backend> = Translator<B>;
    type Trained<B: AutodiffBackend> = Translator<B>;

    fn init<B: Backend>(
        &self,
        source_vocab: usize,
        target_vocab: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError> {
        Ok(TranslatorConfig::init(self, source_vocab, target_vocab, device))
    }
}

impl<B: Backend> EncoderDecoder<B> for Translator<B> {
    fn encode(&self, sources: Tensor<B, 2, Int>, lengths: &[usize]) -> DecoderState<B> {
        Translator::encode(self, sources, lengths)
    }

    fn decode(&self, inputs: Tensor<B, 2, Int>, state: DecoderState<B>) -> Tensor<B, 3> {
        self.decode_from(state, inputs, None).logits
    }

    fn decode_sampled(
        &self,
        inputs: Tensor<B, 2, Int>,
        forced: Tensor<B, 2, Bool>,
        state: DecoderState<B>,
    ) -> Tensor<B, 3> {
        self.decode_from(state, inputs, Some(forced)).logits
    }

    fn alignment(
        &self,
        sources: Tensor<B, 2, Int>,
        lengths: &[usize],
        inputs: Tensor<B, 2, Int>,
    ) -> Option<Tensor<B, 3>> {
        self.forward(sources, lengths, inputs, None).attention
    }
}
