//! A projection that may have an addition of [LoRA](crate::lora).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use layers::projection::{Linear, LinearConfig, linear_transposed};

use crate::lora::LoraAdapter;

/// [`Linear`], with the same names of weights, and what LoRA adds to it.
#[derive(Module, Debug)]
pub struct Projection<B: Backend> {
    /// `[out, in]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// The addition; none without LoRA.
    pub lora: Option<LoraAdapter<B>>,
}

impl<B: Backend> From<Linear<B>> for Projection<B> {
    fn from(linear: Linear<B>) -> Self {
        Self { weight: linear.weight, bias: linear.bias, lora: None }
    }
}

impl<B: Backend> Projection<B> {
    /// A projection with random weights, drawn at this call.
    ///
    /// # Panics
    /// When there is no input or no output.
    pub fn new(config: &LinearConfig, device: &B::Device) -> Self {
        config.init(device).into()
    }

    /// `input · weightᵀ + bias`, and the addition.
    ///
    /// # Shapes
    /// - input: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        match &self.lora {
            None => linear_transposed(input, weight, bias),
            Some(lora) => linear_transposed(input.clone(), weight, bias) + lora.forward(input),
        }
    }
}
