//! The job `sequence-classification`: which class a text belongs to.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    tensor::{
        Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::text::{
    labelled::{LabelledBatch, LabelledBatches, LabelledConfig, LabelledData, LabelledFacts, encode_text},
    tokenizer::Tokenizer,
};
use training_loop::{
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained, read_artefact},
    model_block,
    task::{InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use super::{pad, requested_texts};
use crate::classifier::{Classifier, ClassifierConfig};
pub use ::classification::ClassificationOptions;
use ::classification::{ClassificationLoss, Predictions, largest, probabilities};

/// The artefacts beside the weights without which they mean nothing.
const TOKENIZER_FILE: &str = "tokenizer.json";
const CLASSES_FILE: &str = "classes.json";

/// Texts that are predicted at a time.
const PREDICTED_TOGETHER: usize = 64;

data_block! {
    /// `[data]`: the texts, their classes, and how they become batches.
    LabelledBlock(LabelledConfig)
}

model_block!(ClassifierConfig);

/// `job = "sequence-classification"`.
#[derive(Debug, Clone, Copy)]
pub struct ClassificationJob;

impl Job for ClassificationJob {
    const NAME: &'static str = "sequence-classification";
    const SUMMARY: &'static str =
        "an LSTM, GRU or plain recurrent network that tells the class of a text (sentiment, topic)";

    type Data = LabelledBlock;
    type Model = ClassifierConfig;
    type Options = ClassificationOptions;
    type Task<B: AutodiffBackend> = ClassificationTask;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let texts = match context.artefacts {
            Some(folder) => LabelledData::load_with(config, load_tokenizer(folder)?, load_classes(folder)?)?,
            None => LabelledData::load(config)?,
        };
        let learned = [texts.train_batches(context.seed), texts.validation_batches()];
        let splits = Splits::dealt(learned, texts.test_batches(), LabelledBatches::num_batches, LabelledBatches::batch);
        B::seed(context.device, context.seed);
        let model = blocks.model.init::<B>(texts.tokenizer.vocab_size(), texts.classes.len(), context.device);
        let artefacts = BTreeMap::from([
            (TOKENIZER_FILE.to_string(), texts.tokenizer.to_json()?.into_bytes()),
            (CLASSES_FILE.to_string(), serde_json::to_vec(&texts.classes)?),
        ]);
        let facts = describe(&texts.facts, model.num_params());
        let counts: Vec<usize> = texts.facts.classes.iter().map(|class| class.train).collect();
        let loss = blocks.task.loss(&counts)?;
        let task = ClassificationTask { options: blocks.task.clone(), loss, texts, pages: BTreeMap::new() };
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let texts = requested_texts(request, blocks.data.0.encoding)?;
        let tokenizer = load_tokenizer(trained.artefacts)?;
        let classes = load_classes(trained.artefacts)?;
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), classes.len(), trained.device);
        weights::apply(&mut model, trained.weights)?;

        let header = std::iter::once("class".to_string()).chain(classes.iter().cloned()).chain(["text".to_string()]);
        let mut rows = vec![header.collect()];
        for texts in texts.chunks(PREDICTED_TOGETHER) {
            let probabilities = probabilities_of(&model, &tokenizer, blocks.data.0.max_len, texts, trained.device)?;
            for (text, row) in texts.iter().zip(probabilities.chunks(classes.len())) {
                let class = &classes[largest(row)];
                if request.output.is_some() {
                    let values = row.iter().map(|value| format!("{value:.6}"));
                    rows.push(std::iter::once(class.clone()).chain(values).chain([text.clone()]).collect());
                } else {
                    output(Generated::Text(&format!("{class}  {:.3}  {text}\n", row[largest(row)])))?;
                }
            }
        }
        if request.output.is_some() {
            request.give_table(rows, output)?;
        }
        Ok(())
    }
}

fn load_tokenizer(folder: &Path) -> Result<Tokenizer, TaskError> {
    Ok(Tokenizer::load(&folder.join(TOKENIZER_FILE))?)
}

