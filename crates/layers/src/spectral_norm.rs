//! Spectral normalisation ([Miyato et al. 2018](https://arxiv.org/abs/1802.05957)): a weight is divided by its largest singular value,
//! so that the layer stretches no input by more than 1. It keeps the discriminator of a GAN from becoming too steep.
//!
//! The singular value is found by power iteration, one step at each training forward pass, as
//! [`torch.nn.utils.parametrizations.spectral_norm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.spectral_norm.html)
//! does it. The two vectors of the iteration are state: checkpoints keep them, optimisers do not see them.
//!
//! **When it iterates.** Exactly where the backend records gradients and the weight asks for one, as with the statistics of
//! [`BatchNorm`](crate::batch_norm::BatchNorm). Everywhere else, and so in a frozen layer, it takes the vectors as they are.

use burn::{
    module::{Module, Param, RunningState},
    tensor::{Distribution, Tensor, backend::Backend},
};

use crate::{
    convolution::{Conv2d, conv2d},
    projection::{Linear, linear_transposed},
};

/// Power iterations when a layer is made, so that the first steps see a good estimate already (PyTorch's number).
const FIRST_ITERATIONS: usize = 15;

/// Added to nothing, but the least length that a vector is divided by (PyTorch's).
const SHORTEST: f64 = 1e-12;

/// The vectors of the power iteration for one weight, seen as a matrix `[channels_out, everything else]`.
#[derive(Module, Debug)]
pub struct SpectralNorm<B: Backend> {
    /// `[channels_out]`: the left singular vector.
    pub u: RunningState<Tensor<B, 1>>,
    /// `[everything else]`: the right one.
    pub v: RunningState<Tensor<B, 1>>,
}

impl<B: Backend> SpectralNorm<B> {
    /// Vectors for this weight, from random ones by a few iterations.
    ///
    /// # Panics
    /// When the weight is empty.
    pub fn new<const D: usize>(weight: &Tensor<B, D>) -> Self {
        let matrix = as_matrix(weight.clone()).detach();
        let [rows, columns] = matrix.dims();
        assert!(rows > 0 && columns > 0, "spectral norm: an empty weight");
        let device = weight.device();
        let v = Tensor::random([columns, 1], Distribution::Normal(0.0, 1.0), &device);
        let (mut u, mut v) = (Tensor::zeros([rows, 1], &device), normalised(v));
        for _ in 0..FIRST_ITERATIONS {
            [u, v] = iterate(matrix.clone(), v);
        }
        Self { u: RunningState::new(u.reshape([rows])), v: RunningState::new(v.reshape([columns])) }
    }

    /// The weight divided by its largest singular value, `uᵀ W v`, whose gradient is that of this formula with `u` and `v` fixed.
    ///
    /// # Shapes
    /// - weight, output: `[channels_out, ..]`
    ///
    /// # Panics
    /// When the weight has another shape than the one that this was made for.
    pub fn weight<const D: usize>(&self, weight: Tensor<B, D>) -> Tensor<B, D> {
        let matrix = as_matrix(weight.clone());
        let [rows, columns] = matrix.dims();
        let mut u = self.u.value_sync().reshape([rows, 1]);
        let mut v = self.v.value_sync().reshape([columns, 1]);
        if B::ad_enabled(&weight.device()) && weight.is_require_grad() {
            [u, v] = iterate(matrix.clone().detach(), v);
            self.u.update(u.clone().reshape([rows]));
            self.v.update(v.clone().reshape([columns]));
            // burn keeps an update beside the value until the next one: whoever visits the module (a checkpoint) would see the older.
            self.u.value_sync();
            self.v.value_sync();
        }
        let largest = (matrix.matmul(v) * u).sum(); // [1]
        weight / largest.reshape([1; D])
    }
}

/// A step of the iteration from the right vector: the next left one and the next right one, `[.., 1]` each.
fn iterate<B: Backend>(matrix: Tensor<B, 2>, v: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
    let u = normalised(matrix.clone().matmul(v));
    let v = normalised(matrix.transpose().matmul(u.clone()));
    [u, v]
}

/// A vector of length 1 in this direction.
fn normalised<B: Backend>(vector: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = (vector.clone() * vector.clone()).sum().sqrt().clamp_min(SHORTEST);
    vector / length.reshape([1, 1])
}

/// `[channels_out, everything else]`
fn as_matrix<B: Backend, const D: usize>(weight: Tensor<B, D>) -> Tensor<B, 2> {
    let shape = weight.dims();
    weight.reshape([shape[0], shape[1..].iter().product()])
}

/// A convolution with spectral normalisation of its weight.
#[derive(Module, Debug)]
pub struct SpectralConv2d<B: Backend> {
    /// The convolution, whose weight is not normalised.
    pub layer: Conv2d<B>,
    /// What normalises it.
    pub norm: SpectralNorm<B>,
}

impl<B: Backend> SpectralConv2d<B> {
    /// Normalises a convolution.
    pub fn new(layer: Conv2d<B>) -> Self {
        let norm = SpectralNorm::new(&layer.weight.val());
        Self { layer, norm }
    }

    /// [`conv2d`] with the normalised weight.
    ///
    /// # Shapes
    /// As [`Conv2d::forward`].
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let Conv2d { weight, bias, options } = &self.layer;
        conv2d(input, self.norm.weight(weight.val()), bias.as_ref().map(Param::val), options)
    }
}

/// A projection with spectral normalisation of its weight.
#[derive(Module, Debug)]
pub struct SpectralLinear<B: Backend> {
    /// The projection, whose weight is not normalised.
    pub layer: Linear<B>,
    /// What normalises it.
    pub norm: SpectralNorm<B>,
}

impl<B: Backend> SpectralLinear<B> {
    /// Normalises a projection.
    pub fn new(layer: Linear<B>) -> Self {
        let norm = SpectralNorm::new(&layer.weight.val());
        Self { layer, norm }
    }

    /// [`linear_transposed`] with the normalised weight.
    ///
    /// # Shapes
    /// As [`Linear::forward`].
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        let Linear { weight, bias } = &self.layer;
        linear_transposed(input, self.norm.weight(weight.val()), bias.as_ref().map(Param::val))
    }
}
