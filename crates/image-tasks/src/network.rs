//! What the job asks of a family of networks.

use std::{fmt::Debug, fs, path::Path};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use data::image::{ImageArtefact, Statistics};
use training_loop::{
    error::TaskError, job::Block, optimizer::ParameterGroup, parameters::ParameterInfo, preparation::Preparation,
    pretrained::PretrainedRun,
};

use crate::ARTEFACT_FILE;

/// A part of a network that is frozen, or trained at a rate of its own, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name; that of the last layer is `head`.
    pub name: String,
    /// Patterns over the paths of its parameters and buffers, in which `*` stands for anything.
    pub patterns: Vec<String>,
}

/// The sizes that follow from pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSizes {
    /// 1 or 3.
    pub channels: usize,
    /// Height and width.
    pub image_size: usize,
    /// Classes, or labels.
    pub classes: usize,
}

/// A network that tells what pictures show.
pub trait ImageNetwork<B: Backend>: Module<B> {
    /// One logit a class for each picture.
    ///
    /// # Shapes
    /// - images: `[batch, channels, size, size]`
    /// - logits: `[batch, classes]`
    fn logits(&self, images: Tensor<B, 4>) -> Tensor<B, 2>;

    /// What the last layer sees.
    ///
    /// # Shapes
    /// - images: `[batch, channels, size, size]`
    /// - features: `[batch, features]`
    fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2>;

    /// The last layer.
    ///
    /// # Shapes
    /// - features: `[batch, features]`
    /// - logits: `[batch, classes]`
    fn classify(&self, features: Tensor<B, 2>) -> Tensor<B, 2>;

    /// Numbers that the last layer sees of a picture.
    fn num_features(&self) -> usize;

    /// The stages from bottom to top; each parameter belongs to exactly one. The last is the `head`.
    fn stages(&self) -> Vec<Stage>;

    /// What of each picture speaks for the class that is asked about, from 0 to 1.
    ///
    /// # Shapes
    /// - images: `[batch, channels, size, size]`
    /// - classes: `batch` numbers of classes
    /// - maps: `[batch, height, width]`, of any size
    fn explain(&self, images: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 3>;
}

/// The mean and standard deviation of the pictures that a run was trained on; none where it was on something else.
///
/// # Errors
/// When what says so is damaged.
pub fn statistics_of(run: &PretrainedRun) -> Result<Option<Statistics>, TaskError> {
    // A run of another job has no such file, and its weights will not fit either: that is said then.
    let Ok(json) = fs::read_to_string(run.folder.join(ARTEFACT_FILE)) else { return Ok(None) };
    Ok(Some(ImageArtefact::from_json(&json)?.statistics))
}

/// The `[model]` of the job for a family: its name, and how its network and the weights that it starts from are made.
pub trait ImageFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;
    /// What the maps of [`ImageNetwork::explain`] show, for the report: one sentence.
    const EXPLANATION: &'static str;

    /// Where weights come from.
    type Weights: Debug;
    /// The network.
    type Model<B: Backend>: ImageNetwork<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + ImageNetwork<B>
        + From<Self::Model<B>>;

    /// Where the weights come from that the network starts from. Nothing is read or downloaded yet.
    ///
    /// # Errors
    /// When they cannot be there.
    fn weights(&self, runs: &Path) -> Result<Self::Weights, TaskError>;

    /// Those of a network with random weights.
    fn no_weights() -> Self::Weights;

    /// The mean and standard deviation of the pictures that the weights were trained on, where they are known.
    ///
    /// # Errors
    /// When what says so cannot be read.
    fn statistics(weights: &Self::Weights) -> Result<Option<Statistics>, TaskError>;

    /// Refuses pictures that are scaled otherwise than the weights can do with. Default: none is.
    ///
    /// # Errors
    /// What `[data]` should say.
    fn check_statistics(_weights: &Self::Weights, _statistics: &Statistics) -> Result<(), TaskError> {
        Ok(())
    }

    /// A network with random weights.
    ///
    /// # Errors
    /// When this `[model]` does not go with the pictures.
    fn init<B: Backend>(&self, sizes: ImageSizes, device: &B::Device) -> Result<Self::Model<B>, TaskError>;

    /// Puts the weights into the network and notes what was loaded.
    ///
    /// # Errors
    /// When they cannot be had or do not fit.
    fn load<B: Backend>(
        &self,
        weights: &Self::Weights,
        network: &mut Self::Model<B>,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError>;

    /// Whether anything is dropped at random in training.
    fn drops(&self) -> bool;

    /// Settings of its network's parameters that go with this family, such as no weight decay on normalisations; policies of
    /// fine-tuning and settings of the config come after them and win. Default: none.
    fn parameter_groups(&self, _parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        Vec::new()
    }
}
