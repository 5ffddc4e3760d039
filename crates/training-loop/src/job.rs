//! A job is what a config file names: how its blocks become data, a model and a task, and what can be done with the result.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::backend::{AutodiffBackend, Backend};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::Validate,
    error::TaskError,
    preparation::Preparation,
    task::{Splits, Task},
    weights::NamedTensors,
};

/// A block of a config file.
pub trait Block:
    Serialize + DeserializeOwned + JsonSchema + Default + Validate + Clone + Send + Sync + 'static
{
}
impl<T> Block for T where
    T: Serialize + DeserializeOwned + JsonSchema + Default + Validate + Clone + Send + Sync + 'static
{
}

/// The blocks of a config file that belong to the job: `[data]`, `[model]` and `[task]`.
#[derive(Debug, Clone, Default)]
pub struct Blocks<J: Job> {
    /// `[data]`
    pub data: J::Data,
    /// `[model]`
    pub model: J::Model,
    /// `[task]`
    pub task: J::Options,
}

/// A kind of training that a config can ask for with `job = "<name>"`. One line in the registry of `train` makes it known.
pub trait Job: Sized + 'static {
    /// Name in the config: lower case with dashes.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;
    /// Whether [`Job::predict`] can write what a prediction rests on: [`PredictRequest::explain`].
    const EXPLAINS: bool = false;
    /// Whether [`Job::generate`] can make things of one class: [`GenerateRequest::class`].
    const MAKES_CLASSES: bool = false;
    /// Whether [`Job::generate`] can go from one thing to another: [`GenerateRequest::interpolate`].
    const INTERPOLATES: bool = false;

    /// `[data]`: where the data come from and how they are batched.
    type Data: Block;
    /// `[model]`: the architecture.
    type Model: Block;
    /// `[task]`: loss, evaluation and sampling.
    type Options: Block;
    /// What is trained.
    type Task<B: AutodiffBackend>: Task<B>;

    /// Reads the data and builds model and task.
    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError>;

    /// Makes something new with trained weights (text, pictures), without reading the training data.
    fn generate<B: Backend>(
        _blocks: &Blocks<Self>,
        _trained: &Trained<'_, B::Device>,
        _request: &GenerateRequest,
        _output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        Err(format!("the job \"{}\" has nothing to generate", Self::NAME).into())
    }

    /// Applies trained weights to new input (a table, texts, recordings), without reading the training data.
    fn predict<B: Backend>(
        _blocks: &Blocks<Self>,
        _trained: &Trained<'_, B::Device>,
        _request: &PredictRequest,
        _output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        Err(format!("the job \"{}\" has nothing to predict", Self::NAME).into())
    }

    /// Writes what a trained network makes of each picture of a source before it answers (codes, features), as a table.
    fn embed<B: Backend>(
        _blocks: &Blocks<Self>,
        _trained: &Trained<'_, B::Device>,
        _request: &EmbedRequest,
        _output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        Err(format!("the job \"{}\" has nothing to embed", Self::NAME).into())
    }
}

/// What [`Job::assemble`] may use.
#[derive(Clone, Copy)]
pub struct AssembleContext<'a, D> {
    /// Device of the model.
    pub device: &'a D,
    /// Seed of the weights and of everything random in the data.
    pub seed: u64,
    /// Folder of an existing run whose artefacts (a tokenizer) are used rather than made anew.
    pub artefacts: Option<&'a Path>,
    /// Folder of all runs, where a config may name another one to start from.
    pub runs: &'a Path,
    /// Is told what the job does before training.
    pub progress: &'a dyn Preparation,
    /// Whether the weights of a checkpoint replace those of the model after it is assembled, so that pretrained ones need not be
    /// looked for.
    pub weights_follow: bool,
}

impl<'a, D> AssembleContext<'a, D> {
    /// A new run below `runs` that nobody watches.
    pub fn new(device: &'a D, seed: u64) -> Self {
        Self { device, seed, artefacts: None, runs: Path::new("runs"), progress: &(), weights_follow: false }
    }
}

