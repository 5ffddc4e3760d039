//! The job `vae`: a distribution of pictures that new ones are drawn from.

use std::collections::BTreeMap;

use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::{
    SplitMix64,
    image::{Image, ImageArtefact, ImageBatch, ImageData},
    stream_seed,
};
use image_tasks::{ARTEFACT_FILE, load_artefact, on_device};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, EmbedRequest, GenerateRequest, Generated, Job, Trained},
    model_block,
    task::{InnerModel, Sample, Scores, StepContext, StepOutput, Task},
    weights,
};

use super::{
    comparison::comparison,
    generation::{self, Asked},
    latent_map::LatentMap,
    latents,
    parts::{self, Shown},
    pictures::{self, PictureBlock},
    quality::Mean,
    walk,
};
use crate::{
    autoencoder::PictureSize,
    vae::{Vae, VaeConfig},
};

/// Seed of what evaluations and samples draw, so that they can be compared.
const SEED: u64 = 1;

/// A number of the code is in use where the variance of its mean over pictures is above this (Burda et al. 2015, appendix C).
const ACTIVE: f64 = 0.01;

/// `job = "vae"`.
#[derive(Debug, Clone, Copy)]
pub struct VaeJob;

/// `[task]`: the loss, and how it is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VaeOptions {
    /// Multiplies the divergence of codes from their prior (β-VAE, Higgins et al. 2017); 1 is the bound of the likelihood.
    pub beta: f64,
    /// Optimiser steps in which β grows from 0.
    pub beta_warmup_steps: u64,
    /// Whether pixels become black or white, white as probably as they are bright: `"none"`, `"static"` (once and for all), or
    /// `"dynamic"` (anew in each epoch). Validation and test are static unless it is `"none"`.
    pub binarize: Binarize,
    /// Codes of each picture for the importance-weighted likelihood of `train eval`. 0: it is not computed.
    pub iwae_samples: usize,
    /// Pictures that samples show.
    pub shown_samples: usize,
}

/// How pixels become black or white.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Binarize {
    /// They stay grey.
    #[default]
    None,
    /// Once.
    Static,
    /// Anew in each epoch.
    Dynamic,
}

impl Default for VaeOptions {
    fn default() -> Self {
        Self { beta: 1.0, beta_warmup_steps: 0, binarize: Binarize::default(), iwae_samples: 0, shown_samples: 64 }
    }
}

impl Validate for VaeOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.beta >= 0.0 && self.beta.is_finite(), "beta", "must be at least 0");
        problems.check(self.shown_samples > 0, "shown_samples", "must be at least 1");
    }
}

model_block!(VaeConfig);

impl Job for VaeJob {
    const NAME: &'static str = "vae";
    const SUMMARY: &'static str =
        "a variational autoencoder: codes of pictures, and new pictures, of a given class if it is conditional";

    const MAKES_CLASSES: bool = true;
    const INTERPOLATES: bool = true;

    type Data = PictureBlock;
    type Model = VaeConfig;
    type Options = VaeOptions;
    type Task<B: AutodiffBackend> = VaeTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let Blocks { data, model: config, task: options } = blocks;
        let images = parts::load_unit(&data.0, context)?;
        if config.is_conditional() && (!data.0.labelled || images.multi_label()) {
            return Err("`model.class_embedding_size` is for pictures of one class each: set it to 0, or `data.labelled = true`".into());
        }
        let size = parts::size(&images);
        config.codec.check_side(size.side)?;
        B::seed(context.device, context.seed);
        let model = config.init::<B>(size, images.classes.len(), context.device);
        let (rule, seed) = (options.binarize, context.seed);
        let splits = pictures::changed_splits(&images, seed, move |epoch, batch| binarize(batch, rule, seed, epoch));
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes())]);
        let facts = images.facts.lines();
        let shown = Shown::of(&splits, options.shown_samples)?;
        let (options, is_conditional) = (options.clone(), config.is_conditional());
        let task = VaeTask { options, is_conditional, images, shown, is_test: false, pages: BTreeMap::new() };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn generate<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &GenerateRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let (model, artefact) = trained_model::<B>(&blocks.model, trained)?;
        let asked = Asked {
            latent_size: blocks.model.codec.latent_size,
            by_class: blocks.model.is_conditional(),
            by_class_key: "model.class_embedding_size",
        };
        generation::generate(request, &asked, &artefact, output, |latents, classes| {
            let classes = Tensor::from_data(classes, trained.device);
            model.decode(latents::on_device(latents, trained.device), &classes)
        })
    }

    fn embed<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &EmbedRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        if blocks.model.is_conditional() {
            return Err("the codes of a conditional VAE leave out what its classes say: embed with a run whose \
                        `model.class_embedding_size` is 0"
                .into());
        }
        let (model, artefact) = trained_model::<B>(&blocks.model, trained)?;
        let none = Tensor::zeros([1], trained.device);
        let mean = |images| model.posterior(images, &none).mean;
        image_tasks::embed(&artefact, trained.device, request, mean, output)
    }
}

