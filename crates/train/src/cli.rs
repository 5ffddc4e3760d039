//! The command line. Raw flags only: what they mean together is decided once, by the command.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};

use crate::{
    backend::{BackendKind, DeviceRequest},
    config::Override,
};

const EXAMPLES: &str = "\
Examples:
  train --config configs/quickstart.toml
      Train. Everything about the run goes to runs/<name>/, its report to runs/<name>/report.html.
  train --config configs/quickstart.toml --set optimizer.learning_rate=0.001 --name faster
      The same with one value changed, as a run of its own.
  train --config configs/quickstart.toml --resume
      Go on where the run stopped.
  train generate --run quickstart --prompt \"Once upon a time\"
      Use the trained model.

  `train list` shows what can be trained, `train config --config FILE` every key with its meaning.";

/// Trains the models of deep learning from one config file, on any GPU or on the CPU.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    subcommand_help_heading = "Beside training",
    override_usage = "train --config FILE [OPTIONS]\n       train COMMAND [OPTIONS]"
)]
pub struct Cli {
    /// What to do other than train.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Training needs no subcommand.
    #[command(flatten)]
    pub train: TrainArgs,
}

/// What to do other than train.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Score a trained model on its test data, or its validation data where there are none
    Eval(EvalArgs),
    /// Let a trained model write (or draw)
    Generate(GenerateArgs),
    /// Apply a trained model to new input: forecast a table, classify texts or pictures
    Predict(PredictArgs),
    /// Write what a trained model makes of pictures before it answers, as a table: codes, features
    Embed(EmbedArgs),
    /// Place the rows of a table, or pictures, in the plane: PCA, t-SNE, UMAP, autoencoder
    Reduce(ReduceArgs),
    /// List the jobs and their configs
    List,
    /// Show backends, devices and versions
    Info,
    /// Print a config with all its defaults and what each key means, or its JSON schema for editors
    Config(ConfigArgs),
    /// Write a run's report.html again and print its table
    Report(ReportArgs),
}

/// `train --config FILE`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// The config file of the run, such as configs/quickstart.toml
    #[arg(short, long, value_name = "FILE", required_unless_present = "resume")]
    pub config: Option<PathBuf>,

    /// Change one value of the config, typed as in the file; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Override>,

    /// Name of the run, and of its folder below runs/ [default: the config file's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Go on with a run from its last complete checkpoint: RUN, or else the run that --name or the config names
    #[arg(long, value_name = "RUN", help_heading = "Where to start from")]
    pub resume: Option<Option<String>>,

    /// Start a new run from the weights of another run, or of a .safetensors file
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume", help_heading = "Where to start from")]
    pub init_from: Option<String>,

    /// Seed of everything random (training.seed)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Stop after N optimiser steps (training.max_steps)
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,

    /// A few steps of training, validation and checkpoint, to see that everything works
    #[arg(long, help_heading = "Trying out")]
    pub fast_dev_run: bool,

    /// Train on the first N batches only, over and over: a model that cannot learn these learns nothing
    #[arg(long, value_name = "N", help_heading = "Trying out")]
    pub overfit_batches: Option<u64>,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "tui", help_heading = "Progress")]
    pub quiet: bool,

    /// Show progress in a full-screen view (on a terminal only) [default: plain lines]
    #[arg(long, help_heading = "Progress")]
    pub tui: bool,
}

/// How a run shows its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Lines of text.
    Plain,
    /// Nothing.
    Quiet,
    /// A full-screen view.
    Tui,
}

impl TrainArgs {
    /// `--set` in the order given, then the other flags that stand for a key of the config.
    pub fn overrides(&self) -> Vec<Override> {
        let number = |flag: &str, key: &str, value: Option<u64>| value.map(|value| Override::flag(flag, key, value));
        let mut overrides = self.set.clone();
        overrides.extend(self.name.as_ref().map(|name| Override::text_flag("--name", "name", name)));
        overrides.extend(self.overrides_of_all_stages());
        overrides.extend(number("--max-steps", "training.max_steps", self.max_steps));
        overrides.extend(number("--overfit-batches", "training.overfit_batches", self.overfit_batches));
        overrides
    }

    /// The flags that hold for the stages of a config as well.
    pub fn overrides_of_all_stages(&self) -> Vec<Override> {
        let flags = [
            self.device.backend.map(|backend| Override::text_flag("--backend", "backend", backend.name())),
            self.device.device.map(|device| Override::text_flag("--device", "device", &device.to_string())),
            self.seed.map(|seed| Override::flag("--seed", "training.seed", seed)),
        ];
        flags.into_iter().flatten().collect()
    }

