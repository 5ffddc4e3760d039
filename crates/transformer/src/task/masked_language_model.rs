//! The job `bert-masked-language-model`: BERT learns a language by filling in hidden words, and is then a starting point for other jobs.

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
pub use text_tasks::masked_language_model::{MaskedBlock, MaskedLanguageModelOptions};
use text_tasks::{
    Texts,
    masked_language_model::{self as text, MaskedLanguageModel, MaskedLanguageModelFamily},
};
use training_loop::{error::TaskError, job::AssembleContext, optimizer::ParameterGroup, parameters::ParameterInfo};

use super::{start::undecayed, text_classification::BertModelConfig};
use crate::bert::BertForMaskedLm;

/// `job = "bert-masked-language-model"`.
pub type MaskedLanguageModelJob = text::MaskedLanguageModelJob<BertModelConfig>;

/// The loss of hidden tokens.
pub type MaskedLanguageModelTask = text::MaskedLanguageModelTask<BertModelConfig>;

impl MaskedLanguageModelFamily for BertModelConfig {
    const NAME: &'static str = "bert-masked-language-model";
    const SUMMARY: &'static str = "a transformer that reads a text from both sides (BERT) and fills in hidden words";

    type Model<B: Backend> = BertForMaskedLm<B>;
    type Trained<B: AutodiffBackend> = BertForMaskedLm<B>;

    fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Result<Self::Model<B>, TaskError> {
        self.with_lora(self.architecture.init_masked_lm(vocab_size, device), device)
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

impl<B: Backend> MaskedLanguageModel<B> for BertForMaskedLm<B> {
    fn context_len(&self) -> Option<usize> {
        Some(self.bert.context_len())
    }

    fn features(&self, texts: &Texts<B>) -> Tensor<B, 3> {
        self.bert.forward(texts.into())
    }

    fn logits(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_head(features)
    }
}