fn trained_model<B: Backend>(
    config: &VaeConfig,
    trained: &Trained<'_, B::Device>,
) -> Result<(Vae<B>, ImageArtefact), TaskError> {
    let artefact = load_artefact(trained.artefacts)?;
    let size = PictureSize { channels: artefact.channels, side: artefact.image_size };
    let mut model = config.init::<B>(size, artefact.classes.len(), trained.device);
    weights::apply(&mut model, trained.weights)?;
    Ok((model, artefact))
}

/// The classes in turn: `[count]`
fn by_class<B: Backend>(count: usize, classes: usize, device: &B::Device) -> Tensor<B, 1, Int> {
    let numbers: Vec<i64> = (0..count).map(|number| (number % classes.max(1)) as i64).collect();
    Tensor::from_data(TensorData::new(numbers, [count]), device)
}

/// A picture of each class that is asked for, whose code is drawn: `[count, channels, side, side]`
fn from_prior<B: Backend>(model: &Vae<B>, latent_size: usize, classes: &Tensor<B, 1, Int>) -> Tensor<B, 4> {
    let [count] = classes.dims();
    model.decode(latents::on_device(&latents::latents(latent_size, SEED, count), &classes.device()), classes)
}

/// Makes pixels black or white, each picture by numbers that follow from the seed, the epoch and the picture alone.
fn binarize(batch: &mut ImageBatch, rule: Binarize, seed: u64, epoch: u64) {
    let epoch = match rule {
        Binarize::None => return,
        Binarize::Static => 0,
        Binarize::Dynamic => epoch,
    };
    let plane = batch.channels * batch.size * batch.size;
    for (pixels, index) in batch.pixels.chunks_exact_mut(plane).zip(&batch.indices) {
        let mut random = SplitMix64::new(stream_seed(seed, epoch, *index as u64));
        pixels.iter_mut().for_each(|pixel| *pixel = f32::from(random.unit() < f64::from(*pixel)));
    }
}

/// Learning a distribution of pictures.
pub struct VaeTask {
    options: VaeOptions,
    is_conditional: bool,
    images: ImageData,
    shown: Shown,
    is_test: bool,
    pages: BTreeMap<String, serde_json::Value>,
}

impl VaeTask {
    /// The weight of the divergence at a step.
    fn beta(&self, step: u64) -> f64 {
        let grown = match self.options.beta_warmup_steps {
            0 => 1.0,
            steps => ((step + 1) as f64 / steps as f64).min(1.0),
        };
        self.options.beta * grown
    }

    fn grid(&self, name: &str, pictures: &[Image]) -> Sample {
        pictures::sample(name, pictures, self.is_conditional.then_some(self.images.classes.len()))
    }
}

