//! The job `gpt`: a transformer learns to predict the next token of a text.

use burn::tensor::{
    Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use text_tasks::language_model::{self as text, LanguageModelFamily};
pub use text_tasks::language_model::{LanguageModelOptions, TextBlock};
use training_loop::{error::TaskError, job::AssembleContext, optimizer::ParameterGroup, parameters::ParameterInfo};

use super::start::{Architecture, Start, undecayed};
use crate::{
    HuggingFaceError,
    gpt::{Gpt, GptConfig},
};

/// `[model]` of the job `gpt`.
pub type GptModelConfig = Start<GptConfig>;

/// `job = "gpt"`.
pub type GptJob = text::LanguageModelJob<GptModelConfig>;

/// Next-token prediction.
pub type GptTask<B> = text::LanguageModelTask<B, GptModelConfig>;

impl Architecture for GptConfig {
    fn validate(&self) -> Vec<(&'static str, String)> {
        GptConfig::validate(self)
    }

    fn of_config_file(text: &str) -> Result<Option<Self>, HuggingFaceError> {
        GptConfig::from_hugging_face(text).map(|(config, _)| Some(config))
    }

    fn shape(&self) -> Self {
        // What is left out stands for a size, and a shorter context is cut from a longer one.
        let feed_forward_size = self.activation.hidden(self.feed_forward_size, self.embedding_size);
        let num_kv_heads = if self.num_kv_heads == 0 { self.num_heads } else { self.num_kv_heads };
        Self {
            dropout: 0.0,
            activation_checkpointing: false,
            context_len: 0,
            feed_forward_size,
            num_kv_heads,
            ..self.clone()
        }
    }
}

impl LanguageModelFamily for GptModelConfig {
    const NAME: &'static str = "gpt";
    const SUMMARY: &'static str = "a transformer (GPT-2, Llama's block) that learns to continue a text";

    type Model<B: Backend> = Gpt<B>;
    type Trained<B: AutodiffBackend> = Gpt<B>;

    fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Result<Self::Model<B>, TaskError> {
        self.with_lora(self.architecture.init(vocab_size, device), device)
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

impl<B: Backend> text::LanguageModel<B> for Gpt<B> {
    /// Each window begins anew: what is before it lies outside the context.
    type Carried = ();

    fn forward_window(&self, tokens: Tensor<B, 2, Int>, _carried: Option<()>) -> (Tensor<B, 3>, ()) {
        (self.forward(tokens, None).0, ())
    }

    fn attention(&self, tokens: Tensor<B, 2, Int>) -> Vec<Tensor<B, 4>> {
        self.attention_weights(tokens)
    }
}
