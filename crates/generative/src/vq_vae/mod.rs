//! VQ-VAE ([van den Oord et al. 2017](https://arxiv.org/abs/1711.00937)): pictures as a small map of codes from a learned codebook.
//!
//! Encoder and decoder are those of the paper's section 4.1: two halvings, and residual blocks at a quarter of the size.

mod codebook;

pub use codebook::{Codebook, CodebookConfig, CodebookUpdate, Means, Quantized, perplexity};

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    activation::relu,
    convolution::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
};
use serde::{Deserialize, Serialize};

/// Pixels across, and down, that one code stands for.
pub const PIXELS_OF_A_CODE: usize = 4;

/// The architecture. The size of pictures is not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VqVaeConfig {
    /// Channels of encoder and decoder. Default: 128.
    pub channels: usize,
    /// Residual blocks on either side. Default: 2.
    pub residual_blocks: usize,
    /// Channels inside a residual block. Default: 32.
    pub residual_channels: usize,
    /// The codebook.
    pub codebook: CodebookConfig,
}

impl Default for VqVaeConfig {
    fn default() -> Self {
        Self { channels: 128, residual_blocks: 2, residual_channels: 32, codebook: CodebookConfig::default() }
    }
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct VqVae<B: Backend> {
    /// Two halvings of the picture.
    pub down: Vec<Conv2d<B>>,
    /// At a quarter of the size.
    pub encoder_blocks: Vec<ResidualBlock<B>>,
    /// To the size of a code.
    pub to_codes: Conv2d<B>,
    /// The codes.
    pub codebook: Codebook<B>,
    /// From the size of a code.
    pub from_codes: Conv2d<B>,
    /// At a quarter of the size.
    pub decoder_blocks: Vec<ResidualBlock<B>>,
    /// Two doublings.
    pub up: Vec<ConvTranspose2d<B>>,
}

/// Adds to a map what two convolutions make of it.
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    /// 3 × 3
    pub conv1: Conv2d<B>,
    /// 1 × 1
    pub conv2: Conv2d<B>,
}

/// What became of pictures.
#[derive(Debug, Clone)]
pub struct Reconstruction<B: Backend> {
    /// `[batch, channels, side, side]`
    pub images: Tensor<B, 4>,
    /// Their codes, row by row, and what was lost.
    pub quantized: Quantized<B>,
}

impl VqVaeConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.channels < 2 {
            wrong.push(("channels", "must be at least 2: the first layer has half of them".to_string()));
        }
        if self.residual_channels == 0 {
            wrong.push(("residual_channels", "must be at least 1".to_string()));
        }
        wrong
    }

    /// A model for pictures of so many channels with random weights, drawn at this call.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something.
    pub fn init<B: Backend>(&self, colours: usize, device: &B::Device) -> VqVae<B> {
        let Self { channels, residual_blocks, residual_channels, ref codebook } = *self;
        let half = channels / 2;
        let halve = |from, to| Conv2dConfig::new([from, to], [4; 2]).with_stride(2).with_padding(1).init(device);
        let double =
            |from, to| ConvTranspose2dConfig::new([from, to], [4; 2]).with_stride(2).with_padding(1).init(device);
        let block = |_| ResidualBlock {
            conv1: Conv2dConfig::new([channels, residual_channels], [3; 2])
                .with_padding(1)
                .with_bias(false)
                .init(device),
            conv2: Conv2dConfig::new([residual_channels, channels], [1; 2]).with_bias(false).init(device),
        };
        VqVae {
            down: vec![halve(colours, half), halve(half, channels)],
            encoder_blocks: (0..residual_blocks).map(block).collect(),
            to_codes: Conv2dConfig::new([channels, codebook.code_size], [1; 2]).init(device),
            codebook: codebook.init(device),
            from_codes: Conv2dConfig::new([codebook.code_size, channels], [3; 2]).with_padding(1).init(device),
            decoder_blocks: (0..residual_blocks).map(block).collect(),
            up: vec![double(channels, half), double(half, colours)],
        }
    }
}

impl<B: Backend> ResidualBlock<B> {
    /// # Shapes
    /// - map, output: `[batch, channels, height, width]`
    fn forward(&self, map: Tensor<B, 4>) -> Tensor<B, 4> {
        map.clone() + self.conv2.forward(relu(self.conv1.forward(relu(map))))
    }
}

impl<B: Backend> VqVae<B> {
    /// Pictures through their codes and back.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`, whose sides are multiples of [`PIXELS_OF_A_CODE`]
    pub fn forward(&self, images: Tensor<B, 4>) -> Reconstruction<B> {
        let map = self.encode(images);
        let [batch, code_size, height, width] = map.dims();
        let rows = map.permute([0, 2, 3, 1]).reshape([batch * height * width, code_size]);
        let quantized = self.codebook.quantize(rows);
        let images = self.decode(in_map(quantized.vectors.clone(), [batch, height, width]));
        Reconstruction { images, quantized }
    }

    /// What the encoder makes of pictures, before codes take its place.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - output: `[batch, code_size, side / 4, side / 4]`
    pub fn encode(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let map = self.down.iter().fold(images, |map, convolution| relu(convolution.forward(map)));
        let map = self.encoder_blocks.iter().fold(map, |map, block| block.forward(map));
        self.to_codes.forward(relu(map))
    }

    /// The pictures with these codes.
    ///
    /// # Shapes
    /// - codes: `[batch, height, width]`
    /// - output: `[batch, channels, 4 height, 4 width]`
    pub fn decode_codes(&self, codes: Tensor<B, 3, Int>) -> Tensor<B, 4> {
        let shape = codes.dims();
        self.decode(in_map(self.codebook.look_up(codes.flatten::<1>(0, 2)), shape))
    }

    /// `[batch, code_size, height, width]` to `[batch, channels, 4 height, 4 width]`
    fn decode(&self, map: Tensor<B, 4>) -> Tensor<B, 4> {
        let map = self.from_codes.forward(map);
        let map = self.decoder_blocks.iter().fold(map, |map, block| block.forward(map));
        self.up.iter().fold(map, |map, convolution| convolution.forward(relu(map)))
    }
}

/// `[batch · height · width, code_size]` to `[batch, code_size, height, width]`
fn in_map<B: Backend>(rows: Tensor<B, 2>, [batch, height, width]: [usize; 3]) -> Tensor<B, 4> {
    let [_, code_size] = rows.dims();
    rows.reshape([batch, height, width, code_size]).permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::{backend::Flex, tensor::Distribution};

    #[test]
    fn codes_are_all_that_the_decoder_sees() {
        let device = Default::default();
        let config = VqVaeConfig {
            channels: 8,
            residual_channels: 4,
            codebook: CodebookConfig { codes: 6, code_size: 3, ..CodebookConfig::default() },
            ..VqVaeConfig::default()
        };
        let model = config.init::<Flex>(3, &device);
        let images = Tensor::<Flex, 4>::random([2, 3, 16, 8], Distribution::Uniform(0.0, 1.0), &device);
        let found = model.forward(images.clone());
        assert_eq!(found.images.dims(), images.dims());
        assert_eq!(found.quantized.codes.dims(), [2 * 4 * 2]);
        let again = model.decode_codes(found.quantized.codes.reshape([2, 4, 2]));
        found.images.into_data().assert_approx_eq::<f32>(&again.into_data(), Default::default());
    }
}
