//! The job `diffusion`: a U-Net that learns to take noise away, and images that it makes of noise.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{
        Distribution, Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::image::{ImageArtefact, ImageBatch, gif};
use report::{Body, LinePlot, Section, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job, Trained},
    model_block,
    preparation::Preparation,
    task::{InnerModel, Sample, SampleContent, Scores, StepContext, StepOutput, Task},
    weights,
};

use super::{
    generation::{self, Asked, Wanted},
    latents::{self, Latent},
    pictures::{self, ARTEFACT_FILE, PictureBlock, PixelRange, in_grid, load_artefact, on_device},
    scoring::{Features, Scorer, ScoringOptions},
};
use crate::diffusion::{Diffusion, DiffusionConfig, NoiseSchedule, Prediction, Sampling, UNet, UNetConfig};

/// Pictures in the animation of how they appear, and its frames.
const ANIMATED: usize = 16;
const FRAMES: usize = 25;

/// How long a frame stands, in hundredths of a second.
const FRAME_TIME: u16 = 8;

/// Parts of the steps whose losses are told apart.
const PARTS: usize = 10;

model_block!(UNetConfig);

/// `[task]`: the process, and how pictures are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionOptions {
    /// Steps from a picture to noise.
    pub timesteps: usize,
    /// How much noise there is at each: `"cosine"` (arXiv:2102.09672) or `"linear"` (arXiv:2006.11239).
    pub schedule: NoiseSchedule,
    /// What the network says: `"noise"` (arXiv:2006.11239) or `"velocity"` (arXiv:2202.00512).
    pub prediction: Prediction,
    /// Whether the network is told the class of a picture, so that pictures of a class can be asked for.
    pub conditional: bool,
    /// Part of the training pictures whose class is not told, so that `guidance_scale` has something to compare with.
    pub unconditional_probability: f64,
    /// How far the answer for a class is driven away from that for no class (arXiv:2207.12598): 1 takes it as it is, more gives clearer
    /// pictures that differ less.
    pub guidance_scale: f64,
    /// How many times the network is asked for a picture.
    pub sampling_steps: usize,
    /// Fresh noise at each of these: 0 is DDIM (arXiv:2010.02502); 1 with `sampling_steps` as many as `timesteps` is DDPM. With it a picture
    /// follows from the seed and from how many are made together.
    pub eta: f64,
    /// Generated pictures in a sample; where they are made by class, as many of each as fit in it, and at least one.
    pub samples: usize,
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
}

impl Default for DiffusionOptions {
    fn default() -> Self {
        Self {
            timesteps: 1000,
            schedule: NoiseSchedule::default(),
            prediction: Prediction::default(),
            conditional: false,
            unconditional_probability: 0.1,
            guidance_scale: 2.0,
            sampling_steps: 50,
            eta: 0.0,
            samples: 64,
            features: Features::default(),
            inception_weights: None,
            classifier_steps: 400,
            scored_images: 500,
        }
    }
}

impl Validate for DiffusionOptions {
    fn validate(&self, problems: &mut Problems) {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        problems.check(self.timesteps > 0, "timesteps", "must be at least 1; usual: 1000");
        problems.check(
            (1..=self.timesteps).contains(&self.sampling_steps),
            "sampling_steps",
            "must be at least 1 and at most `timesteps`",
        );
        problems.check(share(self.eta), "eta", "must be from 0 (DDIM) to 1 (DDPM)");
        problems.check(share(self.unconditional_probability), "unconditional_probability", "must be from 0 to 1");
        problems.check(
            self.guidance_scale >= 0.0 && self.guidance_scale.is_finite(),
            "guidance_scale",
            "must be at least 0; usual: 1 to 4",
        );
        problems.check(
            !self.conditional || self.unconditional_probability < 1.0,
            "unconditional_probability",
            "must be below 1, or no class is ever told",
        );
        problems.check(
            !self.conditional || self.guidance_scale == 1.0 || self.unconditional_probability > 0.0,
            "unconditional_probability",
            "must be above 0, or `guidance_scale` 1: there is no answer for no class to compare with",
        );
        problems.check((1..=1024).contains(&self.samples), "samples", "must be from 1 to 1024");
        self.scoring().validate(problems);
    }
}

