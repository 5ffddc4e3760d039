//! Generative adversarial networks ([Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661)): a generator makes pictures of random
//! numbers, a discriminator tells them from real ones, and each learns from the other.
//!
//! - [`GanConfig`]: the two networks, a pair of convolutions ([`dcgan`]) or of dense layers ([`mlp`]);
//! - [`Generator`], [`Discriminator`], and both together as [`Gan`];
//! - [`loss::GanLoss`]: what they play for; [`penalty`]: what keeps the discriminator from becoming too steep.

mod config;
pub mod dcgan;
mod discriminator;
mod generator;
pub mod loss;
pub mod mlp;
pub mod penalty;
mod weighted;

pub use config::{Architecture, Conditional, DiscriminatorNorm, GanConfig, GanSizes};
pub use discriminator::{Discriminator, DiscriminatorNetwork};
pub use generator::{Generator, GeneratorNetwork};
pub use weighted::{Convolution, Projection};

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};

/// The two networks.
#[derive(Module, Debug)]
pub struct Gan<B: Backend> {
    /// Makes pictures.
    pub generator: Generator<B>,
    /// Judges them.
    pub discriminator: Discriminator<B>,
}

/// Classes as rows that are 1 at the class and else 0, without a look at their values.
///
/// # Shapes
/// - classes: `[batch]`
/// - output: `[batch, count]`
fn one_hot<B: Backend>(classes: Tensor<B, 1, Int>, count: usize) -> Tensor<B, 2> {
    let [batch] = classes.dims();
    let all = Tensor::<B, 1, Int>::arange(0..count as i64, &classes.device()).reshape([1, count]);
    all.expand([batch, count]).equal(classes.reshape([batch, 1]).expand([batch, count])).float()
}
