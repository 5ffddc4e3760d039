//! `[model]`: the network, and the weights that it starts from.

use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use data::image::Statistics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate, report_problems},
    error::TaskError,
    preparation::{Activity, Preparation},
    pretrained::{NONE, PretrainedRun, note_weights},
};

use crate::{
    network::{Architecture, Network, NetworkConfig},
    pretrained,
    published::{self, Published},
};

/// `[model]`: the network, and the weights that it starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageModelConfig {
    /// The network: `resnet18`, `34`, `50`, `101`, `152` and `vgg11`, `13`, `16`, `19` (with `_bn` for batch normalisation), which are torchvision's;
    /// `resnet20`, `32`, `44`, `56`, `110` for pictures of 32 × 32 (He et al., section 4.2), and `resnet8` for trying out.
    pub architecture: Architecture,
    /// Where its weights come from: `"none"`; the name of published weights, which are downloaded once: `"resnet50"`, `"vgg16_bn"`,
    /// `"cifar10-resnet20"`; a file of PyTorch (`.pth`, `.pt`, `.th`) or a `.safetensors` file; or a run, `"run:NAME"` or its folder.
    /// A head for other classes is replaced.
    pub pretrained: String,
    /// Part of the features that is dropped before the last layer, and in the classifier of a VGG. None: 0.5 for a VGG, 0 for a ResNet.
    pub dropout: Option<f64>,
    /// Part of the residual blocks that is dropped in training, the last block the most (stochastic depth, arXiv:1603.09382).
    pub drop_path: f64,
    /// Lets every residual block begin as the identity; for training from scratch.
    pub zero_init_residual: bool,
}

impl Default for ImageModelConfig {
    fn default() -> Self {
        Self {
            architecture: Architecture::Resnet18,
            pretrained: NONE.into(),
            dropout: None,
            drop_path: 0.0,
            zero_init_residual: false,
        }
    }
}

impl Validate for ImageModelConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            !self.pretrained.is_empty(),
            "pretrained",
            "is empty: \"none\", a name, a file or a run is expected",
        );
        // Channels and classes are those of the data.
        report_problems(self.network(1, 1).validate(), problems);
    }
}

impl ImageModelConfig {
    /// The network for pictures of so many channels and classes.
    pub fn network(&self, channels: usize, classes: usize) -> NetworkConfig {
        NetworkConfig {
            architecture: self.architecture,
            in_channels: channels,
            classes,
            drop_path: self.drop_path,
            dropout: self.dropout,
            zero_init_residual: self.zero_init_residual,
        }
    }

    /// Whether anything is dropped at random in training.
    pub(super) fn drops(&self) -> bool {
        self.drop_path > 0.0 || self.dropout.unwrap_or(self.architecture.default_dropout()) > 0.0
    }

    /// Where the weights come from. Nothing is read or downloaded yet.
    ///
    /// # Errors
    /// When `pretrained` is no name, no file and no run.
    pub(super) fn pretrained(&self, runs: &Path) -> Result<Pretrained, TaskError> {
        if self.pretrained == NONE {
            return Ok(Pretrained::None);
        }
        if let Some(run) = PretrainedRun::named(&self.pretrained, runs)? {
            return Ok(Pretrained::Run(run));
        }
        let path = data::locate(&self.pretrained);
        match (published::named(&self.pretrained), path) {
            (Ok(published), _) => self.fitting(published),
            (Err(_), Ok(path)) if path.is_dir() => {
                Ok(Pretrained::Run(PretrainedRun::in_folder(&path, &self.pretrained)?))
            }
            (Err(_), Ok(path)) => Ok(Pretrained::File(path)),
            // What looks like a path is one that is not there.
            (Err(_), Err(error)) if self.pretrained.contains(['/', '\\']) => {
                Err(format!("`model.pretrained`: {error}").into())
            }
            (Err(unknown), Err(_)) => {
                Err(format!("`model.pretrained`: {unknown}; a file is given by its path, a run as \"run:NAME\"").into())
            }
        }
    }
}

impl ImageModelConfig {
    /// Published weights, if they are those of this architecture.
    fn fitting(&self, published: &'static Published) -> Result<Pretrained, TaskError> {
        if published.architecture == self.architecture.name() {
            return Ok(Pretrained::Published(published));
        }
        let message = format!(
            "`model.pretrained` names weights of {}, and `model.architecture` is {}: change one of the two",
            published.architecture, self.architecture
        );
        Err(message.into())
    }
}

/// Where the weights of a network come from.
#[derive(Debug)]
pub enum Pretrained {
    /// They are drawn at random.
    None,
    /// Published ones.
    Published(&'static Published),
    /// A file.
    File(PathBuf),
    /// Another run.
    Run(PretrainedRun),
}

impl Pretrained {
    /// The mean and standard deviation of the pictures that the weights were trained on, where they are known.
    pub fn statistics(&self) -> Result<Option<Statistics>, TaskError> {
        match self {
            Self::None => Ok(None),
            Self::Published(published) => Ok(Some(statistics_of(published))),
            Self::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Ok(published::of_file(&name).map(statistics_of))
            }
            Self::Run(run) => image_tasks::statistics_of(run),
        }
    }

    /// Puts the weights into `network` and notes what was loaded.
    pub fn load<B: Backend>(&self, network: &mut Network<B>, progress: &dyn Preparation) -> Result<(), TaskError> {
        let (name, tensors) = match self {
            Self::None => return Ok(()),
            Self::Published(published) => {
                let what = format!("download {}", published.file_name);
                let path = published.fetch(&mut |download| {
                    progress.progress(&Activity::bytes(&what, download.done, download.total));
                })?;
                (published.name.to_string(), pretrained::read(&path)?)
            }
            Self::File(path) => (path.display().to_string(), pretrained::read(path)?),
            Self::Run(run) => (run.checkpoint.display().to_string(), run.weights()?),
        };
        let report = pretrained::load(network, tensors)?;
        note_weights(progress, &name, &report.lines());
        Ok(())
    }
}

fn statistics_of(published: &Published) -> Statistics {
    Statistics { mean: published.mean.to_vec(), std: published.std.to_vec() }
}
