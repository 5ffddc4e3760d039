//! Text from a trained language model, token by token.
//!
//! The prompt is consumed in one forward pass; from then on the carried state makes each token cost one step, however
//! long the text. One vector of logits a token is read back to the host, where the draw is made (see
//! [`layers::sampling`]).

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use layers::{
    recurrent::RecurrentState,
    sampling::{Sampler, SamplingError},
};

pub use layers::sampling::SamplingOptions;

use crate::language_model::LanguageModel;

/// Why nothing can be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There is nothing to go on from.
    #[error("the prompt is empty: give at least one token")]
    EmptyPrompt,
    /// A token that the model does not know.
    #[error("the prompt holds token {token}, but the model knows {vocab_size} tokens")]
    UnknownToken {
        /// The token.
        token: u32,
        /// The size of the model's vocabulary.
        vocab_size: usize,
    },
    /// An option that can never work, or a model that has diverged.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The logits could not be read back from the device.
    #[error("reading from the device failed: {0}")]
    Device(String),
}

/// Continues a prompt for ever: an iterator of tokens. It ends only after an error.
#[derive(Debug)]
pub struct Generator<'a, B: Backend> {
    model: &'a LanguageModel<B>,
    sampler: Sampler,
    device: B::Device,
    /// None after an error.
    next: Option<Next<B>>,
}

/// Where the next token comes from. Its logits are made only when it is asked for, so each is given out as soon as it
/// is drawn.
#[derive(Debug)]
enum Next<B: Backend> {
    /// Logits after the prompt, `[1, 1, vocabulary]`, and the state.
    Prompt(Tensor<B, 3>, RecurrentState<B>),
    /// The token that was drawn, and the state before it.
    Token(u32, RecurrentState<B>),
}

impl<'a, B: Backend> Generator<'a, B> {
    /// Reads `prompt` in one pass. What follows depends on the weights, the prompt, the options and `seed` alone.
    ///
    /// # Errors
    /// An empty prompt, a token outside the vocabulary, an impossible option.
    pub fn new(
        model: &'a LanguageModel<B>,
        prompt: &[u32],
        options: SamplingOptions,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, GenerationError> {
        let mut sampler = Sampler::new(options, seed)?;
        let vocab_size = model.vocab_size();
        if prompt.is_empty() {
            return Err(GenerationError::EmptyPrompt);
        }
        if let Some(&token) = prompt.iter().find(|token| **token as usize >= vocab_size) {
            return Err(GenerationError::UnknownToken { token, vocab_size });
        }
        sampler.observe(prompt);
        let (features, state) = model.forward_features(row(prompt, device), None);
        // Only the last place is projected: the vocabulary may be large and the prompt long.
        let last = features.narrow(1, prompt.len() - 1, 1); // [1, 1, hidden]
        Ok(Self { model, sampler, device: device.clone(), next: Some(Next::Prompt(model.forward_head(last), state)) })
    }

    fn step(&mut self) -> Result<Option<u32>, GenerationError> {
        let (logits, state) = match self.next.take() {
            None => return Ok(None),
            Some(Next::Prompt(logits, state)) => (logits, state),
            Some(Next::Token(token, state)) => self.model.forward(row(&[token], &self.device), Some(state)),
        };
        let logits = logits.into_data().convert::<f32>();
        let logits = logits.as_slice::<f32>().map_err(|error| GenerationError::Device(format!("{error:?}")))?;
        let token = self.sampler.next(logits)?;
        self.next = Some(Next::Token(token, state));
        Ok(Some(token))
    }
}

impl<B: Backend> Iterator for Generator<'_, B> {
    type Item = Result<u32, GenerationError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// `tokens` as a batch of one, `[1, time]`.
fn row<B: Backend>(tokens: &[u32], device: &B::Device) -> Tensor<B, 2, Int> {
    let tokens: Vec<i32> = tokens.iter().map(|token| *token as i32).collect();
    let shape = [1, tokens.len()];
    Tensor::from_data(TensorData::new(tokens, shape), device)
}
