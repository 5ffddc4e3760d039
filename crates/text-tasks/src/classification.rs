//! Classifiers: which class a text belongs to.

use std::{collections::BTreeMap, marker::PhantomData};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::text::{
    framing::Framed,
    labelled::{LabelledBatch, LabelledBatches, LabelledConfig, LabelledData, LabelledFacts, encode_example},
    tokenizer::Tokenizer,
};
use training_loop::{
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Block, Blocks, Generated, Job, PredictRequest, Trained},
    optimizer::ParameterGroup,
    parameters::{self, ParameterInfo},
    task::{InnerModel, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use crate::{
    Texts,
    artefacts::{TOKENIZER_FILE, load_names, load_tokenizer},
    attention, context,
    texts::{requested, rows_of},
};
pub use ::classification::ClassificationOptions;
use ::classification::{ClassificationLoss, Predictions, largest, probabilities};

/// The artefact beside the tokenizer.
const CLASSES_FILE: &str = "classes.json";

/// Texts that are predicted at a time.
const PREDICTED_TOGETHER: usize = 64;

data_block! {
    /// `[data]`: the texts, their classes, and how they become batches.
    LabelledBlock(LabelledConfig)
}

/// A network that tells the class of a text.
pub trait TextClassifier<B: Backend>: Module<B> {
    /// The most tokens of a text that it reads; none where there is no limit. Default: none.
    fn context_len(&self) -> Option<usize> {
        None
    }

    /// One logit a class for each text.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    fn logits(&self, texts: &Texts<B>) -> Tensor<B, 2>;

    /// How much each token looks at each, layer by layer, to be drawn. Default: none, for networks that do not look.
    ///
    /// # Shapes
    /// - each: `[batch, heads, time, time]`
    fn attention(&self, _texts: &Texts<B>) -> Vec<Tensor<B, 4>> {
        Vec::new()
    }
}

/// The `[model]` of a job that trains classifiers of texts: a family's name, and how its network is made.
pub trait TextClassifierFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;

    /// The network.
    type Model<B: Backend>: TextClassifier<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + TextClassifier<B>
        + From<Self::Model<B>>;

    /// A network with random weights.
    ///
    /// # Errors
    /// When this `[model]` does not go with the vocabulary or the number of classes.
    fn init<B: Backend>(
        &self,
        vocab_size: usize,
        classes: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError>;

    /// Puts the weights that `[model]` names in place of the random ones. Default: it names none.
    ///
    /// # Errors
    /// When they cannot be had or do not fit.
    fn load_pretrained<B: Backend>(
        &self,
        _model: &mut Self::Model<B>,
        _context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        Ok(())
    }

    /// Settings of its network's parameters that go with this family, such as no weight decay on normalisations; those of the
    /// config come after them and win. Default: none.
    fn parameter_groups(&self, _parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        Vec::new()
    }
}

/// The job of a family of classifiers, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct TextClassificationJob<F>(PhantomData<F>);

impl<F: TextClassifierFamily> Job for TextClassificationJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    type Data = LabelledBlock;
    type Model = F;
    type Options = ClassificationOptions;
    type Task<B: AutodiffBackend> = TextClassificationTask<F>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let texts = match context.artefacts {
            Some(folder) => {
                LabelledData::load_with(config, load_tokenizer(folder)?, load_names(folder, CLASSES_FILE)?)?
            }
            None => LabelledData::load(config)?,
        };
        let learned = [texts.train_batches(context.seed), texts.validation_batches()];
        let splits = Splits::dealt(learned, texts.test_batches(), LabelledBatches::num_batches, LabelledBatches::batch);
        B::seed(context.device, context.seed);
        let mut model = blocks.model.init::<B>(texts.tokenizer.vocab_size(), texts.classes.len(), context.device)?;
        context::check("data.max_len", config.max_len, model.context_len())?;
        if !context.weights_follow {
            blocks.model.load_pretrained(&mut model, context)?;
        }
        let artefacts = BTreeMap::from([
            (TOKENIZER_FILE.to_string(), texts.tokenizer.to_json()?.into_bytes()),
            (CLASSES_FILE.to_string(), serde_json::to_vec(&texts.classes)?),
        ]);
        let facts = describe(&texts.facts, model.num_params());
        let counts: Vec<usize> = texts.facts.classes.iter().map(|class| class.train).collect();
        let loss = blocks.task.loss(&counts)?;
        let task = TextClassificationTask {
            options: blocks.task.clone(),
            data: config.clone(),
            loss,
            groups: blocks.model.parameter_groups(&parameters::list(&model)),
            texts,
            pages: BTreeMap::new(),
            family: PhantomData,
        };
        Ok(Assembled { task, model: model.into(), splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let texts = requested(request, blocks.data.0.encoding)?;
        let tokenizer = load_tokenizer(trained.artefacts)?;
        let classes = load_names(trained.artefacts, CLASSES_FILE)?;
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), classes.len(), trained.device)?;
        weights::apply(&mut model, trained.weights)?;

        let header = std::iter::once("class".to_string()).chain(classes.iter().cloned()).chain(["text".to_string()]);
        let mut rows = vec![header.collect()];
        for texts in texts.chunks(PREDICTED_TOGETHER) {
            let framed: Vec<Framed> =
                texts.iter().map(|text| example(&tokenizer, &blocks.data.0, text)).collect::<Result<_, _>>()?;
            let probabilities = probabilities(model.logits(&Texts::framed(&framed, trained.device)));
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

/// What stands between the two texts of a pair that is to be predicted.
const PAIR_SEPARATOR: char = '\t';

/// A text that is to be predicted, or two with a tab between, as the model was trained to read them.
fn example(tokenizer: &Tokenizer, config: &LabelledConfig, text: &str) -> Result<Framed, TaskError> {
    if config.pair_column.is_empty() {
        return Ok(encode_example(tokenizer, config, text, None)?);
    }
    let Some((first, second)) = text.split_once(PAIR_SEPARATOR) else {
        return Err(
            format!("this model reads two texts together: write them with a tab between, not \"{text}\"").into()
        );
    };
    Ok(encode_example(tokenizer, config, first, Some(second))?)
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
pub struct TextClassificationTask<F> {
    options: ClassificationOptions,
    data: LabelledConfig,
    loss: ClassificationLoss,
    groups: Vec<ParameterGroup>,
    texts: LabelledData,
    pages: BTreeMap<String, serde_json::Value>,
    family: PhantomData<F>,
}

impl<B: AutodiffBackend, F: TextClassifierFamily> Task<B> for TextClassificationTask<F> {
    type Model = F::Trained<B>;
    type Batch = LabelledBatch;

    fn item_name(&self) -> &'static str {
        "texts"
    }

    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        self.groups.clone()
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let labels = TensorData::new(batch.labels.clone(), [batch.batch_size]);
        let logits = model.logits(&self.texts_of(&batch, context.device));
        Ok(self.loss.step(logits, Tensor::from_data(labels, context.device)))
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
            let logits = model.logits(&self.texts_of::<B::InnerBackend>(&batch, device));
            predictions.add(logits, &batch.indices, &batch.labels);
        }
        let scores = predictions.scores()?;
        let mut sections = predictions.sections();
        let text = |index| match self.texts.pair_text(index) {
            Some(second) => format!("{} | {second}", self.texts.text(index)),
            None => self.texts.text(index).to_string(),
        };
        sections.push(predictions.worst_mistakes(self.options.worst_mistakes, "text", text));
        self.pages = BTreeMap::from([("classification".to_string(), serde_json::to_value(sections)?)]);
        if let Some(shown) = predictions.all().first().map(|first| first.index) {
            let short = LabelledConfig { max_len: self.data.max_len.min(attention::SHOWN), ..self.data.clone() };
            let (first, second) = (self.texts.text(shown), self.texts.pair_text(shown));
            let framed = encode_example(&self.texts.tokenizer, &short, first, second)?;
            let weights = model.attention(&Texts::framed(std::slice::from_ref(&framed), device));
            let tokens: Vec<i32> = framed.tokens.iter().map(|token| *token as i32).collect();
            let about = format!("How much each token of \"{}\" looks at each", text(shown));
            attention::add_page(&mut self.pages, weights, &self.texts.tokenizer, &tokens, &about)?;
        }
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

impl<F> TextClassificationTask<F> {
    /// A batch on the device.
    fn texts_of<B: Backend>(&self, batch: &LabelledBatch, device: &B::Device) -> Texts<B> {
        let texts = Texts::of_batch(&batch.tokens, &batch.lengths, batch.seq_len, device);
        if self.data.pair_column.is_empty() {
            return texts;
        }
        Texts { segments: Some(rows_of(&batch.segments, batch.seq_len, device)), ..texts }
    }
}
