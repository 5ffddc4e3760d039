//! Recurrent classifier of sequences: embedding, recurrent layers (in both directions, if asked), pooling over time, and a
//! projection to one logit a class.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig},
    tensor::{Distribution, Int, Tensor, TensorData, activation::softmax, backend::Backend},
};
use layers::{
    embedding::embedding,
    projection::linear_transposed,
    recurrent::{Cell, Recurrent, RecurrentConfig},
};
use serde::{Deserialize, Serialize};

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

/// How the states of all steps become one vector. Padding never counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The state after the last step that each direction read.
    Last,
    /// The mean over the steps.
    Mean,
    /// The largest value over the steps.
    #[default]
    Max,
    /// A mean weighted by learned attention (Yang et al. 2016, <https://aclanthology.org/N16-1174>): the softmax over the
    /// steps of `v · tanh(W h + b)`.
    Attention,
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

/// The weights of a mean over steps.
#[derive(Module, Debug)]
pub struct AttentionPooling<B: Backend> {
    /// `[features, features]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[features]`
    pub bias: Param<Tensor<B, 1>>,
    /// `[1, features]`: what each step is compared with.
    pub context: Param<Tensor<B, 2>>,
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
        let within = |inputs: usize| {
            let bound = 1.0 / (inputs as f64).sqrt();
            Distribution::Uniform(-bound, bound)
        };
        // Drawn now rather than at first use, so that the weights follow from the backend's seed at this call.
        let matrix = |rows, columns| Param::from_tensor(Tensor::random([rows, columns], within(columns), device));
        let vector = |length, inputs| Param::from_tensor(Tensor::random([length], within(inputs), device));
        let normal = Distribution::Normal(0.0, 1.0);
        let embedding = Param::from_tensor(Tensor::random([vocab_size, self.embedding_size], normal, device));
        let rnn = rnn.init(device);
        rnn.num_params();
        Classifier {
            embedding,
            rnn,
            attention: (self.pooling == Pooling::Attention).then(|| AttentionPooling {
                weight: matrix(features, features),
                bias: vector(features, features),
                context: matrix(1, features),
            }),
            weight: matrix(classes, features),
            bias: vector(classes, features),
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
        let [_, time] = tokens.dims();
        let device = tokens.device();
        let embedded = self.dropout.forward(embedding(self.embedding.val(), tokens));
        let (states, last) = self.rnn.forward_packed(embedded, lengths);
        // Added to a step, keeps it as it is or takes it out of a maximum or a softmax.
        let exclude = |states: Tensor<B, 3>| {
            let is_padded = lengths.iter().any(|length| *length < time);
            if is_padded { states + padding_mask(lengths, time, &device) } else { states }
        };
        match self.pooling {
            Pooling::Last => (last, None),
            Pooling::Mean => {
                let counts: Vec<f32> = lengths.iter().map(|length| *length as f32).collect();
                let counts = Tensor::from_data(TensorData::new(counts, [lengths.len(), 1]), &device);
                (states.sum_dim(1).squeeze_dim::<2>(1) / counts, None)
            }
            Pooling::Max => (exclude(states).max_dim(1).squeeze_dim::<2>(1), None),
            Pooling::Attention => {
                let Some(attention) = &self.attention else { return (last, None) };
                let hidden =
                    linear_transposed(states.clone(), attention.weight.val(), Some(attention.bias.val())).tanh();
                let scores = linear_transposed(hidden, attention.context.val(), None); // [batch, time, 1]
                let weights = softmax(exclude(scores), 1);
                let pooled = (states * weights.clone()).sum_dim(1).squeeze_dim::<2>(1);
                (pooled, Some(weights.squeeze_dim::<2>(2)))
            }
        }
    }
}

/// 0 for a step and a very negative number for padding: `[batch, time, 1]`.
fn padding_mask<B: Backend>(lengths: &[usize], time: usize, device: &B::Device) -> Tensor<B, 3> {
    let values: Vec<f32> =
        lengths.iter().flat_map(|length| (0..time).map(move |step| if step < *length { 0.0 } else { -1e9 })).collect();
    Tensor::from_data(TensorData::new(values, [lengths.len(), time, 1]), device)
}
