//! The projection with its weights, under the names and in the layout of
//! [`torch.nn.Linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html). (burn's own has the transposed
//! layout.)

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::linear_transposed;
use crate::initializer::{Fans, Initializer};

/// What a [`Linear`] is like.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearConfig {
    /// Features of the input.
    pub inputs: usize,
    /// Features of the output.
    pub outputs: usize,
    /// Whether each output has a number of its own that is added. Default: true.
    pub bias: bool,
    /// Where the weights come from. Default: PyTorch's.
    pub initializer: Initializer,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Linear<B: Backend> {
    /// `[out, in]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
}

impl LinearConfig {
    /// A projection with a bias.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, bias: true, initializer: Initializer::default() }
    }

    /// Sets whether there is a bias.
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Sets where the weights come from.
    pub fn with_initializer(mut self, initializer: Initializer) -> Self {
        self.initializer = initializer;
        self
    }

    /// A projection with random weights, drawn at this call.
    ///
    /// # Panics
    /// When there is no input or no output.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Linear<B> {
        let Self { inputs, outputs, .. } = *self;
        assert!(inputs > 0 && outputs > 0, "Linear: no features");
        let fans = Fans { fan_in: inputs, fan_out: outputs };
        let weight = Param::from_tensor(self.initializer.weight([outputs, inputs], fans, device));
        let bias = self.bias.then(|| Param::from_tensor(self.initializer.bias(outputs, fans, device)));
        Linear { weight, bias }
    }
}

impl<B: Backend> Linear<B> {
    /// [`linear_transposed`] with these weights.
    ///
    /// # Shapes
    /// - input: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        linear_transposed(input, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
