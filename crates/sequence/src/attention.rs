//! Attention of a recurrent decoder over the states of an encoder.
//!
//! - Bahdanau, Cho and Bengio 2015, <https://arxiv.org/abs/1409.0473>: additive scores.
//! - Luong, Pham and Manning 2015, <https://arxiv.org/abs/1508.04025>: `dot`, `general` and `concat` scores.
//!
//! Luong's `concat`, `v · tanh(W [s; h])`, is Bahdanau's `v · tanh(W s + U h)` with `W` and `U` side by side; the two differ
//! in which decoder state asks, which is the matter of [`translator`](crate::translator).

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, activation::softmax, backend::Backend},
};
use layers::{attention::additive_scores, projection::linear_transposed};
use serde::{Deserialize, Serialize};

use crate::{padding::padding_mask, pooling::uniform};

/// How well a decoder state `s` and an encoder state `h`, of `features` each, go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// `s · h`
    Dot,
    /// `s · W h`
    General,
    /// `v · tanh(W s + U h)`
    #[default]
    Additive,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    /// `[features, features]`, on the decoder's states: `W` of additive scores.
    pub query: Option<Param<Tensor<B, 2>>>,
    /// `[features, features]`, on the encoder's states: `W` of general scores, `U` of additive ones.
    pub key: Option<Param<Tensor<B, 2>>>,
    /// `[features]`: `v` of additive scores.
    pub score: Option<Param<Tensor<B, 1>>>,
}

/// The states of an encoder, ready to be attended to.
#[derive(Clone, Debug)]
pub struct Memory<B: Backend> {
    /// `[batch, steps, features]`
    states: Tensor<B, 3>,
    /// What the decoder's states are compared with, `[batch, steps, features]`.
    keys: Tensor<B, 3>,
    /// Added to the scores, `[batch, 1, steps]`: 0 for a step and a very negative number for padding. None without padding.
    padding: Option<Tensor<B, 3>>,
}

impl Score {
    /// Random weights from the uniform distribution within ±1/√features.
    pub fn init<B: Backend>(self, features: usize, device: &B::Device) -> Attention<B> {
        let square = || Param::from_tensor(uniform([features, features], features, device));
        Attention {
            query: (self == Self::Additive).then(square),
            key: (self != Self::Dot).then(square),
            score: (self == Self::Additive).then(|| Param::from_tensor(uniform([features], features, device))),
        }
    }
}

impl<B: Backend> Attention<B> {
    /// Prepares the states of an encoder, once for all the states that will ask.
    ///
    /// # Shapes
    /// - states: `[batch, steps, features]`
    /// - lengths: `batch` numbers in `1..=steps`
    pub fn memory(&self, states: Tensor<B, 3>, lengths: &[usize]) -> Memory<B> {
        let keys = match &self.key {
            Some(key) => linear_transposed(states.clone(), key.val(), None),
            None => states.clone(),
        };
        let padding = padding_mask(lengths, states.dims()[1], &states.device());
        Memory { padding: padding.map(|mask| mask.unsqueeze_dim::<3>(1)), states, keys }
    }

    /// What each of the decoder's states gathers, and the weights with which it does.
    ///
    /// # Shapes
    /// - queries: `[batch, time, features]`
    /// - context: `[batch, time, features]`
    /// - weights: `[batch, time, steps]`, 0 for padding; each row sums to 1
    pub fn forward(&self, queries: Tensor<B, 3>, memory: &Memory<B>) -> (Tensor<B, 3>, Tensor<B, 3>) {
        let scores = match (&self.query, &self.score) {
            (Some(query), Some(score)) => {
                additive_scores(linear_transposed(queries, query.val(), None), memory.keys.clone(), score.val())
            }
            _ => queries.matmul(memory.keys.clone().swap_dims(1, 2)),
        };
        let scores = match &memory.padding {
            Some(padding) => scores + padding.clone(),
            None => scores,
        };
        let weights = softmax(scores, 2);
        (weights.clone().matmul(memory.states.clone()), weights)
    }
}

impl<B: Backend> Memory<B> {
    /// The memory of the sequences with these indices: see [`Decoder::select`](layers::beam::Decoder::select).
    pub fn select(self, rows: Tensor<B, 1, Int>) -> Self {
        let select = |tensor: Tensor<B, 3>| tensor.select(0, rows.clone());
        Self { states: select(self.states), keys: select(self.keys), padding: self.padding.map(select) }
    }
}
