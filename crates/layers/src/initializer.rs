//! What the weights of a convolution or a projection are drawn from.

use burn::tensor::{Distribution, Tensor, backend::Backend};

/// The distribution of weights before training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Initializer {
    /// PyTorch's default for convolutions and projections: uniform within ±1/√fan_in, the bias too.
    #[default]
    UniformFanIn,
    /// Normal with a variance of 2 / fan_in ([He et al. 2015](https://arxiv.org/abs/1502.01852)), the bias 0: keeps the size of what
    /// goes forward through rectifiers.
    KaimingNormalFanIn,
    /// Normal with a variance of 2 / fan_out (as above), the bias 0: keeps the size of the gradients that come back.
    KaimingNormalFanOut,
    /// Uniform within ±√(6 / (fan_in + fan_out)) ([Glorot and Bengio 2010](https://proceedings.mlr.press/v9/glorot10a.html)), the
    /// bias 0.
    XavierUniform,
    /// Normal with this standard deviation, the bias 0.
    Normal(f64),
}

/// How many numbers a result is made of, and how many results a number goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Inputs of an output.
    pub fan_in: usize,
    /// Outputs of an input.
    pub fan_out: usize,
}

impl Initializer {
    /// Weights of this shape, drawn at this call, so that they follow from the backend's seed now rather than at first use.
    pub fn weight<B: Backend, const D: usize>(self, shape: [usize; D], fans: Fans, device: &B::Device) -> Tensor<B, D> {
        let normal = |variance: f64| Distribution::Normal(0.0, variance.sqrt());
        let distribution = match self {
            Self::UniformFanIn => fans.uniform(),
            Self::KaimingNormalFanIn => normal(2.0 / fans.fan_in as f64),
            Self::KaimingNormalFanOut => normal(2.0 / fans.fan_out as f64),
            Self::XavierUniform => {
                let bound = (6.0 / (fans.fan_in + fans.fan_out) as f64).sqrt();
                Distribution::Uniform(-bound, bound)
            }
            Self::Normal(deviation) => Distribution::Normal(0.0, deviation),
        };
        Tensor::random(shape, distribution, device)
    }

    /// The bias that goes with [`weight`](Self::weight): `[outputs]`
    pub fn bias<B: Backend>(self, outputs: usize, fans: Fans, device: &B::Device) -> Tensor<B, 1> {
        match self {
            Self::UniformFanIn => Tensor::random([outputs], fans.uniform(), device),
            _ => Tensor::zeros([outputs], device),
        }
    }
}

impl Fans {
    fn uniform(self) -> Distribution {
        let bound = 1.0 / (self.fan_in as f64).sqrt();
        Distribution::Uniform(-bound, bound)
    }
}