    /// How to show progress.
    pub fn progress(&self) -> Progress {
        match (self.quiet, self.tui) {
            (true, _) => Progress::Quiet,
            (_, true) => Progress::Tui,
            _ => Progress::Plain,
        }
    }
}

/// Where to compute.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where to compute")]
pub struct DeviceArgs {
    /// Backend, of those compiled in [default: the fastest; `train info` shows them]
    #[arg(long, value_enum, value_name = "NAME")]
    pub backend: Option<BackendKind>,

    /// Device: cpu, gpu, gpu:1, cuda:0, discrete:0, integrated:0 or virtual:0 [default: the backend's best]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceRequest>,
}

/// A trained run and which of its checkpoints.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The run: its name below runs/, or the path of its folder
    #[arg(long, value_name = "RUN")]
    pub run: String,

    /// Which weights: best, last, average or step-N [default: best]
    #[arg(long, value_name = "WHICH")]
    pub checkpoint: Option<CheckpointRequest>,
}

/// Which checkpoint of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointRequest {
    /// The best by the monitored metric.
    Best,
    /// The newest.
    Last,
    /// The mean of the last ones: `training.average_last`.
    Average,
    /// That of one optimiser step.
    Step(u64),
}

impl fmt::Display for CheckpointRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => write!(f, "best"),
            Self::Last => write!(f, "last"),
            Self::Average => write!(f, "average"),
            Self::Step(step) => write!(f, "step-{step}"),
        }
    }
}

impl FromStr for CheckpointRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            "average" => Ok(Self::Average),
            _ => text
                .strip_prefix("step-")
                .and_then(|step| step.parse().ok())
                .map(Self::Step)
                .ok_or_else(|| "expected best, last, average or step-N, for example step-2000".into()),
        }
    }
}

/// `train eval`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  train eval --run quickstart --checkpoint last\n  train eval --run quickstart --set data.source=other.txt\n      \
                  On other data, which leaves the run's report as it is."
)]
pub struct EvalArgs {
    /// The trained model.
    #[command(flatten)]
    pub run: RunArgs,

    /// Change one value of the run's config, for example another data.source; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Override>,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `train generate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  train generate --run quickstart --prompt \"Once upon a time\" --tokens 300 --temperature 0.7\n  train generate --run gan-digits --n 64 --out grid.png\n  train generate --run gan-digits --class 7 --interpolate --n 16 --out walk.gif"
)]
pub struct GenerateArgs {
    /// The trained model.
    #[command(flatten)]
    pub run: RunArgs,

    /// Text to go on from
    #[arg(long, default_value = "", hide_default_value = true)]
    pub prompt: String,

    /// How many tokens to add
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub tokens: usize,

    /// Below 1 the text gets safer, above 1 wilder; 0 always takes the likeliest token
    #[arg(long, value_name = "X", default_value_t = 0.8, value_parser = at_least_zero, help_heading = "Sampling")]
    pub temperature: f64,

    /// Choose among the K likeliest tokens only
    #[arg(long, value_name = "K", value_parser = count, help_heading = "Sampling")]
    pub top_k: Option<usize>,

    /// Choose among the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", value_parser = probability, help_heading = "Sampling")]
    pub top_p: Option<f64>,

    /// Choose among the tokens that are at least P times as likely as the likeliest
    #[arg(long, value_name = "P", value_parser = probability, help_heading = "Sampling")]
    pub min_p: Option<f64>,

    /// End where this text would begin; may be given several times
    #[arg(long, value_name = "TEXT", help_heading = "Sampling")]
    pub stop: Vec<String>,

    /// Above 1: tokens that have been used get less likely
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = above_zero, help_heading = "Sampling")]
    pub repetition_penalty: f64,

    /// Seed of the sampling: the same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Sampling")]
    pub seed: u64,

    /// How many samples
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub n: usize,

    /// File to write pictures to
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub out: Option<PathBuf>,

    /// The class of the pictures, for models that make them by class
    #[arg(long, value_name = "NAME|NUMBER", help_heading = "Pictures")]
    pub class: Option<String>,

    /// Go from picture to picture: an animation where --out ends in .gif, else a row of a grid for each way
    #[arg(long, help_heading = "Pictures")]
    pub interpolate: bool,

    /// How many pictures a way has [default: 48 in an animation, 10 in a row]
    #[arg(long, value_name = "N", value_parser = count, requires = "interpolate", help_heading = "Pictures")]
    pub frames: Option<usize>,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Pictures of an animation, and of a row of a grid, unless --frames says otherwise.
