//! Recurrent language model: an embedding, a stack of recurrent layers, and a projection to one logit a token.
//!
//! Graves, "Generating Sequences With Recurrent Neural Networks", <https://arxiv.org/abs/1308.0850>; the shape of the
//! model, where its dropout acts and how weights are tied follow PyTorch's
//! [`word_language_model`](https://github.com/pytorch/examples/tree/main/word_language_model), and parameters have the
//! layouts of the PyTorch module with the fields `embedding`, `rnn` and `output` (see
//! [`pretrained`](crate::pretrained)).

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use layers::{
    embedding::embedding,
    projection::linear_transposed,
    recurrent::{Cell, Recurrent, RecurrentConfig, RecurrentState},
};
use serde::{Deserialize, Serialize};

/// The architecture. The size of the vocabulary is not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LanguageModelConfig {
    /// The recurrent cell: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
    #[cfg_attr(feature = "training", schemars(with = "CellName"))]
    pub cell: Cell,
    /// Length of a token's vector.
    pub embedding_size: usize,
    /// Length of the recurrent state of each layer.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Probability of dropping a value in training: of the embedding's output, between recurrent layers, and before the
    /// output projection. 0 drops nothing.
    pub dropout: f64,
    /// Use the embedding as the weights of the output too (Press and Wolf, arXiv:1608.05859). It needs
    /// `embedding_size = hidden_size`.
    pub tie_weights: bool,
}

impl Default for LanguageModelConfig {
    fn default() -> Self {
        Self {
            cell: Cell::Lstm,
            embedding_size: 128,
            hidden_size: 256,
            num_layers: 1,
            dropout: 0.0,
            tie_weights: false,
        }
    }
}

/// Embedding, recurrent layers, projection.
#[derive(Module, Debug)]
pub struct LanguageModel<B: Backend> {
    /// Token vectors.
    pub embedding: TokenEmbedding<B>,
    /// The recurrent layers.
    pub rnn: Recurrent<B>,
    /// From hidden states to logits.
    pub output: OutputProjection<B>,
    /// On the embedding's output and before the projection.
    pub dropout: Dropout,
}

/// One vector a token.
#[derive(Module, Debug)]
pub struct TokenEmbedding<B: Backend> {
    /// `[vocabulary, embedding]`
    pub weight: Param<Tensor<B, 2>>,
}

/// A linear layer in PyTorch's layout, which is also that of an embedding.
#[derive(Module, Debug)]
pub struct OutputProjection<B: Backend> {
    /// `[vocabulary, hidden]`; none where the embedding takes its place.
    pub weight: Option<Param<Tensor<B, 2>>>,
    /// `[vocabulary]`
    pub bias: Param<Tensor<B, 1>>,
}

impl LanguageModelConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, size) in [
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ] {
            if size == 0 {
                wrong.push((key, "must be at least 1".to_string()));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let message = "must be at least 0 and below 1".to_string();
            wrong.push(("dropout", message));
        }
        if self.tie_weights && self.embedding_size != self.hidden_size {
            let message = format!(
                "needs `embedding_size` ({}) and `hidden_size` ({}) to be equal",
                self.embedding_size, self.hidden_size
            );
            wrong.push(("tie_weights", message));
        }
        wrong
    }

    /// A model with random weights, drawn as PyTorch draws them: embedding from N(0, 1), projection and recurrent
    /// layers from the uniform distribution within ±1/√hidden.
    ///
    /// A tied embedding is drawn within ±0.1, as `word_language_model` does, since N(0, 1) makes far too large logits,
    /// and the bias is 0.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or `vocab_size` is 0.
    pub fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> LanguageModel<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        assert!(vocab_size > 0, "the vocabulary is empty");

        let within = |bound: f64| Distribution::Uniform(-bound, bound);
        let embedding = if self.tie_weights { within(0.1) } else { Distribution::Normal(0.0, 1.0) };
        let projection = within(1.0 / (self.hidden_size as f64).sqrt());
        // Drawn now rather than at first use, so that the weights follow from the backend's seed at this call.
        let embedding = Tensor::random([vocab_size, self.embedding_size], embedding, device);
        let rnn = RecurrentConfig::new(self.cell, self.embedding_size, self.hidden_size)
            .with_num_layers(self.num_layers)
            .with_dropout(self.dropout)
            .init(device);
        // Its parameters are lazy; counting them draws them.
        rnn.num_params();
        let (weight, bias) = if self.tie_weights {
            (None, Tensor::zeros([vocab_size], device))
        } else {
            let weight = Tensor::random([vocab_size, self.hidden_size], projection, device);
            let bias = Tensor::random([vocab_size], projection, device);
            (Some(Param::from_tensor(weight)), bias)
        };
        LanguageModel {
            embedding: TokenEmbedding { weight: Param::from_tensor(embedding) },
            rnn,
            output: OutputProjection { weight, bias: Param::from_tensor(bias) },
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }
}

impl<B: Backend> LanguageModel<B> {
    /// The logits of the token after each of `tokens`, and the state after the last.
    ///
    /// Without a state the text begins here; with the state of an earlier call it goes on from there, and gradients
    /// flow back into that call unless the state was detached.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`, in `0..vocabulary`
    /// - logits: `[batch, time, vocabulary]`
    pub fn forward(
        &self,
        tokens: Tensor<B, 2, Int>,
        state: Option<RecurrentState<B>>,
    ) -> (Tensor<B, 3>, RecurrentState<B>) {
        let (features, state) = self.forward_features(tokens, state);
        (self.forward_head(features), state)
    }

    /// The recurrent layers' output for each of `tokens`, before dropout and projection, and the state after the last.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`
    /// - features: `[batch, time, hidden]`
    pub fn forward_features(
        &self,
        tokens: Tensor<B, 2, Int>,
        state: Option<RecurrentState<B>>,
    ) -> (Tensor<B, 3>, RecurrentState<B>) {
        let embedded = embedding(self.embedding.weight.val(), tokens); // [batch, time, embedding]
        self.rnn.forward(self.dropout.forward(embedded), state)
    }

    /// The logits for features.
    ///
    /// # Shapes
    /// - features: `[batch, time, hidden]`
    /// - logits: `[batch, time, vocabulary]`
    pub fn forward_head(&self, features: Tensor<B, 3>) -> Tensor<B, 3> {
        let weight = match &self.output.weight {
            Some(weight) => weight.val(),
            None => self.embedding.weight.val(),
        };
        let features = self.dropout.forward(features);
        linear_transposed(features, weight, Some(self.output.bias.val()))
    }

    /// How many tokens the model knows.
    pub fn vocab_size(&self) -> usize {
        self.embedding.weight.dims()[0]
    }
}

/// The names of [`Cell`] for the schema, since `layers` knows no schemas.
#[cfg(feature = "training")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum CellName {
    Lstm,
    Gru,
    RnnTanh,
    RnnRelu,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = LanguageModelConfig { num_layers: 0, dropout: 1.0, tie_weights: true, ..Default::default() };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["num_layers", "dropout", "tie_weights"]);
        assert!(LanguageModelConfig::default().validate().is_empty());
    }
}
