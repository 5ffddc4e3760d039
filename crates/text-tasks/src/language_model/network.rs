//! What the job asks of a family of language models.

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Int, Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use layers::generation::CausalLanguageModel;
use training_loop::{
    error::TaskError,
    job::{AssembleContext, Block},
    optimizer::ParameterGroup,
    parameters::ParameterInfo,
};

use super::CarriedState;

/// A network that learns to continue texts. It learns from windows of them, and writes token by token as
/// [`CausalLanguageModel`] says.
pub trait LanguageModel<B: Backend>: Module<B> + CausalLanguageModel<B> {
    /// What one window hands on to the next: `RecurrentState<B>`, or `()` where each begins anew.
    type Carried: CarriedState<B>;

    /// The logits of the token after each of `tokens`, and what the window after this one begins with.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`, in `0..vocabulary`
    /// - logits: `[batch, time, vocabulary]`
    fn forward_window(
        &self,
        tokens: Tensor<B, 2, Int>,
        carried: Option<Self::Carried>,
    ) -> (Tensor<B, 3>, Self::Carried);

    /// How much each token looks at each, layer by layer, to be drawn. Default: none, for networks that do not look.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`
    /// - each: `[batch, heads, time, time]`
    fn attention(&self, _tokens: Tensor<B, 2, Int>) -> Vec<Tensor<B, 4>> {
        Vec::new()
    }
}

/// The `[model]` of a job that trains language models: a family's name, and how its network is made.
pub trait LanguageModelFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;

    /// The network.
    type Model<B: Backend>: LanguageModel<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + LanguageModel<B>
        + From<Self::Model<B>>;

    /// A network with random weights.
    ///
    /// # Errors
    /// When this `[model]` does not go with the vocabulary.
    fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Result<Self::Model<B>, TaskError>;

    /// Puts the weights that `[model]` names in place of the random ones. Default: it names none.
    ///
    /// # Errors
    /// When they cannot be had or do not fit.
    fn load_pretrained<B: Backend>(
        &self,
        _model: &mut Self::Model<B>,
        _context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        Ok(())
    }

    /// Settings of its network's parameters that go with this family, such as no weight decay on normalisations; those of the
    /// config come after them and win. Default: none.
    fn parameter_groups(&self, _parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        Vec::new()
    }
}
