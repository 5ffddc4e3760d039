//! The job `speech-recognition`: which words a recording holds, one after the other, learned with CTC.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use data::audio::{FeatureExtractor, SpeechStringsConfig, SpeechStringsData, StringsBatch, StringsBatches};
use layers::ctc::{
    Ctc, ctc_loss, ctc_per_sequence,
    decode::{Hypothesis, beam_search, greedy},
};
use report::{Body, Heatmap, Section, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained},
    metrics::Edits,
    model_block,
    task::{InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use super::speech::{self, ARTEFACT_FILE, PREDICTED_TOGETHER, Recordings};
use crate::speech_recognizer::{SpeechRecognizer, SpeechRecognizerConfig};

data_block! {
    /// `[data]`: the recordings, their classes, and how they become strings and batches.
    SpeechStringsBlock(SpeechStringsConfig)
}

model_block!(SpeechRecognizerConfig);

/// `[task]`: how words are read off the model, and what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechRecognitionOptions {
    /// How `train eval` and `train predict` read words off the model: `{ kind = "greedy" }` or `{ kind = "beam", width = 16 }`.
    /// Validations during training are always greedy.
    pub decoding: Decoding,
    /// Strings in each table of the report.
    pub examples: usize,
}

/// How the likeliest words are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Decoding {
    /// The likeliest class of each step.
    #[default]
    Greedy,
    /// The likeliest words over all ways to say them.
    Beam {
        /// Beginnings that are kept at each step.
        width: usize,
    },
}

impl Default for SpeechRecognitionOptions {
    fn default() -> Self {
        Self { decoding: Decoding::default(), examples: 20 }
    }
}

impl Validate for SpeechRecognitionOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.decoding != Decoding::Beam { width: 0 }, "decoding.width", "must be at least 1");
    }
}

impl Decoding {
    /// `logits`: `[steps, classes]`, row by row; the last class is the blank.
    fn decode(self, logits: &[f32], classes: usize) -> Hypothesis {
        match self {
            Self::Greedy => greedy(logits, classes, classes - 1),
            Self::Beam { width } => beam_search(logits, classes, classes - 1, width).swap_remove(0),
        }
    }
}

/// `job = "speech-recognition"`.
#[derive(Debug, Clone, Copy)]
pub struct SpeechRecognitionJob;

impl Job for SpeechRecognitionJob {
    const NAME: &'static str = "speech-recognition";
    const SUMMARY: &'static str =
        "an LSTM, GRU or plain recurrent network that writes down the words of a recording (CTC)";

    type Data = SpeechStringsBlock;
    type Model = SpeechRecognizerConfig;
    type Options = SpeechRecognitionOptions;
    type Task<B: AutodiffBackend> = SpeechRecognitionTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let strings = match context.artefacts {
            Some(folder) => SpeechStringsData::load_with(config, speech::load_artefact(folder)?)?,
            None => SpeechStringsData::load(config)?,
        };
        let learned = [strings.train_batches(context.seed), strings.validation_batches()];
        let splits = Splits::dealt(learned, strings.test_batches(), StringsBatches::num_batches, StringsBatches::batch);
        B::seed(context.device, context.seed);
        let num_features = strings.extractor().num_features();
        let model = blocks.model.init::<B>(num_features, strings.classes.len(), context.device);
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), strings.artefact().to_json().into_bytes())]);
        let mut facts = speech::describe(&strings.facts.recordings);
        let [train, validation, test] = strings.facts.part_sizes;
        let counts = format!("{train} to learn from, {validation} for validation, {test} for the test");
        facts.push(("strings".to_string(), counts));
        let [shortest, longest] = strings.facts.lengths;
        facts.push(("recordings in a string".to_string(), format!("{shortest} to {longest}")));
        facts.push(("parameters".to_string(), model.num_params().to_string()));
        let task = SpeechRecognitionTask {
            options: blocks.task.clone(),
            decoding: Decoding::Greedy,
            classes: strings.classes,
            pages: BTreeMap::new(),
        };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = speech::load_artefact(trained.artefacts)?;
        let extractor = FeatureExtractor::trained(&blocks.data.0.features, &artefact)?;
        let classes = artefact.classes;
        let mut model = blocks.model.init::<B>(extractor.num_features(), classes.len(), trained.device);
        weights::apply(&mut model, trained.weights)?;

        let mut rows = vec![["file", "words", "log_probability"].map(str::to_string).to_vec()];
        for files in request.files()?.chunks(PREDICTED_TOGETHER) {
            let recordings = Recordings::<B>::of(&speech::heard(files, &extractor)?, trained.device);
            let (logits, lengths) = model.forward(recordings.features, &recordings.lengths);
            let logits = Logits::new(logits, lengths);
            for (row, file) in files.iter().enumerate() {
                let found = blocks.task.decoding.decode(logits.of(row), logits.classes);
                let (file, words) = (file.display().to_string(), words(&found.labels, &classes));
                if request.output.is_some() {
                    rows.push(vec![file, words, format!("{:.6}", found.log_probability)]);
                } else {
                    output(Generated::Text(&format!("{words}  {:.3}  {file}\n", found.log_probability.exp())))?;
                }
            }
        }
        if request.output.is_some() {
            request.give_table(rows, output)?;
        }
        Ok(())
    }
}

