//! Batch normalisation with its weights and running statistics, under the names of
//! [`torch.nn.BatchNorm2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html).
//!
//! **When it trains.** Statistics are those of the batch, and the running ones follow them, exactly where the backend records
//! gradients and `weight` asks for one. Everywhere else, also in a training step, it normalises by the running statistics and leaves
//! them alone. So a frozen layer stays what it was, without a mode to set.

use burn::{
    module::{Module, Param, RunningState},
    tensor::{Tensor, backend::Backend},
};

use super::{BatchNormOptions, batch_norm_infer, batch_norm_train};

/// What a [`BatchNorm`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Channels of the input.
    pub channels: usize,
    /// Part of the newest batch in the running statistics. Default: 0.1.
    pub momentum: f64,
    /// Added to the variance. Default: 1e-5.
    pub epsilon: f64,
    /// The scale of each channel before training. Default: 1. (0 in the last layer of a residual block makes the block begin as
    /// the identity.)
    pub weight: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// `[channels]`: the scale.
    pub weight: Param<Tensor<B, 1>>,
    /// `[channels]`: the shift.
    pub bias: Param<Tensor<B, 1>>,
    /// `[channels]`
    pub running_mean: RunningState<Tensor<B, 1>>,
    /// `[channels]`: the running mean of unbiased variances.
    pub running_var: RunningState<Tensor<B, 1>>,
    /// Part of the newest batch in the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl BatchNormConfig {
    /// A normalisation with PyTorch's defaults.
    pub fn new(channels: usize) -> Self {
        Self { channels, momentum: 0.1, epsilon: 1e-5, weight: 1.0 }
    }

    /// Sets the scale of each channel before training.
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// A normalisation that knows nothing yet: running mean 0, running variance 1.
    pub fn init<B: Backend>(&self, device: &B::Device) -> BatchNorm<B> {
        let shape = [self.channels];
        BatchNorm {
            weight: Param::from_tensor(Tensor::full(shape, self.weight, device)),
            bias: Param::from_tensor(Tensor::zeros(shape, device)),
            running_mean: RunningState::new(Tensor::zeros(shape, device)),
            running_var: RunningState::new(Tensor::ones(shape, device)),
            momentum: self.momentum,
            epsilon: self.epsilon,
        }
    }
}

impl<B: Backend> BatchNorm<B> {
    /// Normalises each channel, scales and shifts it, adds the shortcut, and with `relu` makes what is negative 0: all in one pass
    /// over memory where there is a kernel.
    ///
    /// # Shapes
    /// - input, shortcut, output: `[batch, channels, ..]`
    ///
    /// # Panics
    /// When the shapes disagree, or in training when there is nothing to normalise.
    pub fn forward<const D: usize>(
        &self,
        input: Tensor<B, D>,
        shortcut: Option<Tensor<B, D>>,
        relu: bool,
    ) -> Tensor<B, D> {
        let options = BatchNormOptions { epsilon: self.epsilon, relu };
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if !B::ad_enabled(&input.device()) || !weight.is_require_grad() {
            let (mean, variance) = (self.running_mean.value_sync(), self.running_var.value_sync());
            return batch_norm_infer(input, weight, bias, mean, variance, shortcut, &options);
        }
        let (output, statistics) = batch_norm_train(input, weight, bias, shortcut, &options);
        self.follow(&self.running_mean, statistics.mean);
        self.follow(&self.running_var, statistics.variance);
        output
    }

    fn follow(&self, running: &RunningState<Tensor<B, 1>>, of_batch: Tensor<B, 1>) {
        let kept = running.value_sync() * (1.0 - self.momentum);
        running.update((kept + of_batch * self.momentum).detach());
        // burn keeps an update beside the value until the next one: whoever visits the module (a checkpoint) would see the older.
        running.value_sync();
    }
}
