//! The job `speech-classification`: which class a recording belongs to.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::audio::{FeatureExtractor, SpeechBatch, SpeechBatches, SpeechConfig, SpeechData};
use training_loop::{
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained},
    model_block,
    task::{InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use super::speech::{self, ARTEFACT_FILE, PREDICTED_TOGETHER, Recordings};
use crate::speech_classifier::{SpeechClassifier, SpeechClassifierConfig};
pub use ::classification::ClassificationOptions;
use ::classification::{ClassificationLoss, Predictions, largest, probabilities};

data_block! {
    /// `[data]`: the recordings, their classes, and how they become batches.
    SpeechBlock(SpeechConfig)
}

model_block!(SpeechClassifierConfig);

/// `job = "speech-classification"`.
#[derive(Debug, Clone, Copy)]
pub struct SpeechClassificationJob;

impl Job for SpeechClassificationJob {
    const NAME: &'static str = "speech-classification";
    const SUMMARY: &'static str =
        "an LSTM, GRU or plain recurrent network that tells the class of a recording (a spoken word, a speaker)";

    type Data = SpeechBlock;
    type Model = SpeechClassifierConfig;
    type Options = ClassificationOptions;
    type Task<B: AutodiffBackend> = SpeechClassificationTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let recordings = match context.artefacts {
            Some(folder) => SpeechData::load_with(config, speech::load_artefact(folder)?)?,
            None => SpeechData::load(config)?,
        };
        let learned = [recordings.train_batches(context.seed), recordings.validation_batches()];
        let splits =
            Splits::dealt(learned, recordings.test_batches(), SpeechBatches::num_batches, SpeechBatches::batch);
        B::seed(context.device, context.seed);
        let model = blocks.model.init::<B>(recordings.facts.num_features, recordings.classes.len(), context.device);
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), recordings.artefact().to_json().into_bytes())]);
        let mut facts = speech::describe(&recordings.facts);
        let baseline = format!("{:.3}", recordings.facts.baseline_accuracy());
        facts.push(("accuracy of always the same class".to_string(), baseline));
        facts.push(("parameters".to_string(), model.num_params().to_string()));
        let counts: Vec<usize> = recordings.facts.classes.iter().map(|class| class.train).collect();
        let loss = blocks.task.loss(&counts)?;
        let task = SpeechClassificationTask { options: blocks.task.clone(), loss, recordings, pages: BTreeMap::new() };
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

        let header = ["file", "class"].into_iter().map(str::to_string).chain(classes.iter().cloned());
        let mut rows = vec![header.collect()];
        for files in request.files()?.chunks(PREDICTED_TOGETHER) {
            let recordings = Recordings::<B>::of(&speech::heard(files, &extractor)?, trained.device);
            let probabilities = probabilities(model.forward(recordings.features, &recordings.lengths));
            for (file, row) in files.iter().zip(probabilities.chunks(classes.len())) {
                let (file, class) = (file.display().to_string(), &classes[largest(row)]);
                if request.output.is_some() {
                    let values = row.iter().map(|value| format!("{value:.6}"));
                    rows.push([file, class.clone()].into_iter().chain(values).collect());
                } else {
                    output(Generated::Text(&format!("{class}  {:.3}  {file}\n", row[largest(row)])))?;
                }
            }
        }
        if request.output.is_some() {
            request.give_table(rows, output)?;
        }
        Ok(())
    }
}

/// Classification with cross entropy.
#[derive(Debug)]
pub struct SpeechClassificationTask {
    options: ClassificationOptions,
    loss: ClassificationLoss,
    recordings: SpeechData,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> Task<B> for SpeechClassificationTask {
    type Model = SpeechClassifier<B>;
    type Batch = SpeechBatch;

    fn item_name(&self) -> &'static str {
        "recordings"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let labels = TensorData::new(batch.labels.clone(), [batch.batch_size]);
        let labels = Tensor::from_data(labels, context.device);
        let recordings = on_device::<B>(batch, context.device);
        let logits = model.forward(recordings.features, &recordings.lengths);
        Ok(self.loss.step(logits, labels))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let data = &self.recordings;
        let mut predictions = Predictions::new(&data.classes, "recordings");
        for batch in batches {
            let batch = batch?;
            let (indices, labels) = (batch.indices.clone(), batch.labels.clone());
            let recordings = on_device::<B::InnerBackend>(batch, device);
            predictions.add(model.forward(recordings.features, &recordings.lengths), &indices, &labels);
        }
        let scores = predictions.scores()?;
        let mut sections = predictions.sections();
        sections.extend(predictions.by_group("speaker", |index| data.speaker(index).map(str::to_string)));
        if let Some(worst) = predictions.worst(self.options.worst_mistakes).first() {
            let title =
                format!("Least understood: {}, taken for {}", data.name(worst.index), data.classes[worst.class]);
            let features = data.features(worst.index);
            sections.push(speech::spectrogram(title, &features.values, features.size));
        }
        let name = |index| data.name(index).to_string();
        sections.push(predictions.worst_mistakes(self.options.worst_mistakes, "recording", name));
        self.pages = BTreeMap::from([("classification".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

fn on_device<B: Backend>(batch: SpeechBatch, device: &B::Device) -> Recordings<B> {
    let shape = [batch.batch_size, batch.frames, batch.num_features];
    Recordings::new(batch.features, shape, &batch.frame_lengths, device)
}
