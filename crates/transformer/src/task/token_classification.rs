//! The job `bert-token-classification`: which tag each word of a sentence has.

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
pub use text_tasks::token_classification::{TaggedBlock, TokenClassificationOptions};
use text_tasks::{
    Texts,
    token_classification::{self as text, TokenClassifier, TokenClassifierFamily},
};
use training_loop::{error::TaskError, job::AssembleContext, optimizer::ParameterGroup, parameters::ParameterInfo};

use super::{start::undecayed, text_classification::BertModelConfig};
use crate::bert::BertForTokenClassification;

/// `job = "bert-token-classification"`.
pub type TokenClassificationJob = text::TokenClassificationJob<BertModelConfig>;

/// Classification of words with cross entropy.
pub type TokenClassificationTask = text::TokenClassificationTask<BertModelConfig>;

impl TokenClassifierFamily for BertModelConfig {
    const NAME: &'static str = "bert-token-classification";
    const SUMMARY: &'static str =
        "a transformer that reads a sentence from both sides (BERT) and tags its words (names, parts of speech)";

    type Model<B: Backend> = BertForTokenClassification<B>;
    type Trained<B: AutodiffBackend> = BertForTokenClassification<B>;

    fn init<B: Backend>(
        &self,
        vocab_size: usize,
        tags: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError> {
        self.with_lora(self.architecture.init_token_classifier(vocab_size, tags, device), device)
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

impl<B: Backend> TokenClassifier<B> for BertForTokenClassification<B> {
    fn context_len(&self) -> Option<usize> {
        Some(self.bert.context_len())
    }

    fn logits(&self, texts: &Texts<B>) -> Tensor<B, 3> {
        self.forward(texts.into())
    }
}
