//! `[task]` of the job `gan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::config::{Problems, Validate};

use crate::{
    gan::{Architecture, DiscriminatorNorm, GanConfig, loss::GanLoss},
    task::scoring::{Features, ScoringOptions},
};

/// `[task]`: what the networks play for, and how their pictures are scored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GanOptions {
    /// `non-saturating` (binary cross entropy), `least-squares`, `wasserstein` or `hinge`.
    pub loss: GanLoss,
    /// Weight of the penalty on slopes other than 1 between real and generated pictures (WGAN-GP, arXiv:1704.00028); 0: none. Default: 10 with
    /// `wasserstein`, else 0.
    pub gradient_penalty: Option<f64>,
    /// Weight of the penalty on slopes at real pictures, as `r1 / 2 · |slope|²` (arXiv:1801.04406); 0: none. Usual: 1 to 10.
    pub r1: f64,
    /// Steps from one such penalty to the next, which counts as many times (StyleGAN2, arXiv:1912.04958). Usual: 16.
    pub r1_every: u64,
    /// Updates of the discriminator for each of the generator, each on a batch of its own; the generator's takes one more, of which only
    /// the classes count. Default: 5 with `wasserstein`, else 1.
    pub n_critic: Option<u64>,
    /// Whose features tell how near generated pictures are to real ones: `classifier` (a small network that learns the classes of the training
    /// pictures before the first step), `random` (the same, untaught), `inception` (Inception-v3, by which published distances of
    /// 50,000 pictures go; it looks at up to 10,000 training pictures at each start, which takes minutes on a CPU) or `none` (no such scores).
    pub features: Features,
    /// pytorch-fid's file of Inception's weights. Default: downloaded once.
    pub inception_weights: Option<String>,
    /// Steps in which that classifier learns.
    pub classifier_steps: usize,
    /// Generated pictures that are scored at each validation.
    pub scored_images: usize,
    /// Generated pictures in a sample; where they are made by class, as many of each as fit in it, and at least one.
    pub samples: usize,
}

impl Default for GanOptions {
    fn default() -> Self {
        Self {
            loss: GanLoss::default(),
            gradient_penalty: None,
            r1: 0.0,
            r1_every: 1,
            n_critic: None,
            features: Features::default(),
            inception_weights: None,
            classifier_steps: 400,
            scored_images: 1000,
            samples: 64,
        }
    }
}

impl Validate for GanOptions {
    fn validate(&self, problems: &mut Problems) {
        let at_least_zero = |value: f64| value >= 0.0 && value.is_finite();
        problems.check(self.gradient_penalty.is_none_or(at_least_zero), "gradient_penalty", "must not be negative");
        problems.check(at_least_zero(self.r1), "r1", "must not be negative");
        problems.check(self.r1_every > 0, "r1_every", "must be at least 1");
        problems.check(self.n_critic.is_none_or(|n| (1..=100).contains(&n)), "n_critic", "must be from 1 to 100");
        self.scoring().validate(problems);
        problems.check((1..=1024).contains(&self.samples), "samples", "must be from 1 to 1024");
    }
}

impl GanOptions {
    /// How pictures are scored.
    pub fn scoring(&self) -> ScoringOptions<'_> {
        ScoringOptions {
            features: self.features,
            inception_weights: self.inception_weights.as_deref(),
            classifier_steps: self.classifier_steps,
            scored_images: self.scored_images,
        }
    }

    /// The weight of the penalty between real and generated pictures.
    pub fn gradient_penalty(&self) -> f64 {
        self.gradient_penalty.unwrap_or(if self.loss == GanLoss::Wasserstein { 10.0 } else { 0.0 })
    }

    /// Updates of the discriminator for each of the generator.
    pub fn n_critic(&self) -> u64 {
        self.n_critic.unwrap_or(if self.loss == GanLoss::Wasserstein { 5 } else { 1 })
    }

    /// What is normalised in the discriminator: as the model says, or what goes with the loss. A slope at a picture means nothing where
    /// batch normalisation makes the score depend on other pictures.
    pub fn discriminator_norm(&self, model: &GanConfig) -> DiscriminatorNorm {
        let penalised = self.gradient_penalty() > 0.0 || self.r1 > 0.0;
        match model.discriminator_norm {
            DiscriminatorNorm::Auto => match self.loss {
                GanLoss::Hinge => DiscriminatorNorm::Spectral,
                // Its score has no bound unless its slope has one.
                GanLoss::Wasserstein if !penalised => DiscriminatorNorm::Spectral,
                _ if penalised || model.architecture == Architecture::Mlp => DiscriminatorNorm::None,
                _ => DiscriminatorNorm::Batch,
            },
            given => given,
        }
    }

    /// Whether a slope is penalised that has no meaning.
    pub fn penalises_batches(&self, model: &GanConfig) -> bool {
        let penalised = self.gradient_penalty() > 0.0 || self.r1 > 0.0;
        penalised && self.discriminator_norm(model) == DiscriminatorNorm::Batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_loss_follows_from_it() {
        let norm =
            |loss, r1| GanOptions { loss, r1, ..GanOptions::default() }.discriminator_norm(&GanConfig::default());
        assert_eq!(norm(GanLoss::NonSaturating, 0.0), DiscriminatorNorm::Batch);
        assert_eq!(norm(GanLoss::NonSaturating, 1.0), DiscriminatorNorm::None);
        assert_eq!(norm(GanLoss::Hinge, 0.0), DiscriminatorNorm::Spectral);
        let wasserstein = GanOptions { loss: GanLoss::Wasserstein, ..GanOptions::default() };
        assert_eq!((wasserstein.gradient_penalty(), wasserstein.n_critic()), (10.0, 5));
        let batch = GanConfig { discriminator_norm: DiscriminatorNorm::Batch, ..GanConfig::default() };
        assert!(wasserstein.penalises_batches(&batch) && !wasserstein.penalises_batches(&GanConfig::default()));
    }
}
