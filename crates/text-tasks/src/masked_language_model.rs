//! Masked language models: which tokens stand at places that are hidden
//! ([Devlin et al. 2019](https://arxiv.org/abs/1810.04805)).

use std::{collections::BTreeMap, marker::PhantomData};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Int, Tensor, TensorData,
        activation::softmax,
        backend::{AutodiffBackend, Backend},
    },
};
use data::text::{
    framing::Frame,
    masked::{MaskedBatch, MaskedBatches, MaskedConfig, MaskedData, encode_text},
    tokenizer::Tokenizer,
    windows::IGNORE_TARGET,
};
use layers::loss::{CrossEntropy, Tally, cross_entropy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Block, Blocks, Generated, Job, PredictRequest, Trained},
    optimizer::ParameterGroup,
    parameters::{self, ParameterInfo},
    task::{InnerModel, Sample, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use crate::{
    Texts,
    artefacts::{TOKENIZER_FILE, load_tokenizer},
    context,
    language_model::describe,
    texts::requested,
};

/// How people write a hidden word, whatever the tokenizer calls it.
const WRITTEN_MASK: &str = "[MASK]";

/// Texts that are predicted at a time.
const PREDICTED_TOGETHER: usize = 64;

data_block! {
    /// `[data]`: the text, what is hidden in it, and its windows.
    MaskedBlock(MaskedConfig)
}

/// `[task]`: what is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskedLanguageModelOptions {
    /// Windows of the validation part that are shown after each validation, with the model's words at the hidden places; 0: none.
    pub sample_count: usize,
    /// Words that `train predict` gives for each hidden place, the likeliest first.
    pub candidates: usize,
}

impl Default for MaskedLanguageModelOptions {
    fn default() -> Self {
        Self { sample_count: 5, candidates: 5 }
    }
}

impl Validate for MaskedLanguageModelOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.candidates > 0, "candidates", "must be at least 1");
    }
}

/// A network that fills in tokens.
pub trait MaskedLanguageModel<B: Backend>: Module<B> {
    /// The most tokens of a text that it reads; none where there is no limit. Default: none.
    fn context_len(&self) -> Option<usize> {
        None
    }

    /// What it makes of each token, before the vocabulary comes in.
    ///
    /// # Shapes
    /// - output: `[batch, time, features]`
    fn features(&self, texts: &Texts<B>) -> Tensor<B, 3>;

    /// What may stand at each of some places.
    ///
    /// # Shapes
    /// - features: `[places, features]`
    /// - output: `[places, vocabulary]`
    fn logits(&self, features: Tensor<B, 2>) -> Tensor<B, 2>;
}

/// The `[model]` of a job that trains masked language models: a family's name, and how its network is made.
pub trait MaskedLanguageModelFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;

    /// The network.
    type Model<B: Backend>: MaskedLanguageModel<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + MaskedLanguageModel<B>
        + From<Self::Model<B>>;

    /// A network with random weights.
    ///
    /// # Errors
    /// When this `[model]` does not go with the vocabulary.
    fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Result<Self::Model<B>, TaskError>;

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

/// The job of a family of masked language models, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct MaskedLanguageModelJob<F>(PhantomData<F>);

impl<F: MaskedLanguageModelFamily> Job for MaskedLanguageModelJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    type Data = MaskedBlock;
    type Model = F;
    type Options = MaskedLanguageModelOptions;
    type Task<B: AutodiffBackend> = MaskedLanguageModelTask<F>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let text = match context.artefacts {
            Some(folder) => MaskedData::load_with(config, load_tokenizer(folder)?)?,
            None => MaskedData::load(config)?,
        };
        let validation = text.validation_batches(config)?;
        let dealt = [text.train_batches(config, context.seed)?, validation.clone()];
        let splits = Splits::dealt(dealt, None, MaskedBatches::num_batches, MaskedBatches::batch);
        B::seed(context.device, context.seed);
        let mut model = blocks.model.init::<B>(text.tokenizer.vocab_size(), context.device)?;
        context::check("data.seq_len", config.seq_len, model.context_len())?;
        if !context.weights_follow {
            blocks.model.load_pretrained(&mut model, context)?;
        }
        let artefacts = BTreeMap::from([(TOKENIZER_FILE.to_string(), text.tokenizer.to_json()?.into_bytes())]);
        let facts = describe(&text.facts, model.num_params());
        let task = MaskedLanguageModelTask {
            options: blocks.task.clone(),
            groups: blocks.model.parameter_groups(&parameters::list(&model)),
            tokenizer: text.tokenizer,
            validation,
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
        let tokenizer = load_tokenizer(trained.artefacts)?;
        let mask = tokenizer.special().mask.ok_or("the tokenizer of this run has no token that hides others")?;
        let texts = requested(request, blocks.data.0.encoding)?;
        let rows: Vec<Vec<i32>> =
            texts.iter().map(|text| row_of(&tokenizer, blocks.data.0.seq_len, mask, text)).collect::<Result<_, _>>()?;
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), trained.device)?;
        weights::apply(&mut model, trained.weights)?;

        let header = ["text", "place", "rank", "word", "probability"].map(str::to_string).to_vec();
        let mut table = vec![header];
        for (texts, rows) in texts.chunks(PREDICTED_TOGETHER).zip(rows.chunks(PREDICTED_TOGETHER)) {
            let candidates = fill::<B>(&model, &tokenizer, rows, mask, blocks.task.candidates, trained.device);
            for ((text, row), places) in texts.iter().zip(rows).zip(&candidates) {
                if request.output.is_some() {
                    table.extend(table_rows(&tokenizer, text, places));
                } else {
                    output(Generated::Text(&in_words(&tokenizer, mask, row, places)))?;
                }
            }
        }
        if request.output.is_some() {
            request.give_table(table, output)?;
        }
        Ok(())
    }
}

