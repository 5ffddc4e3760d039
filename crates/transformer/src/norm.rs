//! The normalisation of a block, chosen by a config.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::norm::{LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};
use serde::{Deserialize, Serialize};

/// Which normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// By mean and variance.
    #[default]
    LayerNorm,
    /// By the root mean square, as Llama has it.
    RmsNorm,
}

/// A normalisation of the last axis with its weights. (In paths of parameters the kind does not count.)
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// By mean and variance.
    Layer(LayerNorm<B>),
    /// By the root mean square.
    Rms(RmsNorm<B>),
}

impl NormKind {
    /// A normalisation that does not yet scale or shift; `bias` counts for layer normalisation only.
    pub fn init<B: Backend>(self, size: usize, epsilon: f64, bias: bool, device: &B::Device) -> Norm<B> {
        match self {
            Self::LayerNorm => {
                Norm::Layer(LayerNormConfig::new(size).with_epsilon(epsilon).with_bias(bias).init(device))
            }
            Self::RmsNorm => Norm::Rms(RmsNormConfig::new(size).with_epsilon(epsilon).init(device)),
        }
    }
}

impl<B: Backend> Norm<B> {
    /// # Shapes
    /// - input, output: `[.., size]`
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Layer(norm) => norm.forward(input),
            Self::Rms(norm) => norm.forward(input),
        }
    }
}
