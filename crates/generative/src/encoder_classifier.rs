//! An encoder of pictures with a last layer that tells classes: what an [`autoencoder`](crate::autoencoder) or a [`vae`](crate::vae) has learned
//! without labels, used where there are few.

use burn::{
    backend::Autodiff,
    module::{AutodiffModule, Module},
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::projection::{Linear, LinearConfig};

use crate::autoencoder::{CodecConfig, Encoder, PictureSize};

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct EncoderClassifier<B: Backend> {
    /// Pictures to codes.
    pub encoder: Encoder<B>,
    /// `[classes, latent_size]`
    pub head: Linear<B>,
}

impl CodecConfig {
    /// A classifier with random weights, drawn at this call.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or the pictures do not halve as often as the encoder does.
    pub fn classifier<B: Backend>(
        &self,
        pictures: PictureSize,
        classes: usize,
        device: &B::Device,
    ) -> EncoderClassifier<B> {
        EncoderClassifier {
            encoder: self.encoder(pictures, 0, self.latent_size, device),
            head: LinearConfig::new(self.latent_size, classes).init(device),
        }
    }
}

impl<B: Backend> EncoderClassifier<B> {
    /// The code of each picture.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - output: `[batch, latent_size]`
    pub fn code(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.encoder.forward(images, None)
    }

    /// One logit a class for each picture.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.head.forward(self.code(images))
    }

    /// How much the logit that is asked about depends on each pixel, as it is: the size of gradient times pixel, summed over channels
    /// ([Shrikumar et al. 2016](https://arxiv.org/abs/1605.01713)), each map divided by its largest number.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - classes: `batch` numbers of classes
    /// - output: `[batch, side, side]`, from 0 to 1
    pub fn saliency(&self, images: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 3> {
        let device = images.device();
        let tracked = EncoderClassifier::<Autodiff<B>>::from_inner(self.clone()).no_grad();
        let seen = Tensor::<Autodiff<B>, 4>::from_inner(images.clone()).require_grad();
        let classes: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
        let shape = [classes.len(), 1];
        let classes = Tensor::<Autodiff<B>, 2, Int>::from_data(TensorData::new(classes, shape), &device);
        let gradients = tracked.forward(seen.clone()).gather(1, classes).sum().backward();
        let gradient = seen.grad(&gradients).unwrap_or_else(|| unreachable!("logits follow from pixels"));
        let maps = (gradient * images).abs().sum_dim(1).squeeze_dim::<3>(1); // [batch, side, side]
        let largest = maps.clone().max_dim(2).max_dim(1); // [batch, 1, 1]
        maps / largest.clamp_min(f64::from(f32::MIN_POSITIVE))
    }
}