const FRAMES: [usize; 2] = [48, 10];

impl GenerateArgs {
    /// How many pictures there are on the way from one to another, where the way is asked for.
    pub fn frames(&self) -> Option<usize> {
        let moving =
            self.out.as_ref().is_some_and(|out| out.extension().is_some_and(|end| end.eq_ignore_ascii_case("gif")));
        self.interpolate.then(|| self.frames.unwrap_or(if moving { FRAMES[0] } else { FRAMES[1] }))
    }
}

/// `train predict`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  train predict --run etth1 --input new.csv --output forecast.csv\n  train predict --run reviews \"a lovely little film\"\n  train predict --run ants-bees photo.jpg --explain why/"
)]
pub struct PredictArgs {
    /// The trained model.
    #[command(flatten)]
    pub run: RunArgs,

    /// Texts, or files of pictures or sound, one by one
    #[arg(value_name = "INPUT")]
    pub items: Vec<String>,

    /// A file of inputs: a table, or one text a line
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// Write the predictions to this CSV file [default: print them]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write what each prediction rests on (heat maps over pictures) to this folder
    #[arg(long, value_name = "FOLDER")]
    pub explain: Option<PathBuf>,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `train embed`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  train embed --run autoencoder-digits --input embedded:digits --out codes.npy\n  train reduce --method umap --input codes.npy --labels codes.labels.txt --plot map.html"
)]
pub struct EmbedArgs {
    /// The trained model.
    #[command(flatten)]
    pub run: RunArgs,

    /// Pictures: a folder, an archive, a table, a data set's files, embedded:digits
    #[arg(long, value_name = "SOURCE")]
    pub input: String,

    /// The table to write: .npy, with the labels in a text file beside it, or .csv
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// A method of `train reduce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReduceMethod {
    /// Principal components: directions of the largest variance
    Pca,
    /// Neighbours stay neighbours (van der Maaten and Hinton 2008)
    Tsne,
    /// The same faster, with more of the whole arrangement (McInnes et al. 2018)
    Umap,
    /// Numbers from which a network rebuilds the rest (Hinton and Salakhutdinov 2006)
    Autoencoder,
}

/// `train reduce`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  train reduce --method tsne --input embedded:digits --plot map.html\n  train reduce --method pca --input table.csv --labels species --components 3 --out points.csv\n  train reduce --method umap --input features.npy --labels labels.txt --set n_neighbors=30 --plot map.png"
)]
pub struct ReduceArgs {
    /// How
    #[arg(long, value_enum)]
    pub method: ReduceMethod,

    /// A .csv, .tsv or .npy file with a row a point, or pictures: a folder, an archive, a data set's files, embedded:digits
    #[arg(long, value_name = "SOURCE")]
    pub input: String,

    /// The column of the table with the labels; beside a .npy file, a file with a label a line or another .npy file
    #[arg(long, value_name = "COLUMN|FILE")]
    pub labels: Option<String>,

    /// Pass over this column of the table; may be given several times
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,

    /// Width and height of pictures [default: their own where all have the same, up to 64; else 64]
    #[arg(long, value_name = "N", value_parser = count)]
    pub image_size: Option<usize>,

    /// Scale each column to mean 0 and deviation 1 first
    #[arg(long)]
    pub standardize: bool,

    /// Add normal noise of this deviation to all numbers first (pixels go from 0 to 1), and measure against what was there without it
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = at_least_zero)]
    pub noise: f64,

    /// Take the first N principal components first; 0: do not [default: 50 for t-SNE and UMAP]
    #[arg(long, value_name = "N")]
    pub first_pca: Option<usize>,

    /// Coordinates of a point [default: 2]
    #[arg(long, value_name = "N", value_parser = count)]
    pub components: Option<usize>,

    /// One setting of the method: perplexity, theta, early_exaggeration, n_neighbors, min_dist, whiten, hidden, epochs, …; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Seed of everything random: the same seed gives the same points
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Neighbours over which trustworthiness, continuity and accuracy are measured
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = count)]
    pub neighbours: usize,

    /// Write the points to this CSV file
    #[arg(long, value_name = "FILE", default_value = "points.csv")]
    pub out: PathBuf,

    /// Draw a map: a page (.html) that shows what is under the pointer, or a picture (.png); may be given several times
    #[arg(long, value_name = "FILE")]
    pub plot: Vec<PathBuf>,

    /// Where an autoencoder is trained.
    #[command(flatten, next_help_heading = "Where --method autoencoder is trained (the other methods refuse them)")]
    pub device: DeviceArgs,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "expected a number".into())
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    if number >= 0.0 { Ok(number) } else { Err("must be at least 0".into()) }
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    if number > 0.0 { Ok(number) } else { Err("must be above 0".into()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    if number > 0.0 && number <= 1.0 { Ok(number) } else { Err("must be above 0 and at most 1".into()) }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "must be a whole number of at least 1".into())
}

