//! From scaled values back to those of the table.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::series::Scaler;

/// The scaling of the targets, on the device.
#[derive(Debug)]
pub(super) struct Units<B: Backend> {
    /// `[1, 1, targets]`
    scale: Tensor<B, 3>,
    /// `[1, 1, targets]`
    shift: Tensor<B, 3>,
}

impl<B: Backend> Units<B> {
    pub fn new(scaler: &Scaler, device: &B::Device) -> Self {
        let targets = scaler.targets().len();
        let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [1, 1, targets]), device);
        let (scale, shift) = scaler.targets_scale_and_shift();
        Self { scale: tensor(scale), shift: tensor(shift) }
    }

    /// `[batch, rows, targets]` in the units of the table.
    pub fn original(&self, values: Tensor<B, 3>) -> Tensor<B, 3> {
        values * self.scale.clone() + self.shift.clone()
    }

    /// The same with an axis for quantiles: `[batch, rows, targets, outputs]`.
    pub fn original_outputs(&self, forecast: Tensor<B, 4>) -> Tensor<B, 4> {
        forecast * self.scale.clone().unsqueeze_dim::<4>(3) + self.shift.clone().unsqueeze_dim::<4>(3)
    }

    /// Differences of scaled values, `[batch, rows, targets]`, as differences in the units of the table.
    pub fn original_difference(&self, difference: Tensor<B, 3>) -> Tensor<B, 3> {
        difference * self.scale.clone()
    }
}