/// What may stand at a hidden place, the likeliest first: tokens and their probabilities.
type Candidates = Vec<(u32, f32)>;

/// The tokens of a text in which words are hidden.
fn row_of(tokenizer: &Tokenizer, seq_len: usize, mask: u32, text: &str) -> Result<Vec<i32>, TaskError> {
    let named = text.replace(WRITTEN_MASK, &tokenizer.decode(&[mask]));
    let row = encode_text(tokenizer, seq_len, &named)?;
    if row.contains(&(mask as i32)) {
        return Ok(row);
    }
    Err(format!(
        "nothing is hidden in the first {seq_len} tokens of \"{text}\": write {WRITTEN_MASK} in the place of a word"
    )
    .into())
}

/// The candidates at each hidden place of each row. Special tokens are none.
fn fill<B: Backend>(
    model: &impl MaskedLanguageModel<B>,
    tokenizer: &Tokenizer,
    rows: &[Vec<i32>],
    mask: u32,
    count: usize,
    device: &B::Device,
) -> Vec<Vec<Candidates>> {
    let texts = Texts::of_rows(rows, device);
    let [_, time] = texts.tokens.dims();
    let is_hidden = |token: &i32| *token == mask as i32;
    let places = rows.iter().enumerate().flat_map(|(at, row)| {
        let hidden = row.iter().enumerate().filter(|(_, token)| is_hidden(token));
        hidden.map(move |(place, _)| (at * time + place) as i32)
    });
    let places: Vec<i32> = places.collect();
    let logits = logits_at(model, &texts, places);
    let [_, vocabulary] = logits.dims();
    let probabilities: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
    let mut likeliest = probabilities.chunks(vocabulary).map(|row| best(tokenizer, row, count));
    let count = |row: &Vec<i32>| row.iter().filter(|token| is_hidden(token)).count();
    rows.iter().map(|row| likeliest.by_ref().take(count(row)).collect()).collect()
}

/// The `count` likeliest tokens that are text.
fn best(tokenizer: &Tokenizer, probabilities: &[f32], count: usize) -> Candidates {
    let mut candidates: Candidates =
        (0..).zip(probabilities.iter().copied()).filter(|(token, _)| !tokenizer.is_special(*token)).collect();
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
    candidates.truncate(count);
    candidates
}

/// The text with the likeliest words, and below it what else each of them might be.
fn in_words(tokenizer: &Tokenizer, mask: u32, row: &[i32], places: &[Candidates]) -> String {
    let mut likeliest = places.iter().map(|candidates| candidates.first().map_or(mask, |(token, _)| *token));
    let filled: Vec<u32> = Frame::of(tokenizer)
        .content(row)
        .iter()
        .map(|token| *token as u32)
        .map(|token| if token == mask { likeliest.next().unwrap_or(mask) } else { token })
        .collect();
    let mut text = format!("{}\n", tokenizer.decode(&filled));
    for candidates in places {
        let words: Vec<String> = candidates
            .iter()
            .map(|(token, probability)| format!("{} {probability:.3}", word(tokenizer, *token)))
            .collect();
        text.push_str(&format!("  {}\n", words.join(", ")));
    }
    text
}

fn table_rows(tokenizer: &Tokenizer, text: &str, places: &[Candidates]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (place, candidates) in (1..).zip(places) {
        for (rank, (token, probability)) in (1..).zip(candidates) {
            let [place, rank]: [i32; 2] = [place, rank];
            let word = word(tokenizer, *token);
            rows.push(vec![text.to_string(), place.to_string(), rank.to_string(), word, format!("{probability:.6}")]);
        }
    }
    rows
}

/// A token as it is shown alone.
fn word(tokenizer: &Tokenizer, token: u32) -> String {
    tokenizer.decode(&[token]).trim().to_string()
}

