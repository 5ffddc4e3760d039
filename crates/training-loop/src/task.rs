//! What the loop trains: a model with its loss, its optimisers and its evaluation.

use std::{collections::BTreeMap, sync::Arc};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};

use crate::{error::TaskError, optimizer::ParameterGroup, preparation::Preparation};

/// The model as validation sees it: on the backend without gradients, dropout off.
pub type InnerModel<B, T> = <<T as Task<B>>::Model as AutodiffModule<B>>::InnerModule;

/// The unit of training (as in timm's `task.py` and Lightning's `LightningModule`): how a model turns a batch into a loss,
/// which optimisers there are, and how the model is scored.
///
/// The loop owns the weights and lends them to each call; the task owns whatever else lives through training, such as the
/// carried state of truncated back-propagation.
pub trait Task<B: AutodiffBackend> {
    /// The module that is trained. A task with several networks (a GAN) puts them in one module with named fields.
    type Model: AutodiffModule<B>;
    /// What the data source yields, on the host.
    type Batch: Send + 'static;

    /// What one item is called in the throughput: `"tokens"`, `"images"`, …
    fn item_name(&self) -> &'static str {
        "items"
    }

    /// The optimisers of this task, in the order in which one training step runs them. Default: one, for all parameters.
    fn optimizers(&self) -> Vec<OptimizerScope> {
        vec![OptimizerScope::all()]
    }

    /// Settings of parameters that follow from the task (a policy of fine-tuning), as `[[parameter_groups]]` of a config would
    /// give them; those of the config come after them and win. Default: none.
    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        Vec::new()
    }

    /// The loss of one micro-batch. `context` says which optimiser is being stepped.
    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError>;

    /// Scores the whole of `batches` and returns named values, the monitored one among them.
    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError>
    where
        Self: Sized;

    /// Told once, when the weights are in place and before the first step or the evaluation of `train eval`: what does not change
    /// any more is computed here (features that a frozen part of the model gives).
    fn prepare(
        &mut self,
        _model: &InnerModel<B, Self>,
        _device: &B::Device,
        _progress: &dyn Preparation,
    ) -> Result<(), TaskError>
    where
        Self: Sized,
    {
        Ok(())
    }

    /// Told once before the [`evaluate`](Self::evaluate) of `train eval`, where a finished model is scored for good: what makes
    /// scores better at more cost than a validation should have (a beam search, test-time augmentation) is switched on.
    fn begin_test(&mut self) {}

    /// What the model makes right now (generated text, pictures), written to `samples/` after each validation.
    fn samples(&mut self, _model: &InnerModel<B, Self>, _device: &B::Device) -> Result<Vec<Sample>, TaskError>
    where
        Self: Sized,
    {
        Ok(Vec::new())
    }

    /// What the last [`evaluate`](Self::evaluate) saw, for the report: sections by file name, in the format of the crate `report`
    /// (a forecast beside the truth, a confusion matrix).
    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        BTreeMap::new()
    }

    /// Everything beside the weights that the next training step depends on, by name; kept in every checkpoint.
    fn state(&self) -> BTreeMap<String, TensorData> {
        BTreeMap::new()
    }

    /// Restores what [`state`](Self::state) gave.
    fn load_state(&mut self, _state: BTreeMap<String, TensorData>, _device: &B::Device) -> Result<(), TaskError> {
        Ok(())
    }
}

/// One optimiser of a task and the parameters that it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptimizerScope {
    /// The name under which it is configured (`[optimizers.<name>]`) and logged.
    pub name: &'static str,
    /// Glob over parameter paths: `*` stands for any characters, dots included. `generator.*`
    pub parameters: &'static str,
    /// How many updates it makes in one training step, each on batches of its own (a WGAN critic: 5).
    pub updates: u64,
}

impl OptimizerScope {
    /// One optimiser for every parameter.
    pub fn all() -> Self {
        Self { name: "main", parameters: "*", updates: 1 }
    }
}

/// Where a training step stands.
#[derive(Debug)]
pub struct StepContext<'a, B: AutodiffBackend> {
    /// Device of the model; batches are moved there.
    pub device: &'a B::Device,
    /// Number of completed training steps, from 0.
    pub step: u64,
    /// Passes over the training data, from 0.
    pub epoch: u64,
    /// Name of the optimiser that will use these gradients.
    pub optimizer: &'static str,
}

