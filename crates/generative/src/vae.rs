//! Variational autoencoder ([Kingma and Welling 2013](https://arxiv.org/abs/1312.6114)): pictures as samples of a distribution whose codes are
//! normally distributed. Of a given class where it is conditional ([Sohn et al. 2015](https://papers.nips.cc/paper/5775)).

use burn::{
    module::{Module, Param},
    tensor::{Distribution, Int, Tensor, activation::log_sigmoid, backend::Backend},
};
use layers::{activation::sigmoid, embedding::embedding};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{CodecConfig, Decoder, Encoder, PictureSize};

/// The architecture. The size of pictures and the classes are not part of it but of the data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct VaeConfig {
    /// The layers of encoder and decoder.
    #[serde(flatten)]
    pub codec: CodecConfig,
    /// What the decoder says of a pixel. Default: `bernoulli`.
    pub likelihood: Likelihood,
    /// Numbers in the vector that stands for a class, which encoder and decoder both see. Default: 0: nothing is known of the class.
    pub class_embedding_size: usize,
}

/// What a decoder says of a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// How probably it is white: for pixels that are black or white, and a habit for grey ones.
    #[default]
    Bernoulli,
    /// Its mean; the deviation is one learned number for all pixels
    /// ([Rybkin et al. 2020](https://arxiv.org/abs/2006.13202)). For grey and colour. Its densities may be above 1, and its
    /// losses below 0.
    Gaussian,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Vae<B: Backend> {
    /// Pictures to the mean and then the log-variance of each number of their code.
    pub encoder: Encoder<B>,
    /// Codes to pictures.
    pub decoder: Decoder<B>,
    /// `[classes, class_embedding_size]`; none where nothing is known of the class.
    pub classes: Option<Param<Tensor<B, 2>>>,
    /// `[1]`: the logarithm of the deviation of pixels, of a Gaussian likelihood.
    pub log_deviation: Option<Param<Tensor<B, 1>>>,
}

/// Where codes lie that may have given a picture: a normal distribution without correlations.
#[derive(Debug, Clone)]
pub struct Posterior<B: Backend> {
    /// `[batch, latent_size]`
    pub mean: Tensor<B, 2>,
    /// `[batch, latent_size]`
    pub log_variance: Tensor<B, 2>,
}

/// ln 2π
const LOG_TAU: f64 = 1.837_877_066_409_345_3;

impl VaeConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        self.codec.validate()
    }

    /// Whether pictures are made of a given class.
    pub fn is_conditional(&self) -> bool {
        self.class_embedding_size > 0
    }

    /// A model with random weights, drawn at this call.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or the pictures do not halve as often as the encoder does.
    pub fn init<B: Backend>(&self, pictures: PictureSize, classes: usize, device: &B::Device) -> Vae<B> {
        let (latent_size, condition) = (self.codec.latent_size, self.class_embedding_size);
        let vectors =
            || Param::from_tensor(Tensor::random([classes, condition], Distribution::Normal(0.0, 1.0), device));
        Vae {
            encoder: self.codec.encoder(pictures, condition, 2 * latent_size, device),
            decoder: self.codec.decoder(pictures, latent_size + condition, device),
            classes: self.is_conditional().then(vectors),
            log_deviation: (self.likelihood == Likelihood::Gaussian)
                .then(|| Param::from_tensor(Tensor::zeros([1], device))),
        }
    }
}

impl<B: Backend> Posterior<B> {
    /// A code for each picture, through which gradients reach mean and variance: `[batch, latent_size]`.
    pub fn sample(&self) -> Tensor<B, 2> {
        let noise = Tensor::random(self.mean.dims(), Distribution::Normal(0.0, 1.0), &self.mean.device());
        self.mean.clone() + noise * self.log_variance.clone().mul_scalar(0.5).exp()
    }

    /// The divergence from the prior in each number of the code, in nats: `[batch, latent_size]`.
    pub fn divergences(&self) -> Tensor<B, 2> {
        let Self { mean, log_variance } = self.clone();
        (log_variance.clone().exp() + mean.square() - log_variance - 1.0) * 0.5
    }

    /// The log-density of codes: `[batch]`.
    pub fn log_density(&self, codes: Tensor<B, 2>) -> Tensor<B, 1> {
        let Self { mean, log_variance } = self.clone();
        let distance = (codes - mean).square() * log_variance.clone().neg().exp();
        ((distance + log_variance + LOG_TAU) * -0.5).sum_dim(1).squeeze_dim(1)
    }
}

/// The log-density of codes under the prior.
///
/// # Shapes
/// - codes: `[batch, latent_size]`
/// - output: `[batch]`
pub fn prior_log_density<B: Backend>(codes: Tensor<B, 2>) -> Tensor<B, 1> {
    ((codes.square() + LOG_TAU) * -0.5).sum_dim(1).squeeze_dim(1)
}

impl<B: Backend> Vae<B> {
    /// Where the codes of pictures lie.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`, from 0 to 1
    /// - classes: `[batch]`; no part of it where the model is not conditional
    pub fn posterior(&self, images: Tensor<B, 4>, classes: &Tensor<B, 1, Int>) -> Posterior<B> {
        let [mean, log_variance] = halves(self.encoder.forward(images, self.condition(classes)));
        Posterior { mean, log_variance }
    }

    /// The logits of the means of the pictures with these codes.
    ///
    /// # Shapes
    /// - codes: `[batch, latent_size]`
    /// - classes: `[batch]`
    /// - output: `[batch, channels, side, side]`
    pub fn logits(&self, codes: Tensor<B, 2>, classes: &Tensor<B, 1, Int>) -> Tensor<B, 4> {
        let seen = match self.condition(classes) {
            Some(condition) => Tensor::cat(vec![codes, condition], 1),
            None => codes,
        };
        self.decoder.forward(seen)
    }