/// The logits at places of a batch, counted through its rows: nothing else meets the vocabulary.
///
/// # Shapes
/// - places: below `batch · time`
/// - output: `[places, vocabulary]`
fn logits_at<B: Backend>(model: &impl MaskedLanguageModel<B>, texts: &Texts<B>, places: Vec<i32>) -> Tensor<B, 2> {
    let count = places.len();
    let places = Tensor::<B, 1, Int>::from_data(TensorData::new(places, [count]), &texts.tokens.device());
    let features: Tensor<B, 2> = model.features(texts).flatten(0, 1); // [batch · time, features]
    model.logits(features.select(0, places))
}

/// Cross entropy of the tokens at hidden places.
#[derive(Debug)]
pub struct MaskedLanguageModelTask<F> {
    options: MaskedLanguageModelOptions,
    groups: Vec<ParameterGroup>,
    tokenizer: Tokenizer,
    validation: MaskedBatches,
    family: PhantomData<F>,
}

impl<B: AutodiffBackend, F: MaskedLanguageModelFamily> Task<B> for MaskedLanguageModelTask<F> {
    type Model = F::Trained<B>;
    type Batch = MaskedBatch;

    /// What the loss is the mean of.
    fn item_name(&self) -> &'static str {
        "hidden tokens"
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
        let (logits, targets) = hidden(model, &batch, context.device);
        let [items] = targets.dims();
        Ok(StepOutput::new(cross_entropy(logits, targets, &CrossEntropy::default()), items))
    }

    /// `loss`, the mean over hidden tokens; `perplexity`; `accuracy`, how often the likeliest token is the hidden one.
    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut tally = Tally::new(device);
        for batch in batches {
            let (logits, targets) = hidden::<B::InnerBackend>(model, &batch?, device);
            let count = targets.dims()[0];
            tally.add(logits, targets, &CrossEntropy::default(), count);
        }
        if tally.count() == 0 {
            return Err("the validation data hide no token".into());
        }
        let [loss, accuracy] = tally.means();
        Ok(Scores::from([
            ("loss".to_string(), loss),
            ("perplexity".to_string(), loss.exp()),
            ("accuracy".to_string(), accuracy),
        ]))
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        if self.options.sample_count == 0 {
            return Ok(Vec::new());
        }
        let batch = self.validation.batch(0, 0);
        let (logits, _) = hidden::<B::InnerBackend>(model, &batch, device);
        let [_, vocabulary] = logits.dims();
        let probabilities: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
        let shown = shown(&self.tokenizer, &batch, &probabilities, vocabulary, self.options.sample_count);
        Ok(vec![Sample::text(shown)])
    }
}

/// The places at which a batch hides tokens, counted through its rows, and what is to be found there.
fn hidden_places(batch: &MaskedBatch) -> (Vec<i32>, Vec<i32>) {
    (0..).zip(batch.targets.iter().copied()).filter(|(_, target)| *target != IGNORE_TARGET).unzip()
}

/// The logits at the hidden places of a batch, `[places, vocabulary]`, and what was there, `[places]`.
fn hidden<B: Backend>(
    model: &impl MaskedLanguageModel<B>,
    batch: &MaskedBatch,
    device: &B::Device,
) -> (Tensor<B, 2>, Tensor<B, 1, Int>) {
    let texts = Texts::of_batch(&batch.inputs, &batch.lengths, batch.seq_len, device);
    let (places, targets) = hidden_places(batch);
    let count = targets.len();
    let logits = logits_at(model, &texts, places);
    (logits, Tensor::from_data(TensorData::new(targets, [count]), device))
}

/// The first `count` windows of a batch, each with what was hidden in it and the model's word for that.
///
/// # Shapes
/// - probabilities: `[places, vocabulary]`
fn shown(tokenizer: &Tokenizer, batch: &MaskedBatch, probabilities: &[f32], vocabulary: usize, count: usize) -> String {
    let (places, targets) = hidden_places(batch);
    let frame = Frame::of(tokenizer);
    let mut text = String::new();
    for row in 0..count.min(batch.batch_size) {
        let begin = row * batch.seq_len;
        let tokens = &batch.inputs[begin..begin + batch.lengths[row] as usize];
        let read: Vec<u32> = frame.content(tokens).iter().map(|token| *token as u32).collect();
        text.push_str(&format!("{}\n", tokenizer.decode(&read)));
        let of_row = begin..begin + batch.seq_len;
        for (number, place) in places.iter().enumerate().filter(|(_, place)| of_row.contains(&(**place as usize))) {
            let read = word(tokenizer, batch.inputs[*place as usize] as u32);
            let there = word(tokenizer, targets[number] as u32);
            let guess = best(tokenizer, &probabilities[number * vocabulary..][..vocabulary], 1);
            let guess = guess.first().map_or_else(String::new, |(token, probability)| {
                format!("{} {probability:.3}", word(tokenizer, *token))
            });
            text.push_str(&format!("  {read}: {there} was there, {guess} is guessed\n"));
        }
        text.push('\n');
    }
    text
}
