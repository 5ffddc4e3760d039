//! The job `language-model`: a recurrent network learns to predict the next token of a text.

use burn::tensor::{
    Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use layers::recurrent::RecurrentState;
use text_tasks::language_model::{self as text, LanguageModelFamily};
pub use text_tasks::language_model::{LanguageModelOptions, TextBlock};
use training_loop::{error::TaskError, model_block};

use crate::language_model::{LanguageModel, LanguageModelConfig};

model_block!(LanguageModelConfig);

/// `job = "language-model"`.
pub type LanguageModelJob = text::LanguageModelJob<LanguageModelConfig>;

/// Next-token prediction with carried state.
pub type LanguageModelTask<B> = text::LanguageModelTask<B, LanguageModelConfig>;

impl LanguageModelFamily for LanguageModelConfig {
    const NAME: &'static str = "language-model";
    const SUMMARY: &'static str = "an LSTM, GRU or plain recurrent network that learns to continue a text";

    type Model<B: Backend> = LanguageModel<B>;
    type Trained<B: AutodiffBackend> = LanguageModel<B>;

    fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Result<Self::Model<B>, TaskError> {
        Ok(LanguageModelConfig::init(self, vocab_size, device))
    }
}

impl<B: Backend> text::LanguageModel<B> for LanguageModel<B> {
    type Carried = RecurrentState<B>;

    fn forward_window(
        &self,
        tokens: Tensor<B, 2, Int>,
        carried: Option<Self::Carried>,
    ) -> (Tensor<B, 3>, Self::Carried) {
        self.forward(tokens, carried)
    }
}
