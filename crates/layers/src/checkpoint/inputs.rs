use burn::tensor::{
    Tensor, TensorPrimitive,
    backend::{Backend, BackendTypes},
    ops::FloatTensor,
};

use crate::attention::dot_product::AttentionBias;

/// What a checkpoint's segment reads: a tensor, some of them in a tuple, or something that holds some.
pub trait Inputs<B: Backend>: Clone + Send + 'static {
    /// How many tensors there are at most.
    const MOST: usize;

    /// The same with each float tensor changed, always in the same order. What cannot have a gradient stays.
    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self;
}

impl<B: Backend, const D: usize> Inputs<B> for Tensor<B, D> {
    const MOST: usize = 1;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        let changed: <B as BackendTypes>::FloatTensorPrimitive = change(self.into_primitive().tensor());
        Tensor::from_primitive(TensorPrimitive::Float(changed))
    }
}

impl<B: Backend, I: Inputs<B>> Inputs<B> for Option<I> {
    const MOST: usize = I::MOST;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        self.map(|inputs| inputs.map_tensors(change))
    }
}

impl<B: Backend, X: Inputs<B>, Y: Inputs<B>> Inputs<B> for (X, Y) {
    const MOST: usize = X::MOST + Y::MOST;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        (self.0.map_tensors(change), self.1.map_tensors(change))
    }
}

impl<B: Backend, X: Inputs<B>, Y: Inputs<B>, Z: Inputs<B>> Inputs<B> for (X, Y, Z) {
    const MOST: usize = X::MOST + Y::MOST + Z::MOST;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        (self.0.map_tensors(change), self.1.map_tensors(change), self.2.map_tensors(change))
    }
}

/// What is added to the scores.
impl<B: Backend> Inputs<B> for AttentionBias<B> {
    const MOST: usize = 1;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        Self { added: self.added.map(|added| added.map_tensors(change)), ..self }
    }
}
