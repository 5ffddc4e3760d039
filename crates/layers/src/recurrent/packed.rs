//! Sequences of several lengths in one batch, padded at their ends: what PyTorch's `pack_padded_sequence` is for.

use super::{Recurrent, Sequence, join};
use crate::embedding::embedding;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

impl<B: Backend> Recurrent<B> {
    /// Reads a batch of sequences that are padded at their ends, from a state of zeros, as if each were read alone.
    ///
    /// The reverse direction begins at the last step of each sequence. Returns the last layer's hidden states at all steps, 0
    /// behind the end of a sequence, and the last layer's hidden state after the last step that each direction read.
    ///
    /// # Shapes
    /// - input: `[batch, time, input_size]`
    /// - lengths: `batch` numbers in `1..=time`
    /// - output: `[batch, time, hidden_size * directions]`
    /// - last: `[batch, hidden_size * directions]`
    ///
    /// # Panics
    /// When shapes disagree, or a length is 0 or more than `time`.
    pub fn forward_packed(&self, input: Tensor<B, 3>, lengths: &[usize]) -> (Tensor<B, 3>, Tensor<B, 2>) {
        self.check(&input, None);
        let [batch, time, _] = input.dims();
        assert_eq!(lengths.len(), batch, "one length a sequence");
        assert!(lengths.iter().all(|length| (1..=time).contains(length)), "lengths have to be in 1..={time}");
        let device = input.device();
        let places = Places::new(lengths, time, &device);
        let mut output = input;
        let mut last = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                output = self.dropout.forward(output);
            }
            let mut outputs = Vec::with_capacity(2);
            last.clear();
            for (direction, reverse) in [(Some(&layer.forward), false), (layer.reverse.as_ref(), true)] {
                let Some(direction) = direction else { continue };
                let turned = if reverse { take(output.clone(), &places.reversed) } else { output.clone() };
                // Padding comes last in this order, so nothing that counts has seen it.
                let result = Sequence::run(direction.sequence(self.cell, turned, None, false)).output;
                last.push(take(result.clone(), &places.last).squeeze_dim::<2>(1));
                outputs.push(if reverse { take(result, &places.reversed) } else { result });
            }
            output = join(outputs, 2);
        }
        let output = match places.is_real {
            Some(is_real) => output * is_real,
            None => output,
        };
        (output, join(last, 1))
    }
}

/// Where the steps of padded sequences are, as rows of `[batch * time]`.
struct Places<B: Backend> {
    /// `[batch, time]`: the steps of each sequence backwards, padding behind.
    reversed: Tensor<B, 2, Int>,
    /// `[batch, 1]`: the last step of each sequence.
    last: Tensor<B, 2, Int>,
    /// `[batch, time, 1]`: 1 for a step, 0 for padding; none where there is no padding.
    is_real: Option<Tensor<B, 3>>,
}

impl<B: Backend> Places<B> {
    fn new(lengths: &[usize], time: usize, device: &B::Device) -> Self {
        let batch = lengths.len();
        let steps =
            || lengths.iter().enumerate().flat_map(|(row, length)| (0..time).map(move |step| (row, *length, step)));
        let reversed: Vec<i32> = steps()
            .map(|(row, length, step)| (row * time + if step < length { length - 1 - step } else { step }) as i32)
            .collect();
        let last: Vec<i32> = lengths.iter().enumerate().map(|(row, length)| (row * time + length - 1) as i32).collect();
        let is_padded = lengths.iter().any(|length| *length < time);
        let is_real = is_padded.then(|| {
            let values: Vec<f32> = steps().map(|(_, length, step)| f32::from(step < length)).collect();
            Tensor::from_data(TensorData::new(values, [batch, time, 1]), device)
        });
        Self {
            reversed: Tensor::from_data(TensorData::new(reversed, [batch, time]), device),
            last: Tensor::from_data(TensorData::new(last, [batch, 1]), device),
            is_real,
        }
    }
}

/// The steps at these places: `[batch, time, features]` to `[batch, places, features]`.
fn take<B: Backend>(sequences: Tensor<B, 3>, places: &Tensor<B, 2, Int>) -> Tensor<B, 3> {
    embedding(sequences.flatten::<2>(0, 1), places.clone())
}
