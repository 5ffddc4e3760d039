//! What encoders and decoders of pictures are made of: strided convolutions, projections, or both.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{
    activation::relu,
    convolution::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
    projection::{Linear, LinearConfig},
};
use serde::{Deserialize, Serialize};

/// Height and width of the kernels, which move by two pixels: every pixel is seen equally often
/// ([Odena et al. 2016](https://distill.pub/2016/deconv-checkerboard)).
const KERNEL: usize = 4;

/// The layers between pictures and their codes; a decoder has them in the opposite order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CodecConfig {
    /// Channels after each halving of the picture by a convolution of 4 × 4; empty: no convolutions. Height and width of pictures must
    /// halve as often: pictures of 28 twice, of 64 up to four times. Default: `[32, 64]`.
    pub channels: Vec<usize>,
    /// Features of the layers between the last convolution, or the pixels, and the code. Default: `[128]`.
    pub hidden_sizes: Vec<usize>,
    /// Numbers in the code of a picture. Default: 32.
    pub latent_size: usize,
}

impl Default for CodecConfig {
    fn default() -> Self {
        Self { channels: vec![32, 64], hidden_sizes: vec![128], latent_size: 32 }
    }
}

/// The sizes of square pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// 1 (grey) or 3 (colour).
    pub channels: usize,
    /// Height and width.
    pub side: usize,
}

impl PictureSize {
    /// Numbers in a picture.
    pub fn pixels(self) -> usize {
        self.channels * self.side * self.side
    }
}

impl CodecConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.latent_size == 0 {
            wrong.push(("latent_size", "must be at least 1".to_string()));
        }
        for (key, sizes) in [("channels", &self.channels), ("hidden_sizes", &self.hidden_sizes)] {
            if sizes.contains(&0) {
                wrong.push((key, "has a layer of 0; give each at least 1".to_string()));
            }
        }
        wrong
    }

    /// Whether pictures of `side` pixels halve as often as there are convolutions.
    ///
    /// # Errors
    /// What to change.
    pub fn check_side(&self, side: usize) -> Result<(), String> {
        let halvings = self.channels.len();
        let most = side.trailing_zeros() as usize;
        if halvings <= most {
            return Ok(());
        }
        Err(format!(
            "`model.channels` halves pictures {halvings} times, and `data.image_size` is {side}, which halves {most} times: give fewer \
             channels or another size"
        ))
    }

    /// An encoder with random weights, whose last projection sees `condition` more numbers than the picture gives.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) or [`check_side`](Self::check_side) finds something.
    pub fn encoder<B: Backend>(
        &self,
        pictures: PictureSize,
        condition: usize,
        outputs: usize,
        device: &B::Device,
    ) -> Encoder<B> {
        let channels: Vec<usize> = std::iter::once(pictures.channels).chain(self.channels.iter().copied()).collect();
        let halve = |pair: &[usize]| {
            Conv2dConfig::new([pair[0], pair[1]], [KERNEL; 2]).with_stride(2).with_padding(1).init(device)
        };
        let sizes: Vec<usize> = std::iter::once(self.map(pictures).pixels()).chain(self.hidden_sizes.clone()).collect();
        Encoder {
            convolutions: channels.windows(2).map(halve).collect(),
            layers: projections(&sizes, device),
            projection: LinearConfig::new(sizes[sizes.len() - 1] + condition, outputs).init(device),
        }
    }

    /// A decoder with random weights.
    ///
    /// # Panics
    /// As [`encoder`](Self::encoder).
    pub fn decoder<B: Backend>(&self, pictures: PictureSize, inputs: usize, device: &B::Device) -> Decoder<B> {
        let map = self.map(pictures);
        let mut sizes = vec![inputs];
        sizes.extend(self.hidden_sizes.iter().rev());
        sizes.push(map.pixels());
        let mut channels: Vec<usize> = self.channels.iter().rev().copied().collect();
        channels.push(pictures.channels);
        let double = |pair: &[usize]| {
            ConvTranspose2dConfig::new([pair[0], pair[1]], [KERNEL; 2]).with_stride(2).with_padding(1).init(device)
        };
        Decoder {
            layers: projections(&sizes, device),
            convolutions: channels.windows(2).map(double).collect(),
            map_channels: map.channels,
            map_side: map.side,
        }
    }

    /// What the last convolution gives.
    fn map(&self, pictures: PictureSize) -> PictureSize {
        self.check_side(pictures.side).unwrap_or_else(|message| panic!("{message}"));
        let channels = self.channels.last().copied().unwrap_or(pictures.channels);
        PictureSize { channels, side: pictures.side >> self.channels.len() }
    }
}

