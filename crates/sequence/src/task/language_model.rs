//! The job `language-model`: a recurrent network learns to predict the next token of a text.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use burn::{
    module::Module,
    tensor::{
        Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use data::{
    stream_seed,
    text::{
        TextConfig, TextData, TextFacts,
        tokenizer::Tokenizer,
        windows::{IGNORE_TARGET, TextBatch, TextBatches},
    },
};
use layers::{
    loss::{CrossEntropy, cross_entropy, nll_per_row},
    recurrent::{RecurrentState, RecurrentStateData},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job, Trained},
    model_block,
    task::{Batches, InnerModel, Sample, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use crate::{
    generation::{Generator, SamplingOptions},
    language_model::{LanguageModel, LanguageModelConfig},
};

/// The artefact beside the weights without which they mean nothing.
const TOKENIZER_FILE: &str = "tokenizer.json";

/// Names of the carried state's parts in a checkpoint.
const HIDDEN_STATE: &str = "hidden";
const CELL_STATE: &str = "cell";

data_block! {
    /// `[data]`: the text, its tokenizer and its windows.
    TextBlock(TextConfig)
}

model_block!(LanguageModelConfig);

/// `[task]`: how the state is carried, and the samples that show what the model has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanguageModelOptions {
    /// Begin each window with the state in which the window before it ended (truncated back-propagation through time:
    /// values flow on, gradients stop at the window). Training windows follow each other with `data.sampling =
    /// "contiguous"` only; validation windows always do. Off, every window begins with an empty state.
    pub carry_state: bool,
    /// Text that the samples continue. Empty: they begin after a line break.
    pub sample_prompt: String,
    /// Tokens in a sample; 0 writes none.
    pub sample_tokens: usize,
    /// Temperature of the samples: below 1 safer, above 1 wilder, 0 always the likeliest token.
    pub sample_temperature: f64,
    /// Samples after each validation, each with a seed of its own.
    pub sample_count: usize,
}

impl Default for LanguageModelOptions {
    fn default() -> Self {
        Self {
            carry_state: true,
            sample_prompt: String::new(),
            sample_tokens: 200,
            sample_temperature: 0.8,
            sample_count: 1,
        }
    }
}

impl Validate for LanguageModelOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            self.sample_temperature >= 0.0 && self.sample_temperature.is_finite(),
            "sample_temperature",
            "must be 0 or above",
        );
    }
}

/// `job = "language-model"`.
#[derive(Debug, Clone, Copy)]
pub struct LanguageModelJob;

impl Job for LanguageModelJob {
    const NAME: &'static str = "language-model";
    const SUMMARY: &'static str = "an LSTM, GRU or plain recurrent network that learns to continue a text";

    type Data = TextBlock;
    type Model = LanguageModelConfig;
    type Options = LanguageModelOptions;
    type Task<B: AutodiffBackend> = LanguageModelTask<B>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let text = match context.artefacts {
            Some(folder) => TextData::load_with(config, load_tokenizer(folder)?)?,
            None => TextData::load(config)?,
        };
        let dealt = |source: Arc<dyn TextBatches>| {
            Batches::dealt(source.num_batches(), move |epoch, index| source.batch(epoch, index))
        };
        let train = dealt(text.train_batches(config, context.seed)?);
        let validation = dealt(text.validation_batches(config)?);
        let vocab_size = text.tokenizer.vocab_size();

        B::seed(context.device, context.seed);
        let model = blocks.model.init::<B>(vocab_size, context.device);
        let artefacts = BTreeMap::from([(TOKENIZER_FILE.to_string(), text.tokenizer.to_json()?.into_bytes())]);
        let facts = describe(&text.facts, model.num_params());
        let task = LanguageModelTask::new(blocks.task.clone(), text.tokenizer, text.facts, context.seed)?;
        Ok(Assembled {
            task,
            model,
            splits: Splits { train, validation: Some(validation), test: None },
            artefacts,
            facts,
        })
    }

    fn generate<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &GenerateRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let tokenizer = load_tokenizer(trained.artefacts)?;
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), trained.device);
        weights::apply(&mut model, trained.weights)?;
        let options = SamplingOptions {
            temperature: request.temperature,
            top_k: request.top_k,
            top_p: request.top_p,
            repetition_penalty: request.repetition_penalty,
            suppressed: without_text(&tokenizer),
        };
        for number in 0..request.count {
            if request.count > 1 {
                let rule = if number > 0 { "\n\n" } else { "" };
                let heading = format!("{rule}--- {} of {} ---\n", number + 1, request.count);
                output(Generated::Text(&heading))?;
            }
            let request = TextRequest {
                prompt: &request.prompt,
                tokens: request.tokens,
                options: options.clone(),
                seed: stream_seed(request.seed, 0, number as u64),
            };
            write_text(&model, &tokenizer, &request, trained.device, &mut |text| output(Generated::Text(text)))?;
        }
        Ok(())
    }
}

fn load_tokenizer(folder: &Path) -> Result<Tokenizer, TaskError> {
    Ok(Tokenizer::load(&folder.join(TOKENIZER_FILE))?)
}

