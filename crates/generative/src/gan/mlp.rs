//! Dense layers with leaky rectifiers: either network for points in the plane and tiny pictures.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{activation::leaky_relu, projection::LinearConfig};

use super::Projection;

/// What is left of a negative number.
const SLOPE: f64 = 0.2;

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    /// From the input on, all but the last.
    pub layers: Vec<Projection<B>>,
    /// The last, from the features of the layer before it.
    pub head: Projection<B>,
}

impl<B: Backend> Mlp<B> {
    /// `num_layers` hidden layers between input and output.
    pub(super) fn new(
        [inputs, hidden, outputs]: [usize; 3],
        num_layers: usize,
        spectral: bool,
        device: &B::Device,
    ) -> Self {
        let layer = |inputs, outputs| Projection::new(LinearConfig::new(inputs, outputs).init(device), spectral);
        let layers = (0..num_layers).map(|place| layer(if place == 0 { inputs } else { hidden }, hidden)).collect();
        Self { layers, head: layer(hidden, outputs) }
    }

    /// The features of the last hidden layer, and the output.
    ///
    /// # Shapes
    /// - input: `[batch, inputs]`
    /// - output: `[batch, hidden]` and `[batch, outputs]`
    pub fn forward(&self, input: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let features = self.layers.iter().fold(input, |x, layer| leaky_relu(layer.forward(x), SLOPE));
        (features.clone(), self.head.forward(features))
    }
}
