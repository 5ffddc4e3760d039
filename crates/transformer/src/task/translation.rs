//! The job `transformer-translation`: one text in, another out.

use burn::tensor::{
    Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use text_tasks::translation::{self as text, EncoderDecoder, EncoderDecoderFamily};
pub use text_tasks::translation::{ParallelBlock, TranslationOptions};
use training_loop::{error::TaskError, job::AssembleContext, optimizer::ParameterGroup, parameters::ParameterInfo};

use super::start::{Architecture, Start, undecayed};
use crate::{
    HuggingFaceError,
    seq2seq::{Seq2Seq, Seq2SeqConfig, Seq2SeqState},
};

/// `[model]` of the job `transformer-translation`.
pub type Seq2SeqModelConfig = Start<Seq2SeqConfig>;

/// `job = "transformer-translation"`.
pub type TransformerTranslationJob = text::TranslationJob<Seq2SeqModelConfig>;

/// Translation with cross entropy.
pub type TransformerTranslationTask = text::TranslationTask<Seq2SeqModelConfig>;

impl Architecture for Seq2SeqConfig {
    fn validate(&self) -> Vec<(&'static str, String)> {
        Seq2SeqConfig::validate(self)
    }

    fn of_config_file(_: &str) -> Result<Option<Self>, HuggingFaceError> {
        Ok(None)
    }

    fn shape(&self) -> Self {
        Self { activation_checkpointing: false, ..self.clone() }
    }
}

impl EncoderDecoderFamily for Seq2SeqModelConfig {
    const NAME: &'static str = "transformer-translation";
    const SUMMARY: &'static str =
        "the original transformer, an encoder and a decoder, that turns one text into another";

    type Model<B: Backend> = Seq2Seq<B>;
    type Trained<B: AutodiffBackend> = Seq2Seq<B>;

    fn init<B: Backend>(
        &self,
        source_vocab: usize,
        target_vocab: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError> {
        if self.architecture.shared_embeddings && source_vocab != target_vocab {
            let message = format!(
                "`model.shared_embeddings` needs one vocabulary for both languages, but the source has {source_vocab} tokens and \
                 the target {target_vocab}: share the tokenizer in `[data]`, or set `shared_embeddings = false`"
            );
            return Err(message.into());
        }
        self.with_lora(self.architecture.init(source_vocab, target_vocab, device), device)
    }

    fn load_pretrained<B: Backend>(
        &self,
        model: &mut Self::Model<B>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        self.load(model, context)
    }

    fn parameter_groups(&self, parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        undecayed(parameters)
    }
}

impl<B: Backend> EncoderDecoder<B> for Seq2Seq<B> {
    fn context_len(&self) -> Option<usize> {
        Some(Seq2Seq::context_len(self))
    }

    fn encode(&self, sources: Tensor<B, 2, Int>, lengths: &[usize]) -> Seq2SeqState<B> {
        Seq2Seq::encode(self, sources, lengths)
    }

    fn decode(&self, inputs: Tensor<B, 2, Int>, state: Seq2SeqState<B>) -> Tensor<B, 3> {
        Seq2Seq::decode(self, inputs, state).0
    }

    /// Of the last block, the mean of its heads.
    fn alignment(
        &self,
        sources: Tensor<B, 2, Int>,
        lengths: &[usize],
        inputs: Tensor<B, 2, Int>,
    ) -> Option<Tensor<B, 3>> {
        let state = Seq2Seq::encode(self, sources, lengths);
        let last = self.attention_weights(inputs, state).pop()?; // [batch, heads, time, source time]
        Some(last.mean_dim(1).squeeze_dim(1))
    }
}