fn load_classes(folder: &Path) -> Result<Vec<String>, TaskError> {
    let damaged = |error| format!("{} is damaged: {error}", folder.join(CLASSES_FILE).display());
    Ok(serde_json::from_str(&read_artefact(folder, CLASSES_FILE)?).map_err(damaged)?)
}

/// `[texts, classes]`
fn probabilities_of<B: Backend>(
    model: &Classifier<B>,
    tokenizer: &Tokenizer,
    max_len: usize,
    texts: &[String],
    device: &B::Device,
) -> Result<Vec<f32>, TaskError> {
    let tokens: Vec<Vec<i32>> =
        texts.iter().map(|text| encode_text(tokenizer, max_len, text)).collect::<Result<_, _>>()?;
    let (tokens, lengths) = pad(&tokens, device);
    Ok(probabilities(model.forward(tokens, &lengths)))
}

fn describe(facts: &LabelledFacts, parameters: usize) -> Vec<(String, String)> {
    let [train, validation, test] = facts.part_sizes();
    let classes: Vec<String> = facts.classes.iter().map(|class| format!("{} ({})", class.name, class.all())).collect();
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("classes".to_string(), classes.join(", ")),
        ("texts".to_string(), format!("{train} to learn from, {validation} for validation, {test} for the test")),
        ("tokens in a text".to_string(), format!("{} (median), {} (most)", facts.median_length, facts.longest_length)),
        ("vocabulary".to_string(), facts.vocab_size.to_string()),
        ("unknown tokens".to_string(), format!("{:.1} % of the validation texts", 100.0 * facts.unknown_rate)),
        ("accuracy of always the same class".to_string(), format!("{:.3}", facts.baseline_accuracy())),
    ];
    for (name, count) in
        [("texts cut", facts.num_cut), ("duplicates", facts.num_duplicates), ("empty texts", facts.num_empty)]
    {
        if count > 0 {
            lines.push((name.to_string(), count.to_string()));
        }
    }
    lines.push(("parameters".to_string(), parameters.to_string()));
    lines
}

/// Classification with cross entropy.
#[derive(Debug)]
pub struct ClassificationTask {
    options: ClassificationOptions,
    loss: ClassificationLoss,
    texts: LabelledData,
    pages: BTreeMap<String, serde_json::Value>,
}

impl<B: AutodiffBackend> Task<B> for ClassificationTask {
    type Model = Classifier<B>;
    type Batch = LabelledBatch;

    fn item_name(&self) -> &'static str {
        "texts"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let batch = Texts::<B>::new(&batch, context.device);
        let logits = model.forward(batch.tokens, &batch.lengths);
        Ok(self.loss.step(logits, batch.labels))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut predictions = Predictions::new(&self.texts.classes, "texts");
        for batch in batches {
            let batch = batch?;
            let texts = Texts::<B::InnerBackend>::new(&batch, device);
            predictions.add(model.forward(texts.tokens, &texts.lengths), &batch.indices, &batch.labels);
        }
        let scores = predictions.scores()?;
        let mut sections = predictions.sections();
        let text = |index| self.texts.text(index).to_string();
        sections.push(predictions.worst_mistakes(self.options.worst_mistakes, "text", text));
        self.pages = BTreeMap::from([("classification".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// A batch on the device.
struct Texts<B: Backend> {
    /// `[batch, time]`
    tokens: Tensor<B, 2, Int>,
    lengths: Vec<usize>,
    /// `[batch]`
    labels: Tensor<B, 1, Int>,
}

impl<B: Backend> Texts<B> {
    fn new(batch: &LabelledBatch, device: &B::Device) -> Self {
        let shape = [batch.batch_size, batch.seq_len];
        Self {
            tokens: Tensor::from_data(TensorData::new(batch.tokens.clone(), shape), device),
            lengths: batch.lengths.iter().map(|length| *length as usize).collect(),
            labels: Tensor::from_data(TensorData::new(batch.labels.clone(), [batch.batch_size]), device),
        }
    }
}
