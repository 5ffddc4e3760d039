//! Vectors of tokens and of positions.

use burn::{
    module::{Module, Param},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use layers::embedding::embedding;

/// One vector an index, under the name that [`torch.nn.Embedding`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html)
/// gives it.
#[derive(Module, Debug)]
pub struct Embedding<B: Backend> {
    /// `[count, size]`
    pub weight: Param<Tensor<B, 2>>,
}

impl<B: Backend> Embedding<B> {
    /// Vectors drawn at this call from a normal distribution with this standard deviation.
    ///
    /// # Panics
    /// When there is none, or it is empty.
    pub fn new(count: usize, size: usize, deviation: f64, device: &B::Device) -> Self {
        assert!(count > 0 && size > 0, "Embedding: nothing to embed");
        let weight = Tensor::random([count, size], Distribution::Normal(0.0, deviation), device);
        Self { weight: Param::from_tensor(weight) }
    }

    /// The vectors of these indices.
    ///
    /// # Shapes
    /// - indices: `[batch, time]`
    /// - output: `[batch, time, size]`
    pub fn forward(&self, indices: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        embedding(self.weight.val(), indices)
    }

    /// The vectors of the positions from `first` on, for a whole batch.
    ///
    /// # Shapes
    /// - output: `[1, time, size]`
    ///
    /// # Panics
    /// When there are no such positions.
    pub fn positions(&self, first: usize, time: usize) -> Tensor<B, 3> {
        let [count, _] = self.weight.dims();
        assert!(first + time <= count, "positions {first}..{} of {count}", first + time);
        self.weight.val().narrow(0, first, time).unsqueeze_dim(0)
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.weight.dims()[0]
    }
}
