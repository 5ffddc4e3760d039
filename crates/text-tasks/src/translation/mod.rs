//! Encoders and decoders: one text in, another out.

mod network;
mod pages;
mod training;

use std::{collections::BTreeMap, marker::PhantomData, path::Path};

use burn::{
    module::Module,
    tensor::backend::{AutodiffBackend, Backend},
};
use data::text::{
    parallel::{ParallelBatches, ParallelConfig, ParallelData, ParallelFacts, SideFacts, boundary, encode_source},
    tokenizer::Tokenizer,
};
use layers::beam::{BeamOptions, Boundaries, Hypothesis, beam_search};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, Generated, Job, PredictRequest, Trained},
    parameters,
    task::Splits,
    weights,
};

pub use network::{EncoderDecoder, EncoderDecoderFamily};
pub use training::TranslationTask;

use crate::{
    context,
    texts::{pad, requested},
};

/// The artefacts beside the weights without which they mean nothing.
const SOURCE_TOKENIZER: &str = "source-tokenizer.json";
const TARGET_TOKENIZER: &str = "target-tokenizer.json";

/// Texts that are translated at a time.
const TRANSLATED_TOGETHER: usize = 64;

data_block! {
    /// `[data]`: the pairs of texts, and how they become batches.
    ParallelBlock(ParallelConfig)
}

/// `[task]`: the loss, what the decoder reads in training, how it writes, and what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TranslationOptions {
    /// Part of the target's probability that is spread over all tokens.
    pub label_smoothing: f64,
    /// How often the decoder reads the true token before, rather than its own: `{ start = 1.0, end = 1.0, steps = 0 }`.
    pub teacher_forcing: TeacherForcing,
    /// Hypotheses that `train eval` and `train predict` follow at a time; 1 takes the likeliest token each time.
    pub beam_width: usize,
    /// The same in the validations of a training, where it costs time again and again.
    pub validation_beam_width: usize,
    /// The exponent of the length by which hypotheses are compared (Wu et al. 2016): 0 prefers short texts.
    pub length_penalty: f64,
    /// Translations that the report and the samples show.
    pub shown: usize,
    /// Of these, how many are shown with what the decoder looked at.
    pub alignments: usize,
}

/// How often the decoder reads the true token before, in training: from `start` to `end` in a straight line over `steps` steps.
/// Below 1 a target is read step by step, which is slower (Bengio et al. 2015, arXiv:1506.03099).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeacherForcing {
    /// The probability at the first step.
    pub start: f64,
    /// The probability from `steps` on.
    pub end: f64,
    /// Training steps from the one to the other; 0 begins with `end`.
    pub steps: u64,
}

impl Default for TeacherForcing {
    fn default() -> Self {
        Self { start: 1.0, end: 1.0, steps: 0 }
    }
}

impl TeacherForcing {
    /// The probability at a training step, from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.end;
        }
        self.start + (self.end - self.start) * step as f64 / self.steps as f64
    }
}

impl Default for TranslationOptions {
    fn default() -> Self {
        Self {
            label_smoothing: 0.0,
            teacher_forcing: TeacherForcing::default(),
            beam_width: 5,
            validation_beam_width: 1,
            length_penalty: 1.0,
            shown: 12,
            alignments: 4,
        }
    }
}

impl Validate for TranslationOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check((0.0..1.0).contains(&self.label_smoothing), "label_smoothing", "must be at least 0 and below 1");
        problems.nested("teacher_forcing", |problems| {
            for (key, value) in [("start", self.teacher_forcing.start), ("end", self.teacher_forcing.end)] {
                problems.check((0.0..=1.0).contains(&value), key, "must lie between 0 and 1");
            }
        });
        for (key, width) in [("beam_width", self.beam_width), ("validation_beam_width", self.validation_beam_width)] {
            problems.check(width > 0, key, "must be at least 1");
        }
        let is_exponent = self.length_penalty >= 0.0 && self.length_penalty.is_finite();
        problems.check(is_exponent, "length_penalty", "must be 0 or above");
    }
}

/// The job of a family of encoders and decoders, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct TranslationJob<F>(PhantomData<F>);