fn describe(facts: &TextFacts, parameters: usize) -> Vec<(String, String)> {
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("characters".to_string(), facts.num_characters.to_string()),
        ("vocabulary".to_string(), facts.vocab_size.to_string()),
        ("training tokens".to_string(), facts.train_tokens.to_string()),
        ("validation tokens".to_string(), facts.validation_tokens.to_string()),
    ];
    // One character a token is not worth a line.
    if facts.characters_per_token != 1.0 {
        let ratio = format!("{:.2}", facts.characters_per_token);
        lines.push(("characters per token".to_string(), ratio));
    }
    if let Some(rate) = facts.unknown_rate {
        lines.push(("unknown tokens".to_string(), format!("{:.1} % of the validation text", 100.0 * rate)));
    }
    lines.push(("parameters".to_string(), parameters.to_string()));
    lines
}

/// Next-token prediction with carried state.
#[derive(Debug)]
pub struct LanguageModelTask<B: AutodiffBackend> {
    options: LanguageModelOptions,
    tokenizer: Tokenizer,
    facts: TextFacts,
    seed: u64,
    /// The step that samples are seeded with.
    step: u64,
    /// Where the last training batch left each row; without a graph.
    carried: Option<RecurrentState<B>>,
}

impl<B: AutodiffBackend> LanguageModelTask<B> {
    /// A task for text of that tokenizer.
    ///
    /// # Errors
    /// When the tokenizer cannot encode `options.sample_prompt`: better said now than after the first validation.
    pub fn new(
        options: LanguageModelOptions,
        tokenizer: Tokenizer,
        facts: TextFacts,
        seed: u64,
    ) -> Result<Self, TaskError> {
        tokenizer.encode(&options.sample_prompt).map_err(|error| format!("`task.sample_prompt`: {error}"))?;
        Ok(Self { options, tokenizer, facts, seed, step: 0, carried: None })
    }
}

impl<B: AutodiffBackend> Task<B> for LanguageModelTask<B> {
    type Model = LanguageModel<B>;
    type Batch = TextBatch;

    fn item_name(&self) -> &'static str {
        "tokens"
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        self.step = context.step;
        let items = batch.num_targets();
        let carried = self.carried.take().filter(|_| !batch.reset_state);
        if let Some(state) = &carried
            && state.batch_size() != batch.batch_size
        {
            let (before, now) = (state.batch_size(), batch.batch_size);
            return Err(format!(
                "the text goes on in {before} rows, but a batch has {now} now: `data.batch_size` cannot change when a run \
                 is resumed"
            )
            .into());
        }
        let batch = Tokens::<B>::new(batch, context.device);
        let (logits, state) = model.forward(batch.inputs, carried);
        if self.options.carry_state {
            self.carried = Some(state.detach());
        }
        let loss = cross_entropy(flatten(logits), batch.targets, &batch.loss);
        Ok(StepOutput::new(loss, items))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        // Summed on the device and read once, after the last batch.
        let mut loss_sum = Tensor::<B::InnerBackend, 1>::zeros([1], device);
        let mut correct_sum = Tensor::<B::InnerBackend, 1, Int>::zeros([1], device);
        let mut carried = None;
        let mut count = 0;
        for batch in batches {
            let batch = batch?;
            count += batch.num_targets();
            let state = carried.take().filter(|_| !batch.reset_state);
            let batch = Tokens::<B::InnerBackend>::new(batch, device);
            let (logits, state) = model.forward(batch.inputs, state);
            if self.options.carry_state {
                carried = Some(state);
            }
            let logits = flatten(logits); // [batch · time, vocabulary]
            let likeliest = logits.clone().argmax(1).flatten(0, 1);
            let correct = likeliest.equal(batch.targets.clone()).int().sum();
            loss_sum = loss_sum + nll_per_row(logits, batch.targets, &batch.loss).sum();
            correct_sum = correct_sum + correct;
        }
        if count == 0 {
            return Err("the validation data hold no token".into());
        }
        let mean = |sum: TensorData| sum.iter::<f64>().sum::<f64>() / count as f64;
        let loss = mean(loss_sum.into_data());
        let mut scores = Scores::from([
            ("loss".to_string(), loss),
            ("perplexity".to_string(), loss.exp()),
            ("bits_per_character".to_string(), self.facts.bits_per_character(loss)),
            ("accuracy".to_string(), mean(correct_sum.into_data())),
        ]);
        // Beside the perplexity, which a small vocabulary flatters.
        scores.extend(self.facts.unknown_rate.map(|rate| ("unknown_rate".to_string(), rate)));
        // Not where tokens are characters, as nobody reports it there, nor where white space divides no words.
        let per_word = self.facts.word_perplexity(loss);
        if !matches!(self.tokenizer, Tokenizer::Char(_)) && per_word.is_finite() {
            scores.insert("word_perplexity".to_string(), per_word);
        }
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let options = &self.options;
        if options.sample_tokens == 0 {
            return Ok(Vec::new());
        }
        let mut samples = Vec::new();
        for number in 0..options.sample_count {
            let request = TextRequest {
                prompt: &options.sample_prompt,
                tokens: options.sample_tokens,
                options: SamplingOptions {
                    temperature: options.sample_temperature,
                    suppressed: without_text(&self.tokenizer),
                    ..SamplingOptions::default()
                },
                seed: stream_seed(self.seed, self.step, number as u64),
            };
            let mut text = String::new();
            write_text(model, &self.tokenizer, &request, device, &mut |piece| {
                text.push_str(piece);
                Ok(())
            })?;
            let mut sample = Sample::text(text);
            if number > 0 {
                sample.name = (number + 1).to_string();
            }
            samples.push(sample);
        }
        Ok(samples)
    }

    fn state(&self) -> BTreeMap<String, TensorData> {
        let Some(state) = self.carried.clone() else {
            return BTreeMap::new();
        };
        let state = state.into_data();
        let cell = state.cell.map(|cell| (CELL_STATE.to_string(), cell));
        let hidden = (HIDDEN_STATE.to_string(), state.hidden);
        std::iter::once(hidden).chain(cell).collect()
    }

    fn load_state(&mut self, mut state: BTreeMap<String, TensorData>, device: &B::Device) -> Result<(), TaskError> {
        let mut take = |name| state.remove(name).map(|data| data.convert::<B::FloatElem>());
        let (hidden, cell) = (take(HIDDEN_STATE), take(CELL_STATE));
        if [&hidden, &cell].iter().any(|data| data.as_ref().is_some_and(|data| data.rank() != 3)) {
            return Err("the checkpoint's carried state is not one of a recurrent network".into());
        }
        let state = hidden.map(|hidden| RecurrentStateData { hidden, cell });
        self.carried = state.map(|state| RecurrentState::from_data(state, device));
        Ok(())
    }
}

