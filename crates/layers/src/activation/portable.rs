//! The activations in plain tensor operations: the path of every backend and float type without a kernel, and the one that
//! can be differentiated more than once. Public so that tests can hold the kernel to it.

use burn::tensor::{Tensor, activation, backend::Backend};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// [`relu`](super::relu) in plain tensor operations.
///
/// # Shapes
/// As [`relu`](super::relu).
pub fn relu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    activation::relu(input)
}

/// [`leaky_relu`](super::leaky_relu) in plain tensor operations.
///
/// # Shapes
/// As [`leaky_relu`](super::leaky_relu).
pub fn leaky_relu<B: Backend, const D: usize>(input: Tensor<B, D>, slope: f64) -> Tensor<B, D> {
    // Not burn's, whose slope at 0 is 1.
    let negative = input.clone().lower_equal_elem(0.0);
    input.clone().mask_where(negative, input * slope)
}

/// [`sigmoid`](super::sigmoid) in plain tensor operations.
///
/// # Shapes
/// As [`sigmoid`](super::sigmoid).
pub fn sigmoid<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    activation::sigmoid(input)
}

/// [`tanh`](super::tanh) in plain tensor operations.
///
/// # Shapes
/// As [`tanh`](super::tanh).
pub fn tanh<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    input.tanh()
}

/// [`gelu`](super::gelu) in plain tensor operations.
///
/// # Shapes
/// As [`gelu`](super::gelu).
pub fn gelu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    let distribution = ((input.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    input * distribution
}

/// [`gelu_tanh`](super::gelu_tanh) in plain tensor operations.
///
/// # Shapes
/// As [`gelu_tanh`](super::gelu_tanh).
pub fn gelu_tanh<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    let cube = input.clone() * input.clone() * input.clone();
    let inner = (input.clone() + cube * 0.044715) * FRAC_2_PI.sqrt();
    input * ((inner.tanh() + 1.0) * 0.5)
}

/// [`silu`](super::silu) in plain tensor operations.
///
/// # Shapes
/// As [`silu`](super::silu).
pub fn silu<B: Backend, const D: usize>(input: Tensor<B, D>) -> Tensor<B, D> {
    input.clone() * activation::sigmoid(input)
}

/// [`swiglu`](super::swiglu) in plain tensor operations.
///
/// # Shapes
/// As [`swiglu`](super::swiglu).
pub fn swiglu<B: Backend, const D: usize>(gate_and_up: Tensor<B, D>) -> Tensor<B, D> {
    let half = gate_and_up.dims()[D - 1] / 2;
    silu(gate_and_up.clone().narrow(D - 1, 0, half)) * gate_and_up.narrow(D - 1, half, half)
}