impl DiffusionOptions {
    /// How pictures are scored.
    pub fn scoring(&self) -> ScoringOptions<'_> {
        ScoringOptions {
            features: self.features,
            inception_weights: self.inception_weights.as_deref(),
            classifier_steps: self.classifier_steps,
            scored_images: self.scored_images,
        }
    }

    fn process<B: Backend>(&self, device: &B::Device) -> Diffusion<B> {
        let Self { timesteps, schedule, prediction, .. } = *self;
        DiffusionConfig { timesteps, schedule, prediction }.init(device)
    }
}

/// `job = "diffusion"`.
#[derive(Debug, Clone, Copy)]
pub struct DiffusionJob;

impl Job for DiffusionJob {
    const NAME: &'static str = "diffusion";
    const SUMMARY: &'static str = "a denoising diffusion model (DDPM, sampled by DDIM) that makes pictures of noise";
    const MAKES_CLASSES: bool = true;
    const INTERPOLATES: bool = true;

    type Data = PictureBlock;
    type Model = UNetConfig;
    type Options = DiffusionOptions;
    type Task<B: AutodiffBackend> = DiffusionTask<B>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let images = pictures::load(&blocks.data.0, PixelRange::Symmetric, context)?;
        let artefact = images.artefact();
        let knows_classes = pictures::knows_classes(&blocks.data.0, artefact);
        let DiffusionOptions { conditional, features, .. } = blocks.task;
        if conditional && !knows_classes {
            return Err("`task.conditional` needs pictures of one class each: give false, or data with classes".into());
        }
        features.check(knows_classes, artefact)?;
        pictures::check_symmetric(artefact)?;
        pictures::check_watched(&images)?;
        let config = network(&blocks.model, &blocks.task, artefact)?;
        let scorer = Scorer::new::<B>(blocks.task.scoring(), &images, context)?;
        B::seed(context.device, context.seed);
        let model = config.init::<B>(context.device);
        let painter = Painter::new(&blocks.task, artefact, context.device);
        let mut artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), artefact.to_json().into_bytes())]);
        artefacts.extend(scorer.artefacts()?);
        let mut facts = images.facts.lines();
        facts.push(("parameters".into(), model.num_params().to_string()));
        let splits = pictures::splits(&images, context.seed);
        let task =
            DiffusionTask { options: blocks.task.clone(), painter, scorer, seed: context.seed, pages: BTreeMap::new() };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn generate<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &GenerateRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let mut model = network(&blocks.model, &blocks.task, &artefact)?.init::<B>(trained.device);
        weights::apply(&mut model, trained.weights)?;
        let painter = Painter::<B>::new(&blocks.task, &artefact, trained.device);
        B::seed(trained.device, request.seed);
        let asked = Asked {
            latent_size: painter.latent_size(),
            by_class: blocks.task.conditional,
            by_class_key: "task.conditional",
        };
        generation::generate(request, &asked, &artefact, output, |latents, classes| {
            painter.paint(&model, latents, Some(classes), trained.device, |_| ())
        })
    }
}

/// The network for these pictures.
fn network(config: &UNetConfig, options: &DiffusionOptions, artefact: &ImageArtefact) -> Result<UNetConfig, TaskError> {
    let (size, multiple) = (artefact.image_size, config.size_multiple());
    if !size.is_multiple_of(multiple) {
        let levels = config.channel_multipliers.len();
        let patches = match config.patch_size {
            1 => String::new(),
            patch => format!(", a smaller `model.patch_size` than {patch}"),
        };
        let message = format!(
            "`data.image_size` is {size}, which {levels} levels of `model.channel_multipliers` cannot halve: give a multiple of {multiple}{patches}, or fewer levels"
        );
        return Err(message.into());
    }
    let classes = if options.conditional { artefact.classes.len() } else { 0 };
    let config = UNetConfig { image_size: size, image_channels: artefact.channels, classes, ..config.clone() };
    let sides = config.sides();
    if let Some(wrong) = config.attention_resolutions.iter().find(|side| !sides.contains(side)) {
        let message = format!(
            "`model.attention_resolutions` has {wrong}, and the levels of these pictures are {sides:?} places high: give some of these, or none"
        );
        return Err(message.into());
    }
    Ok(config)
}

