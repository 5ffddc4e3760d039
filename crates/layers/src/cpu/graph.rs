//! Operations that can be differentiated twice: kernels behind an `Autodiff` of an `Autodiff`.
//!
//! [`on_cpu`](super::on_cpu) knows a CPU backend and its `Autodiff`, whose backward passes work on numbers and so end there. Some
//! operations have a backward pass that is made of operations of the same kind. Written on tensors of the backend within, it is
//! recorded there in its turn, and the gradient of a gradient (a penalty on gradients in the training of a GAN) is as fast as the
//! gradient. Such an operation implements [`OnGraph`].

use super::{CpuBackend, add_gradient, cast, float_primitive, is_plain, is_tracked};
#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::backend::{
    Autodiff,
    autodiff::{NodeId, grads::Gradients},
};
use burn::tensor::{
    Tensor, TensorPrimitive,
    backend::{Backend, BackendTypes},
    ops::FloatTensor,
};

/// A float tensor of `I` under `Autodiff`, whose fields `primitive` and `node` are public.
pub type Recorded<I> = <Autodiff<I> as BackendTypes>::FloatTensorPrimitive;

/// A computation with a fast path on the CPU backends, on their `Autodiff` and on the `Autodiff` of that.
pub trait OnGraph {
    /// What it computes.
    type Output;

    /// Runs where the caller's backend is `C`.
    fn plain<C: CpuBackend>(self) -> Self::Output;

    /// Runs where the caller's backend is `Autodiff<I>`; `I` is a CPU backend or the `Autodiff` of one.
    fn recorded<I: Backend>(self) -> Self::Output;
}

/// Runs `computation` if `B` is a CPU backend that the kernels know, plain or under one or two `Autodiff`; hands it back otherwise.
///
/// The element type is not looked at: tensors of one backend can differ in it. Ask [`is_f32`](super::is_f32) of each tensor first.
pub fn on_graph<B: Backend, F: OnGraph>(computation: F) -> Result<F::Output, F> {
    #[cfg(feature = "ndarray")]
    if is_plain::<B, NdArray>() {
        return Ok(computation.plain::<NdArray>());
    } else if is_tracked::<B, NdArray>() {
        return Ok(computation.recorded::<NdArray>());
    } else if is_tracked::<B, Autodiff<NdArray>>() {
        return Ok(computation.recorded::<Autodiff<NdArray>>());
    }
    #[cfg(feature = "flex")]
    if is_plain::<B, Flex>() {
        return Ok(computation.plain::<Flex>());
    } else if is_tracked::<B, Flex>() {
        return Ok(computation.recorded::<Flex>());
    } else if is_tracked::<B, Autodiff<Flex>>() {
        return Ok(computation.recorded::<Autodiff<Flex>>());
    }
    Err(computation)
}

/// Whether [`on_graph`] knows `B`.
pub fn is_on_graph<B: Backend>() -> bool {
    struct Ask;
    impl OnGraph for Ask {
        type Output = ();
        fn plain<C: CpuBackend>(self) {}
        fn recorded<I: Backend>(self) {}
    }
    on_graph::<B, _>(Ask).is_ok()
}

/// The primitive, with its node in the graph, of a tensor whose backend is `Autodiff<I>`.
///
/// # Panics
/// When `B` is not `Autodiff<I>`, which cannot be inside of [`OnGraph::recorded`], or the tensor is quantised.
pub fn into_recorded<B: Backend, I: Backend, const D: usize>(tensor: Tensor<B, D>) -> Recorded<I> {
    cast(float_primitive(tensor))
}

/// The tensor of a primitive with its node in the graph, where the backend is `Autodiff<I>`.
///
/// # Panics
/// When `B` is not `Autodiff<I>`, which cannot be inside of [`OnGraph::recorded`].
pub fn from_recorded<B: Backend, I: Backend, const D: usize>(primitive: Recorded<I>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(cast(primitive)))
}

/// A tensor as its backend has it.
///
/// # Panics
/// When the tensor is quantised.
pub fn into_primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    float_primitive(tensor)
}

/// A tensor of what its backend has.
pub fn from_primitive<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// Adds to the gradient of a node: by [`add_gradient`] on a CPU backend, and as an operation of `B` elsewhere.
///
/// # Panics
/// When a gradient is not `f32`.
pub fn register_gradient<B: Backend, const D: usize>(grads: &mut Gradients, id: NodeId, gradient: Tensor<B, D>) {
    struct Register<'a, B: Backend> {
        grads: &'a mut Gradients,
        id: NodeId,
        gradient: FloatTensor<B>,
    }
    impl<B: Backend> OnGraph for Register<'_, B> {
        type Output = ();
        fn plain<C: CpuBackend>(self) {
            add_gradient::<C>(self.grads, self.id, cast(self.gradient));
        }
        fn recorded<I: Backend>(self) {
            self.grads.register::<B>(self.id, self.gradient);
        }
    }
    let gradient = into_primitive(gradient);
    if let Err(Register { grads, id, gradient }) = on_graph::<B, _>(Register::<B> { grads, id, gradient }) {
        grads.register::<B>(id, gradient);
    }
}
