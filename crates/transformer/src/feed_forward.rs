//! The feed-forward half of a block: a wide projection, an activation, and a projection back.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{
    activation::{gelu, gelu_tanh, relu, swiglu},
    initializer::Initializer,
    projection::LinearConfig,
};
use serde::{Deserialize, Serialize};

use crate::projection::Projection;

/// What stands between the two projections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// As in BERT and vision transformers.
    #[default]
    Gelu,
    /// GPT-2's approximation of GELU.
    GeluTanh,
    /// As in the first transformer.
    Relu,
    /// As in Llama ([Shazeer 2020](https://arxiv.org/abs/2002.05202)): the first projection is twice as wide, and one half of it gates
    /// the other.
    Swiglu,
}

/// What a [`FeedForward`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedForwardConfig {
    /// Features of input and output.
    pub width: usize,
    /// Features in the middle.
    pub hidden: usize,
    /// What stands between the projections.
    pub activation: Activation,
    /// Whether projections have a bias.
    pub bias: bool,
    /// Of the first projection.
    pub initializer: Initializer,
    /// Of the second projection.
    pub output_initializer: Initializer,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct FeedForward<B: Backend> {
    /// `[hidden, width]`; with SwiGLU `[2 * hidden, width]`, the gates first.
    pub fc1: Projection<B>,
    /// `[width, hidden]`
    pub fc2: Projection<B>,
    #[module(skip)]
    activation: Activation,
}

impl Activation {
    /// Features in the middle: `asked`, or where that is 0 the [default](Self::default_hidden).
    pub fn hidden(self, asked: usize, width: usize) -> usize {
        if asked == 0 { self.default_hidden(width) } else { asked }
    }

    /// Features in the middle where a config names none: four times the width, or with SwiGLU, whose first projection is double,
    /// 8/3 of the width, rounded up to a multiple of 64. Both make about the same number of parameters.
    pub fn default_hidden(self, width: usize) -> usize {
        match self {
            Self::Swiglu => (8 * width).div_ceil(3).next_multiple_of(64),
            _ => 4 * width,
        }
    }
}

impl FeedForwardConfig {
    /// A feed-forward network with random weights, drawn at this call.
    ///
    /// # Panics
    /// When a size is 0.
    pub fn init<B: Backend>(&self, device: &B::Device) -> FeedForward<B> {
        let wide = if self.activation == Activation::Swiglu { 2 * self.hidden } else { self.hidden };
        let projection = |inputs, outputs, initializer| {
            let config = LinearConfig::new(inputs, outputs).with_bias(self.bias).with_initializer(initializer);
            Projection::new(&config, device)
        };
        FeedForward {
            fc1: projection(self.width, wide, self.initializer),
            fc2: projection(self.hidden, self.width, self.output_initializer),
            activation: self.activation,
        }
    }
}

impl<B: Backend> FeedForward<B> {
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    pub fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 3> {
        let hidden = self.fc1.forward(input);
        self.fc2.forward(match self.activation {
            Activation::Gelu => gelu(hidden),
            Activation::GeluTanh => gelu_tanh(hidden),
            Activation::Relu => relu(hidden),
            Activation::Swiglu => swiglu(hidden),
        })
    }
}