impl<F: EncoderDecoderFamily> Job for TranslationJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    type Data = ParallelBlock;
    type Model = F;
    type Options = TranslationOptions;
    type Task<B: AutodiffBackend> = TranslationTask<F>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let pairs = match context.artefacts {
            Some(folder) => {
                let Tokenizers { source, target } = Tokenizers::load(folder)?;
                ParallelData::load_with(config, source, target)?
            }
            None => ParallelData::load(config)?,
        };
        let learned = [pairs.train_batches(context.seed), pairs.validation_batches()];
        let splits = Splits::dealt(learned, pairs.test_batches(), ParallelBatches::num_batches, ParallelBatches::batch);
        B::seed(context.device, context.seed);
        let (from, to) = (&pairs.facts.from, &pairs.facts.to);
        let mut model = blocks.model.init::<B>(from.vocab_size, to.vocab_size, context.device)?;
        // A text is read with the boundary at its end.
        context::check("data.max_len", config.max_len.saturating_add(1), model.context_len())?;
        if !context.weights_follow {
            blocks.model.load_pretrained(&mut model, context)?;
        }
        let artefacts = BTreeMap::from([
            (SOURCE_TOKENIZER.to_string(), pairs.source_tokenizer.to_json()?.into_bytes()),
            (TARGET_TOKENIZER.to_string(), pairs.target_tokenizer.to_json()?.into_bytes()),
        ]);
        let groups = blocks.model.parameter_groups(&parameters::list(&model));
        let facts = describe(config, &pairs.facts, model.num_params());
        let task = TranslationTask::new(blocks.task.clone(), pairs, context.seed, groups);
        Ok(Assembled { task, model: model.into(), splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let config = &blocks.data.0;
        let texts = requested(request, config.encoding)?;
        let tokenizers = Tokenizers::load(trained.artefacts)?;
        let vocabularies = [&tokenizers.source, &tokenizers.target].map(|tokenizer| tokenizer.vocab_size() + 1);
        let mut model = blocks.model.init::<B>(vocabularies[0], vocabularies[1], trained.device)?;
        weights::apply(&mut model, trained.weights)?;
        let options = BeamOptions { width: blocks.task.beam_width, length_penalty: blocks.task.length_penalty };

        let mut table = vec![["source", "translation", "log_probability"].map(str::to_string).to_vec()];
        for texts in texts.chunks(TRANSLATED_TOGETHER) {
            let tokens: Vec<Vec<i32>> = texts
                .iter()
                .map(|text| encode_source(&tokenizers.source, config.max_len, text))
                .collect::<Result<_, _>>()?;
            let (sources, lengths) = pad(&tokens, trained.device);
            let state = model.encode(sources, &lengths);
            let found = translate(&model, state, &lengths, &tokenizers.target, &options, trained.device)?;
            for (text, hypothesis) in texts.iter().zip(found) {
                let translation = tokenizers.target.decode(&hypothesis.tokens);
                if request.output.is_some() {
                    table.push(vec![text.clone(), translation, format!("{:.4}", hypothesis.log_probability)]);
                } else {
                    output(Generated::Text(&format!("{translation}\n")))?;
                }
            }
        }
        if request.output.is_some() {
            request.give_table(table, output)?;
        }
        Ok(())
    }
}

/// The tokenizers of a run.
struct Tokenizers {
    source: Tokenizer,
    target: Tokenizer,
}

impl Tokenizers {
    fn load(folder: &Path) -> Result<Self, TaskError> {
        let load = |file| Tokenizer::load(&folder.join(file));
        Ok(Self { source: load(SOURCE_TOKENIZER)?, target: load(TARGET_TOKENIZER)? })
    }
}

/// The best translation of each source, from the state in which the model's encoder leaves it; `lengths` are those of the sources.
fn translate<B: Backend, M: EncoderDecoder<B>>(
    model: &M,
    state: M::State,
    lengths: &[usize],
    target: &Tokenizer,
    options: &BeamOptions,
    device: &B::Device,
) -> Result<Vec<Hypothesis>, TaskError> {
    let boundary = boundary(target);
    let limit = model.context_len().unwrap_or(usize::MAX);
    // A decoder that has lost its way may never end.
    let max_lens: Vec<usize> = lengths.iter().map(|length| (2 * length + 16).min(limit)).collect();
    let boundaries = Boundaries { start: boundary, end: boundary };
    let found = beam_search(model, state, boundaries, &max_lens, options, device)?;
    Ok(found.into_iter().filter_map(|hypotheses| hypotheses.into_iter().next()).collect())
}

fn describe(config: &ParallelConfig, facts: &ParallelFacts, parameters: usize) -> Vec<(String, String)> {
    let ParallelFacts { train, validation, test, .. } = facts;
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("pairs".to_string(), format!("{train} to learn from, {validation} for validation, {test} for the test")),
    ];
    for (language, side) in [(&config.from, &facts.from), (&config.to, &facts.to)] {
        let SideFacts { vocab_size, median_length, longest_length, unknown_rate } = side;
        let unknown = 100.0 * unknown_rate;
        let line = format!(
            "vocabulary {vocab_size}, {median_length} tokens in a text (median), {longest_length} (most), \
             {unknown:.1} % unknown in validation"
        );
        lines.push((language.clone(), line));
    }
    for (name, count) in [("pairs too long", facts.num_too_long), ("pairs with an empty side", facts.num_empty)] {
        if count > 0 {
            lines.push((name.to_string(), count.to_string()));
        }
    }
    lines.push(("parameters".to_string(), parameters.to_string()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teacher_forcing_goes_in_a_straight_line() {
        let forcing = TeacherForcing { start: 1.0, end: 0.5, steps: 100 };
        assert_eq!([0, 50, 100, 1000].map(|step| forcing.at(step)), [1.0, 0.75, 0.5, 0.5]);
        assert_eq!(TeacherForcing::default().at(0), 1.0);
    }
}
