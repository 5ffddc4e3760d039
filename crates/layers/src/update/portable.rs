//! The updates in plain tensor operations: the path of every backend and float type without a kernel. Public so that
//! tests can hold the kernels to it.

use super::{AdamFactors, AdamHyper, RmsPropHyper, RmsPropState, SgdHyper};
use burn::tensor::{Tensor, backend::Backend};

/// [`adamw`](super::adamw) in plain tensor operations.
pub fn adamw<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    first: Tensor<B, D>,
    second: Tensor<B, D>,
    hyper: &AdamHyper,
) -> (Tensor<B, D>, Tensor<B, D>, Tensor<B, D>) {
    let factors = AdamFactors::new(hyper);
    let grad = decayed_gradient(&param, grad, hyper.grad_scale, hyper.l2);
    let param = if hyper.weight_decay == 0.0 { param } else { param * factors.keep };
    let first = first.clone() + (grad.clone() - first) * (1.0 - hyper.beta1);
    let second = second * hyper.beta2 + grad.clone() * grad * (1.0 - hyper.beta2);
    let divisor = second.clone().sqrt() / factors.root_correction + hyper.eps;
    let param = param - first.clone() / divisor * factors.step_size;
    (param, first, second)
}

/// [`sgd`](super::sgd) in plain tensor operations.
pub fn sgd<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    buffer: Option<Tensor<B, D>>,
    hyper: &SgdHyper,
) -> (Tensor<B, D>, Option<Tensor<B, D>>) {
    let grad = decayed_gradient(&param, grad, hyper.grad_scale, hyper.weight_decay);
    if hyper.momentum == 0.0 {
        return (param - grad * hyper.lr, buffer);
    }
    let buffer = match buffer {
        Some(buffer) => buffer * hyper.momentum + grad.clone() * (1.0 - hyper.dampening),
        None => grad.clone(),
    };
    let direction = if hyper.nesterov { grad + buffer.clone() * hyper.momentum } else { buffer.clone() };
    (param - direction * hyper.lr, Some(buffer))
}

/// [`rmsprop`](super::rmsprop) in plain tensor operations.
pub fn rmsprop<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    state: RmsPropState<B, D>,
    hyper: &RmsPropHyper,
) -> (Tensor<B, D>, RmsPropState<B, D>) {
    let RmsPropState { square_average, mut gradient_average, mut momentum_buffer } = state;
    let grad = decayed_gradient(&param, grad, hyper.grad_scale, hyper.weight_decay);
    let square_average = square_average * hyper.alpha + grad.clone() * grad.clone() * (1.0 - hyper.alpha);
    let variance = if hyper.centered {
        let mean = gradient_average.unwrap_or_else(|| param.zeros_like());
        let mean = mean.clone() + (grad.clone() - mean) * (1.0 - hyper.alpha);
        let variance = square_average.clone() - mean.clone() * mean.clone();
        gradient_average = Some(mean);
        variance.clamp_min(0.0)
    } else {
        square_average.clone()
    };
    let mut direction = grad / (variance.sqrt() + hyper.eps);
    if hyper.momentum > 0.0 {
        let buffer = momentum_buffer.unwrap_or_else(|| param.zeros_like());
        direction = buffer * hyper.momentum + direction;
        momentum_buffer = Some(direction.clone());
    }
    let state = RmsPropState { square_average, gradient_average, momentum_buffer };
    (param - direction * hyper.lr, state)
}

/// [`sum_squares`](super::sum_squares) in plain tensor operations.
pub fn sum_squares<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    (tensor.clone() * tensor).sum()
}

/// [`scale_by`](super::scale_by) in plain tensor operations.
pub fn scale_by<B: Backend, const D: usize>(grad: Tensor<B, D>, factor: Tensor<B, 1>) -> Tensor<B, D> {
    grad * factor.reshape([1; D])
}

/// [`lerp_`](super::lerp_) in plain tensor operations.
pub fn lerp_<B: Backend, const D: usize>(ema: Tensor<B, D>, weight: Tensor<B, D>, decay: f64) -> Tensor<B, D> {
    ema * decay + weight * (1.0 - decay)
}

/// `grad * scale + param * decay`
fn decayed_gradient<B: Backend, const D: usize>(
    param: &Tensor<B, D>,
    grad: Tensor<B, D>,
    scale: f32,
    decay: f64,
) -> Tensor<B, D> {
    let grad = if scale == 1.0 { grad } else { grad * scale };
    if decay == 0.0 { grad } else { grad + param.clone() * decay }
}