/// Makes pictures with a network.
struct Painter<B: Backend> {
    process: Diffusion<B>,
    sampling: Sampling,
    guidance_scale: f64,
    artefact: ImageArtefact,
    /// Classes that the network knows; 0: none.
    classes: usize,
}

impl<B: Backend> Painter<B> {
    fn new(options: &DiffusionOptions, artefact: &ImageArtefact, device: &B::Device) -> Self {
        Self {
            process: options.process(device),
            sampling: Sampling { steps: options.sampling_steps, eta: options.eta },
            guidance_scale: options.guidance_scale,
            artefact: artefact.clone(),
            classes: if options.conditional { artefact.classes.len() } else { 0 },
        }
    }

    /// How many random numbers a picture is made of: as many as it has.
    fn latent_size(&self) -> usize {
        self.artefact.channels * self.artefact.image_size.pow(2)
    }

    /// Pictures of given random numbers and classes; classes mean nothing to a network that knows none. `seen` is shown what the network sees
    /// behind the noise at each step.
    ///
    /// # Shapes
    /// - output: `[pictures, channels, size, size]`
    fn paint(
        &self,
        model: &UNet<B>,
        latents: &[Latent],
        classes: Option<&[i32]>,
        device: &B::Device,
        seen: impl FnMut(&Tensor<B, 4>),
    ) -> Tensor<B, 4> {
        let ImageArtefact { channels, image_size, .. } = self.artefact;
        let noise = latents::on_device(latents, device).reshape([latents.len(), channels, image_size, image_size]);
        let classes = classes.filter(|_| self.classes > 0).map(|classes| Tensor::from_data(classes, device));
        let said = |noised, timesteps| self.guided(model, noised, timesteps, classes.clone());
        self.process.sample(noise, self.sampling, said, seen)
    }

    /// What the network says, for a class driven away from what it says for none.
    fn guided(
        &self,
        model: &UNet<B>,
        noised: Tensor<B, 4>,
        timesteps: Tensor<B, 1, Int>,
        classes: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let scale = self.guidance_scale;
        let Some(classes) = classes else { return model.forward(noised, timesteps, None) };
        if scale == 1.0 {
            return model.forward(noised, timesteps, Some(classes));
        }
        // Both in one pass: [2 · batch, ..]
        let [batch, ..] = noised.dims();
        let none = Tensor::full([batch], self.classes as i64, &classes.device());
        let twice = |tensor: Tensor<B, 1, Int>| Tensor::cat(vec![tensor.clone(), tensor], 0);
        let both = Tensor::cat(vec![classes, none], 0);
        let said = model.forward(Tensor::cat(vec![noised.clone(), noised], 0), twice(timesteps), Some(both));
        let (with, without) = (said.clone().narrow(0, 0, batch), said.narrow(0, batch, batch));
        without.clone() + (with - without) * scale
    }

    /// How many classes pictures are made of; none where they are not made by class.
    fn by_class(&self) -> Option<usize> {
        (self.classes > 0).then_some(self.classes)
    }

    /// What a step is told of the classes of a batch; none where the network knows no classes.
    fn told(&self, batch: &ImageBatch, device: &B::Device) -> Option<Tensor<B, 1, Int>> {
        (self.classes > 0).then(|| pictures::classes(batch, device))
    }
}

/// Learning to take noise away.
pub struct DiffusionTask<B: AutodiffBackend> {
    options: DiffusionOptions,
    painter: Painter<B::InnerBackend>,
    scorer: Scorer<B::InnerBackend>,
    seed: u64,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> DiffusionTask<B> {
    /// How some pictures appear out of the noise.
    fn appearing(&self, model: &InnerModel<B, Self>, wanted: &Wanted, device: &B::Device) -> Sample {
        let painter = &self.painter;
        let count = ANIMATED.min(wanted.latents.len());
        let chosen = || (0..count).map(|place| place * wanted.latents.len() / count);
        let latents: Vec<Latent> = chosen().map(|place| wanted.latents[place].clone()).collect();
        let classes: Option<Vec<i32>> =
            wanted.classes.as_ref().map(|classes| chosen().map(|place| classes[place]).collect());
        // The last is the picture itself.
        let steps = painter.sampling.steps;
        let (every, mut step) = (steps.div_ceil(FRAMES), 0);
        let mut frames = Vec::new();
        painter.paint(model, &latents, classes.as_deref(), device, |pixels| {
            step += 1;
            if (steps - step).is_multiple_of(every) {
                frames.push(in_grid(&pictures::images(pixels.clone(), &painter.artefact), None));
            }
        });
        Sample { name: "appearing".into(), content: SampleContent::Gif(gif(&frames, FRAME_TIME)) }
    }

    /// Mean squares of what the network says wrongly, one a picture: `[batch]`
    fn squares<M: Backend>(said: Tensor<M, 4>, target: Tensor<M, 4>) -> Tensor<M, 1> {
        let [batch, channels, height, width] = said.dims();
        let wrong = (said - target).reshape([batch, channels * height * width]);
        (wrong.clone() * wrong).mean_dim(1).reshape([batch])
    }
}

impl<B: AutodiffBackend> Task<B> for DiffusionTask<B> {
    type Model = UNet<B>;
    type Batch = ImageBatch;

