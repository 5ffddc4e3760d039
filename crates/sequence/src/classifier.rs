//! Recurrent classifier of sequences: embedding, recurrent layers (in both directions, if asked), pooling over time, and a
//! projection to one logit a class.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use layers::{
    embedding::embedding,
    projection::linear_transposed,
    recurrent::{Cell, Recurrent, RecurrentConfig},
};
use serde::{Deserialize, Serialize};

use crate::pooling::{AttentionPooling, Pooling, uniform};

/// The architecture. The sizes of the vocabulary and of the set of classes are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// The recurrent cell: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
    #[cfg_attr(feature = "training", schemars(with = "crate::language_model::CellName"))]
    pub cell: Cell,
    /// Length of a token's vector.
    pub embedding_size: usize,
    /// Length of the recurrent state of each layer and direction.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Read from both ends.
    pub bidirectional: bool,
    /// How the states of all steps become one vector.
    pub pooling: Pooling,
    /// Probability of dropping a value in training: of the embedding's output, between recurrent layers, and before the
    /// projection.
    pub dropout: f64,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            cell: Cell::Lstm,
            embedding_size: 128,
            hidden_size: 128,
            num_layers: 1,
            bidirectional: true,
            pooling: Pooling::Max,
            dropout: 0.3,
        }
    }
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Classifier<B: Backend> {
    /// `[vocabulary, embedding]`
    pub embedding: Param<Tensor<B, 2>>,
    /// The recurrent layers.
    pub rnn: Recurrent<B>,
    /// Of attention pooling.
    pub attention: Option<AttentionPooling<B>>,
    /// `[classes, hidden * directions]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[classes]`
    pub bias: Param<Tensor<B, 1>>,
    /// On the embedding's output and before the projection.
    pub dropout: Dropout,
    #[module(skip)]
    pooling: Pooling,
}

impl ClassifierConfig {
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
            wrong.push(("dropout", "must be at least 0 and below 1".to_string()));
        }
        wrong
    }

    /// A model with random weights, drawn as PyTorch draws them: embedding from N(0, 1), everything else from the uniform
    /// distribution within ±1/√inputs.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or there is no token or no class.
    pub fn init<B: Backend>(&self, vocab_size: usize, classes: usize, device: &B::Device) -> Classifier<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        assert!(vocab_size > 0 && classes > 0, "there has to be a token and a class");
        let rnn = RecurrentConfig::new(self.cell, self.embedding_size, self.hidden_size)
            .with_num_layers(self.num_layers)
            .with_bidirectional(self.bidirectional)
            .with_dropout(self.dropout);
        let features = rnn.output_size();
        // Drawn now rather than at first use, so that the weights follow from the backend's seed at this call.
        let normal = Distribution::Normal(0.0, 1.0);
        let embedding = Param::from_tensor(Tensor::random([vocab_size, self.embedding_size], normal, device));
        let rnn = rnn.init(device);
        rnn.num_params();
        Classifier {
            embedding,
            rnn,
            attention: self.pooling.init(features, device),
            weight: Param::from_tensor(uniform([classes, features], features, device)),
            bias: Param::from_tensor(uniform([classes], features, device)),
            dropout: DropoutConfig::new(self.dropout).init(),
            pooling: self.pooling,
        }
    }
}

impl<B: Backend> Classifier<B> {
    /// One logit a class for each sequence.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=time`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, tokens: Tensor<B, 2, Int>, lengths: &[usize]) -> Tensor<B, 2> {
        let (features, _) = self.forward_features(tokens, lengths);
        linear_transposed(self.dropout.forward(features), self.weight.val(), Some(self.bias.val()))
    }

    /// One vector for each sequence, and with attention pooling how much each step counts in it.
    ///
    /// # Shapes
    /// - features: `[batch, hidden * directions]`
    /// - attention: `[batch, time]`, 0 for padding; each row sums to 1
    pub fn forward_features(
        &self,
        tokens: Tensor<B, 2, Int>,
        lengths: &[usize],
    ) -> (Tensor<B, 2>, Option<Tensor<B, 2>>) {
        let embedded = self.dropout.forward(embedding(self.embedding.val(), tokens));
        let (states, last) = self.rnn.forward_packed(embedded, lengths);
        self.pooling.forward(states, last, lengths, self.attention.as_ref())
    }
}
