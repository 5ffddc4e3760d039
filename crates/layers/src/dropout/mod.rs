//! Dropout ([Srivastava et al. 2014](https://jmlr.org/papers/v15/srivastava14a.html)), and the same for whole branches of a
//! residual network.
//!
//! **When it drops.** Exactly where the backend records gradients. There is no mode to set.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
mod path;
pub mod portable;

pub use path::drop_path;

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

/// [`dropout`] as a part of a module.
#[derive(Module, Clone, Debug)]
pub struct Dropout {
    /// Of each number to become 0 while training, `0..=1`.
    pub probability: f64,
}

impl Dropout {
    /// Dropout with this probability.
    ///
    /// # Panics
    /// When it is none.
    pub fn new(probability: f64) -> Self {
        check(probability);
        Self { probability }
    }

    /// [`dropout`] with this probability.
    ///
    /// # Shapes
    /// - output: as the input
    pub fn forward<B: Backend, const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        dropout(input, self.probability)
    }
}

/// In training, makes each number 0 with this probability and divides the others by the probability to stay, so that the mean
/// is kept. Without gradients, the input.
///
/// What is dropped follows from the backend's random numbers, `B::seed`, alone: neither from the number of threads nor from
/// the numbers of the input.
///
/// # Shapes
/// - output: as the input
///
/// # Panics
/// When the probability is none.
pub fn dropout<B: Backend, const D: usize>(input: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    check(probability);
    if probability == 0.0 || !B::ad_enabled(&input.device()) {
        return input;
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::dropout(input, probability);
    }
    portable::dropout(input, probability)
}

fn check(probability: f64) {
    assert!((0.0..=1.0).contains(&probability), "dropout: {probability} is no probability");
}
