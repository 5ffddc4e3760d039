//! The job `diffusion`: a U-Net that learns to take noise away, and images that it makes of noise.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    tensor::{
        Distribution, Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::image::{Image, ImageArtefact, ImageBatch, gif};
use report::{Body, LinePlot, Section, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job, Trained},
    model_block,
    task::{InnerModel, Sample, SampleContent, Scores, StepContext, StepOutput, Task},
    weights,
};

use super::pictures::{self, ARTEFACT_FILE, PictureBlock, PixelRange, in_grid, load_artefact, on_device};
use crate::diffusion::{Diffusion, DiffusionConfig, NoiseSchedule, Prediction, Sampling, UNet, UNetConfig};

/// Pictures that are made at a time: what they take of memory is bounded.
const MADE_TOGETHER: usize = 64;

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
    /// Fresh noise at each of these: 0 is DDIM (arXiv:2010.02502); 1 with `sampling_steps` as many as `timesteps` is DDPM.
    pub eta: f64,
    /// Pictures in the grid that is made after each validation; 0: none. With classes, the same number of each.
    pub num_samples: usize,
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
            num_samples: 64,
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
    }
}

impl DiffusionOptions {
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
        let config = network(&blocks.model, &blocks.task, artefact)?;
        B::seed(context.device, context.seed);
        let model = config.init::<B>(context.device);
        let painter = Painter::new(&blocks.task, artefact, context.device);
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), artefact.to_json().into_bytes())]);
        let mut facts = images.facts.lines();
        facts.push(("parameters".into(), model.num_params().to_string()));
        let splits = pictures::splits(&images, context.seed);
        let task = DiffusionTask { options: blocks.task.clone(), painter, seed: context.seed, pages: BTreeMap::new() };
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
        let classes = painter.classes_in_turn(request.count);
        let made = painter.paint(&model, painter.noise(request.count, trained.device), &classes, |_| ());
        let grid = in_grid(&made, painter.columns(request.count));
        let path = request.out.as_deref().unwrap_or(Path::new("generated.png"));
        std::fs::write(path, data::image::png(&grid))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(output(Generated::File(path))?)
    }
}

/// The network for these pictures.
fn network(config: &UNetConfig, options: &DiffusionOptions, artefact: &ImageArtefact) -> Result<UNetConfig, TaskError> {
    let (size, multiple) = (artefact.image_size, config.size_multiple());
    if !size.is_multiple_of(multiple) {
        let levels = config.channel_multipliers.len();
        let message = format!(
            "`data.image_size` is {size}, which {levels} levels of `model.channel_multipliers` cannot halve: give a multiple of {multiple}, or fewer levels"
        );
        return Err(message.into());
    }
    let classes = if options.conditional { artefact.classes.len() } else { 0 };
    if options.conditional && classes == 0 {
        return Err(
            "`task.conditional` needs pictures with classes, and these have none: set `data.labelled = true`".into()
        );
    }
    Ok(UNetConfig { image_size: size, image_channels: artefact.channels, classes, ..config.clone() })
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

    /// What pictures are made of.
    fn noise(&self, count: usize, device: &B::Device) -> Tensor<B, 4> {
        let ImageArtefact { channels, image_size, .. } = self.artefact;
        Tensor::random([count, channels, image_size, image_size], Distribution::Normal(0.0, 1.0), device)
    }

    /// A class for each picture, the columns of a grid; none where the network knows no classes.
    fn classes_in_turn(&self, count: usize) -> Vec<usize> {
        (0..if self.classes > 0 { count } else { 0 }).map(|index| index % self.classes).collect()
    }

    /// A column a class, where they fit.
    fn columns(&self, count: usize) -> Option<usize> {
        (1..=count).contains(&self.classes).then_some(self.classes)
    }

    /// So many pictures, or fewer that fill their rows.
    fn whole_rows(&self, count: usize) -> usize {
        self.columns(count).map_or(count, |columns| count - count % columns)
    }

    /// Pictures out of noise, one a class where there are classes. `seen` is shown what the network sees behind the noise at each step
    /// of the first ones.
    fn paint(
        &self,
        model: &UNet<B>,
        noise: Tensor<B, 4>,
        classes: &[usize],
        mut seen: impl FnMut(&Tensor<B, 4>),
    ) -> Vec<Image> {
        let (count, device) = (noise.dims()[0], noise.device());
        let mut made = Vec::with_capacity(count);
        for start in (0..count).step_by(MADE_TOGETHER) {
            let length = MADE_TOGETHER.min(count - start);
            let noise = noise.clone().narrow(0, start, length);
            let classes = classes.get(start..start + length).map(|classes| {
                let classes: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
                Tensor::<B, 1, Int>::from_data(TensorData::new(classes, [length]), &device)
            });
            let said = |noised, timesteps| self.guided(model, noised, timesteps, classes.clone());
            let is_first = start == 0;
            let pixels = self.process.sample(noise, self.sampling, said, |image| {
                if is_first {
                    seen(image);
                }
            });
            made.extend(pictures::images(pixels, &self.artefact));
        }
        made
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

    /// What a step is told of the classes of a batch; none where the network knows no classes.
    fn told(&self, batch: &ImageBatch, device: &B::Device) -> Option<Tensor<B, 1, Int>> {
        (self.classes > 0).then(|| pictures::classes(batch, device))
    }
}

/// Learning to take noise away.
pub struct DiffusionTask<B: AutodiffBackend> {
    options: DiffusionOptions,
    painter: Painter<B::InnerBackend>,
    seed: u64,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> DiffusionTask<B> {
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
            losses.add(&timesteps, squares.into_data().iter::<f64>());
        }
        self.pages = BTreeMap::from([("diffusion".to_string(), serde_json::to_value(losses.section())?)]);
        Ok(Scores::from([("loss".to_string(), losses.mean())]))
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let count = self.painter.whole_rows(self.options.num_samples);
        if count == 0 {
            return Ok(Vec::new());
        }
        // The same noise each time, so that pictures can be followed through training.
        B::seed(device, self.seed);
        let classes = self.painter.classes_in_turn(count);
        let mut appearing = Vec::new();
        let columns = self.painter.columns(count);
        let shown = ANIMATED.min(count);
        let made = self.painter.paint(model, self.painter.noise(count, device), &classes, |image| {
            appearing.push(image.clone().narrow(0, 0, shown));
        });
        let every = appearing.len().div_ceil(FRAMES);
        let frames: Vec<Image> = appearing
            .into_iter()
            .rev()
            .step_by(every)
            .map(|image| in_grid(&pictures::images(image, &self.painter.artefact), None))
            .collect();
        let frames: Vec<Image> = frames.into_iter().rev().collect();
        let animation = Sample { name: "appearing".into(), content: SampleContent::Gif(gif(&frames, FRAME_TIME)) };
        Ok(vec![pictures::sample("", &made, columns), animation])
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
