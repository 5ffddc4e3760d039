//! The job `autoencoder`: codes of pictures from which they are rebuilt, also from damaged ones.

use std::collections::BTreeMap;

use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::image::{ImageBatch, ImageData};
use image_tasks::{ARTEFACT_FILE, load_artefact, on_device};
use layers::{activation::sigmoid, loss::binary_cross_entropy};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, EmbedRequest, Generated, Job, Trained},
    model_block,
    task::{InnerModel, Sample, Scores, StepContext, StepOutput, Task},
    weights,
};

use super::{
    comparison::comparison,
    latent_map::LatentMap,
    parts::{self, Shown},
    pictures::{self, PictureBlock},
    quality::{Mean, Quality},
    walk,
};
use crate::{
    autoencoder::{Autoencoder, AutoencoderConfig, CodeActivation, Noise, PictureSize, penalties},
    similarity::median_filter,
};

/// Seed of the damage that evaluations and samples show, so that scores can be compared.
const SEED: u64 = 1;

/// `job = "autoencoder"`.
#[derive(Debug, Clone, Copy)]
pub struct AutoencoderJob;

/// `[task]`: the loss, what happens to pictures first, and what is asked of codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderOptions {
    /// What is minimised, a mean over pixels: `"mse"` (squared error) or `"bce"` (binary cross entropy).
    pub loss: ReconstructionLoss,
    /// What happens to pictures before the encoder sees them; the loss is against the undamaged ones.
    pub noise: Noise,
    /// How much: the deviation of Gaussian noise, or the share of pixels.
    pub noise_level: f64,
    /// What makes codes sparse: `"l1"`, the mean size of their numbers, or `"kl"`, the divergence of each unit's mean activity from
    /// `sparsity_target`, for which `model.code_activation` has to be `"sigmoid"`.
    pub sparsity: Sparsity,
    /// Multiplies it.
    pub sparsity_weight: f64,
    /// The mean activity of a unit, with `"kl"`.
    pub sparsity_target: f64,
    /// Multiplies an estimate of the squared size of the encoder's Jacobian (contractive autoencoder). 0: none.
    pub contractive_weight: f64,
    /// Pictures of the validation part that samples show.
    pub shown_samples: usize,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReconstructionLoss {
    /// The mean squared error of pixels.
    #[default]
    Mse,
    /// The mean binary cross entropy of pixels.
    Bce,
}

/// What makes codes sparse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sparsity {
    /// Nothing.
    #[default]
    None,
    /// The mean size of their numbers.
    L1,
    /// The divergence of the mean activity of each unit from a small one.
    Kl,
}

impl Default for AutoencoderOptions {
    fn default() -> Self {
        Self {
            loss: ReconstructionLoss::default(),
            noise: Noise::default(),
            noise_level: 0.3,
            sparsity: Sparsity::default(),
            sparsity_weight: 1e-3,
            sparsity_target: 0.05,
            contractive_weight: 0.0,
            shown_samples: 32,
        }
    }
}

impl Validate for AutoencoderOptions {
    fn validate(&self, problems: &mut Problems) {
        let level = self.noise_level;
        problems.check(level >= 0.0 && level.is_finite(), "noise_level", "must be at least 0");
        let is_share = matches!(self.noise, Noise::Masking | Noise::SaltAndPepper);
        problems.check(!is_share || level <= 1.0, "noise_level", "is a share of the pixels: at most 1");
        let is_weight = |weight: f64| weight >= 0.0 && weight.is_finite();
        problems.check(is_weight(self.sparsity_weight), "sparsity_weight", "must be a number that is not negative");
        let target = self.sparsity_target > 0.0 && self.sparsity_target < 1.0;
        problems.check(target, "sparsity_target", "must lie between 0 and 1");
        problems.check(
            is_weight(self.contractive_weight),
            "contractive_weight",
            "must be a number that is not negative",
        );
        problems.check(self.shown_samples > 0, "shown_samples", "must be at least 1");
    }
}

model_block!(AutoencoderConfig);

impl Job for AutoencoderJob {
    const NAME: &'static str = "autoencoder";
    const SUMMARY: &'static str =
        "codes of pictures from which they are rebuilt; denoising, sparse or contractive where asked";

    type Data = PictureBlock;
    type Model = AutoencoderConfig;
    type Options = AutoencoderOptions;
    type Task<B: AutodiffBackend> = AutoencoderTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let Blocks { data, model, task: options } = blocks;
        if options.sparsity == Sparsity::Kl && model.code_activation != CodeActivation::Sigmoid {
            return Err(
                "`task.sparsity` is \"kl\", which needs units from 0 to 1: set `model.code_activation = \"sigmoid\"`"
                    .into(),
            );
        }
        let images = parts::load_unit(&data.0, context)?;
        let size = parts::size(&images);
        model.codec.check_side(size.side)?;
        B::seed(context.device, context.seed);
        let model = model.init::<B>(size, context.device);
        let splits = pictures::splits(&images, context.seed);
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes())]);
        let facts = images.facts.lines();
        let shown = Shown::of(&splits, options.shown_samples)?;
        let task = AutoencoderTask { options: options.clone(), images, shown, pages: BTreeMap::new() };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn embed<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &EmbedRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let size = PictureSize { channels: artefact.channels, side: artefact.image_size };
        let mut model = blocks.model.init::<B>(size, trained.device);
        weights::apply(&mut model, trained.weights)?;
        image_tasks::embed(&artefact, trained.device, request, |images| model.encode(images), output)
    }
}