/// What a micro-batch gives.
#[derive(Debug)]
pub struct StepOutput<B: AutodiffBackend> {
    /// Mean loss over the items of the micro-batch, shape `[1]`, still attached to its graph.
    pub loss: Tensor<B, 1>,
    /// The number of items that the mean is over: micro-batches are weighted by it, so accumulation equals the large batch.
    pub items: usize,
    /// Further values to log, shape `[1]` each, averaged in the same way. They stay on the device until they are shown.
    pub metrics: Vec<(&'static str, Tensor<B::InnerBackend, 1>)>,
}

impl<B: AutodiffBackend> StepOutput<B> {
    /// A loss that is the mean over `items`.
    pub fn new(loss: Tensor<B, 1>, items: usize) -> Self {
        Self { loss, items, metrics: Vec::new() }
    }

    /// Adds a value to log, shape `[1]`.
    pub fn with_metric(mut self, name: &'static str, value: Tensor<B::InnerBackend, 1>) -> Self {
        self.metrics.push((name, value));
        self
    }
}

/// Named results of an evaluation, such as `loss`, `perplexity`, `bleu`.
pub type Scores = BTreeMap<String, f64>;

/// Something that the model made, to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Short name; part of the file name, so letters, digits and dashes only. The main sample has an empty name.
    pub name: String,
    /// The content.
    pub content: SampleContent,
}

/// The content of a [`Sample`].
#[derive(Debug, Clone, PartialEq)]
pub enum SampleContent {
    /// UTF-8 text.
    Text(String),
    /// An encoded PNG picture.
    Png(Vec<u8>),
    /// An encoded GIF animation.
    Gif(Vec<u8>),
}

impl Sample {
    /// The main text sample.
    pub fn text(text: impl Into<String>) -> Self {
        Self { name: String::new(), content: SampleContent::Text(text.into()) }
    }
}

/// Batches in a reproducible order: a batch is a pure function of the epoch and its index in it, so any number of threads may
/// prepare batches ahead, and a resumed run continues at the batch where it was killed.
pub struct Batches<T> {
    per_epoch: u64,
    get: GetBatch<T>,
}

type GetBatch<T> = Arc<dyn Fn(u64, u64) -> Result<T, TaskError> + Send + Sync>;

impl<T> Clone for Batches<T> {
    fn clone(&self) -> Self {
        Self { per_epoch: self.per_epoch, get: self.get.clone() }
    }
}

impl<T: Send + 'static> Batches<T> {
    /// `per_epoch` batches an epoch; `get(epoch, index)` must depend on nothing else.
    pub fn new(per_epoch: u64, get: impl Fn(u64, u64) -> Result<T, TaskError> + Send + Sync + 'static) -> Self {
        Self { per_epoch, get: Arc::new(get) }
    }

    /// The batches of a source that cannot fail, such as those of the data crate.
    pub fn dealt(per_epoch: usize, batch: impl Fn(u64, usize) -> T + Send + Sync + 'static) -> Self {
        Self::new(per_epoch as u64, move |epoch, index| Ok(batch(epoch, index as usize)))
    }

    /// Number of batches in an epoch.
    pub fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    /// Batch `index` of `epoch`, both from 0.
    pub fn get(&self, epoch: u64, index: u64) -> Result<T, TaskError> {
        (self.get)(epoch, index)
    }

    /// The first `limit` batches of the first epoch, the same in every epoch.
    pub fn first(&self, limit: u64) -> Self {
        let get = self.get.clone();
        Self { per_epoch: self.per_epoch.min(limit), get: Arc::new(move |_, index| get(0, index)) }
    }

    /// The batches of the first epoch, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, TaskError>> + '_ {
        (0..self.per_epoch).map(|index| self.get(0, index))
    }
}

/// The training data, and the data to score.
pub struct Splits<T> {
    /// Training batches.
    pub train: Batches<T>,
    /// Validation batches; none when there is nothing to validate on.
    pub validation: Option<Batches<T>>,
    /// Test batches, never looked at in training; `train eval` scores them, or the validation batches where there are none.
    pub test: Option<Batches<T>>,
}

impl<T: Send + 'static> Splits<T> {
    /// The parts of a source that deals batches of its own kind and cannot fail.
    pub fn dealt<S: Send + Sync + 'static>(
        [train, validation]: [S; 2],
        test: Option<S>,
        num_batches: fn(&S) -> usize,
        batch: fn(&S, u64, usize) -> T,
    ) -> Self {
        let dealt = |source: S| Batches::dealt(num_batches(&source), move |epoch, index| batch(&source, epoch, index));
        Self { train: dealt(train), validation: Some(dealt(validation)), test: test.map(dealt) }
    }
}
