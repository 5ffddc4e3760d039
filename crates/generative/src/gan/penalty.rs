//! Penalties on the slope of the discriminator: how fast its score changes with a picture.
//!
//! Their gradients are second derivatives. The discriminator is lifted to an `Autodiff` around the backend that records already: the outer
//! one gives the slope at a picture, and every step of that computation is recorded by the inner one, which is the backend of training.
//! The penalty is then a number like any other of the loss.

use burn::{
    backend::Autodiff,
    module::{AutodiffModule, Module},
    tensor::{Distribution, Int, Tensor, backend::AutodiffBackend},
};

use super::Discriminator;

/// Under the square root, so that it has a slope where there is none.
const SMALL: f64 = 1e-12;

/// The mean of `(|slope| - 1)²` at pictures between real and generated ones
/// ([Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028)).
///
/// # Shapes
/// - real, generated: `[batch, channels, height, width]`
/// - mix: `[batch, 1, 1, 1]`, the share of the real picture; [`mix`] draws it
/// - classes: `[batch]`
/// - output: `[1]`
pub fn gradient_penalty<B: AutodiffBackend>(
    discriminator: &Discriminator<B>,
    real: Tensor<B, 4>,
    generated: Tensor<B, 4>,
    mix: Tensor<B, 4>,
    classes: Option<Tensor<B, 1, Int>>,
) -> Tensor<B, 1> {
    let between = generated.clone() + (real - generated) * mix;
    let slope = (squared_slopes(discriminator, between, classes) + SMALL).sqrt();
    let excess = slope - 1.0;
    (excess.clone() * excess).mean()
}

/// Shares of the real picture, uniform from 0 to 1.
///
/// # Shapes
/// - output: `[batch, 1, 1, 1]`
pub fn mix<B: AutodiffBackend>(batch: usize, device: &B::Device) -> Tensor<B, 4> {
    Tensor::random([batch, 1, 1, 1], Distribution::Uniform(0.0, 1.0), device)
}

/// Half the mean of `|slope|²` at real pictures: R1 ([Mescheder, Geiger and Nowozin 2018](https://arxiv.org/abs/1801.04406)).
///
/// # Shapes
/// - real: `[batch, channels, height, width]`
/// - classes: `[batch]`
/// - output: `[1]`
pub fn r1<B: AutodiffBackend>(
    discriminator: &Discriminator<B>,
    real: Tensor<B, 4>,
    classes: Option<Tensor<B, 1, Int>>,
) -> Tensor<B, 1> {
    squared_slopes(discriminator, real, classes).mean() * 0.5
}

/// `|∂ score / ∂ picture|²` of each picture, with the way back to the discriminator's weights: `[batch]`
fn squared_slopes<B: AutodiffBackend>(
    discriminator: &Discriminator<B>,
    pictures: Tensor<B, 4>,
    classes: Option<Tensor<B, 1, Int>>,
) -> Tensor<B, 1> {
    let [batch, ..] = pictures.dims();
    // The outer gradient is that of the pictures alone; the inner record of the weights stays.
    let lifted = Discriminator::<Autodiff<B>>::from_inner(discriminator.clone()).no_grad();
    let pictures = Tensor::<Autodiff<B>, 4>::from_inner(pictures.detach()).require_grad();
    let scores = lifted.forward(pictures.clone(), classes.map(Tensor::from_inner));
    // The score of a picture depends on no other, so the gradient of the sum holds each one's own.
    let gradients = scores.sum().backward();
    let slopes = pictures.grad(&gradients).expect("the score depends on the picture");
    (slopes.clone() * slopes).flatten::<2>(1, 3).sum_dim(1).reshape([batch])
}
