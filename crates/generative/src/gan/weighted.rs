//! Layers of a discriminator, whose weights are as they are or spectrally normalised.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{
    convolution::Conv2d,
    projection::Linear,
    spectral_norm::{SpectralConv2d, SpectralLinear},
};

/// A convolution.
#[derive(Module, Debug)]
pub enum Convolution<B: Backend> {
    /// With its weights as they are.
    Plain(Conv2d<B>),
    /// With weights that stretch nothing by more than 1.
    Spectral(SpectralConv2d<B>),
}

impl<B: Backend> Convolution<B> {
    pub(super) fn new(layer: Conv2d<B>, spectral: bool) -> Self {
        if spectral { Self::Spectral(SpectralConv2d::new(layer)) } else { Self::Plain(layer) }
    }

    /// As [`Conv2d::forward`].
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Plain(layer) => layer.forward(input),
            Self::Spectral(layer) => layer.forward(input),
        }
    }
}

/// A projection.
#[derive(Module, Debug)]
pub enum Projection<B: Backend> {
    /// With its weights as they are.
    Plain(Linear<B>),
    /// With weights that stretch nothing by more than 1.
    Spectral(SpectralLinear<B>),
}

impl<B: Backend> Projection<B> {
    pub(super) fn new(layer: Linear<B>, spectral: bool) -> Self {
        if spectral { Self::Spectral(SpectralLinear::new(layer)) } else { Self::Plain(layer) }
    }

    /// As [`Linear::forward`].
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Plain(layer) => layer.forward(input),
            Self::Spectral(layer) => layer.forward(input),
        }
    }
}
