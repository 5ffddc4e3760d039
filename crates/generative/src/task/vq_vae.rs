//! The job `vq-vae`: pictures as maps of codes from a learned codebook.

use std::collections::BTreeMap;

use burn::tensor::{
    Int, Tensor,
    backend::{AutodiffBackend, Backend},
};
use data::image::{ImageBatch, ImageData};
use image_tasks::{ARTEFACT_FILE, load_artefact, on_device};
use report::{BarSeries, Bars, Body, Section};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate, report_problems},
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, EmbedRequest, Generated, Job, Trained, read_artefact},
    task::{InnerModel, Sample, Scores, StepContext, StepOutput, Task},
    weights,
};

use super::{
    comparison::comparison,
    parts::{self, Shown},
    pictures::{self, PictureBlock},
    quality::{Mean, Quality},
};
use crate::vq_vae::{PIXELS_OF_A_CODE, Quantized, VqVae, VqVaeConfig, perplexity};

/// `job = "vq-vae"`.
#[derive(Debug, Clone, Copy)]
pub struct VqVaeJob;

/// `[task]`: the loss, and what samples show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VqVaeOptions {
    /// How strongly the encoder is held to the codes that stand for its output: β of the paper.
    pub commitment: f64,
    /// Pictures of the validation part that samples show.
    pub shown_samples: usize,
}

impl Default for VqVaeOptions {
    fn default() -> Self {
        Self { commitment: 0.25, shown_samples: 64 }
    }
}

impl Validate for VqVaeOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.commitment >= 0.0 && self.commitment.is_finite(), "commitment", "must be at least 0");
        problems.check(self.shown_samples > 0, "shown_samples", "must be at least 1");
    }
}

impl Validate for VqVaeConfig {
    fn validate(&self, problems: &mut Problems) {
        report_problems(VqVaeConfig::validate(self), problems);
        problems.nested("codebook", |problems| report_problems(self.codebook.validate(), problems));
    }
}

impl Job for VqVaeJob {
    const NAME: &'static str = "vq-vae";
    const SUMMARY: &'static str = "pictures as small maps of codes from a learned codebook, and back";

    type Data = PictureBlock;
    type Model = VqVaeConfig;
    type Options = VqVaeOptions;
    type Task<B: AutodiffBackend> = VqVaeTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let Blocks { data, model: config, task: options } = blocks;
        let images = parts::load_unit(&data.0, context)?;
        let side = images.artefact().image_size;
        if !side.is_multiple_of(PIXELS_OF_A_CODE) {
            let message =
                format!("`data.image_size` is {side}; a multiple of {PIXELS_OF_A_CODE} is needed, such as 32");
            return Err(message.into());
        }
        B::seed(context.device, context.seed);
        let model = config.init::<B>(images.artefact().channels, context.device);
        let splits = pictures::splits(&images, context.seed);
        let variance = match context.artefacts.filter(|run| run.join(VARIANCE_FILE).is_file()) {
            Some(run) => Variance::of_file(&read_artefact(run, VARIANCE_FILE)?)?,
            None => Variance::of(&images)?,
        };
        let artefacts = BTreeMap::from([
            (ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes()),
            (VARIANCE_FILE.to_string(), serde_json::to_vec(&variance)?),
        ]);
        let facts = images.facts.lines();
        let shown = Shown::of(&splits, options.shown_samples)?;
        let task = VqVaeTask {
            variance,
            codes: config.codebook.codes,
            options: options.clone(),
            images,
            shown,
            pages: BTreeMap::new(),
        };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn embed<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &EmbedRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let mut model = blocks.model.init::<B>(artefact.channels, trained.device);
        weights::apply(&mut model, trained.weights)?;
        let features = |images| model.encode(images).flatten::<2>(1, 3);
        image_tasks::embed(&artefact, trained.device, request, features, output)
    }
}

/// The artefact by which errors are measured.
const VARIANCE_FILE: &str = "variance.json";

/// The variance is that of so many batches, or of all where there are fewer.
const MEASURED: usize = 32;

/// A part whose pixels are all the same has this variance.
const LEAST_VARIANCE: f64 = 1e-6;

/// The variance of the pixels of the training part, which stays what it was when the run goes on or is scored on other pictures.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Variance {
    /// Of pixels from 0 to 1.
    variance: f64,
}

impl Variance {
    /// Of training pictures as they are, spread over the whole part.
    fn of(images: &ImageData) -> Result<Self, TaskError> {
        let (mut count, mut sum, mut squares) = (0, 0.0, 0.0);
        if let Some(batches) = images.plain_train_batches() {
            let measured = batches.num_batches().min(MEASURED);
            for number in 0..measured {
                let pixels = batches.batch(0, number * batches.num_batches() / measured)?.pixels;
                count += pixels.len();
                for pixel in pixels.into_iter().map(f64::from) {
                    sum += pixel;
                    squares += pixel * pixel;
                }
            }
        }
        let count = count.max(1) as f64;
        Ok(Self { variance: (squares / count - (sum / count).powi(2)).max(LEAST_VARIANCE) })
    }

