//! What the hand-tuned CPU kernels share: recognising a CPU backend behind a generic `B: Backend`, reaching the numbers
//! of its tensors, products, vector arithmetic and splitting work over threads.
//!
//! A layer keeps its signature `B: Backend` and asks [`on_cpu`] whether `B` is one of
//! - `NdArray` and `Flex` with their default element types, and
//! - `Autodiff` of those two, with any checkpointing strategy (the kernels save what they need themselves).
//!
//! Everything else, and in particular other backends, `f64` or `f16` tensors and an `Autodiff` of an `Autodiff`, has to
//! take the layer's portable path. (For what has to be fast under an `Autodiff` of an `Autodiff` too there is [`graph`].)
//!
//! ```ignore
//! struct Double<B: Backend>(Tensor<B, 2>);
//!
//! impl<B: Backend> OnCpu for Double<B> {
//!     type Output = Tensor<B, 2>;
//!
//!     fn plain<C: CpuBackend>(self) -> Tensor<B, 2> {
//!         let shape = self.0.shape();
//!         let values = C::buffer(into_plain::<B, C, 2>(self.0));
//!         let doubled = values.iter().map(|value| value * 2.0).collect();
//!         from_plain::<B, C, 2>(C::tensor(doubled, shape))
//!     }
//!
//!     fn tracked<C: CpuBackend>(self) -> Tensor<B, 2> {
//!         let tensor = into_tracked::<B, C, 2>(self.0); // .node and .primitive for `Backward::prepare`
//!         ..
//!     }
//! }
//!
//! let output = match is_f32(&tensor).then(|| on_cpu::<B, _>(Double(tensor.clone()))) { .. }
//! ```

mod buffer;
pub mod graph;
pub mod lanes;
pub mod math;
pub mod planes;
pub mod product;
pub mod scratch;
pub mod threads;
pub mod tile;

pub use buffer::Buffer;

#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::backend::{
    Autodiff,
    autodiff::{NodeId, grads::Gradients},
};
use burn::tensor::{
    DType, Shape, Tensor, TensorPrimitive,
    backend::{AutodiffBackend, Backend, BackendTypes},
    ops::FloatTensor,
};
use std::{
    any::{Any, TypeId},
    sync::Arc,
};

/// A float tensor of `C` under `Autodiff`, whose fields `primitive` and `node` are public.
pub type Tracked<C> = <Autodiff<C> as BackendTypes>::FloatTensorPrimitive;

/// A plain CPU backend whose tensors the kernels read and write directly.
///
/// The methods that read numbers take `f32` tensors only; ask [`is_f32`] first.
pub trait CpuBackend: Backend<FloatElem = f32> {
    /// The numbers of a tensor in row-major order; copies only where the tensor is a transposed or strided view.
    ///
    /// # Panics
    /// When the tensor is not `f32`.
    fn buffer(tensor: FloatTensor<Self>) -> Buffer;

    /// The numbers of a tensor in row-major order as a vector; copies only where the tensor is a view or is shared.
    ///
    /// # Panics
    /// When the tensor is not `f32`.
    fn into_vec(tensor: FloatTensor<Self>) -> Vec<f32>;

    /// A tensor that takes over `values`, which are in row-major order.
    ///
    /// # Panics
    /// When there are not as many values as `shape` asks for.
    fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Self>;

    /// Lets `change` rewrite the numbers of a tensor (in row-major order): in place where nobody else holds them, in a
    /// copy otherwise.
    ///
    /// # Panics
    /// When the tensor is not `f32`.
    fn update(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self>;
}

/// A computation with a fast path on the CPU backends. See the [module's page](self) for an example.
pub trait OnCpu {
    /// What it computes.
    type Output;

    /// Runs where the caller's backend is `C`.
    fn plain<C: CpuBackend>(self) -> Self::Output;

