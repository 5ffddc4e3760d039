//! Autoencoder ([Hinton and Salakhutdinov 2006](https://doi.org/10.1126/science.1127647)): pictures through a narrow place and back.
//!
//! With damaged pictures as inputs ([`noise`]) it is a denoising one, with [`penalties`] on its codes a sparse or a contractive one.

pub mod codec;
pub mod noise;
pub mod penalties;

pub use codec::{CodecConfig, Decoder, Encoder, PictureSize};
pub use noise::Noise;

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::activation::{relu, sigmoid};
use serde::{Deserialize, Serialize};

/// The architecture. The size of pictures is not part of it but of the data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct AutoencoderConfig {
    /// The layers of encoder and decoder.
    #[serde(flatten)]
    pub codec: CodecConfig,
    /// What is made of the numbers of the code. Default: `none`.
    pub code_activation: CodeActivation,
}

/// What is made of the numbers of a code before the decoder sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CodeActivation {
    /// Nothing.
    #[default]
    None,
    /// Those below 0 become 0.
    Relu,
    /// They lie between 0 and 1.
    Sigmoid,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Autoencoder<B: Backend> {
    /// Pictures to codes.
    pub encoder: Encoder<B>,
    /// Codes to pictures.
    pub decoder: Decoder<B>,
    /// What is made of the numbers of the code.
    #[module(skip)]
    pub code_activation: CodeActivation,
}

impl AutoencoderConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        self.codec.validate()
    }

    /// A model with random weights, drawn at this call.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or the pictures do not halve as often as the encoder does.
    pub fn init<B: Backend>(&self, pictures: PictureSize, device: &B::Device) -> Autoencoder<B> {
        let latent_size = self.codec.latent_size;
        Autoencoder {
            encoder: self.codec.encoder(pictures, 0, latent_size, device),
            decoder: self.codec.decoder(pictures, latent_size, device),
            code_activation: self.code_activation,
        }
    }
}

impl<B: Backend> Autoencoder<B> {
    /// The code of each picture.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`, from 0 to 1
    /// - output: `[batch, latent_size]`
    pub fn encode(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        let code = self.encoder.forward(images, None);
        match self.code_activation {
            CodeActivation::None => code,
            CodeActivation::Relu => relu(code),
            CodeActivation::Sigmoid => sigmoid(code),
        }
    }

    /// The logits of the pictures with these codes.
    ///
    /// # Shapes
    /// - codes: `[batch, latent_size]`
    /// - output: `[batch, channels, side, side]`
    pub fn logits(&self, codes: Tensor<B, 2>) -> Tensor<B, 4> {
        self.decoder.forward(codes)
    }

    /// The pictures with these codes, from 0 to 1.
    ///
    /// # Shapes
    /// As [`logits`](Self::logits).
    pub fn decode(&self, codes: Tensor<B, 2>) -> Tensor<B, 4> {
        sigmoid(self.logits(codes))
    }
}