impl<B: AutodiffBackend> Task<B> for VaeTask {
    type Model = Vae<B>;
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
        let classes = pictures::classes(&batch, context.device);
        let images: Tensor<B, 4> = on_device(&mut batch, context.device);
        let posterior = model.posterior(images.clone(), &classes);
        let logits = model.logits(posterior.sample(), &classes);
        let reconstruction = model.log_likelihood(logits, images).mean().neg();
        let divergence = posterior.divergences().sum_dim(1).mean();
        let loss = reconstruction.clone() + divergence.clone() * self.beta(context.step);
        Ok(StepOutput::new(loss, batch.batch_size)
            .with_metric("reconstruction", reconstruction.inner())
            .with_metric("divergence", divergence.inner()))
    }

    fn begin_test(&mut self) {
        self.is_test = true;
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<ImageBatch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        B::seed(device, SEED);
        let [mut reconstruction, mut divergence, mut weighted] = [(); 3].map(|()| Mean::default());
        let mut means: Vec<Tensor<B::InnerBackend, 2>> = Vec::new();
        let mut map = LatentMap::default();
        for batch in batches {
            let mut batch = batch?;
            let classes = pictures::classes(&batch, device);
            let images: Tensor<B::InnerBackend, 4> = on_device(&mut batch, device);
            let posterior = model.posterior(images.clone(), &classes);
            let logits = model.logits(posterior.sample(), &classes);
            reconstruction.add(model.log_likelihood(logits, images.clone()).neg());
            divergence.add(posterior.divergences().sum_dim(1).squeeze_dim(1));
            if self.is_test && self.options.iwae_samples > 0 {
                weighted.add(model.importance_weighted(images, &classes, self.options.iwae_samples));
            }
            map.add(posterior.mean.clone(), &batch.indices);
            means.push(posterior.mean);
        }
        let mut scores = Scores::new();
        if let (Some(reconstruction), Some(divergence)) = (reconstruction.value(), divergence.value()) {
            scores.extend(
                [
                    ("loss", reconstruction + self.options.beta * divergence),
                    ("elbo", -reconstruction - divergence),
                    ("reconstruction", reconstruction),
                    ("divergence", divergence),
                ]
                .map(|(name, value)| (name.to_string(), value)),
            );
        }
        weighted.score("log_likelihood", &mut scores);
        if !means.is_empty() {
            scores.insert("active_units".to_string(), active_units(Tensor::cat(means, 0)));
        }
        self.pages.clear();
        if let Some(section) = map.section(&self.images)? {
            self.pages.insert("latent-map".to_string(), serde_json::to_value(section)?);
        }
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let artefact = self.images.artefact();
        let picture = |pixels| pictures::images(pixels, artefact);
        let (images, classes) = (self.shown.images::<B::InnerBackend>(device), self.shown.classes(device));
        let codes = model.posterior(images.clone(), &classes).mean;
        let latent_size = codes.dims()[1];
        let drawn = by_class(self.options.shown_samples, artefact.classes.len(), device);
        let rebuilt = picture(model.decode(codes.clone(), &classes));
        let mut samples = vec![
            self.grid("", &picture(from_prior(model, latent_size, &drawn))),
            comparison("reconstructions", &[picture(images), rebuilt]),
        ];
        // A walk keeps the class that it begins with.
        let walked = |codes, begins| picture(model.decode(codes, &classes.clone().select(0, begins)));
        samples.extend(walk::samples(codes, walked));
        Ok(samples)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// How many numbers of the code say something about pictures. `means`: `[pictures, latent_size]`
fn active_units<B: Backend>(means: Tensor<B, 2>) -> f64 {
    let centred = means.clone() - means.mean_dim(0);
    let variances = centred.square().mean_dim(0).into_data();
    variances.iter::<f64>().filter(|variance| *variance > ACTIVE).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::image::Labels;

    fn batch(epoch: u64, rule: Binarize) -> Vec<f32> {
        let mut batch = ImageBatch {
            indices: vec![4, 9],
            pixels: vec![0.25; 2 * 400],
            batch_size: 2,
            views: 1,
            channels: 1,
            size: 20,
            labels: Labels::Classes(vec![0, 0]),
            mix: None,
        };
        binarize(&mut batch, rule, 42, epoch);
        batch.pixels
    }

    #[test]
    fn pixels_become_white_as_probably_as_they_are_bright() {
        assert_eq!(batch(3, Binarize::None), [0.25; 800]);
        let pixels = batch(3, Binarize::Static);
        assert!(pixels.iter().all(|pixel| *pixel == 0.0 || *pixel == 1.0));
        let white: f32 = pixels.iter().sum::<f32>() / 800.0;
        assert!((white - 0.25).abs() < 0.06, "{white}");
        assert_eq!(pixels, batch(7, Binarize::Static), "the same in every epoch");
        assert_ne!(batch(3, Binarize::Dynamic), batch(7, Binarize::Dynamic));
        assert_ne!(pixels[..400], pixels[400..], "each picture by its own numbers");
    }
}
