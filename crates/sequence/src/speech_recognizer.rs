//! Recurrent recogniser of recordings: frames of features, stacked by a few, through recurrent layers (in both directions, if
//! asked), and a projection to the logits of each step, for CTC (Graves et al. 2006, see [`layers::ctc`]).

use burn::{
    module::{Module, Param},
    nn::Dropout,
    tensor::{Tensor, backend::Backend},
};
use layers::{projection::linear_transposed, recurrent::Cell};
use serde::{Deserialize, Serialize};

use crate::{
    acoustic::{AcousticConfig, AcousticEncoder},
    pooling::uniform,
};

/// The architecture. The number of features and of classes are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SpeechRecognizerConfig {
    /// The recurrent cell: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
    #[cfg_attr(feature = "training", schemars(with = "crate::language_model::CellName"))]
    pub cell: Cell,
    /// Frames that are put together into one step, none of them twice. A recording needs at least as many steps as labels, and one
    /// more between two that are equal.
    pub stack: usize,
    /// Length of the recurrent state of each layer and direction.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Read from both ends.
    pub bidirectional: bool,
    /// Probability of dropping a value in training: between recurrent layers and before the projection.
    pub dropout: f64,
}

impl Default for SpeechRecognizerConfig {
    fn default() -> Self {
        Self { cell: Cell::Lstm, stack: 3, hidden_size: 128, num_layers: 1, bidirectional: true, dropout: 0.3 }
    }
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct SpeechRecognizer<B: Backend> {
    /// Stacking and recurrent layers.
    pub encoder: AcousticEncoder<B>,
    /// `[classes + 1, hidden * directions]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[classes + 1]`
    pub bias: Param<Tensor<B, 1>>,
    /// Before the projection.
    pub dropout: Dropout,
}

impl SpeechRecognizerConfig {
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
    pub fn init<B: Backend>(&self, num_features: usize, classes: usize, device: &B::Device) -> SpeechRecognizer<B> {
        assert!(classes > 0, "there has to be a class");
        let (encoder, dropout) = self.acoustic().init(num_features, device);
        let size = self.acoustic().output_size();
        SpeechRecognizer {
            encoder,
            weight: Param::from_tensor(uniform([classes + 1, size], size, device)),
            bias: Param::from_tensor(uniform([classes + 1], size, device)),
            dropout,
        }
    }
}

impl<B: Backend> SpeechRecognizer<B> {
    /// The logits of each step, and how many steps each recording has. The last class is the blank.
    ///
    /// # Shapes
    /// - features: `[batch, frames, features]`; frames behind a recording's length do not matter
    /// - lengths: `batch` numbers in `1..=frames`
    /// - logits: `[batch, ⌈frames / stack⌉, classes + 1]`
    pub fn forward(&self, features: Tensor<B, 3>, lengths: &[usize]) -> (Tensor<B, 3>, Vec<usize>) {
        let heard = self.encoder.forward(features, lengths);
        let states = self.dropout.forward(heard.states);
        (linear_transposed(states, self.weight.val(), Some(self.bias.val())), heard.lengths)
    }

    /// The class that stands for no label.
    pub fn blank(&self) -> usize {
        self.bias.dims()[0] - 1
    }
}
