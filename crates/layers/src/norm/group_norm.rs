//! Group normalisation with its weights, under the names of
//! [`torch.nn.GroupNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

/// What a [`GroupNorm`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormConfig {
    /// Parts into which the channels are divided. As many as channels make it instance normalisation, 1 normalises each example as a
    /// whole.
    pub groups: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Added to the variance. Default: 1e-5.
    pub epsilon: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    /// `[channels]`: the scale.
    pub weight: Param<Tensor<B, 1>>,
    /// `[channels]`: the shift.
    pub bias: Param<Tensor<B, 1>>,
    /// Parts into which the channels are divided.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNormConfig {
    /// A normalisation with PyTorch's defaults.
    pub fn new(groups: usize, channels: usize) -> Self {
        Self { groups, channels, epsilon: 1e-5 }
    }

    /// Sets what is added to the variance.
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// A normalisation that neither scales (weight 1) nor shifts (bias 0).
    ///
    /// # Panics
    /// When the groups do not divide the channels.
    pub fn init<B: Backend>(&self, device: &B::Device) -> GroupNorm<B> {
        let Self { groups, channels, epsilon } = *self;
        let divided = groups > 0 && channels.is_multiple_of(groups);
        assert!(divided, "GroupNorm: {channels} channels in {groups} groups");
        GroupNorm {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            groups,
            epsilon,
        }
    }
}

impl<B: Backend> GroupNorm<B> {
    /// [`group_norm`](super::group_norm()) with these weights.
    ///
    /// # Shapes
    /// - input, output: `[batch, channels, ..]`
    ///
    /// # Panics
    /// When the input has other channels.
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        super::group_norm(input, self.groups, Some([self.weight.val(), self.bias.val()]), self.epsilon)
    }
}
