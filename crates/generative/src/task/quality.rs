//! How near reconstructions are to pictures, over a whole evaluation.

use burn::tensor::{Tensor, backend::Backend};
use training_loop::task::Scores;

use crate::similarity::{psnr, ssim};

/// The mean of numbers that are known one a picture.
#[derive(Debug)]
pub struct Mean<B: Backend>(Vec<Tensor<B, 1>>);

impl<B: Backend> Default for Mean<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B: Backend> Mean<B> {
    /// Adds those of a batch: `[batch]`
    pub fn add(&mut self, values: Tensor<B, 1>) {
        self.0.push(values);
    }

    /// The mean; none where there was nothing.
    pub fn value(self) -> Option<f64> {
        let values = (!self.0.is_empty()).then(|| Tensor::cat(self.0, 0).into_data())?;
        // In double precision: thousands of numbers of hundreds of nats.
        Some(values.iter::<f64>().sum::<f64>() / values.num_elements().max(1) as f64)
    }

    /// Puts the mean among the scores, where there is one.
    pub fn score(self, name: &str, scores: &mut Scores) {
        scores.extend(self.value().map(|value| (name.to_string(), value)));
    }
}

/// PSNR and SSIM of pictures that go from 0 to 1.
#[derive(Debug)]
pub struct Quality<B: Backend> {
    psnr: Mean<B>,
    ssim: Mean<B>,
}

impl<B: Backend> Default for Quality<B> {
    fn default() -> Self {
        Self { psnr: Mean::default(), ssim: Mean::default() }
    }
}

impl<B: Backend> Quality<B> {
    /// Adds a batch. `images`, `reference`: `[batch, channels, side, side]`
    pub fn add(&mut self, images: Tensor<B, 4>, reference: Tensor<B, 4>) {
        self.psnr.add(psnr(images.clone(), reference.clone()));
        if let Some(similarity) = ssim(images, reference) {
            self.ssim.add(similarity);
        }
    }

    /// Puts the means among the scores: `psnr` and `ssim`, with `suffix` behind them.
    pub fn score(self, suffix: &str, scores: &mut Scores) {
        self.psnr.score(&format!("psnr{suffix}"), scores);
        self.ssim.score(&format!("ssim{suffix}"), scores);
    }
}