/// Recognition with CTC.
#[derive(Debug)]
pub struct SpeechRecognitionTask {
    options: SpeechRecognitionOptions,
    /// What is used until [`begin_test`](Task::begin_test).
    decoding: Decoding,
    classes: Vec<String>,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> Task<B> for SpeechRecognitionTask {
    type Model = SpeechRecognizer<B>;
    type Batch = StringsBatch;

    fn item_name(&self) -> &'static str {
        "strings"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let (items, targets) = (batch.batch_size, targets(&batch));
        let recordings = on_device::<B>(&batch, context.device);
        let (logits, lengths) = model.forward(recordings.features, &recordings.lengths);
        Ok(StepOutput::new(ctc_loss(logits, &lengths, &targets, &self.ctc()), items))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut evaluation = Evaluation::default();
        for batch in batches {
            let batch = batch?;
            let targets = targets(&batch);
            let recordings = on_device::<B::InnerBackend>(&batch, device);
            let (logits, lengths) = model.forward(recordings.features, &recordings.lengths);
            let losses = ctc_per_sequence(logits.clone(), &lengths, &targets, &self.ctc());
            let losses: Vec<f64> = losses.into_data().iter::<f64>().collect();
            let logits = Logits::new(logits, lengths);
            for (row, (target, loss)) in targets.into_iter().zip(losses).enumerate() {
                let found = self.decoding.decode(logits.of(row), logits.classes).labels;
                evaluation.loss += loss / target.len().max(1) as f64;
                if evaluation.picture.as_ref().is_none_or(|picture| picture.labels < target.len()) {
                    evaluation.picture = Some(Picture::new(&batch, row, &logits, target.len()));
                }
                evaluation.strings.push(Recognized { edits: Edits::between(&target, &found), target, found });
            }
        }
        let scores = evaluation.scores()?;
        let sections = evaluation.sections(&self.classes, self.options.examples);
        self.pages = BTreeMap::from([("recognition".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn begin_test(&mut self) {
        self.decoding = self.options.decoding;
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

impl SpeechRecognitionTask {
    /// The blank is the last class, so that the classes of the data keep their numbers. A string that is spoken too fast for its
    /// words teaches nothing.
    fn ctc(&self) -> Ctc {
        Ctc { blank: self.classes.len(), zero_infinity: true }
    }
}

/// The classes of each row's recordings.
fn targets(batch: &StringsBatch) -> Vec<Vec<i32>> {
    let mut rest = batch.targets.as_slice();
    let row = |length: &i32| {
        let (row, behind) = rest.split_at(*length as usize);
        rest = behind;
        row.to_vec()
    };
    batch.target_lengths.iter().map(row).collect()
}

fn on_device<B: Backend>(batch: &StringsBatch, device: &B::Device) -> Recordings<B> {
    let shape = [batch.batch_size, batch.frames, batch.num_features];
    Recordings::new(batch.features.clone(), shape, &batch.frame_lengths, device)
}

fn words(labels: &[i32], classes: &[String]) -> String {
    labels.iter().map(|label| classes[*label as usize].as_str()).collect::<Vec<_>>().join(" ")
}

/// The logits of a batch on the host.
struct Logits {
    /// `[batch, steps, classes]`
    values: Vec<f32>,
    lengths: Vec<usize>,
    steps: usize,
    /// With the blank.
    classes: usize,
}

impl Logits {
    fn new<B: Backend>(logits: Tensor<B, 3>, lengths: Vec<usize>) -> Self {
        let [_, steps, classes] = logits.dims();
        Self { values: logits.into_data().iter::<f32>().collect(), lengths, steps, classes }
    }

    /// `[steps, classes]` of one recording, without padding.
    fn of(&self, row: usize) -> &[f32] {
        let first = row * self.steps * self.classes;
        &self.values[first..first + self.lengths[row] * self.classes]
    }
}

/// One string, as it is and as it was understood.
struct Recognized {
    target: Vec<i32>,
    found: Vec<i32>,
    edits: Edits,
}

/// One string to look at.
struct Picture {
    labels: usize,
    /// `[frames, num_features]`
    features: Vec<f32>,
    num_features: usize,
    /// `[steps, classes]`, with the blank.
    probabilities: Vec<Vec<f64>>,
}

impl Picture {
    fn new(batch: &StringsBatch, row: usize, logits: &Logits, labels: usize) -> Self {
        let first = row * batch.frames * batch.num_features;
        let length = batch.frame_lengths[row] as usize * batch.num_features;
        let softmax = |step: &[f32]| {
            let largest = step.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let terms: Vec<f64> = step.iter().map(|logit| f64::from(logit - largest).exp()).collect();
            let sum: f64 = terms.iter().sum();
            terms.into_iter().map(|term| term / sum).collect()
        };
        Self {
            labels,
            features: batch.features[first..first + length].to_vec(),
            num_features: batch.num_features,
            probabilities: logits.of(row).chunks_exact(logits.classes).map(softmax).collect(),
        }
    }
}

/// What is gathered over all batches.
#[derive(Default)]
struct Evaluation {
    loss: f64,
    strings: Vec<Recognized>,
    /// Of the first of those with most words.
    picture: Option<Picture>,
}

impl Evaluation {
    fn edits(&self) -> Edits {
        self.strings.iter().map(|string| string.edits).sum()
    }

    fn scores(&self) -> Result<Scores, TaskError> {
        if self.strings.is_empty() {
            return Err("there is no string to score".into());
        }
        let count = self.strings.len() as f64;
        let right = self.strings.iter().filter(|string| string.edits.total() == 0).count();
        let edits = self.edits();
        let share = |errors: usize| errors as f64 / edits.reference_length.max(1) as f64;
        Ok(Scores::from([
            ("loss".to_string(), self.loss / count),
            ("word_error_rate".to_string(), edits.rate()),
            ("string_accuracy".to_string(), right as f64 / count),
            ("substitution_rate".to_string(), share(edits.substitutions)),
            ("insertion_rate".to_string(), share(edits.insertions)),
            ("deletion_rate".to_string(), share(edits.deletions)),
        ]))
    }

    fn sections(&self, classes: &[String], examples: usize) -> Vec<Section> {
        let edits = self.edits();
        let rows = [
            ("replaced", edits.substitutions),
            ("added", edits.insertions),
            ("left out", edits.deletions),
            ("all", edits.total()),
        ];
        let rows = rows.map(|(kind, count)| {
            vec![kind.to_string(), count.to_string(), format!("{:.4}", count as f64 / edits.reference_length as f64)]
        });
        let columns = ["words", "errors", "of all words"].map(str::to_string).to_vec();
        let mut sections = vec![Section::new("Errors", Body::Table(Table { columns, rows: rows.to_vec() }))];
        if let Some(picture) = &self.picture {
            sections.push(speech::spectrogram("What the model hears", &picture.features, picture.num_features));
            let rows: Vec<String> = classes.iter().cloned().chain(["(blank)".to_string()]).collect();
            let of_class = |class: usize| picture.probabilities.iter().map(|step| step[class]).collect();
            let heatmap = Heatmap {
                values: (0..rows.len()).map(of_class).collect(),
                rows,
                x_label: "step".into(),
                y_label: "probability".into(),
                ..Heatmap::default()
            };
            sections.push(Section::new("What it says to that", Body::Heatmap(heatmap)));
        }
        let table = |title: &str, strings: &[&Recognized]| {
            let row = |string: &&Recognized| {
                let errors = string.edits.total().to_string();
                vec![words(&string.target, classes), words(&string.found, classes), errors]
            };
            let columns = ["truth", "understood", "errors"].map(str::to_string).to_vec();
            let rows = strings.iter().take(examples).map(row).collect();
            Section::new(title, Body::Table(Table { columns, rows }))
        };
        let mut strings: Vec<&Recognized> = self.strings.iter().collect();
        // They come by length: one in every few shows short and long ones.
        let step = strings.len().div_ceil(examples.max(1)).max(1);
        sections.push(table("Examples", &strings.iter().copied().step_by(step).collect::<Vec<_>>()));
        strings.retain(|string| string.edits.total() > 0);
        strings.sort_by_key(|string| std::cmp::Reverse(string.edits.total()));
        sections.push(table("Most errors", &strings));
        sections
    }
}
