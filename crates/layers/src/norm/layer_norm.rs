//! Layer normalisation with its weights, under the names of
//! [`torch.nn.LayerNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

/// What a [`LayerNorm`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNormConfig {
    /// Features of the input.
    pub size: usize,
    /// Added to the variance. Default: 1e-5.
    pub epsilon: f64,
    /// Whether each feature has a number of its own that is added. Default: true.
    pub bias: bool,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct LayerNorm<B: Backend> {
    /// `[size]`: the scale.
    pub weight: Param<Tensor<B, 1>>,
    /// `[size]`: the shift.
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNormConfig {
    /// A normalisation with PyTorch's defaults.
    pub fn new(size: usize) -> Self {
        Self { size, epsilon: 1e-5, bias: true }
    }

    /// Sets what is added to the variance.
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets whether there is a bias.
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// A normalisation that neither scales (weight 1) nor shifts (bias 0).
    pub fn init<B: Backend>(&self, device: &B::Device) -> LayerNorm<B> {
        LayerNorm {
            weight: Param::from_tensor(Tensor::ones([self.size], device)),
            bias: self.bias.then(|| Param::from_tensor(Tensor::zeros([self.size], device))),
            epsilon: self.epsilon,
        }
    }
}

impl<B: Backend> LayerNorm<B> {
    /// [`layer_norm`](super::layer_norm()) with these weights.
    ///
    /// # Shapes
    /// - input, output: `[.., size]`
    ///
    /// # Panics
    /// When the input has another size.
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        super::layer_norm(input, self.weight.val(), self.bias.as_ref().map(Param::val), self.epsilon)
    }
}
