//! Normalisation by the root mean square with its weight, under the names of
//! [`torch.nn.RMSNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

/// What an [`RmsNorm`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsNormConfig {
    /// Features of the input.
    pub size: usize,
    /// Added to the mean of the squares. Default: 1e-6. (PyTorch's is the float type's smallest step from 1, 1.2e-7.)
    pub epsilon: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct RmsNorm<B: Backend> {
    /// `[size]`: the scale.
    pub weight: Param<Tensor<B, 1>>,
    /// Added to the mean of the squares.
    pub epsilon: f64,
}

impl RmsNormConfig {
    /// A normalisation with the default epsilon.
    pub fn new(size: usize) -> Self {
        Self { size, epsilon: 1e-6 }
    }

    /// Sets what is added to the mean of the squares.
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// A normalisation that does not scale: weight 1.
    pub fn init<B: Backend>(&self, device: &B::Device) -> RmsNorm<B> {
        RmsNorm { weight: Param::from_tensor(Tensor::ones([self.size], device)), epsilon: self.epsilon }
    }
}

impl<B: Backend> RmsNorm<B> {
    /// [`rms_norm`](super::rms_norm()) with this weight.
    ///
    /// # Shapes
    /// - input, output: `[.., size]`
    ///
    /// # Panics
    /// When the input has another size.
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        super::rms_norm(input, self.weight.val(), self.epsilon)
    }
}
