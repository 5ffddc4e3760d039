//! Kiln's language model under burn's own learner: `SupervisedTraining` instead of Kiln's loop, on the embedded
//! stories.
//!
//!     cargo run -p burn-learner            # three epochs, about a minute on two cores
//!     cargo run -p burn-learner -- 1       # as many epochs as one likes
//!
//! burn's metrics, checkpoints and logs lie under `runs/burn-learner`. What Kiln's loop has beside it: state carried
//! from window to window, exact resume, EMA, samples, a report.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::Arc,
};

use burn::{
    backend::{Autodiff, Flex},
    data::{
        dataloader::{DataLoader, DataLoaderBuilder},
        dataset::Dataset,
    },
    optim::AdamWConfig,
    record::CompactRecorder,
    tensor::backend::Backend,
    train::{
        Learner, SupervisedTraining,
        metric::{AccuracyMetric, LossMetric, MetricDefinition, MetricId, PerplexityMetric},
        renderer::{
            EvaluationName, EvaluationProgress, MetricState, MetricsRenderer, MetricsRendererEvaluation,
            MetricsRendererTraining, ProgressType, TrainingProgress,
        },
    },
};
use data::text::{
    TextConfig, TextData,
    windows::{RandomWindows, TextBatch, TextBatches},
};
use sequence::{
    generation::{Generator, SamplingOptions},
    language_model::{LanguageModel, LanguageModelConfig},
    task::burn_learner::{LanguageModelBatch, LanguageModelBatcher},
};

type B = Autodiff<Flex>;

const BATCH_SIZE: usize = 32;
const SEQ_LEN: usize = 64;

/// One window an item, as burn's data loader wants it.
struct Windows(RandomWindows);

impl Windows {
    /// As many windows as the text is long; each starts anywhere.
    fn new(tokens: Arc<[u32]>, seed: u64) -> Result<Self, data::DataError> {
        Ok(Self(RandomWindows::new(tokens, 1, SEQ_LEN, None, seed)?))
    }
}

impl Dataset<TextBatch> for Windows {
    fn get(&self, index: usize) -> Option<TextBatch> {
        (index < self.len()).then(|| self.0.batch(0, index))
    }

    fn len(&self) -> usize {
        self.0.num_batches()
    }
}

fn loader<L: Backend>(windows: Windows) -> Arc<dyn DataLoader<L, LanguageModelBatch<L>>> {
    DataLoaderBuilder::new(LanguageModelBatcher).batch_size(BATCH_SIZE).shuffle(42).build(windows)
}

fn main() -> Result<(), Box<dyn Error>> {
    let epochs = match std::env::args().nth(1) {
        Some(epochs) => epochs.parse()?,
        None => 3,
    };
    let device = Default::default();
    B::seed(&device, 42);
    let text = TextData::load(&TextConfig::default())?;
    let config = LanguageModelConfig { hidden_size: 128, embedding_size: 64, ..Default::default() };
    let model: LanguageModel<B> = config.init(text.tokenizer.vocab_size(), &device);

    let train = loader(Windows::new(text.train.clone(), 1)?);
    let validation = loader(Windows::new(text.validation.clone(), 2)?);
    let result = SupervisedTraining::new("runs/burn-learner", train, validation)
        .metrics((LossMetric::new(), AccuracyMetric::new(), PerplexityMetric::new()))
        .with_file_checkpointer(CompactRecorder::new())
        .num_epochs(epochs)
        .renderer(Lines::default())
        .summary()
        .launch(Learner::new(model, AdamWConfig::new().init(), 5e-3));

    let prompt = text.tokenizer.encode("\n")?;
    let options = SamplingOptions { temperature: 0.7, ..Default::default() };
    let tokens =
        Generator::new(&result.model, &prompt, options, 42, &device)?.take(300).collect::<Result<Vec<_>, _>>()?;
    println!("\n{}", text.tokenizer.decode(&tokens));
    Ok(())
}

/// A line now and then, where burn's own renderers draw a full screen or a line a step.
#[derive(Default)]
struct Lines {
    names: HashMap<MetricId, String>,
    latest: BTreeMap<String, f64>,
}

impl Lines {
    fn update(&mut self, state: MetricState) {
        if let MetricState::Numeric(entry, value) = state
            && let Some(name) = self.names.get(&entry.metric_id)
        {
            self.latest.insert(name.clone(), value.current());
        }
    }

    fn print(&self, split: &str, progress: &TrainingProgress) {
        let Some(items) = &progress.progress else {
            return;
        };
        let done = items.items_processed;
        if done % (100 * BATCH_SIZE) == 0 || done == items.items_total {
            let metrics: Vec<String> = self.latest.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
            println!(
                "epoch {}   {split} {done}/{}   {}",
                progress.global_progress.items_processed,
                items.items_total,
                metrics.join("   ")
            );
        }
    }
}

impl MetricsRendererTraining for Lines {
    fn update_train(&mut self, state: MetricState) {
        self.update(state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.update(state);
    }

    fn render_train(&mut self, item: TrainingProgress, _indicators: Vec<ProgressType>) {
        self.print("training", &item);
    }

    fn render_valid(&mut self, item: TrainingProgress, _indicators: Vec<ProgressType>) {
        self.print("validation", &item);
    }
}

impl MetricsRendererEvaluation for Lines {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}

    fn render_test(&mut self, _item: EvaluationProgress, _indicators: Vec<ProgressType>) {}
}

impl MetricsRenderer for Lines {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_lowercase());
    }
}
