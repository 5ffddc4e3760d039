//! Decision transformer ([Chen et al. 2021](https://arxiv.org/abs/2106.01345)): reinforcement learning as a sequence of what is still
//! to be gained, what is seen and what is done, in which the next action is predicted. Discrete actions; observations are vectors.
//!
//! Embeddings have the names of the [authors' code](https://github.com/kzl/decision-transformer) for states that are vectors, of which
//! this differs in that actions are classes (as in their code for Atari) and that neither the next state nor the next return is
//! predicted.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    dropout::Dropout,
    initializer::Initializer,
    norm::{LayerNorm, LayerNormConfig},
    projection::{Linear, LinearConfig},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::AttentionContext,
    block::{Block, BlockConfig},
    embedding::Embedding,
    feed_forward::Activation,
    norm::Norm,
    sizes,
};

/// The architecture. What is seen, what can be done and how long an episode may last is not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Blocks, one on top of the other. Default: 3.
    pub num_layers: usize,
    /// Heads of attention in each block; they share out `embedding_size`. Default: 1.
    pub num_heads: usize,
    /// Length of the vector of a return, an observation or an action. Default: 128.
    pub embedding_size: usize,
    /// Probability of dropping a value in training. Default: 0.1.
    pub dropout: f64,
    /// What stands in the feed-forward networks. Default: `relu`.
    pub activation: Activation,
    /// Whether the model is told what is still to be gained. Without it, it imitates what it was shown: behaviour cloning. Default:
    /// true.
    pub condition_on_return: bool,
    /// Keep the inputs of blocks alone for the backward pass, and compute each block again there (Chen et al. 2016, arXiv:1604.06174):
    /// memory grows by one activation a block rather than a dozen, for one more forward pass of the blocks. The results are the same.
    /// Default: false.
    pub activation_checkpointing: bool,
}

/// The sizes that follow from data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionSizes {
    /// Numbers of an observation.
    pub observation_size: usize,
    /// What can be done.
    pub num_actions: usize,
    /// Steps that an episode may have.
    pub max_steps: usize,
}

/// Stretches of episodes, padded at the end with anything.
#[derive(Clone, Debug)]
pub struct Episodes<'a, B: Backend> {
    /// `[batch, steps]`: what is still to be gained before each step; not read without `condition_on_return`.
    pub returns: Tensor<B, 2>,
    /// `[batch, steps, observation_size]`
    pub observations: Tensor<B, 3>,
    /// `[batch, steps]`: what was done in each step, in `0..num_actions`. The action of a step does not count in the prediction of it.
    pub actions: Tensor<B, 2, Int>,
    /// `[batch, steps]`: which step of its episode each is, in `0..max_steps`.
    pub timesteps: Tensor<B, 2, Int>,
    /// `batch` numbers in `1..=steps`.
    pub lengths: &'a [usize],
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct DecisionTransformer<B: Backend> {
    /// `[max_steps, embedding]`: added to all that belongs to a step.
    pub embed_timestep: Embedding<B>,
    /// `[embedding, 1]`; none without `condition_on_return`.
    pub embed_return: Option<Linear<B>>,
    /// `[embedding, observation_size]`
    pub embed_state: Linear<B>,
    /// `[num_actions, embedding]`
    pub embed_action: Embedding<B>,
    /// Of the sequence.
    pub embed_ln: LayerNorm<B>,
    /// From bottom to top.
    pub blocks: Vec<Block<B>>,
    /// Behind the last block.
    pub norm: Norm<B>,
    /// `[num_actions, embedding]`
    pub predict_action: Linear<B>,
    dropout: Dropout,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self {
            num_layers: 3,
            num_heads: 1,
            embedding_size: 128,
            dropout: 0.1,
            activation: Activation::Relu,
            condition_on_return: true,
            activation_checkpointing: false,
        }
    }
}

impl DecisionConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let needed =
            [("num_layers", self.num_layers), ("num_heads", self.num_heads), ("embedding_size", self.embedding_size)];
        sizes::at_least_one(&mut wrong, &needed);
        sizes::heads(&mut wrong, ("embedding_size", self.embedding_size), self.num_heads);
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout)]);
        wrong
    }

    /// A model with random weights, drawn at this call: blocks as the authors draw them, from N(0, 0.02²), embeddings as PyTorch does.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or a size is 0.
    pub fn init<B: Backend>(&self, sizes: DecisionSizes, device: &B::Device) -> DecisionTransformer<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        let width = self.embedding_size;
        let embedding = |count| Embedding::new(count, width, 1.0, device);
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let deviation = Initializer::Normal(0.02);
        let block = BlockConfig {
            feed_forward_size: self.activation.default_hidden(width),
            activation: self.activation,
            causal: true,
            dropout: self.dropout,
            activation_checkpointing: self.activation_checkpointing,
            initializer: deviation,
            residual_initializer: deviation,
            ..BlockConfig::new(width, self.num_heads)
        };
        DecisionTransformer {
            embed_timestep: embedding(sizes.max_steps),
            embed_return: self.condition_on_return.then(|| linear(1, width)),
            embed_state: linear(sizes.observation_size, width),
            embed_action: embedding(sizes.num_actions),
            embed_ln: LayerNormConfig::new(width).init(device),
            blocks: (0..self.num_layers).map(|_| block.init(device)).collect(),
            norm: block.norm(device),
            predict_action: linear(width, sizes.num_actions),
            dropout: Dropout::new(self.dropout),
        }
    }
}

impl<B: Backend> DecisionTransformer<B> {
    /// The logits of what to do in each step, from what is still to be gained and seen then, and all of the steps before.
    ///
    /// # Shapes
    /// - output: `[batch, steps, num_actions]`
    ///
    /// # Panics
    /// When the shapes disagree.
    pub fn forward(&self, episodes: Episodes<B>) -> Tensor<B, 3> {
        let Episodes { returns, observations, actions, timesteps, lengths } = episodes;
        let [batch, steps] = timesteps.dims();
        let time = self.embed_timestep.forward(timesteps);
        let mut parts = Vec::with_capacity(3);
        if let Some(embed_return) = &self.embed_return {
            parts.push(embed_return.forward(returns.unsqueeze_dim::<3>(2)));
        }
        parts.push(self.embed_state.forward(observations));
        parts.push(self.embed_action.forward(actions));
        let tokens = parts.len();
        let parts = parts.into_iter().map(|part| part + time.clone()).collect();
        let stacked: Tensor<B, 4> = Tensor::stack(parts, 2); // [batch, steps, tokens of a step, embedding]
        let [.., width] = stacked.dims();
        let sequence = self.dropout.forward(self.embed_ln.forward(stacked.reshape([batch, steps * tokens, width])));
        let lengths: Vec<usize> = lengths.iter().map(|length| length * tokens).collect();
        let context = AttentionContext::padded(&lengths);
        let features = self.blocks.iter().fold(sequence, |features, block| block.forward(features, &context));
        // The token before the action of a step is what was seen.
        let seen = features.reshape([batch, steps, tokens, width]).narrow(2, tokens - 2, 1).squeeze_dim::<3>(2);
        self.predict_action.forward(self.norm.forward(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = DecisionConfig { num_heads: 0, embedding_size: 0, dropout: 1.0, ..DecisionConfig::default() };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["num_heads", "embedding_size", "dropout"]);
        assert!(DecisionConfig::default().validate().is_empty());
    }
}
