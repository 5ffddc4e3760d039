//! Parameter updates of the optimisers, each in one pass over memory on the CPU backends.
//!
//! They work on a plain backend (the inner one of an autodiff backend) and on tensors of any rank; every operand of one
//! call has the same shape. Where a buffer belongs to nobody else it is updated in place, so hand the tensors over
//! rather than a clone of them.
//!
//! The formulas are those of [`torch.optim`](https://docs.pytorch.org/docs/stable/optim.html): ε is added outside the
//! square root, and bias corrections are computed in 64 bits.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};

/// What [`adamw`] needs to know at one step. The defaults are those of `torch.optim.AdamW`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamHyper {
    /// Learning rate. Default: 1e-3.
    pub lr: f64,
    /// Decay of the first moment. Default: 0.9.
    pub beta1: f64,
    /// Decay of the second moment. Default: 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment. Default: 1e-8.
    pub eps: f64,
    /// Decoupled weight decay (AdamW): the parameter shrinks by `lr * weight_decay`. Default: 1e-2.
    pub weight_decay: f64,
    /// Coupled weight decay (plain Adam): `l2 * parameter` is added to the gradient. Default: 0.
    pub l2: f64,
    /// Which step this is, counted from 1. Default: 1.
    pub step: u64,
    /// Factor on the gradient before anything else, for clipping and loss scaling. Default: 1.
    pub grad_scale: f32,
}

impl Default for AdamHyper {
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-2, l2: 0.0, step: 1, grad_scale: 1.0 }
    }
}

/// The numbers that one Adam step multiplies by, worked out once in 64 bits.
#[derive(Clone, Copy, Debug)]
struct AdamFactors {
    keep: f64,
    step_size: f64,
    root_correction: f64,
}

impl AdamFactors {
    fn new(hyper: &AdamHyper) -> Self {
        let step = hyper.step.max(1) as f64;
        Self {
            keep: 1.0 - hyper.lr * hyper.weight_decay,
            step_size: hyper.lr / (1.0 - hyper.beta1.powf(step)),
            root_correction: (1.0 - hyper.beta2.powf(step)).sqrt(),
        }
    }
}

/// One step of Adam with decoupled ([AdamW](https://arxiv.org/abs/1711.05101)) or coupled
/// ([Adam](https://arxiv.org/abs/1412.6980)) weight decay: returns the new parameter, first moment and second moment.
///
/// Both moments start at zero.
pub fn adamw<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    first: Tensor<B, D>,
    second: Tensor<B, D>,
    hyper: &AdamHyper,
) -> (Tensor<B, D>, Tensor<B, D>, Tensor<B, D>) {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&[&param, &grad, &first, &second]) {
        return kernel::adamw(param, grad, first, second, hyper);
    }
    portable::adamw(param, grad, first, second, hyper)
}

/// What [`sgd`] needs to know. The defaults are those of `torch.optim.SGD`.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdHyper {
    /// Learning rate. Default: 1e-3.
    pub lr: f64,
    /// How much of the buffer stays from step to step; 0 keeps no buffer. Default: 0.
    pub momentum: f64,
    /// Share of the gradient that does not enter the buffer (after the first step). Default: 0.
    pub dampening: f64,
    /// Nesterov's look-ahead. Default: no.
    pub nesterov: bool,
    /// `weight_decay * parameter` is added to the gradient. Default: 0.
    pub weight_decay: f64,
    /// Factor on the gradient before anything else, for clipping and loss scaling. Default: 1.
    pub grad_scale: f32,
}

impl Default for SgdHyper {
    fn default() -> Self {
        Self { lr: 1e-3, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, grad_scale: 1.0 }
    }
}

/// One step of stochastic gradient descent: returns the new parameter and momentum buffer.
///
/// `buffer` is `None` at the first step, where the buffer becomes the (decayed) gradient itself, undamped, as in
/// PyTorch. With `momentum = 0` the buffer is neither read nor made.
pub fn sgd<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    buffer: Option<Tensor<B, D>>,
    hyper: &SgdHyper,
) -> (Tensor<B, D>, Option<Tensor<B, D>>) {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&[&param, &grad]) && buffer.iter().all(|buffer| has_kernel(&[buffer])) {
        return kernel::sgd(param, grad, buffer, hyper);
    }
    portable::sgd(param, grad, buffer, hyper)
}

