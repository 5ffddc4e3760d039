//! Padding at the ends of sequences.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// What takes padding out of a maximum or a softmax when it is added: 0 for a step and a very negative number for padding,
/// `[batch, time]`. None where there is no padding.
pub(crate) fn padding_mask<B: Backend>(lengths: &[usize], time: usize, device: &B::Device) -> Option<Tensor<B, 2>> {
    lengths.iter().any(|length| *length < time).then(|| {
        let row = |length: &usize| {
            let length = *length;
            (0..time).map(move |step| if step < length { 0.0 } else { -1e9 })
        };
        let values: Vec<f32> = lengths.iter().flat_map(row).collect();
        Tensor::from_data(TensorData::new(values, [lengths.len(), time]), device)
    })
}
