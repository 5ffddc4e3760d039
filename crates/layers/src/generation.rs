//! Text from a trained language model, token by token.
//!
//! The prompt is consumed in one forward pass; from then on the carried state makes each token cost one step, however
//! long the text. One vector of logits a token is read back to the host, where the draw is made (see
//! [`sampling`](crate::sampling)).

use std::fmt;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use crate::sampling::{Sampler, SamplingError, SamplingOptions};

/// A model that tells from the tokens so far which one comes next.
pub trait CausalLanguageModel<B: Backend> {
    /// What it remembers of the tokens that it has read: a recurrent state, keys and values of attention.
    type State: Clone + fmt::Debug;

    /// How many tokens it knows.
    fn vocab_size(&self) -> usize;

    /// The most tokens that it reads one after another from an empty state; none where there is no limit. Default: none.
    fn context_len(&self) -> Option<usize> {
        None
    }

    /// The logits of the token after the last of `tokens`, and the state behind it.
    ///
    /// Without a state the text begins here; with the state of an earlier call it goes on from there. No more tokens than
    /// [`context_len`](Self::context_len) are read from an empty state on.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`, in `0..vocabulary`
    /// - logits: `[batch, vocabulary]`
    fn next_logits(&self, tokens: Tensor<B, 2, Int>, state: Option<Self::State>) -> (Tensor<B, 2>, Self::State);
}

/// Why nothing can be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenerationError {
    /// There is nothing to go on from.
    EmptyPrompt,
    /// A token that the model does not know.
    UnknownToken {
        /// The token.
        token: u32,
        /// The size of the model's vocabulary.
        vocab_size: usize,
    },
    /// An option that can never work, or a model that has diverged.
    Sampling(SamplingError),
    /// The logits could not be read back from the device.
    Device(String),
}

impl fmt::Display for GenerationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPrompt => write!(f, "the prompt is empty: give at least one token"),
            Self::UnknownToken { token, vocab_size } => {
                write!(f, "the prompt holds token {token}, but the model knows {vocab_size} tokens")
            }
            Self::Sampling(error) => error.fmt(f),
            Self::Device(error) => write!(f, "reading from the device failed: {error}"),
        }
    }
}

impl std::error::Error for GenerationError {}

impl From<SamplingError> for GenerationError {
    fn from(error: SamplingError) -> Self {
        Self::Sampling(error)
    }
}

/// Continues a prompt for ever: an iterator of tokens. It ends only after an error.
///
/// A model whose context is full reads the later half of it anew and goes on from there.
#[derive(Debug)]
pub struct Generator<'a, B: Backend, M: CausalLanguageModel<B>>(BatchGenerator<'a, B, M>);

impl<'a, B: Backend, M: CausalLanguageModel<B>> Generator<'a, B, M> {
    /// What follows `prompt` depends on the weights, the prompt, the options and `seed` alone. Of a prompt that is longer
    /// than the model's context its end is read.
    ///
    /// # Errors
    /// An empty prompt, a token outside the vocabulary, an impossible option.
    pub fn new(
        model: &'a M,
        prompt: &[u32],
        options: SamplingOptions,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, GenerationError> {
        Ok(Self(BatchGenerator::new(model, prompt, options, &[seed], device)?))
    }
}

impl<B: Backend, M: CausalLanguageModel<B>> Iterator for Generator<'_, B, M> {
    type Item = Result<u32, GenerationError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|tokens| tokens[0]))
    }
}

/// Continues a prompt in several ways at a time, as [`Generator`] does in one: an iterator of one token for each.
#[derive(Debug)]
pub struct BatchGenerator<'a, B: Backend, M: CausalLanguageModel<B>> {
    model: &'a M,
    samplers: Vec<Sampler>,
    device: B::Device,
    /// The texts so far, as much of them as the model's context holds; all of one length.
    texts: Vec<Vec<u32>>,
    /// How many tokens of each text are in `state`. The others are read only when the next token is asked for, so each is
    /// given out as soon as it is drawn.
    read: usize,
    state: Option<M::State>,
    failed: bool,
}

impl<'a, B: Backend, M: CausalLanguageModel<B>> BatchGenerator<'a, B, M> {
    /// A continuation for each of `seeds`.
    ///
    /// # Errors
    /// As [`Generator::new`].
    pub fn new(
        model: &'a M,
        prompt: &[u32],
        options: SamplingOptions,
        seeds: &[u64],
        device: &B::Device,
    ) -> Result<Self, GenerationError> {
        let vocab_size = model.vocab_size();
        if prompt.is_empty() {
            return Err(GenerationError::EmptyPrompt);
        }
        if let Some(&token) = prompt.iter().find(|token| **token as usize >= vocab_size) {
            return Err(GenerationError::UnknownToken { token, vocab_size });
        }
        let sampler = |seed: &u64| {
            let mut sampler = Sampler::new(options.clone(), *seed)?;
            sampler.observe(prompt);
            Ok::<_, GenerationError>(sampler)
        };
        let samplers = seeds.iter().map(sampler).collect::<Result<Vec<_>, _>>()?;
        let cut = model.context_len().map_or(0, |context| prompt.len().saturating_sub(context));
        let texts = vec![prompt[cut..].to_vec(); seeds.len()];
        Ok(Self { model, samplers, device: device.clone(), texts, read: 0, state: None, failed: false })
    }

    fn step(&mut self) -> Result<Vec<u32>, GenerationError> {
        let mut length = self.texts.first().map_or(0, Vec::len);
        if length == 0 {
            return Ok(Vec::new());
        }
        if let Some(context) = self.model.context_len()
            && length > context
        {
            let kept = context.div_ceil(2);
            self.texts.iter_mut().for_each(|text| drop(text.drain(..length - kept)));
            length = kept;
            (self.read, self.state) = (0, None);
        }
        let unread = self.texts.iter().flat_map(|text| &text[self.read..]).map(|token| *token as i32).collect();
        let unread = TensorData::new::<i32, _>(unread, [self.texts.len(), length - self.read]);
        let tokens = Tensor::from_data(unread, &self.device);
        let (logits, state) = self.model.next_logits(tokens, self.state.take());
        (self.read, self.state) = (length, Some(state));
        let [_, vocab_size] = logits.dims();
        let logits = logits.into_data().convert::<f32>();
        let logits = logits.as_slice::<f32>().map_err(|error| GenerationError::Device(format!("{error:?}")))?;
        let rows = self.samplers.iter_mut().zip(logits.chunks(vocab_size));
        let drawn = rows.map(|(sampler, logits)| sampler.next(logits)).collect::<Result<Vec<_>, _>>()?;
        self.texts.iter_mut().zip(&drawn).for_each(|(text, token)| text.push(*token));
        Ok(drawn)
    }
}

impl<B: Backend, M: CausalLanguageModel<B>> Iterator for BatchGenerator<'_, B, M> {
    type Item = Result<Vec<u32>, GenerationError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let tokens = self.step();
        self.failed = tokens.is_err();
        Some(tokens)
    }
}
