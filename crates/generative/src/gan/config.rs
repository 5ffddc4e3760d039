//! What the two networks are like.

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::{Discriminator, Gan, Generator};

/// The smallest and the largest side of what a [DCGAN](super::dcgan) begins with; it doubles from there.
const START: [usize; 2] = [4, 7];

/// The architecture of both networks. Size, channels and classes of the pictures are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GanConfig {
    /// `dcgan` (convolutions; pictures whose side is 4, 5, 6 or 7 times a power of two, as 28, 32, 64 and 128 are) or `mlp` (dense layers,
    /// for tiny pictures). Default: `dcgan`.
    pub architecture: Architecture,
    /// Random numbers that a picture is made of. Default: 100.
    pub latent_size: usize,
    /// Of `dcgan`: channels of the layers next to the picture; they double where its side halves. Default: 64.
    pub base_channels: usize,
    /// Of `mlp`: features of each hidden layer. Default: 256.
    pub hidden_size: usize,
    /// Of `mlp`: hidden layers of each network. Default: 3.
    pub num_layers: usize,
    /// Whether pictures are made by class: `none`, `concatenate` (the discriminator sees the class as one more channel; Mirza and Osindero
    /// 2014, arXiv:1411.1784) or `projection` (it compares the class with its features; Miyato and Koyama 2018, arXiv:1802.05637). The
    /// generator sees the class beside the random numbers. Default: `none`.
    pub conditional: Conditional,
    /// Numbers that a class becomes for the generator. Default: 32.
    pub embedding_size: usize,
    /// What is normalised in the discriminator: `auto` (`spectral` for the hinge loss, and for Wasserstein's without a penalty; else `none` where a
    /// gradient is penalised or the networks are an `mlp`, and `batch` otherwise), `batch`, `none` or `spectral`. The generator of a `dcgan` has batch
    /// normalisation always. Default: `auto`.
    pub discriminator_norm: DiscriminatorNorm,
}

/// What the networks are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Convolutions: [`dcgan`](super::dcgan).
    #[default]
    Dcgan,
    /// Dense layers: [`mlp`](super::mlp).
    Mlp,
}

/// How the networks know of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Conditional {
    /// They do not.
    #[default]
    None,
    /// The discriminator sees the class as one more channel.
    Concatenate,
    /// The discriminator compares the class with its features.
    Projection,
}

/// What is normalised in the discriminator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiscriminatorNorm {
    /// What goes with the loss.
    #[default]
    Auto,
    /// Each channel, over the batch.
    Batch,
    /// Nothing.
    None,
    /// Each weight, by its largest singular value.
    Spectral,
}

/// What of the pictures decides the networks' sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GanSizes {
    /// Channels of a picture.
    pub channels: usize,
    /// Its height and width.
    pub image_size: usize,
    /// Classes that there are, for networks that know of them.
    pub classes: usize,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            architecture: Architecture::default(),
            latent_size: 100,
            base_channels: 64,
            hidden_size: 256,
            num_layers: 3,
            conditional: Conditional::default(),
            embedding_size: 32,
            discriminator_norm: DiscriminatorNorm::default(),
        }
    }
}

impl GanConfig {
    /// Values that can never work, each with its key and the rest of a sentence that begins with the key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let Self { latent_size, base_channels, hidden_size, num_layers, embedding_size, .. } = *self;
        let sizes = [
            ("latent_size", latent_size),
            ("base_channels", base_channels),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
            ("embedding_size", embedding_size),
        ];
        let zero = sizes.into_iter().filter(|(_, size)| *size == 0);
        let mut wrong: Vec<_> = zero.map(|(key, _)| (key, "must be at least 1".to_string())).collect();
        if self.architecture == Architecture::Mlp && self.discriminator_norm == DiscriminatorNorm::Batch {
            wrong.push(("discriminator_norm", "\"batch\" is for a dcgan; give \"none\" or \"spectral\"".to_string()));
        }
        wrong
    }

    /// The side that a DCGAN for pictures of this side begins with, and how often it doubles.
    ///
    /// # Errors
    /// When there is none: the message names sizes near it that can be made.
    pub fn doublings(image_size: usize) -> Result<(usize, usize), String> {
        let of = |size: usize| {
            let doublings = size.trailing_zeros() as usize;
            (1..=doublings).map(|n| (size >> n, n)).find(|(start, _)| (START[0]..=START[1]).contains(start))
        };
        of(image_size).ok_or_else(|| {
            let below = (1..image_size).rev().find(|size| of(*size).is_some());
            let above = (image_size.max(1)..).find(|size| of(*size).is_some());
            let near: Vec<_> = below.into_iter().chain(above).map(|size| size.to_string()).collect();
            format!(
                "a dcgan makes pictures whose side is 4, 5, 6 or 7 times a power of two from 2 on, which {image_size} is not: give {}",
                near.join(" or ")
            )
        })
    }

    /// Both networks with random weights, drawn at this call.
    ///
    /// # Panics
    /// When a [DCGAN](super::dcgan) cannot make pictures of this size ([`doublings`](Self::doublings)).
    pub fn init<B: Backend>(&self, norm: DiscriminatorNorm, sizes: GanSizes, device: &B::Device) -> Gan<B> {
        Gan {
            generator: Generator::new(self, sizes, device),
            discriminator: Discriminator::new(self, norm, sizes, device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dcgan_doubles_from_four_to_seven() {
        for (size, expected) in [
            (8, (4, 1)),
            (16, (4, 2)),
            (28, (7, 2)),
            (32, (4, 3)),
            (48, (6, 3)),
            (64, (4, 4)),
            (80, (5, 4)),
            (128, (4, 5)),
        ] {
            assert_eq!(GanConfig::doublings(size), Ok(expected), "{size}");
        }
        let error = GanConfig::doublings(50).unwrap_err();
        assert!(error.contains("50") && error.contains("48 or 56"), "{error}");
        assert!(GanConfig::doublings(1).unwrap_err().ends_with("give 8"));
    }
}
