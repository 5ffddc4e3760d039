//! Recurrent classifier of recordings: frames of features, stacked by a few, through recurrent layers (in both directions, if
//! asked), pooling over time, and a projection to one logit a class.

use burn::{
    module::{Module, Param},
    nn::Dropout,
    tensor::{Tensor, backend::Backend},
};
use layers::{projection::linear_transposed, recurrent::Cell};
use serde::{Deserialize, Serialize};

use crate::{
    acoustic::{AcousticConfig, AcousticEncoder},
    pooling::{AttentionPooling, Pooling, uniform},
};

/// The architecture. The number of features and of classes are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SpeechClassifierConfig {
    /// The recurrent cell: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
    #[cfg_attr(feature = "training", schemars(with = "crate::language_model::CellName"))]
    pub cell: Cell,
    /// Frames that are put together into one step, none of them twice: fewer steps to walk through.
    pub stack: usize,
    /// Length of the recurrent state of each layer and direction.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Read from both ends.
    pub bidirectional: bool,
    /// How the states of all steps become one vector.
    pub pooling: Pooling,
    /// Probability of dropping a value in training: between recurrent layers and before the projection.
    pub dropout: f64,
}

impl Default for SpeechClassifierConfig {
    fn default() -> Self {
        Self {
            cell: Cell::Gru,
            stack: 3,
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
pub struct SpeechClassifier<B: Backend> {
    /// Stacking and recurrent layers.
    pub encoder: AcousticEncoder<B>,
    /// Of attention pooling.
    pub attention: Option<AttentionPooling<B>>,
    /// `[classes, hidden * directions]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[classes]`
    pub bias: Param<Tensor<B, 1>>,
    /// Before the projection.
    pub dropout: Dropout,
    #[module(skip)]
    pooling: Pooling,
}

impl SpeechClassifierConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        self.acoustic().validate()
    }

    fn acoustic(&self) -> AcousticConfig {
        AcousticConfig {
            cell: self.cell,
            stack: self.stack,
            hidden_size: self.hidden_size,
            num_layers: self.num_layers,
            bidirectional: self.bidirectional,
            dropout: self.dropout,
        }
    }

    /// A model with random weights, drawn as PyTorch draws them: from the uniform distribution within ±1/√inputs.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or there is no feature or no class.
    pub fn init<B: Backend>(&self, num_features: usize, classes: usize, device: &B::Device) -> SpeechClassifier<B> {
        assert!(classes > 0, "there has to be a class");
        let (encoder, dropout) = self.acoustic().init(num_features, device);
        let size = self.acoustic().output_size();
        SpeechClassifier {
            encoder,
            attention: self.pooling.init(size, device),
            weight: Param::from_tensor(uniform([classes, size], size, device)),
            bias: Param::from_tensor(uniform([classes], size, device)),
            dropout,
            pooling: self.pooling,
        }
    }
}

impl<B: Backend> SpeechClassifier<B> {
    /// One logit a class for each recording.
    ///
    /// # Shapes
    /// - features: `[batch, frames, features]`; frames behind a recording's length do not matter
    /// - lengths: `batch` numbers in `1..=frames`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, features: Tensor<B, 3>, lengths: &[usize]) -> Tensor<B, 2> {
        let heard = self.encoder.forward(features, lengths);
        let (pooled, _) = self.pooling.forward(heard.states, heard.last, &heard.lengths, self.attention.as_ref());
        linear_transposed(self.dropout.forward(pooled), self.weight.val(), Some(self.bias.val()))
    }
}
