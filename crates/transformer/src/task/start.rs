//! `[model]`: an architecture, the weights that it starts from, and what LoRA adds to them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::backend::Backend;
use download::{
    Hub, HubModel,
    hub::{CONFIG_FILE, WEIGHT_FILES},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate, report_problems},
    error::TaskError,
    job::AssembleContext,
    optimizer::ParameterGroup,
    parameters::ParameterInfo,
    preparation::{Activity, Preparation},
    pretrained::{NONE, PretrainedRun, note_weights},
};

use crate::{
    HuggingFaceError,
    lora::{LoraConfig, Projections},
    pretrained::{self, Pretrained},
};

/// `[model]`: the keys of the architecture, and where the training starts.
///
/// Unknown keys are found by the schema, since serde cannot tell them beside flattened ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, bound(deserialize = "C: Default + Deserialize<'de>"))]
#[schemars(bound = "C: Default + Serialize + JsonSchema")]
pub struct Start<C> {
    /// The architecture.
    #[serde(flatten)]
    pub architecture: C,
    /// Where the weights come from: `"none"`; a `.safetensors` or PyTorch file (`.bin`, `.pt`); a folder as Hugging Face has them, with
    /// `config.json` and the weights; a run, `"run:NAME"` or its folder; or a model that is downloaded once: `"gpt2"`, `"bert-base-uncased"`,
    /// or any of Hugging Face as `"hf:owner/name"`, with `@revision` behind it for a certain version.
    pub pretrained: String,
    /// Trains small additions and leaves the weights as they are (LoRA, Hu et al. 2021, arXiv:2106.09685).
    pub lora: Option<LoraConfig>,
}

/// An architecture that can be told from a `config.json`.
pub trait Architecture: Clone + PartialEq + Serialize + Sized {
    /// The values that can never work: the key, and what is allowed.
    fn validate(&self) -> Vec<(&'static str, String)>;

    /// The architecture in the text of a `config.json`; none for families that Hugging Face does not have.
    ///
    /// # Errors
    /// When it is another kind of model.
    fn of_config_file(text: &str) -> Result<Option<Self>, HuggingFaceError>;

    /// The same without what may differ between a published model and its training (dropout, what is kept for gradients).
    fn shape(&self) -> Self;
}

impl<C: Default> Default for Start<C> {
    fn default() -> Self {
        Self { architecture: C::default(), pretrained: NONE.into(), lora: None }
    }
}

impl<C: Architecture> Validate for Start<C> {
    fn validate(&self, problems: &mut Problems) {
        report_problems(self.architecture.validate(), problems);
        problems.check(
            !self.pretrained.is_empty(),
            "pretrained",
            "is empty: \"none\", a file, a folder, a run or the name of a model is expected",
        );
        let name = HubModel::named(&self.pretrained);
        problems.check(name.is_ok(), "pretrained", name.err().map_or_else(String::new, |error| error.to_string()));
        if let Some(lora) = &self.lora {
            problems.nested("lora", |problems| report_problems(lora.validate(), problems));
        }
    }
}

impl<C: Architecture> Start<C> {
    /// The model with its additions, if there are to be any.
    pub(super) fn with_lora<B: Backend, M: Projections<B>>(
        &self,
        model: M,
        device: &B::Device,
    ) -> Result<M, TaskError> {
        match &self.lora {
            Some(lora) => Ok(lora.add_to(model, device).map_err(|error| format!("`model.lora`: {error}"))?),
            None => Ok(model),
        }
    }

    /// Puts the weights that are named in place of the random ones.
    pub(super) fn load<B: Backend, M: Pretrained<B>>(
        &self,
        model: &mut M,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        self.source(context.runs)?.load(model, context.progress)
    }

    /// Where the weights are that the model starts from. Nothing is read, and nothing downloaded, but the `config.json` beside them.
    pub(super) fn source(&self, runs: &Path) -> Result<Source, TaskError> {
        if self.pretrained == NONE {
            return Ok(Source::Nowhere);
        }
        if let Some(run) = PretrainedRun::named(&self.pretrained, runs)? {
            return Ok(Source::Run(run));
        }
        let hub = HubModel::named(&self.pretrained)?;
        // What is there under that name is what Hugging Face's own libraries take, too.
        let path = match (data::locate(&self.pretrained), hub) {
            (Ok(path), _) => path,
            (Err(_), Some(model)) => return self.published(model),
            (Err(error), None) => {
                let message =
                    format!("`model.pretrained`: {error}; a model of Hugging Face is written \"hf:owner/name\"");
                return Err(message.into());
            }
        };
        if !path.is_dir() {
            return Ok(Source::File(path));
        }
        match WEIGHT_FILES.iter().map(|name| path.join(name)).find(|path| path.is_file()) {
            Some(weights) => {
                self.agrees_with(&path.join(CONFIG_FILE))?;
                Ok(Source::File(weights))
            }
            None => Ok(Source::Run(PretrainedRun::in_folder(&path, &self.pretrained)?)),
        }
    }