/// A batch on the device.
struct Tokens<B: Backend> {
    /// `[batch, time]`
    inputs: Tensor<B, 2, Int>,
    /// `[batch · time]`
    targets: Tensor<B, 1, Int>,
    loss: CrossEntropy,
}

impl<B: Backend> Tokens<B> {
    fn new(batch: TextBatch, device: &B::Device) -> Self {
        let padded = batch.num_targets() < batch.targets.len();
        let shape = [batch.batch_size, batch.seq_len];
        let length = [batch.targets.len()];
        Self {
            inputs: Tensor::from_data(TensorData::new(batch.inputs, shape), device),
            targets: Tensor::from_data(TensorData::new(batch.targets, length), device),
            loss: CrossEntropy {
                // Only where there is padding: looking for it costs passes over the batch.
                ignore_index: padded.then_some(i64::from(IGNORE_TARGET)),
                ..CrossEntropy::default()
            },
        }
    }
}

/// `[batch, time, vocabulary]` to `[batch · time, vocabulary]`.
fn flatten<B: Backend>(logits: Tensor<B, 3>) -> Tensor<B, 2> {
    logits.flatten(0, 1)
}

/// What to write.
struct TextRequest<'a> {
    prompt: &'a str,
    tokens: usize,
    options: SamplingOptions,
    seed: u64,
}

/// The tokens that stand for no text: padding, and what the vocabulary lacks.
fn without_text(tokenizer: &Tokenizer) -> Vec<u32> {
    [tokenizer.padding_token(), tokenizer.unknown_token()].into_iter().flatten().collect()
}

/// What a text without a prompt follows: of what the tokenizer knows, that which tells the model least.
fn beginning(tokenizer: &Tokenizer) -> Vec<u32> {
    let known = |text| tokenizer.encode(text).ok().filter(|tokens| !tokens.is_empty());
    // Every tokenizer has a token 0.
    ["\n", "."].into_iter().find_map(known).unwrap_or_else(|| vec![0])
}

/// Gives the prompt and its continuation to `output`, each piece as soon as it is certain.
fn write_text<B: Backend>(
    model: &LanguageModel<B>,
    tokenizer: &Tokenizer,
    request: &TextRequest<'_>,
    device: &B::Device,
    output: &mut dyn FnMut(&str) -> std::io::Result<()>,
) -> Result<(), TaskError> {
    let mut prompt = tokenizer.encode(request.prompt)?;
    let mut decoder = tokenizer.stream_decoder();
    if !request.prompt.is_empty() {
        output(request.prompt)?;
        // The space before the next word depends on the last one.
        prompt.iter().for_each(|token| drop(decoder.push(*token)));
    }
    if prompt.is_empty() {
        prompt = beginning(tokenizer);
    }
    let mut has_space = !tokenizer.keeps_white_space() && request.prompt.ends_with(char::is_whitespace);
    let generator = Generator::new(model, &prompt, request.options.clone(), request.seed, device)?;
    for token in generator.take(request.tokens) {
        let text = decoder.push(token?);
        let text = if std::mem::take(&mut has_space) { text.trim_start_matches(' ') } else { &text };
        if !text.is_empty() {
            output(text)?;
        }
    }
    output(&decoder.finish())?;
    Ok(())
}