/// `train config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  train config --config configs/quickstart.toml --set model.hidden_size=256
      The config as the run would see it, every key explained.
  train config --schema language-model > schema.json
      The JSON schema of a job's configs, for completion in an editor.")]
pub struct ConfigArgs {
    /// The config file to print
    #[arg(short, long, value_name = "FILE", required_unless_present = "schema")]
    pub config: Option<PathBuf>,

    /// Change one value; may be given many times
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "schema")]
    pub set: Vec<Override>,

    /// Print the JSON schema of JOB's configs instead; without JOB, of all jobs'
    #[arg(long, value_name = "JOB", conflicts_with = "config")]
    pub schema: Option<Option<String>>,
}

/// `train report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its name below runs/, or the path of its folder
    #[arg(long, value_name = "RUN")]
    pub run: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("train").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn training_needs_no_subcommand() {
        let cli = parse("--config x --set a=b --set c.d=1 --resume").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.train.config, Some("x".into()));
        assert_eq!(cli.train.set, ["a=b".parse().unwrap(), "c.d=1".parse().unwrap()]);
        assert_eq!(cli.train.resume, Some(None));
    }

    #[test]
    fn resume_takes_a_run_or_none_and_never_the_next_flag() {
        assert_eq!(parse("--resume --config x --quiet").unwrap().train.resume, Some(None));
        assert_eq!(parse("--config x --resume --name y").unwrap().train.name, Some("y".into()));
        assert_eq!(parse("--resume=a").unwrap().train.resume, Some(Some("a".into())));
        assert_eq!(parse("--resume runs/a").unwrap().train.resume, Some(Some("runs/a".into())));
        assert_eq!(parse("--config x").unwrap().train.resume, None);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "",
            "--set a=1",
            "--config x --quiet --tui",
            "--config x --resume a --init-from b",
            "--config x eval --run a",
            "--config x --set a",
            "--config x --set =1",
            "--config x --set a=",
            "eval",
            "generate --run a --top-p 0",
            "generate --run a --top-k 0",
            "generate --run a --temperature -1",
            "generate --run a --frames 8",
            "generate --run a --interpolate --frames 0",
            "eval --run a --checkpoint newest",
            "config",
            "config --config x --schema",
            "config --schema --set a=1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn subcommands_parse() {
        let Some(Command::Generate(args)) =
            parse("generate --run a --prompt Once --top-k 5 --checkpoint step-20").unwrap().command
        else {
            panic!("not generate")
        };
        assert_eq!((args.run.run.as_str(), args.prompt.as_str(), args.top_k), ("a", "Once", Some(5)));
        assert_eq!(args.run.checkpoint, Some(CheckpointRequest::Step(20)));
        for (flags, frames) in [
            ("", None),
            ("--interpolate", Some(10)),
            ("--interpolate --out walk.gif", Some(48)),
            ("--interpolate --out walk.gif --frames 7 --class cat", Some(7)),
        ] {
            let Some(Command::Generate(args)) = parse(&format!("generate --run a {flags}")).unwrap().command else {
                panic!("not generate")
            };
            assert_eq!(args.frames(), frames, "{flags}");
        }
        assert!(
            matches!(parse("config --schema").unwrap().command, Some(Command::Config(args)) if args.schema == Some(None))
        );
        for line in ["list", "info", "report --run a", "eval --run a --set data.source=x", "config -c x --set a=1"] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn flags_that_stand_for_keys_come_after_set() {
        let cli =
            parse("--config x --max-steps 5 --set training.max_steps=9 --seed 7 --device gpu:1 --name 7").unwrap();
        let expected = [
            "training.max_steps=9".parse().unwrap(),
            Override::text_flag("--name", "name", "7"),
            Override::text_flag("--device", "device", "gpu:1"),
            Override::flag("--seed", "training.seed", 7),
            Override::flag("--max-steps", "training.max_steps", 5),
        ];
        assert_eq!(cli.train.overrides(), expected);
    }
}