/// A job that is ready to train.
pub struct Assembled<B: AutodiffBackend, T: Task<B>> {
    /// The task.
    pub task: T,
    /// Its model, initialised.
    pub model: T::Model,
    /// The data.
    pub splits: Splits<T::Batch>,
    /// Files that later commands need beside the weights (a tokenizer), by file name; saved in the run folder.
    pub artefacts: BTreeMap<String, Vec<u8>>,
    /// Facts about the data worth a line each at the start: `("characters", "65")`.
    pub facts: Vec<(String, String)>,
}

/// A trained model on disk.
#[derive(Debug)]
pub struct Trained<'a, D> {
    /// Device to run on.
    pub device: &'a D,
    /// The run folder, with the artefacts.
    pub artefacts: &'a Path,
    /// The weights of the chosen checkpoint.
    pub weights: &'a NamedTensors,
}

/// What `train generate` asks for.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Text to continue.
    pub prompt: String,
    /// How many tokens to add.
    pub tokens: usize,
    /// Divides the logits: below 1 safer, above 1 wilder, 0 always the likeliest.
    pub temperature: f64,
    /// Sample among the k likeliest tokens only.
    pub top_k: Option<usize>,
    /// Sample among the likeliest tokens that together have this probability.
    pub top_p: Option<f64>,
    /// Sample among the tokens that are at least this part as likely as the likeliest (arXiv:2407.01082).
    pub min_p: Option<f64>,
    /// Divides the logits of tokens that occurred already (CTRL, arXiv:1909.05858); 1 leaves them.
    pub repetition_penalty: f64,
    /// A text ends where one of these begins.
    pub stop: Vec<String>,
    /// Seed of the sampling.
    pub seed: u64,
    /// How many samples.
    pub count: usize,
    /// File for pictures.
    pub out: Option<PathBuf>,
    /// The class of what is made: its name, or its number. Only jobs that say [`Job::MAKES_CLASSES`] are asked for it.
    pub class: Option<String>,
    /// Pictures on the way from one to another, instead of pictures that have nothing to do with each other. Only jobs that say
    /// [`Job::INTERPOLATES`] are asked for it.
    pub interpolate: Option<usize>,
}

/// What `train embed` asks for.
#[derive(Debug, Clone, Default)]
pub struct EmbedRequest {
    /// Where the pictures are, as `data.source` of a config would say.
    pub input: String,
    /// The table: a `.npy` file, with the labels in a text file beside it, or a `.csv` file.
    pub out: PathBuf,
}

/// What `train predict` asks for.
#[derive(Debug, Clone, Default)]
pub struct PredictRequest {
    /// What the command line names one by one: texts, or files of pictures or sound.
    pub items: Vec<String>,
    /// A file of inputs: a table, or one text a line.
    pub input: Option<PathBuf>,
    /// Where to write the predictions as CSV. None: they are given as text.
    pub output: Option<PathBuf>,
    /// Folder for what each prediction rests on. Only jobs that say [`Job::EXPLAINS`] are asked for it.
    pub explain: Option<PathBuf>,
}

impl PredictRequest {
    /// The files that are named one by one, and those that the input file names, one a line.
    pub fn files(&self) -> Result<Vec<PathBuf>, TaskError> {
        let mut files: Vec<PathBuf> = self.items.iter().map(PathBuf::from).collect();
        if let Some(list) = &self.input {
            let text =
                fs::read_to_string(list).map_err(|error| format!("{} cannot be read: {error}", list.display()))?;
            files.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(PathBuf::from));
        }
        Ok(files)
    }

    /// Gives predictions, rows of a CSV table with the header among them, to the file that was asked for, or else as text.
    pub fn give_table(
        &self,
        rows: impl IntoIterator<Item = Vec<String>>,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let table = csv_table(rows)?;
        match &self.output {
            Some(path) => {
                fs::write(path, table).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
                output(Generated::File(path))?;
            }
            None => output(Generated::Text(&table))?,
        }
        Ok(())
    }
}

/// The text of an artefact that a run keeps in its folder.
pub fn read_artefact(run: &Path, file_name: &str) -> Result<String, TaskError> {
    let path = run.join(file_name);
    Ok(fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?)
}

/// Rows, the header among them, as CSV.
pub fn csv_table(rows: impl IntoIterator<Item = Vec<String>>) -> Result<String, TaskError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// A piece of what is generated, as soon as it is there.
#[derive(Debug)]
pub enum Generated<'a> {
    /// Text to append.
    Text(&'a str),
    /// A file that was written.
    File(&'a Path),
}