/// Rebuilding pictures from their codes.
pub struct AutoencoderTask {
    options: AutoencoderOptions,
    images: ImageData,
    shown: Shown,
    pages: BTreeMap<String, serde_json::Value>,
}

impl AutoencoderTask {
    fn damaged<B: Backend>(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        self.options.noise.apply(images, self.options.noise_level)
    }

    /// The loss of logits, without what is asked of codes: `[1]`
    fn reconstruction<B: Backend>(&self, logits: Tensor<B, 4>, images: Tensor<B, 4>) -> Tensor<B, 1> {
        match self.options.loss {
            ReconstructionLoss::Mse => (sigmoid(logits) - images).square().mean(),
            ReconstructionLoss::Bce => binary_cross_entropy(logits.flatten::<2>(1, 3), images.flatten::<2>(1, 3), None),
        }
    }

    /// What is asked of codes: names, and values with their weights.
    fn penalties<B: Backend>(
        &self,
        model: &Autoencoder<B>,
        seen: Tensor<B, 4>,
        codes: Tensor<B, 2>,
    ) -> Vec<(&'static str, f64, Tensor<B, 1>)> {
        let AutoencoderOptions { sparsity, sparsity_weight, sparsity_target, contractive_weight, .. } = self.options;
        let mut found = Vec::new();
        match sparsity {
            Sparsity::None => {}
            Sparsity::L1 => found.push(("sparsity", sparsity_weight, penalties::l1(codes.clone()))),
            Sparsity::Kl => {
                let divergence = penalties::activity_divergence(codes.clone(), sparsity_target);
                found.push(("sparsity", sparsity_weight, divergence));
            }
        }
        if contractive_weight > 0.0 {
            let size = penalties::squared_jacobian(|images| model.encode(images), seen, codes);
            found.push(("jacobian", contractive_weight, size));
        }
        found
    }
}

impl<B: AutodiffBackend> Task<B> for AutoencoderTask {
    type Model = Autoencoder<B>;
    type Batch = ImageBatch;

    fn item_name(&self) -> &'static str {
        "images"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        mut batch: ImageBatch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let images: Tensor<B, 4> = on_device(&mut batch, context.device);
        let seen = self.damaged(images.clone());
        let codes = model.encode(seen.clone());
        let mut loss = self.reconstruction(model.logits(codes.clone()), images);
        let penalties = self.penalties(model, seen, codes);
        let reconstruction = loss.clone().inner();
        for (_, weight, value) in &penalties {
            loss = loss + value.clone() * *weight;
        }
        let mut output = StepOutput::new(loss, batch.batch_size);
        if !penalties.is_empty() {
            output = output.with_metric("reconstruction", reconstruction);
        }
        Ok(penalties.into_iter().fold(output, |output, (name, _, value)| output.with_metric(name, value.inner())))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<ImageBatch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        B::seed(device, SEED);
        let is_damaged = self.options.noise != Noise::None;
        let (mut loss, mut activity) = (Mean::default(), Mean::default());
        let [mut rebuilt_quality, mut damaged_quality, mut filtered_quality] = [(); 3].map(|()| Quality::default());
        let mut map = LatentMap::default();
        for batch in batches {
            let mut batch = batch?;
            let images: Tensor<B::InnerBackend, 4> = on_device(&mut batch, device);
            let seen = self.damaged(images.clone());
            let codes = model.encode(seen.clone());
            let logits = model.logits(codes.clone());
            loss.add(self.reconstruction(logits.clone(), images.clone()).expand([batch.batch_size]));
            rebuilt_quality.add(sigmoid(logits), images.clone());
            if is_damaged {
                filtered_quality.add(filtered(seen.clone()), images.clone());
                damaged_quality.add(seen, images);
            }
            activity.add(codes.clone().abs().mean_dim(1).squeeze_dim(1));
            map.add(codes, &batch.indices);
        }
        let mut scores = Scores::new();
        loss.score("loss", &mut scores);
        activity.score("mean_code", &mut scores);
        rebuilt_quality.score("", &mut scores);
        if is_damaged {
            damaged_quality.score("_noisy", &mut scores);
            filtered_quality.score("_median_filter", &mut scores);
        }
        self.pages.clear();
        if let Some(section) = map.section(&self.images)? {
            self.pages.insert("latent-map".to_string(), serde_json::to_value(section)?);
        }
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        B::seed(device, SEED);
        let images: Tensor<B::InnerBackend, 4> = self.shown.images(device);
        let seen = self.damaged(images.clone());
        let codes = model.encode(seen.clone());
        let rebuilt = model.decode(codes.clone());
        let artefact = self.images.artefact();
        let picture = |pixels| pictures::images(pixels, artefact);
        let mut kinds = vec![picture(images), picture(rebuilt)];
        if self.options.noise != Noise::None {
            kinds.insert(1, picture(seen));
        }
        let mut samples = vec![comparison("", &kinds)];
        samples.extend(walk::samples(codes, |codes, _| picture(model.decode(codes))));
        Ok(samples)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// What a median filter of 3 × 3 makes of pictures.
fn filtered<B: Backend>(images: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, height, width] = images.dims();
    let (device, shape) = (images.device(), images.shape());
    let pixels: Vec<f32> = images.into_data().iter::<f32>().collect();
    let planes = pixels.par_chunks_exact(height * width);
    let filtered: Vec<f32> = planes.flat_map_iter(|plane| median_filter(plane, [height, width])).collect();
    let data = TensorData::new(filtered, shape);
    Tensor::from_data(data, &device)
}
