//! Training and evaluation of a translator.

use std::{collections::BTreeMap, marker::PhantomData};

use burn::tensor::{
    Bool, Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::{
    SplitMix64, stream_seed,
    text::{
        parallel::{ParallelBatch, ParallelData},
        windows::IGNORE_TARGET,
    },
};
use layers::{
    beam::BeamOptions,
    loss::{CrossEntropy, Tally, cross_entropy},
};
use training_loop::{
    error::TaskError,
    metrics::{corpus_bleu, corpus_chrf},
    optimizer::ParameterGroup,
    task::{InnerModel, Sample, Scores, StepContext, StepOutput, Task},
};

use super::{
    EncoderDecoder, EncoderDecoderFamily, TranslationOptions,
    pages::{Translation, pages, sample},
    translate,
};

/// Translation with cross entropy.
#[derive(Debug)]
pub struct TranslationTask<F> {
    options: TranslationOptions,
    pairs: ParallelData,
    seed: u64,
    beam_width: usize,
    /// What the last evaluation shows.
    shown: Vec<Translation>,
    pages: BTreeMap<String, serde_json::Value>,
    groups: Vec<ParameterGroup>,
    family: PhantomData<F>,
}

impl<F> TranslationTask<F> {
    /// A task for these pairs.
    pub fn new(options: TranslationOptions, pairs: ParallelData, seed: u64, groups: Vec<ParameterGroup>) -> Self {
        let beam_width = options.validation_beam_width;
        let (shown, pages) = (Vec::new(), BTreeMap::new());
        Self { options, pairs, seed, beam_width, shown, pages, groups, family: PhantomData }
    }

    /// Which tokens the decoder reads from the target at this step; none where it is all of them.
    fn forced<B: Backend>(&self, batch: &ParallelBatch, step: u64, device: &B::Device) -> Option<Tensor<B, 2, Bool>> {
        let probability = self.options.teacher_forcing.at(step);
        if probability >= 1.0 {
            return None;
        }
        let first = batch.indices.first().copied().unwrap_or(0) as u64;
        let mut rng = SplitMix64::new(stream_seed(self.seed, step, first));
        let forced: Vec<bool> = batch.inputs.iter().map(|_| rng.unit() < probability).collect();
        Some(Tensor::from_data(TensorData::new(forced, [batch.batch_size, batch.target_len]), device))
    }
}

impl<B: AutodiffBackend, F: EncoderDecoderFamily> Task<B> for TranslationTask<F> {
    type Model = F::Trained<B>;
    type Batch = ParallelBatch;

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
        let forced = self.forced::<B>(&batch, context.step, context.device);
        let items = batch.num_targets();
        let batch = Pairs::<B>::new(&batch, context.device);
        let state = model.encode(batch.sources, &batch.lengths);
        let logits = match forced {
            None => model.decode(batch.inputs, state),
            Some(forced) => model.decode_sampled(batch.inputs, forced, state),
        };
        let label_smoothing = self.options.label_smoothing as f32;
        let options = CrossEntropy { label_smoothing, ..CrossEntropy::ignoring(IGNORE_TARGET) };
        let loss = cross_entropy(logits.flatten(0, 1), batch.targets, &options);
        Ok(StepOutput::new(loss, items))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let options = BeamOptions { width: self.beam_width, length_penalty: self.options.length_penalty };
        let mut tally = Tally::new(device);
        let mut translations = Vec::new();
        for batch in batches {
            let batch = batch?;
            let count = batch.num_targets();
            let pairs = Pairs::<B::InnerBackend>::new(&batch, device);
            let state = model.encode(pairs.sources, &pairs.lengths);
            let logits = model.decode(pairs.inputs, state.clone()).flatten(0, 1); // [batch · time, vocabulary]
            tally.add(logits, pairs.targets, &CrossEntropy::ignoring(IGNORE_TARGET), count);
            let target = &self.pairs.target_tokenizer;
            let found = translate(model, state, &pairs.lengths, target, &options, device)?;
            translations.extend(batch.indices.iter().zip(found).map(|(index, hypothesis)| Translation {
                index: *index,
                text: target.decode(&hypothesis.tokens),
                tokens: hypothesis.tokens,
            }));
        }
        if translations.is_empty() {
            return Err("there is no pair to score".into());
        }
        // By their place in the data, so that the same are shown each time.
        translations.sort_by_key(|translation| translation.index);
        let [loss, accuracy] = tally.means();
        let hypotheses: Vec<&str> = translations.iter().map(|translation| translation.text.as_str()).collect();
        let references: Vec<[&str; 1]> =
            translations.iter().map(|translation| [self.pairs.target_text(translation.index)]).collect();
        let exact = hypotheses.iter().zip(&references).filter(|(text, reference)| **text == reference[0]).count();
        let scores = Scores::from([
            ("loss".to_string(), loss),
            ("perplexity".to_string(), loss.exp()),
            ("accuracy".to_string(), accuracy),
            ("bleu".to_string(), corpus_bleu(&hypotheses, &references)?.score),
            ("chrf".to_string(), corpus_chrf(&hypotheses, &references)?.score),
            ("exact_match".to_string(), exact as f64 / translations.len() as f64),
        ]);
        let sections = pages(model, &self.pairs, &translations, &self.options, device)?;
        self.pages = BTreeMap::from([("translation".to_string(), serde_json::to_value(sections)?)]);
        translations.truncate(self.options.shown);
        self.shown = translations;
        Ok(scores)
    }

    fn begin_test(&mut self) {
        self.beam_width = self.options.beam_width;
    }

    fn samples(&mut self, _model: &InnerModel<B, Self>, _device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        let shown = self.shown.iter().map(|translation| sample(&self.pairs, translation));
        let text = shown.collect::<Vec<_>>().join("\n");
        Ok(if text.is_empty() { Vec::new() } else { vec![Sample::text(text)] })
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// A batch on the device.
struct Pairs<B: Backend> {
    /// `[batch, source time]`
    sources: Tensor<B, 2, Int>,
    lengths: Vec<usize>,
    /// `[batch, time]`
    inputs: Tensor<B, 2, Int>,
    /// `[batch · time]`
    targets: Tensor<B, 1, Int>,
}

impl<B: Backend> Pairs<B> {
    fn new(batch: &ParallelBatch, device: &B::Device) -> Self {
        let matrix = |tokens: &Vec<i32>, time: usize| {
            Tensor::from_data(TensorData::new(tokens.clone(), [batch.batch_size, time]), device)
        };
        Self {
            sources: matrix(&batch.source, batch.source_len),
            lengths: batch.source_lengths.clone(),
            inputs: matrix(&batch.inputs, batch.target_len),
            targets: Tensor::from_data(TensorData::new(batch.targets.clone(), [batch.targets.len()]), device),
        }
    }
}
