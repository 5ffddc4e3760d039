//! Language models: a network learns to predict the next token of a text.

mod carried;
mod network;
mod task;
mod writing;

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use burn::{
    module::Module,
    tensor::backend::{AutodiffBackend, Backend},
};
use data::{
    stream_seed,
    text::{Documents, TextConfig, TextData, TextFacts, tokenizer::Tokenizer, windows::TextBatches},
};
use layers::{generation::CausalLanguageModel, sampling::SamplingOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job, Trained},
    parameters,
    task::{Batches, Splits},
    weights,
};

pub use carried::CarriedState;
pub use network::{LanguageModel, LanguageModelFamily};
pub use task::LanguageModelTask;

use crate::{
    artefacts::{TOKENIZER_FILE, load_tokenizer},
    context,
};
use writing::{TextRequest, without_text, write_text, write_texts};

data_block! {
    /// `[data]`: the text, its tokenizer and its windows.
    TextBlock(TextConfig)
}

/// `[task]`: how the state is carried, and the samples that show what the model has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanguageModelOptions {
    /// Begin each window with the state in which the window before it ended (truncated back-propagation through time:
    /// values flow on, gradients stop at the window). Training windows follow each other with `data.sampling =
    /// "contiguous"` only; validation windows always do. Off, every window begins with an empty state, and so it does where
    /// the model has nothing to carry.
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

/// The job of a family of language models, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct LanguageModelJob<F>(PhantomData<F>);

impl<F: LanguageModelFamily> Job for LanguageModelJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    type Data = TextBlock;
    type Model = F;
    type Options = LanguageModelOptions;
    type Task<B: AutodiffBackend> = LanguageModelTask<B, F>;

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
        let mut model = blocks.model.init::<B>(vocab_size, context.device)?;
        context::check("data.seq_len", config.seq_len, model.context_len())?;
        if !context.weights_follow {
            blocks.model.load_pretrained(&mut model, context)?;
        }
        let artefacts = BTreeMap::from([(TOKENIZER_FILE.to_string(), text.tokenizer.to_json()?.into_bytes())]);
        let facts = describe(&text.facts, model.num_params());
        let task = LanguageModelTask::new(
            blocks.task.clone(),
            separator(config, &text.tokenizer),
            text.tokenizer,
            text.facts,
            context.seed,
            blocks.model.parameter_groups(&parameters::list(&model)),
        )?;
        Ok(Assembled {
            task,
            model: model.into(),
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
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), trained.device)?;
        weights::apply(&mut model, trained.weights)?;
        let options = SamplingOptions {
            temperature: request.temperature,
            top_k: request.top_k,
            top_p: request.top_p,
            min_p: request.min_p,
            repetition_penalty: request.repetition_penalty,
            suppressed: without_text(&tokenizer),
        };
        let seeds: Vec<u64> = (0..request.count as u64).map(|number| stream_seed(request.seed, 0, number)).collect();
        let text = TextRequest {
            prompt: &request.prompt,
            tokens: request.tokens,
            options,
            stop: &request.stop,
            seed: seeds.first().copied().unwrap_or_default(),
            separator: separator(&blocks.data.0, &tokenizer),
        };
        if request.count == 1 {
            write_text(&model, &tokenizer, &text, trained.device, &mut |text| output(Generated::Text(text)))?;
            return Ok(());
        }
        for (number, written) in (1..).zip(write_texts(&model, &tokenizer, &text, &seeds, trained.device)?) {
            let rule = if number > 1 { "\n\n" } else { "" };
            output(Generated::Text(&format!("{rule}--- {number} of {} ---\n{written}", request.count)))?;
        }
        Ok(())
    }
}

/// The token between documents, where there are such.
fn separator(config: &TextConfig, tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.special().end.filter(|_| config.documents != Documents::Whole)
}

/// What is known of the text, a line each.
pub(crate) fn describe(facts: &TextFacts, parameters: usize) -> Vec<(String, String)> {
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("characters".to_string(), facts.num_characters.to_string()),
        ("vocabulary".to_string(), facts.vocab_size.to_string()),
        ("training tokens".to_string(), facts.train_tokens.to_string()),
        ("validation tokens".to_string(), facts.validation_tokens.to_string()),
    ];
    if facts.num_documents > 0 {
        lines.insert(1, ("documents".to_string(), facts.num_documents.to_string()));
    }
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
