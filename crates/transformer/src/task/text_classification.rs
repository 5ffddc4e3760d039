//! The job `bert-classification`: which class a text belongs to.

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
pub use text_tasks::classification::{ClassificationOptions, LabelledBlock};
use text_tasks::classification::{TextClassificationJob, TextClassificationTask, TextClassifier, TextClassifierFamily};
use training_loop::{error::TaskError, job::AssembleContext, optimizer::ParameterGroup, parameters::ParameterInfo};

use super::start::{Architecture, Start, undecayed};
use crate::{
    HuggingFaceError,
    bert::{BertConfig, BertForSequenceClassification, Texts},
};

/// `[model]` of the jobs on BERT.
pub type BertModelConfig = Start<BertConfig>;

/// `job = "bert-classification"`.
pub type BertClassificationJob = TextClassificationJob<BertModelConfig>;

/// Classification with cross entropy.
pub type BertClassificationTask = TextClassificationTask<BertModelConfig>;

impl Architecture for BertConfig {
    fn validate(&self) -> Vec<(&'static str, String)> {
        BertConfig::validate(self)
    }

    fn of_config_file(text: &str) -> Result<Option<Self>, HuggingFaceError> {
        BertConfig::from_hugging_face(text).map(|(config, _)| Some(config))
    }

    fn shape(&self) -> Self {
        let feed_forward_size = self.activation.hidden(self.feed_forward_size, self.hidden_size);
        Self { dropout: 0.0, activation_checkpointing: false, context_len: 0, feed_forward_size, ..self.clone() }
    }
}

impl TextClassifierFamily for BertModelConfig {
    const NAME: &'static str = "bert-classification";
    const SUMMARY: &'static str = "a transformer that reads a text from both sides (BERT) and tells its class";

    type Model<B: Backend> = BertForSequenceClassification<B>;
    type Trained<B: AutodiffBackend> = BertForSequenceClassification<B>;

    fn init<B: Backend>(
        &self,
        vocab_size: usize,
        classes: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError> {
        self.with_lora(self.architecture.init_sequence_classifier(vocab_size, classes, device), device)
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

impl<'a, B: Backend> From<&'a text_tasks::Texts<B>> for Texts<'a, B> {
    fn from(texts: &'a text_tasks::Texts<B>) -> Self {
        Self { tokens: texts.tokens.clone(), types: texts.segments.clone(), lengths: &texts.lengths }
    }
}

impl<B: Backend> TextClassifier<B> for BertForSequenceClassification<B> {
    fn context_len(&self) -> Option<usize> {
        Some(self.bert.context_len())
    }

    fn logits(&self, texts: &text_tasks::Texts<B>) -> Tensor<B, 2> {
        self.forward(texts.into())
    }

    fn attention(&self, texts: &text_tasks::Texts<B>) -> Vec<Tensor<B, 4>> {
        self.bert.attention_weights(texts.into())
    }
}