    /// The means of the pictures with these codes, from 0 to 1.
    ///
    /// # Shapes
    /// As [`logits`](Self::logits).
    pub fn decode(&self, codes: Tensor<B, 2>, classes: &Tensor<B, 1, Int>) -> Tensor<B, 4> {
        sigmoid(self.logits(codes, classes))
    }

    /// The log-likelihood of pictures where the decoder gives these logits, in nats: `[batch]`.
    ///
    /// # Shapes
    /// - logits, images: `[batch, channels, side, side]`
    pub fn log_likelihood(&self, logits: Tensor<B, 4>, images: Tensor<B, 4>) -> Tensor<B, 1> {
        let of_pixels = match &self.log_deviation {
            None => images.clone() * log_sigmoid(logits.clone()) + (images.neg() + 1.0) * log_sigmoid(logits.neg()),
            Some(log_deviation) => {
                let log_deviation = log_deviation.val().reshape([1, 1, 1, 1]);
                let precision = log_deviation.clone().mul_scalar(-2.0).exp();
                ((sigmoid(logits) - images).square() * precision + log_deviation * 2.0 + LOG_TAU) * -0.5
            }
        };
        of_pixels.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
    }

    /// The log-likelihood of pictures, as near from below as so many codes of each bring it
    /// ([Burda et al. 2015](https://arxiv.org/abs/1509.00519)), in nats: `[batch]`.
    ///
    /// # Shapes
    /// - images: `[batch, channels, side, side]`
    /// - classes: `[batch]`
    pub fn importance_weighted(
        &self,
        images: Tensor<B, 4>,
        classes: &Tensor<B, 1, Int>,
        samples: usize,
    ) -> Tensor<B, 1> {
        let posterior = self.posterior(images.clone(), classes);
        let weight = |_| {
            let codes = posterior.sample();
            let likelihood = self.log_likelihood(self.logits(codes.clone(), classes), images.clone());
            let weight = likelihood + prior_log_density(codes.clone()) - posterior.log_density(codes);
            weight.unsqueeze_dim::<2>(1)
        };
        let weights = Tensor::cat((0..samples).map(weight).collect(), 1); // [batch, samples]
        let largest = weights.clone().max_dim(1);
        let mean = (weights - largest.clone()).exp().mean_dim(1).log() + largest;
        mean.squeeze_dim(1)
    }

    /// What encoder and decoder know of the class: `[batch, class_embedding_size]`.
    fn condition(&self, classes: &Tensor<B, 1, Int>) -> Option<Tensor<B, 2>> {
        let vectors = self.classes.as_ref()?;
        Some(embedding(vectors.val(), classes.clone().unsqueeze_dim(1)).squeeze_dim::<2>(1))
    }
}

fn halves<B: Backend>(both: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
    let half = both.dims()[1] / 2;
    [both.clone().narrow(1, 0, half), both.narrow(1, half, half)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    fn posterior() -> Posterior<Flex> {
        let device = Default::default();
        let mean = Tensor::from_floats([[0.5, -1.0, 0.0]], &device);
        Posterior { mean, log_variance: Tensor::from_floats([[0.3, -0.7, 0.0]], &device) }
    }

    #[test]
    fn the_divergence_is_that_of_the_formula_and_of_samples() {
        let posterior = posterior();
        let divergences = posterior.divergences().into_data().to_vec::<f32>().unwrap();
        for (found, [mean, log_variance]) in divergences.iter().zip([[0.5_f64, 0.3], [-1.0, -0.7], [0.0, 0.0]]) {
            let expected = 0.5 * (log_variance.exp() + mean * mean - 1.0 - log_variance);
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
        Flex::seed(&Default::default(), 7);
        let many = Posterior {
            mean: posterior.mean.repeat_dim(0, 200_000),
            log_variance: posterior.log_variance.repeat_dim(0, 200_000),
        };
        let codes = many.sample();
        let sampled = (many.log_density(codes.clone()) - prior_log_density(codes)).mean().into_scalar();
        let exact: f32 = divergences.iter().sum();
        assert!((sampled - exact).abs() < 0.01, "{sampled} {exact}");
    }

    #[test]
    fn more_samples_raise_the_bound() {
        let device = Default::default();
        Flex::seed(&device, 5);
        let config = VaeConfig {
            codec: CodecConfig { channels: vec![], hidden_sizes: vec![8], latent_size: 2 },
            class_embedding_size: 3,
            ..VaeConfig::default()
        };
        let model = config.init::<Flex>(PictureSize { channels: 1, side: 4 }, 2, &device);
        let images = Tensor::<Flex, 4>::random([4000, 1, 4, 4], Distribution::Bernoulli(0.5), &device);
        let classes = Tensor::<Flex, 1, Int>::zeros([4000], &device);
        let posterior = model.posterior(images.clone(), &classes);
        let likelihood = model.log_likelihood(model.logits(posterior.sample(), &classes), images.clone());
        let elbo = (likelihood.mean() - posterior.divergences().sum_dim(1).mean()).into_scalar();
        let bound = |samples| model.importance_weighted(images.clone(), &classes, samples).mean().into_scalar();
        let (one, many) = (bound(1), bound(50));
        assert!((one - elbo).abs() < 0.2, "with one sample it is the evidence lower bound: {one} {elbo}");
        assert!(many > elbo, "{many} {elbo}");
    }
}