    fn item_name(&self) -> &'static str {
        "images"
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
        model: &UNet<B>,
        mut batch: ImageBatch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let device = context.device;
        let painter = &self.painter;
        let images = on_device::<B::InnerBackend>(&mut batch, device);
        let [items, ..] = images.dims();
        let uniform =
            |high: f64| Tensor::<B::InnerBackend, 1>::random([items], Distribution::Uniform(0.0, high), device);
        let last = painter.process.timesteps() - 1;
        // Rounding may give the end of a half-open range.
        let timesteps = uniform(last as f64 + 1.0).floor().int().clamp(0, last as i64);
        let classes = painter.told(&batch, device).map(|classes| {
            let untold = uniform(1.0).lower_elem(self.options.unconditional_probability);
            Tensor::<B, 1, Int>::from_inner(classes.mask_fill(untold, painter.classes as i64))
        });
        let noise = images.random_like(Distribution::Normal(0.0, 1.0));
        let (noised, target) = painter.process.noised(images, noise, timesteps.clone());
        let said = model.forward(Tensor::from_inner(noised), Tensor::from_inner(timesteps), classes);
        let loss = Self::squares(said, Tensor::from_inner(target)).mean();
        Ok(StepOutput::new(loss, items))
    }

    /// The loss of training, with steps that are spread evenly over the pictures and the same noise at each evaluation.
    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<ImageBatch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        B::seed(device, self.seed);
        let mut losses = ByStep::new(self.painter.process.timesteps());
        let (mut seen, mut steps) = (Vec::new(), Vec::new());
        for batch in batches {
            let mut batch = batch?;
            let classes = self.painter.told(&batch, device);
            let images = on_device::<B::InnerBackend>(&mut batch, device);
            let timesteps = losses.next_steps(images.dims()[0]);
            let noise = images.random_like(Distribution::Normal(0.0, 1.0));
            let at = TensorData::new(timesteps.clone(), [timesteps.len()]);
            let at = Tensor::<B::InnerBackend, 1, Int>::from_data(at, device);
            let (noised, target) = self.painter.process.noised(images, noise, at.clone());
            let squares = Self::squares(model.forward(noised, at, classes), target);
            seen.push(squares);
            steps.extend(timesteps);
        }
        if seen.is_empty() {
            return Err("there are no held-out pictures to score".into());
        }
        losses.add(&steps, Tensor::cat(seen, 0).into_data().iter::<f64>());
        let mut scores = Scores::from([("loss".to_string(), losses.mean())]);
        let mut sections = Vec::new();
        if let Some(count) = self.scorer.count() {
            let painter = &self.painter;
            let wanted = Wanted::scored(count, painter.by_class(), painter.latent_size(), self.seed);
            let made = wanted.made(|latents, classes| painter.paint(model, latents, classes, device, |_| ()));
            let (of_generated, of_report) = self.scorer.score(made, wanted.classes.as_deref())?;
            scores.extend(of_generated);
            sections = of_report;
        }
        sections.push(losses.section());
        self.pages = BTreeMap::from([("generated".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let painter = &self.painter;
        let wanted = Wanted::shown(self.options.samples, painter.by_class(), painter.latent_size(), self.seed);
        let made =
            wanted.sample(&painter.artefact, |latents, classes| painter.paint(model, latents, classes, device, |_| ()));
        Ok(vec![made, self.appearing(model, &wanted, device)])
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// Losses by how much noise there was.
struct ByStep {
    timesteps: usize,
    seen: usize,
    sums: [f64; PARTS],
    counts: [usize; PARTS],
}

impl ByStep {
    fn new(timesteps: usize) -> Self {
        Self { timesteps, seen: 0, sums: [0.0; PARTS], counts: [0; PARTS] }
    }

    /// Steps of the next pictures: multiples of the golden ratio, which fill a range evenly wherever they stop.
    fn next_steps(&mut self, count: usize) -> Vec<i64> {
        let step = |index: usize| (index as f64 * 0.618_033_988_749_895).fract() * self.timesteps as f64;
        let steps = (self.seen..self.seen + count).map(|index| step(index) as i64).collect();
        self.seen += count;
        steps
    }

    fn add(&mut self, timesteps: &[i64], losses: impl Iterator<Item = f64>) {
        for (timestep, loss) in timesteps.iter().zip(losses) {
            let part = *timestep as usize * PARTS / self.timesteps;
            self.sums[part] += loss;
            self.counts[part] += 1;
        }
    }

    fn mean(&self) -> f64 {
        self.sums.iter().sum::<f64>() / self.seen as f64
    }

    fn section(&self) -> Section {
        let parts = || (0..PARTS).filter(|part| self.counts[*part] > 0);
        let middle = |part: usize| (part as f64 + 0.5) * self.timesteps as f64 / PARTS as f64;
        let series = Series {
            name: "loss".into(),
            x: parts().map(middle).collect(),
            y: parts().map(|part| self.sums[part] / self.counts[part] as f64).collect(),
            ..Series::default()
        };
        let plot = LinePlot {
            x_label: "step of the process: more noise to the right".into(),
            y_label: "mean squared error".into(),
            series: vec![series],
            log_y: true,
            ..LinePlot::default()
        };
        Section::new("Loss by noise", Body::LinePlot(plot)).with_caption(
            "Where there is little noise, what it is can hardly be told; where there is much, it is all there is.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::{backend::Flex, module::Param};

    #[test]
    fn guidance_drives_away_from_what_is_said_for_no_class() {
        let device = Default::default();
        let config = UNetConfig {
            image_size: 4,
            image_channels: 1,
            classes: 2,
            base_channels: 4,
            channel_multipliers: vec![1],
            norm_groups: 2,
            num_heads: 2,
            ..UNetConfig::default()
        };
        let mut model = config.init::<Flex>(&device);
        // Its blocks begin by adding nothing, and it by saying nothing.
        for conv in [&mut model.middle1.conv2, &mut model.conv_out] {
            conv.weight = Param::from_tensor(conv.weight.val().random_like(Distribution::Default));
        }
        let artefact = ImageArtefact {
            classes: vec!["cat".into(), "dog".into()],
            multi_label: false,
            image_size: 4,
            channels: 1,
            crop_fraction: 1.0,
            statistics: data::image::Statistics { mean: vec![0.5], std: vec![0.5] },
        };
        let noised = Tensor::<Flex, 4>::random([2, 1, 4, 4], Distribution::Normal(0.0, 1.0), &device);
        let timesteps = Tensor::<Flex, 1, Int>::from_ints([3, 700], &device);
        let classes = Tensor::<Flex, 1, Int>::from_ints([1, 0], &device);
        let said = |guidance_scale| {
            let options = DiffusionOptions { conditional: true, guidance_scale, ..DiffusionOptions::default() };
            let painter = Painter::<Flex>::new(&options, &artefact, &device);
            painter.guided(&model, noised.clone(), timesteps.clone(), Some(classes.clone()))
        };
        let with = model.forward(noised.clone(), timesteps.clone(), Some(classes.clone()));
        let without = model.forward(noised.clone(), timesteps.clone(), None);
        let close = |a: Tensor<Flex, 4>, b: &Tensor<Flex, 4>| {
            a.into_data().assert_approx_eq(&b.to_data(), burn::tensor::Tolerance::<f32>::absolute(1e-4));
        };
        assert!((with.clone() - without.clone()).abs().max().into_scalar() > 0.01);
        close(said(0.0), &without);
        close(said(1.0), &with);
        close(said(2.0), &(with * 2.0 - without));
    }
}
