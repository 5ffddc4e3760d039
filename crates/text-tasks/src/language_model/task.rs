//! Training, evaluation and samples of a language model.

use std::collections::BTreeMap;

use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::{
    stream_seed,
    text::{
        TextFacts,
        tokenizer::Tokenizer,
        windows::{IGNORE_TARGET, TextBatch},
    },
};
use layers::{
    loss::{CrossEntropy, Tally, cross_entropy},
    sampling::SamplingOptions,
};
use training_loop::{
    error::TaskError,
    optimizer::ParameterGroup,
    task::{InnerModel, Sample, Scores, StepContext, StepOutput, Task},
};

use crate::attention;

use super::{
    CarriedState, LanguageModel, LanguageModelFamily, LanguageModelOptions,
    writing::{TextRequest, without_text, write_text},
};

/// Next-token prediction with carried state.
#[derive(Debug)]
pub struct LanguageModelTask<B: AutodiffBackend, F: LanguageModelFamily> {
    options: LanguageModelOptions,
    /// Between documents.
    separator: Option<u32>,
    tokenizer: Tokenizer,
    facts: TextFacts,
    seed: u64,
    /// The step that samples are seeded with.
    step: u64,
    /// Where the last training batch left each row; without a graph.
    carried: Option<Carried<B, F>>,
    groups: Vec<ParameterGroup>,
    pages: BTreeMap<String, serde_json::Value>,
}

type Carried<B, F> = <<F as LanguageModelFamily>::Trained<B> as LanguageModel<B>>::Carried;

impl<B: AutodiffBackend, F: LanguageModelFamily> LanguageModelTask<B, F> {
    /// A task for text of that tokenizer; `separator` stands between documents, where there are such.
    ///
    /// # Errors
    /// When the tokenizer cannot encode `options.sample_prompt`: better said now than after the first validation.
    pub fn new(
        options: LanguageModelOptions,
        separator: Option<u32>,
        tokenizer: Tokenizer,
        facts: TextFacts,
        seed: u64,
        groups: Vec<ParameterGroup>,
    ) -> Result<Self, TaskError> {
        tokenizer.encode(&options.sample_prompt).map_err(|error| format!("`task.sample_prompt`: {error}"))?;
        Ok(Self { options, separator, tokenizer, facts, seed, step: 0, carried: None, groups, pages: BTreeMap::new() })
    }
}

impl<B: AutodiffBackend, F: LanguageModelFamily> Task<B> for LanguageModelTask<B, F> {
    type Model = F::Trained<B>;
    type Batch = TextBatch;

    fn item_name(&self) -> &'static str {
        "tokens"
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
        self.step = context.step;
        let items = batch.num_targets();
        let carried = self.carried.take().filter(|_| !batch.reset_state);
        if let Some(before) = carried.as_ref().and_then(CarriedState::batch_size)
            && before != batch.batch_size
        {
            let now = batch.batch_size;
            return Err(format!(
                "the text goes on in {before} rows, but a batch has {now} now: `data.batch_size` cannot change when a run \
                 is resumed"
            )
            .into());
        }
        let batch = Tokens::<B>::new(batch, context.device);
        let (logits, state) = model.forward_window(batch.inputs, carried);
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
        let mut tally = Tally::new(device);
        let mut carried = None;
        let mut first: Vec<i32> = Vec::new();
        for batch in batches {
            let batch = batch?;
            let count = batch.num_targets();
            let state = carried.take().filter(|_| !batch.reset_state);
            if first.is_empty() {
                first = batch.inputs[..batch.seq_len.min(attention::SHOWN)].to_vec();
            }
            let batch = Tokens::<B::InnerBackend>::new(batch, device);
            let (logits, state) = model.forward_window(batch.inputs, state);
            if self.options.carry_state {
                carried = Some(state);
            }
            tally.add(flatten(logits), batch.targets, &batch.loss, count);
        }
        if tally.count() == 0 {
            return Err("the validation data hold no token".into());
        }
        let row = TensorData::new(first.clone(), [1, first.len()]);
        let about = "How much each token at the beginning of the validation text looks at those before it";
        let weights = model.attention(Tensor::from_data(row, device));
        attention::add_page(&mut self.pages, weights, &self.tokenizer, &first, about)?;
        let [loss, accuracy] = tally.means();
        let mut scores = Scores::from([
            ("loss".to_string(), loss),
            ("perplexity".to_string(), loss.exp()),
            ("bits_per_character".to_string(), self.facts.bits_per_character(loss)),
            ("accuracy".to_string(), accuracy),
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
        let suppressed = without_text(&self.tokenizer);
        let mut samples = Vec::new();
        for number in 0..options.sample_count {
            let request = TextRequest {
                prompt: &options.sample_prompt,
                tokens: options.sample_tokens,
                options: SamplingOptions {
                    temperature: options.sample_temperature,
                    suppressed: suppressed.clone(),
                    ..SamplingOptions::default()
                },
                stop: &[],
                seed: stream_seed(self.seed, self.step, number as u64),
                separator: self.separator,
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

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }

    fn state(&self) -> BTreeMap<String, TensorData> {
        self.carried.clone().map(CarriedState::into_named).unwrap_or_default()
    }

    fn load_state(&mut self, state: BTreeMap<String, TensorData>, device: &B::Device) -> Result<(), TaskError> {
        self.carried = CarriedState::from_named(state, device)?;
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