    fn of_file(json: &str) -> Result<Self, TaskError> {
        let is_possible = |found: &Self| found.variance > 0.0 && found.variance.is_finite();
        let found: Option<Self> = serde_json::from_str(json).ok().filter(is_possible);
        let message =
            || format!("{VARIANCE_FILE} of the run is damaged: {{\"variance\": 0.06}} or the like is expected");
        Ok(found.ok_or_else(message)?)
    }
}

/// Learning codes of pictures.
pub struct VqVaeTask {
    /// Errors are measured by it, so that `commitment` means the same for all pictures.
    variance: Variance,
    codes: usize,
    options: VqVaeOptions,
    images: ImageData,
    shown: Shown,
    pages: BTreeMap<String, serde_json::Value>,
}

impl VqVaeTask {
    /// `[1]`
    fn error<B: Backend>(&self, rebuilt: Tensor<B, 4>, images: Tensor<B, 4>) -> Tensor<B, 1> {
        (rebuilt - images).square().mean() / self.variance.variance
    }

    /// All that is minimised: `[1]`
    fn loss<B: Backend>(&self, error: Tensor<B, 1>, quantized: &Quantized<B>) -> Tensor<B, 1> {
        let loss = error + quantized.commitment.clone() * self.options.commitment;
        match &quantized.codebook {
            Some(codebook) => loss + codebook.clone(),
            None => loss,
        }
    }
}

impl<B: AutodiffBackend> Task<B> for VqVaeTask {
    type Model = VqVae<B>;
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
        let found = model.forward(images.clone());
        let error = self.error(found.images, images);
        let loss = self.loss(error.clone(), &found.quantized);
        Ok(StepOutput::new(loss, batch.batch_size)
            .with_metric("reconstruction", error.inner())
            .with_metric("commitment", found.quantized.commitment.inner())
            .with_metric("perplexity", perplexity(found.quantized.codes.inner(), self.codes)))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<ImageBatch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut loss = Mean::default();
        let mut quality = Quality::default();
        let mut codes: Vec<Tensor<B::InnerBackend, 1, Int>> = Vec::new();
        for batch in batches {
            let mut batch = batch?;
            let images: Tensor<B::InnerBackend, 4> = on_device(&mut batch, device);
            let found = model.forward(images.clone());
            let error = self.error(found.images.clone(), images.clone());
            loss.add(self.loss(error, &found.quantized).expand([batch.batch_size]));
            quality.add(found.images.clamp(0.0, 1.0), images);
            codes.push(found.quantized.codes);
        }
        let mut scores = Scores::new();
        loss.score("loss", &mut scores);
        quality.score("", &mut scores);
        self.pages.clear();
        if !codes.is_empty() {
            let codes = Tensor::cat(codes, 0);
            let value = perplexity(codes.clone(), self.codes).into_data().iter::<f64>().sum();
            scores.insert("perplexity".to_string(), value);
            let mut counts = vec![0.0_f64; self.codes];
            codes.into_data().iter::<i64>().for_each(|code| counts[code as usize] += 1.0);
            scores.insert("codes_in_use".to_string(), counts.iter().filter(|count| **count > 0.0).count() as f64);
            self.pages.insert("codebook".to_string(), serde_json::to_value(usage(counts))?);
        }
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let images = self.shown.images::<B::InnerBackend>(device);
        let rebuilt = model.forward(images.clone()).images;
        let picture = |pixels| pictures::images(pixels, self.images.artefact());
        Ok(vec![comparison("", &[picture(images), picture(rebuilt)])])
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// How often each code is used, the most frequent first.
fn usage(mut counts: Vec<f64>) -> Section {
    counts.sort_by(|a, b| b.total_cmp(a));
    let bars = Bars {
        labels: (1..=counts.len()).map(|rank| rank.to_string()).collect(),
        series: vec![BarSeries { name: "uses".to_string(), values: counts }],
        y_label: "uses".to_string(),
    };
    Section::new("Codes", Body::Bars(bars))
        .with_caption("How often each code of the codebook is used, the most frequent first.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_kept_to_the_last_bit() {
        let variance = 0.1_f64.sqrt() / 7.0;
        let json = serde_json::to_string(&Variance { variance }).unwrap();
        assert_eq!(Variance::of_file(&json).unwrap().variance.to_bits(), variance.to_bits());
        for damaged in ["", "{}", "{\"variance\": 0}"] {
            assert!(Variance::of_file(damaged).unwrap_err().to_string().contains(VARIANCE_FILE));
        }
    }
}