fn projections<B: Backend>(sizes: &[usize], device: &B::Device) -> Vec<Linear<B>> {
    sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect()
}

/// From pictures to numbers, with a rectifier after each layer but the last.
#[derive(Module, Debug)]
pub struct Encoder<B: Backend> {
    /// Each halves height and width.
    pub convolutions: Vec<Conv2d<B>>,
    /// Of the flattened map.
    pub layers: Vec<Linear<B>>,
    /// `[outputs, features + condition]`
    pub projection: Linear<B>,
}

impl<B: Backend> Encoder<B> {
    /// The code of each picture.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - condition: `[batch, condition]`: what else is known of the picture
    /// - output: `[batch, outputs]`
    pub fn forward(&self, images: Tensor<B, 4>, condition: Option<Tensor<B, 2>>) -> Tensor<B, 2> {
        let features = self.features(images);
        let seen = match condition {
            Some(condition) => Tensor::cat(vec![features, condition], 1),
            None => features,
        };
        self.projection.forward(seen)
    }

    /// What the last convolution gives of each picture; the pictures where there is none.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - output: `[batch, map channels, map side, map side]`
    pub fn map(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        self.convolutions.iter().fold(images, |map, convolution| relu(convolution.forward(map)))
    }

    fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        let flat = self.map(images).flatten::<2>(1, 3); // [batch, map channels · map side²]
        self.layers.iter().fold(flat, |features, layer| relu(layer.forward(features)))
    }
}

/// From numbers to pictures, with a rectifier after each layer but the last.
#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    /// The last gives the smallest map, or the picture where there are no convolutions.
    pub layers: Vec<Linear<B>>,
    /// Each doubles height and width.
    pub convolutions: Vec<ConvTranspose2d<B>>,
    map_channels: usize,
    map_side: usize,
}

impl<B: Backend> Decoder<B> {
    /// The logits of each picture's pixels: [`sigmoid`](layers::activation::sigmoid) makes pixels of 0 to 1 of them.
    ///
    /// # Shapes
    /// - codes: `[batch, inputs]`
    /// - output: `[batch, channels, side, side]`
    pub fn forward(&self, codes: Tensor<B, 2>) -> Tensor<B, 4> {
        let mut layers = self.layers.iter();
        let first = layers.next().map_or(codes.clone(), |layer| layer.forward(codes));
        let flat = layers.fold(first, |features, layer| layer.forward(relu(features)));
        let map = flat.reshape([-1, self.map_channels as i32, self.map_side as i32, self.map_side as i32]);
        self.convolutions.iter().fold(map, |map, convolution| convolution.forward(relu(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn pictures_come_back_as_large_as_they_were() {
        let device = Default::default();
        let cases = [
            (vec![8, 16], vec![12], 1, 28),
            (vec![], vec![20, 10], 1, 28),
            (vec![4, 8, 8], vec![], 3, 32),
            (vec![2, 2, 2, 2, 2], vec![], 3, 128),
        ];
        for (channels, hidden_sizes, colours, side) in cases {
            let config = CodecConfig { channels, hidden_sizes, latent_size: 5 };
            let pictures = PictureSize { channels: colours, side };
            let images = Tensor::<Flex, 4>::zeros([2, colours, side, side], &device);
            let codes = config.encoder::<Flex>(pictures, 3, 5, &device);
            let codes = codes.forward(images.clone(), Some(Tensor::zeros([2, 3], &device)));
            assert_eq!(codes.dims(), [2, 5]);
            let decoded = config.decoder::<Flex>(pictures, 5, &device).forward(codes);
            assert_eq!(decoded.dims(), images.dims(), "{config:?}");
        }
    }

    #[test]
    fn pictures_that_do_not_halve_are_refused_with_what_to_change() {
        let config = CodecConfig { channels: vec![8, 16, 32], ..CodecConfig::default() };
        assert!(config.check_side(32).is_ok());
        let message = config.check_side(28).unwrap_err();
        assert!(message.contains("model.channels") && message.contains("data.image_size"), "{message}");
        let wrong = CodecConfig { latent_size: 0, hidden_sizes: vec![0], ..config }.validate();
        assert_eq!(wrong.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["latent_size", "hidden_sizes"]);
    }
}