    /// Runs where the caller's backend is `Autodiff<C, _>`.
    fn tracked<C: CpuBackend>(self) -> Self::Output;
}

/// Runs `computation` if `B` is a CPU backend that the kernels know, plain or under `Autodiff`; hands it back otherwise.
///
/// The element type is not looked at: tensors of one backend can differ in it. Ask [`is_f32`] of each tensor first.
pub fn on_cpu<B: Backend, F: OnCpu>(computation: F) -> Result<F::Output, F> {
    #[cfg(feature = "ndarray")]
    if is_plain::<B, NdArray>() {
        return Ok(computation.plain::<NdArray>());
    } else if is_tracked::<B, NdArray>() {
        return Ok(computation.tracked::<NdArray>());
    }
    #[cfg(feature = "flex")]
    if is_plain::<B, Flex>() {
        return Ok(computation.plain::<Flex>());
    } else if is_tracked::<B, Flex>() {
        return Ok(computation.tracked::<Flex>());
    }
    Err(computation)
}

/// Whether `B` is a CPU backend that the kernels know, plain or under `Autodiff`.
pub fn is_cpu<B: Backend>() -> bool {
    struct Ask;
    impl OnCpu for Ask {
        type Output = ();
        fn plain<C: CpuBackend>(self) {}
        fn tracked<C: CpuBackend>(self) {}
    }
    on_cpu::<B, _>(Ask).is_ok()
}

/// Whether a tensor holds `f32`, the only type that the kernels take. False for quantised tensors.
pub fn is_f32<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> bool {
    tensor.dtype() == DType::F32
}

/// The primitive of a tensor whose backend is `C`.
///
/// # Panics
/// When `B` is not `C`, which cannot be inside of [`OnCpu::plain`], or the tensor is quantised.
pub fn into_plain<B: Backend, C: CpuBackend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<C> {
    cast(float_primitive(tensor))
}

/// The tensor of a primitive, where the backend is `C`.
///
/// # Panics
/// When `B` is not `C`, which cannot be inside of [`OnCpu::plain`].
pub fn from_plain<B: Backend, C: CpuBackend, const D: usize>(primitive: FloatTensor<C>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(cast(primitive)))
}

/// The primitive, with its node in the graph, of a tensor whose backend is `Autodiff<C, _>`.
///
/// # Panics
/// When `B` is not `Autodiff<C, _>`, which cannot be inside of [`OnCpu::tracked`], or the tensor is quantised.
pub fn into_tracked<B: Backend, C: CpuBackend, const D: usize>(tensor: Tensor<B, D>) -> Tracked<C> {
    cast(float_primitive(tensor))
}

/// The tensor of a primitive with its node in the graph, where the backend is `Autodiff<C, _>`.
///
/// # Panics
/// When `B` is not `Autodiff<C, _>`, which cannot be inside of [`OnCpu::tracked`].
pub fn from_tracked<B: Backend, C: CpuBackend, const D: usize>(primitive: Tracked<C>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(cast(primitive)))
}

/// Adds to the gradient of a node, as [`Gradients::register`] does. Where there is one already (a tensor that was used twice, as
/// around a shortcut) they are added here, in place and on all threads: burn's NdArray takes many times as long without `simd`.
///
/// # Panics
/// When a gradient is not `f32`.
pub fn add_gradient<C: CpuBackend>(grads: &mut Gradients, id: NodeId, gradient: FloatTensor<C>) {
    // What there is can only be asked for by a tensor of that node.
    let mut asks = Autodiff::<C>::from_inner(gradient);
    Arc::get_mut(&mut asks.node).expect("the node of a new tensor has no other owner").id = id;
    let there = grads.remove::<C>(&asks);
    let sum = match there {
        Some(there) => {
            let there = C::buffer(there);
            C::update(asks.primitive, |values| {
                threads::split_rows(values, 1, GRADIENT_GRAIN, |first, values| {
                    values.iter_mut().zip(&there[first..]).for_each(|(value, there)| *value += there);
                });
            })
        }
        None => asks.primitive,
    };
    grads.register::<C>(id, sum);
}

/// Numbers of a gradient whose sum is worth a task.
const GRADIENT_GRAIN: usize = 1 << 15;

/// Whether the primitive belongs to `B = C`. By the primitive and not by `B` itself, so that `B` needs no `'static`
/// bound of its own; `NdArray<f64>` has the same primitive, and [`is_f32`] tells it apart.
fn is_plain<B: Backend, C: CpuBackend>() -> bool {
    TypeId::of::<B::FloatTensorPrimitive>() == TypeId::of::<FloatTensor<C>>()
}

fn is_tracked<B: Backend, I: Backend>() -> bool {
    TypeId::of::<B::FloatTensorPrimitive>() == TypeId::of::<Tracked<I>>()
}

fn float_primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> <B as BackendTypes>::FloatTensorPrimitive {
    match tensor.into_primitive() {
        TensorPrimitive::Float(primitive) => primitive,
        TensorPrimitive::QFloat(_) => panic!("a quantised tensor has no fast path: ask is_f32"),
    }
}

/// The same value under the name that a generic context has for its type.
fn cast<From: 'static, To: 'static>(value: From) -> To {
    let mut slot = Some(value);
    let slot: &mut dyn Any = &mut slot;
    slot.downcast_mut::<Option<To>>()
        .and_then(Option::take)
        .expect("the backend was recognised by the type of its primitive")
}