    /// A model of Hugging Face, if it is of this architecture.
    fn published(&self, model: HubModel) -> Result<Source, TaskError> {
        let config = Hub::from_environment().file(&model, &[CONFIG_FILE], &mut |_, _| {});
        let config = config.map_err(|error| format!("`model.pretrained`: {error}"))?;
        self.agrees_with(&config)?;
        Ok(Source::Hub { model, config })
    }

    /// A file that says what its model is like has to say what `[model]` says.
    fn agrees_with(&self, path: &Path) -> Result<(), TaskError> {
        let Ok(text) = fs::read_to_string(path) else { return Ok(()) };
        let there = C::of_config_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let Some(there) = there.filter(|there| there.shape() != self.architecture.shape()) else { return Ok(()) };
        let keys = toml::to_string(&there)?;
        let message =
            format!("{} is of another architecture than `[model]`; these keys give it:\n{keys}", path.display());
        Err(message.into())
    }
}

/// Where weights are.
#[derive(Debug)]
pub enum Source {
    /// They are random.
    Nowhere,
    /// A file of PyTorch or safetensors.
    File(PathBuf),
    /// A model of Hugging Face.
    Hub {
        /// Which one.
        model: HubModel,
        /// Its `config.json`.
        config: PathBuf,
    },
    /// Another run.
    Run(PretrainedRun),
}

impl Source {
    /// Puts the weights into a model and notes what became of them.
    pub(super) fn load<B: Backend, M: Pretrained<B>>(
        &self,
        model: &mut M,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        let (name, tensors) = match self {
            Self::Nowhere => return Ok(()),
            Self::File(path) => (path.display().to_string(), pretrained::read(path)?),
            Self::Hub { model, .. } => {
                let path = fetched(model, progress)?;
                (format!("{} ({})", model.repository, path.display()), pretrained::read(path)?)
            }
            Self::Run(run) => (run.checkpoint.display().to_string(), run.weights()?),
        };
        let report = pretrained::load(model, tensors)?;
        note_weights(progress, &name, &report.lines());
        Ok(())
    }

    /// The `config.json` that stands beside the weights of a folder or a model of Hugging Face.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.with_file_name(CONFIG_FILE)),
            Self::Hub { config, .. } => Some(config.clone()),
            Self::Nowhere | Self::Run(_) => None,
        }
    }
}

/// The weights of a model of Hugging Face, and its tokenizer beside them, both fetched unless they are there already.
fn fetched(model: &HubModel, progress: &dyn Preparation) -> Result<PathBuf, TaskError> {
    let hub = Hub::from_environment();
    let mut show = |file: &str, download: download::Progress| {
        let what = format!("download {file} of {}", model.repository);
        progress.progress(&Activity::bytes(&what, download.done, download.total));
    };
    let weights = hub.file(model, &WEIGHT_FILES, &mut show).map_err(|error| format!("`model.pretrained`: {error}"))?;
    // The weights are of use without it, as those of models of pictures are.
    match hub.tokenizer(model, &mut show) {
        Ok(Some(folder)) => progress.note(&format!("tokenizer of {}: {}", model.repository, folder.display())),
        Ok(None) => {}
        Err(error) => progress.note(&format!("no tokenizer: {error}")),
    }
    Ok(weights)
}

/// No weight decay on biases, normalisations and embeddings, as GPT and BERT are trained: on nothing but the weights of projections.
pub(super) fn undecayed(parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
    let is_table = |path: &str| EMBEDDINGS.iter().any(|name| path.contains(name));
    let undecayed = parameters.iter().filter(|parameter| parameter.shape.len() < 2 || is_table(&parameter.path));
    let group = |parameter: &ParameterInfo| ParameterGroup {
        parameters: parameter.path.clone(),
        weight_decay: Some(0.0),
        ..ParameterGroup::default()
    };
    undecayed.map(group).collect()
}

/// What the names of embeddings have in them.
const EMBEDDINGS: [&str; 8] =
    ["wte.", "wpe.", "embedding", "positions", "embed_timestep", "embed_action", "pos_embed", "cls_token"];
