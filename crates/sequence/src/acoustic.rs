//! What both speech models begin with: frames of features, stacked by a few, through recurrent layers.

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig},
    tensor::{Tensor, TensorData, backend::Backend},
};
use layers::recurrent::{Cell, Recurrent, RecurrentConfig};

/// The part of a speech model's configuration that says how it hears.
#[derive(Debug, Clone, PartialEq)]
pub struct AcousticConfig {
    /// The recurrent cell.
    pub cell: Cell,
    /// Frames that are put together into one step, none of them twice: fewer steps to walk through.
    pub stack: usize,
    /// Length of the recurrent state of each layer and direction.
    pub hidden_size: usize,
    /// Recurrent layers, one on top of the other.
    pub num_layers: usize,
    /// Read from both ends.
    pub bidirectional: bool,
    /// Probability of dropping a value in training: of the output, and between recurrent layers.
    pub dropout: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct AcousticEncoder<B: Backend> {
    /// The recurrent layers.
    pub rnn: Recurrent<B>,
    #[module(skip)]
    stack: usize,
}

/// What an [`AcousticEncoder`] heard.
#[derive(Debug)]
pub struct Heard<B: Backend> {
    /// `[batch, steps, hidden * directions]`, 0 for padding.
    pub states: Tensor<B, 3>,
    /// `[batch, hidden * directions]`: the state after the last step that each direction read.
    pub last: Tensor<B, 2>,
    /// Steps of each sequence: its frames divided by `stack`, rounded up.
    pub lengths: Vec<usize>,
}

impl AcousticConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, size) in [("stack", self.stack), ("hidden_size", self.hidden_size), ("num_layers", self.num_layers)] {
            if size == 0 {
                wrong.push((key, "must be at least 1".to_string()));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            wrong.push(("dropout", "must be at least 0 and below 1".to_string()));
        }
        wrong
    }

    /// An encoder with random weights, drawn as PyTorch draws them, and the dropout of its output.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or there is no feature.
    pub fn init<B: Backend>(&self, num_features: usize, device: &B::Device) -> (AcousticEncoder<B>, Dropout) {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        assert!(num_features > 0, "there has to be a feature");
        let rnn = RecurrentConfig::new(self.cell, num_features * self.stack, self.hidden_size)
            .with_num_layers(self.num_layers)
            .with_bidirectional(self.bidirectional)
            .with_dropout(self.dropout)
            .init(device);
        // Draws the weights now rather than at first use, so that they follow from the backend's seed at this call.
        rnn.num_params();
        (AcousticEncoder { rnn, stack: self.stack }, DropoutConfig::new(self.dropout).init())
    }

    /// Length of a state of both directions.
    pub fn output_size(&self) -> usize {
        self.hidden_size * (1 + usize::from(self.bidirectional))
    }
}

impl<B: Backend> AcousticEncoder<B> {
    /// The states of all steps.
    ///
    /// # Shapes
    /// - features: `[batch, frames, features]`; frames behind a sequence's length do not matter
    /// - lengths: `batch` numbers in `1..=frames`
    pub fn forward(&self, features: Tensor<B, 3>, lengths: &[usize]) -> Heard<B> {
        let steps: Vec<usize> = lengths.iter().map(|length| length.div_ceil(self.stack)).collect();
        let stacked = if self.stack == 1 { features } else { self.stack(features, lengths) };
        let (states, last) = self.rnn.forward_packed(stacked, &steps);
        Heard { states, last, lengths: steps }
    }

    /// `[batch, frames, features]` to `[batch, ⌈frames / stack⌉, stack * features]`.
    fn stack(&self, features: Tensor<B, 3>, lengths: &[usize]) -> Tensor<B, 3> {
        let [batch, frames, size] = features.dims();
        let device = features.device();
        let steps = frames.div_ceil(self.stack);
        // A sequence that ends within a stack has silence there, whatever stood behind it.
        let features = if lengths.iter().any(|length| *length < frames) {
            let is_real = lengths.iter().flat_map(|length| (0..frames).map(move |frame| f32::from(frame < *length)));
            let is_real = TensorData::new(is_real.collect::<Vec<f32>>(), [batch, frames, 1]);
            features * Tensor::from_data(is_real, &device)
        } else {
            features
        };
        let missing = steps * self.stack - frames;
        let features = if missing > 0 {
            let silence = Tensor::zeros([batch, missing, size], &device);
            Tensor::cat(vec![features, silence], 1)
        } else {
            features
        };
        features.reshape([batch, steps, self.stack * size])
    }
}
