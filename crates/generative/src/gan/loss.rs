//! What the two networks play for, from the discriminator's scores.

use burn::tensor::{
    Tensor,
    activation::{log_sigmoid, relu, sigmoid},
    backend::Backend,
};
use serde::{Deserialize, Serialize};

/// The losses of both networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GanLoss {
    /// The discriminator's binary cross entropy; the generator maximises the probability that its pictures are taken for real
    /// ([Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661)).
    #[default]
    NonSaturating,
    /// Squared distances from 1 (real) and 0 ([Mao et al. 2016](https://arxiv.org/abs/1611.04076)).
    LeastSquares,
    /// The difference of the mean scores, which is a distance of distributions where the critic's slope is bounded
    /// ([Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875)).
    Wasserstein,
    /// Scores count up to a margin of 1 ([Lim and Ye 2017](https://arxiv.org/abs/1705.02894)).
    Hinge,
}

impl GanLoss {
    /// The discriminator's.
    ///
    /// # Shapes
    /// - real, generated: `[batch]`
    /// - output: `[1]`
    pub fn discriminator<B: Backend>(self, real: Tensor<B, 1>, generated: Tensor<B, 1>) -> Tensor<B, 1> {
        match self {
            Self::NonSaturating => (log_sigmoid(real).mean() + log_sigmoid(generated.neg()).mean()).neg(),
            Self::LeastSquares => (squared(real - 1.0).mean() + squared(generated).mean()) * 0.5,
            Self::Wasserstein => generated.mean() - real.mean(),
            Self::Hinge => relu(real.neg() + 1.0).mean() + relu(generated + 1.0).mean(),
        }
    }

    /// The generator's, from the scores of its pictures.
    ///
    /// # Shapes
    /// - generated: `[batch]`
    /// - output: `[1]`
    pub fn generator<B: Backend>(self, generated: Tensor<B, 1>) -> Tensor<B, 1> {
        match self {
            Self::NonSaturating => log_sigmoid(generated).mean().neg(),
            Self::LeastSquares => squared(generated - 1.0).mean() * 0.5,
            Self::Wasserstein | Self::Hinge => generated.mean().neg(),
        }
    }

    /// The mean of what the discriminator says of pictures: a probability where its loss is one of probabilities, else its score.
    ///
    /// # Shapes
    /// - scores: `[batch]`
    /// - output: `[1]`
    pub fn mean_output<B: Backend>(self, scores: Tensor<B, 1>) -> Tensor<B, 1> {
        match self {
            Self::NonSaturating => sigmoid(scores).mean(),
            _ => scores.mean(),
        }
    }
}

fn squared<B: Backend>(values: Tensor<B, 1>) -> Tensor<B, 1> {
    values.clone() * values
}
