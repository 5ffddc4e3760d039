//! How the two networks learn from each other.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{
        Distribution, Int, Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use data::image::{ImageBatch, ImageData};
use training_loop::{
    error::TaskError,
    job::Blocks,
    preparation::Preparation,
    task::{InnerModel, OptimizerScope, Sample, Scores, StepContext, StepOutput, Task},
};

use super::{GanJob, GanOptions};
use crate::{
    gan::{Conditional, Gan, Generator, penalty},
    task::{
        generation::Wanted,
        latents,
        pictures::{classes, on_device},
        scoring::Scorer,
    },
};

/// The names of the optimisers.
const DISCRIMINATOR: &str = "discriminator";
const GENERATOR: &str = "generator";

/// A generator and a discriminator that play against each other.
pub struct GanTask<B: AutodiffBackend> {
    options: GanOptions,
    conditional: bool,
    images: ImageData,
    seed: u64,
    scorer: Scorer<B::InnerBackend>,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> GanTask<B> {
    /// A task on these pictures.
    pub fn new(blocks: &Blocks<GanJob>, images: ImageData, scorer: Scorer<B::InnerBackend>, seed: u64) -> Self {
        Self {
            options: blocks.task.clone(),
            conditional: blocks.model.conditional != Conditional::None,
            images,
            seed,
            scorer,
            pages: BTreeMap::new(),
        }
    }

    /// Random pictures, of the classes where they are made by class.
    fn made<C: Backend>(
        generator: &Generator<C>,
        count: usize,
        classes: Option<Tensor<C, 1, Int>>,
        device: &C::Device,
    ) -> Tensor<C, 4> {
        let shape = [count, generator.latent_size()];
        generator.forward(Tensor::random(shape, Distribution::Normal(0.0, 1.0), device), classes)
    }

    fn discriminator_step(
        &self,
        model: &Gan<B>,
        mut batch: ImageBatch,
        classes: Option<Tensor<B, 1, Int>>,
        context: &StepContext<'_, B>,
    ) -> StepOutput<B> {
        let (count, device) = (batch.batch_size, context.device);
        let discriminator = &model.discriminator;
        let real = on_device::<B>(&mut batch, device);
        // Without the generator's graph: it does not learn here.
        let made = Self::made(&model.generator.clone().no_grad(), count, classes.clone(), device);
        let real_scores = discriminator.forward(real.clone(), classes.clone());
        let made_scores = discriminator.forward(made.clone(), classes.clone());
        let game = self.options.loss;
        let mut loss = game.discriminator(real_scores.clone(), made_scores.clone());
        let mut metrics = vec![
            ("adversarial_loss/discriminator", loss.clone().inner()),
            ("discriminator_output/real", game.mean_output(real_scores.inner())),
            ("discriminator_output/generated", game.mean_output(made_scores.inner())),
        ];
        let weight = self.options.gradient_penalty();
        if weight > 0.0 {
            let mix = penalty::mix::<B>(count, device);
            let penalty = penalty::gradient_penalty(discriminator, real.clone(), made, mix, classes.clone());
            metrics.push(("gradient_penalty", penalty.clone().inner()));
            loss = loss + penalty * weight;
        }
        let GanOptions { r1, r1_every, .. } = self.options;
        if r1 > 0.0 && context.step.is_multiple_of(r1_every) {
            let penalty = penalty::r1(discriminator, real, classes);
            metrics.push(("r1_penalty", penalty.clone().inner()));
            loss = loss + penalty * (r1 * r1_every as f64);
        }
        let output = StepOutput::new(loss, count);
        metrics.into_iter().fold(output, |output, (name, value)| output.with_metric(name, value))
    }

    fn generator_step(
        &self,
        model: &Gan<B>,
        count: usize,
        classes: Option<Tensor<B, 1, Int>>,
        device: &B::Device,
    ) -> StepOutput<B> {
        let made = Self::made(&model.generator, count, classes.clone(), device);
        // The way back leads through the discriminator, but its weights need no gradient.
        let scores = model.discriminator.clone().no_grad().forward(made, classes);
        let loss = self.options.loss.generator(scores);
        let shown = loss.clone().inner();
        StepOutput::new(loss, count).with_metric("adversarial_loss/generator", shown)
    }

    /// How many classes pictures are made of; none where they are not made by class.
    fn classes(&self) -> Option<usize> {
        self.conditional.then_some(self.images.classes.len())
    }
}

/// Pictures of given random numbers and classes.
pub(super) fn pictures_of<B: Backend>(
    generator: &Generator<B>,
    latents: &[latents::Latent],
    classes: Option<&[i32]>,
    device: &B::Device,
) -> Tensor<B, 4> {
    let classes = classes.map(|classes| Tensor::from_data(classes, device));
    generator.forward(latents::on_device(latents, device), classes)
}

impl<B: AutodiffBackend> Task<B> for GanTask<B> {
    type Model = Gan<B>;
    type Batch = ImageBatch;

    fn item_name(&self) -> &'static str {
        "images"
    }

    fn optimizers(&self) -> Vec<OptimizerScope> {
        vec![
            OptimizerScope { name: DISCRIMINATOR, parameters: "discriminator.*", updates: self.options.n_critic() },
            OptimizerScope { name: GENERATOR, parameters: "generator.*", updates: 1 },
        ]
    }

    fn prepare(
        &mut self,
        _model: &InnerModel<B, Self>,
        device: &B::Device,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        self.scorer.prepare(device, progress)
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let classes = self.conditional.then(|| classes::<B>(&batch, context.device));
        Ok(match context.optimizer {
            DISCRIMINATOR => self.discriminator_step(model, batch, classes, context),
            _ => self.generator_step(model, batch.batch_size, classes, context.device),
        })
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut means = Vec::new();
        let mut items = 0.0;
        for batch in batches {
            let mut batch = batch?;
            let count = batch.batch_size;
            let classes = self.conditional.then(|| classes::<B::InnerBackend>(&batch, device));
            let real = on_device::<B::InnerBackend>(&mut batch, device);
            let made = Self::made(&model.generator, count, classes.clone(), device);
            let output = |pictures| {
                let scores = model.discriminator.forward(pictures, classes.clone());
                self.options.loss.mean_output(scores) * count as f64
            };
            means.push(Tensor::cat(vec![output(real), output(made)], 0));
            items += count as f64;
        }
        if means.is_empty() {
            return Err("there are no held-out pictures to score".into());
        }
        let sums = Tensor::stack::<2>(means, 0).sum_dim(0).into_data();
        let names = ["discriminator_output/real", "discriminator_output/generated"].map(str::to_string);
        let mut scores: Scores = names.into_iter().zip(sums.iter::<f64>().map(|sum| sum / items)).collect();
        if let Some(count) = self.scorer.count() {
            let wanted = Wanted::scored(count, self.classes(), model.generator.latent_size(), self.seed);
            let made = wanted.made(|latents, classes| pictures_of(&model.generator, latents, classes, device));
            let (of_generated, sections) = self.scorer.score(made, wanted.classes.as_deref())?;
            scores.extend(of_generated);
            self.pages = BTreeMap::from([("generated".to_string(), serde_json::to_value(sections)?)]);
        }
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let generator = &model.generator;
        let wanted = Wanted::shown(self.options.samples, self.classes(), generator.latent_size(), self.seed);
        let artefact = self.images.artefact();
        Ok(vec![wanted.sample(artefact, |latents, classes| pictures_of(generator, latents, classes, device))])
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}
