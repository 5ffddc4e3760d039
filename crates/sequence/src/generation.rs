//! Text from a trained [`LanguageModel`], token by token: see [`layers::generation`].

use burn::tensor::{Int, Tensor, backend::Backend};
use layers::recurrent::RecurrentState;
pub use layers::{
    generation::{CausalLanguageModel, GenerationError, Generator},
    sampling::SamplingOptions,
};

use crate::language_model::LanguageModel;

impl<B: Backend> CausalLanguageModel<B> for LanguageModel<B> {
    type State = RecurrentState<B>;

    fn vocab_size(&self) -> usize {
        LanguageModel::vocab_size(self)
    }

    fn next_logits(&self, tokens: Tensor<B, 2, Int>, state: Option<Self::State>) -> (Tensor<B, 2>, Self::State) {
        let [_, time] = tokens.dims();
        let (features, state) = self.forward_features(tokens, state);
        // Only the last place is projected: the vocabulary may be large and the prompt long.
        let last = features.narrow(1, time - 1, 1); // [batch, 1, hidden]
        (self.forward_head(last).squeeze_dim(1), state)
    }
}
