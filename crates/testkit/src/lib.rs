//! What the tests of every family need, for `[dev-dependencies]` only: it panics, as tests do, with a message that says
//! where the numbers part.
//!
//! - [`assert_close`]: two tensors hold the same numbers;
//! - [`Fixture`], [`pytorch_name`]: numbers that a committed script took from PyTorch;
//! - [`tiny_overfit`]: a task memorises one batch;
//! - [`every_parameter_has_gradient`], [`assert_gradient_matches_differences`]: backward passes.

mod close;
mod fixture;
mod gradients;
mod overfit;

pub use close::{assert_close, assert_data_close};
pub use fixture::{Fixture, pytorch_name};
pub use gradients::{
    assert_gradient_matches_differences, every_parameter_has_gradient, gradients_by_path, numeric_gradient,
};
pub use overfit::{TinyOverfit, tiny_overfit};