/// What [`rmsprop`] needs to know. The defaults are those of `torch.optim.RMSprop`.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsPropHyper {
    /// Learning rate. Default: 1e-2.
    pub lr: f64,
    /// Decay of the mean square. Default: 0.99.
    pub alpha: f64,
    /// Added to the root of the mean square. Default: 1e-8.
    pub eps: f64,
    /// How much of the buffer stays from step to step; 0 keeps no buffer. Default: 0.
    pub momentum: f64,
    /// Divide by the estimated standard deviation instead of the root mean square. Default: no.
    pub centered: bool,
    /// `weight_decay * parameter` is added to the gradient. Default: 0.
    pub weight_decay: f64,
    /// Factor on the gradient before anything else, for clipping and loss scaling. Default: 1.
    pub grad_scale: f32,
}

impl Default for RmsPropHyper {
    fn default() -> Self {
        Self { lr: 1e-2, alpha: 0.99, eps: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0, grad_scale: 1.0 }
    }
}

/// What [`rmsprop`] carries from step to step; everything starts at zero.
#[derive(Clone, Debug)]
pub struct RmsPropState<B: Backend, const D: usize> {
    /// Running mean of the squared gradient.
    pub square_average: Tensor<B, D>,
    /// Running mean of the gradient, present when [`centered`](RmsPropHyper::centered).
    pub gradient_average: Option<Tensor<B, D>>,
    /// Present when there is [`momentum`](RmsPropHyper::momentum).
    pub momentum_buffer: Option<Tensor<B, D>>,
}

impl<B: Backend, const D: usize> RmsPropState<B, D> {
    /// The state before the first step of `param`.
    pub fn new(param: &Tensor<B, D>, hyper: &RmsPropHyper) -> Self {
        Self {
            square_average: param.zeros_like(),
            gradient_average: hyper.centered.then(|| param.zeros_like()),
            momentum_buffer: (hyper.momentum > 0.0).then(|| param.zeros_like()),
        }
    }

    #[cfg(any(feature = "ndarray", feature = "flex"))]
    fn has_kernel(&self) -> bool {
        let optional = [&self.gradient_average, &self.momentum_buffer];
        has_kernel(&[&self.square_average]) && optional.into_iter().flatten().all(|tensor| has_kernel(&[tensor]))
    }
}

/// One step of RMSprop ([Hinton's lecture 6e](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf),
/// centred as in [Graves 2013](https://arxiv.org/abs/1308.0850)): returns the new parameter and state.
///
/// A centred variance that rounding makes negative counts as 0; PyTorch's would be NaN. A buffer that the options ask
/// for and the state lacks starts at zero.
pub fn rmsprop<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    state: RmsPropState<B, D>,
    hyper: &RmsPropHyper,
) -> (Tensor<B, D>, RmsPropState<B, D>) {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if state.has_kernel() && has_kernel(&[&param, &grad]) {
        return kernel::rmsprop(param, grad, state, hyper);
    }
    portable::rmsprop(param, grad, state, hyper)
}

/// The sum of squares of every element, `[1]`: the same bits for the same input, however many threads there are.
pub fn sum_squares<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&[&tensor]) {
        return kernel::sum_squares(tensor);
    }
    portable::sum_squares(tensor)
}

/// `grad * factor`, with the factor (`[1]`) still on its device, so that clipping need not wait for it.
pub fn scale_by<B: Backend, const D: usize>(grad: Tensor<B, D>, factor: Tensor<B, 1>) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&[&grad]) && has_kernel(&[&factor]) {
        return kernel::scale_by(grad, factor);
    }
    portable::scale_by(grad, factor)
}

/// `ema * decay + weight * (1 - decay)`: one step of an exponential moving average of the weights.
pub fn lerp_<B: Backend, const D: usize>(ema: Tensor<B, D>, weight: Tensor<B, D>, decay: f64) -> Tensor<B, D> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&[&ema, &weight]) {
        return kernel::lerp_(ema, weight, decay);
    }
    portable::lerp_(ema, weight, decay)
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn has_kernel<B: Backend, const D: usize>(tensors: &[&Tensor<B, D>]) -> bool {
    use crate::cpu::{is_cpu, is_f32};
    is_cpu::<B>() && tensors.iter().all(|tensor| is_f32(tensor))
}
