//! The exact gradient on tensors of any backend, for GPUs: all pairs at once, with `[points, points]` numbers in memory.

use super::affinities::Affinities;
use super::gradient::Gradient;
use burn::tensor::{Tensor, TensorData, backend::Backend};

/// The exact gradient on a device.
pub struct TensorGradient<B: Backend> {
    /// The probabilities of all pairs: `[points, points]`.
    affinities: Tensor<B, 2>,
    /// 0 for a point with itself, else 1: `[points, points]`.
    others: Tensor<B, 2>,
    negative_entropy: f64,
    device: B::Device,
}

impl<B: Backend> TensorGradient<B> {
    /// Brings the affinities to the device.
    pub fn new(affinities: &Affinities, device: &B::Device) -> Self {
        let rows = affinities.rows();
        let mut dense = vec![0.0_f32; rows * rows];
        for row in 0..rows {
            let (neighbours, values) = affinities.row(row);
            for (&neighbour, &value) in neighbours.iter().zip(values) {
                dense[row * rows + neighbour as usize] = value;
            }
        }
        Self {
            affinities: Tensor::from_data(TensorData::new(dense, [rows, rows]), device),
            others: Tensor::eye(rows, device).neg().add_scalar(1.0),
            negative_entropy: affinities.negative_entropy(),
            device: device.clone(),
        }
    }
}

impl<B: Backend, const D: usize> Gradient<D> for TensorGradient<B> {
    fn compute(
        &mut self,
        points: &[[f32; D]],
        exaggeration: f32,
        output: &mut [[f32; D]],
        with_divergence: bool,
    ) -> Option<f64> {
        let points: Tensor<B, 2> = Tensor::from_data(TensorData::new(points.concat(), [points.len(), D]), &self.device);
        let squares = points.clone().powi_scalar(2).sum_dim(1); // [points, 1]
        let products = points.clone().matmul(points.clone().transpose()); // [points, points]
        let squared = (squares.clone() + squares.transpose() - products.mul_scalar(2.0)).clamp_min(0.0);
        let weights = squared.clone().add_scalar(1.0).recip() * self.others.clone();
        let normaliser = weights.clone().sum();
        let repulsion = weights.clone() / normaliser.clone().unsqueeze();
        let factors = (self.affinities.clone().mul_scalar(exaggeration) - repulsion) * weights;
        let gradient = (factors.clone().sum_dim(1) * points.clone() - factors.matmul(points)).mul_scalar(4.0);
        let gradient = gradient.into_data().convert::<f32>();
        let rows = gradient.as_slice::<f32>().expect("converted to f32").as_chunks::<D>().0;
        output.copy_from_slice(rows);
        with_divergence.then(|| {
            let logarithms = (self.affinities.clone() * squared.log1p()).sum();
            self.negative_entropy + number(logarithms) + number(normaliser).ln()
        })
    }
}

fn number<B: Backend>(tensor: Tensor<B, 1>) -> f64 {
    tensor.into_data().iter::<f64>().next().expect("a sum is one number")
}
