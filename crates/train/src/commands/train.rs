//! `train --config FILE`: trains.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use burn::tensor::backend::AutodiffBackend;
use training_loop::{
    checkpoint,
    error::TrainError,
    event::{Event, Observer, Outcome, StopReason},
    fit::{Fit, Interrupt, LoopConfig, Start, fit},
    job::{AssembleContext, Assembled, Job},
    preparation::Preparation,
    run_folder::RunFolder,
};

use super::{
    runs::{self, Located},
    stages::{self, Main, Staged},
};
use crate::{
    animation,
    backend::{self, BackendChoice, WithBackend},
    cli::{Progress, TrainArgs},
    config::{self, ConfigSource, Loaded, Override},
    experiment::ExperimentOf,
    failure::Failure,
    jobs::{Jobs, Outline},
    watch::{Plain, Preparing, TensorBoard, Tui, outcome_line},
};

/// What is to be trained, before the type of its config is known.
pub struct Plan {
    /// Its config.
    pub source: ConfigSource,
    /// What the command line changes of it.
    pub overrides: Vec<Override>,
    /// The run to go on with, and the checkpoint if one was named.
    pub resume: Option<Located>,
    /// Default name of the run.
    pub stem: String,
    /// Folder of runs that are gone when the command is over.
    pub scratch: Option<PathBuf>,
    /// Its place in the command.
    pub role: Role,
}

/// The place of a run among those of one command.
pub enum Role {
    /// There is no other.
    Only,
    /// It comes before that of the config.
    Stage,
    /// It comes after the stages of the config; the report shows those of these names beside it.
    AfterStages(Vec<String>),
}

/// Runs the command.
pub fn run(jobs: &Jobs, args: &TrainArgs, _out: &mut dyn Write) -> Result<(), Failure> {
    let mut plan = Plan::new(jobs, args)?;
    let job = jobs.of(&plan.source, &plan.overrides)?;
    let outline = job.outline(&plan.source, &plan.overrides)?;
    let scratch = Scratch::new(args.fast_dev_run, &outline.runs);
    plan.scratch = scratch.as_ref().map(|scratch| scratch.0.clone());
    if !outline.stages.is_empty() {
        // A run that is there to go on with has its stages behind it.
        if plan.resume.is_none() {
            plan.after_stages(jobs, args, &outline)?;
        }
        plan.overrides.push(stages::resolved(&outline.stages, args));
    }
    job.train(args, &plan)
}

impl Plan {
    fn new(jobs: &Jobs, args: &TrainArgs) -> Result<Self, Failure> {
        let file = args.config.as_deref().map(ConfigSource::file).transpose()?;
        let stem = args.config.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy().into_owned();
        let resume = match &args.resume {
            None => None,
            Some(Some(run)) => Some(runs::locate(run)?),
            Some(None) => match (&args.name, &file) {
                (_, Some(file)) => resumed(jobs, args, file, &stem)?,
                (Some(name), None) => Some(runs::locate(name)?),
                (None, None) => {
                    return Err(Failure::user("--resume needs a run: --resume RUN, or --config FILE --resume"));
                }
            },
        };
        // A run goes on with the config that it was started with, and what the command line changes.
        let source = match (&resume, file) {
            (Some(located), None) => ConfigSource::file(&located.run.join("config.toml"))?,
            (_, Some(file)) => file,
            (None, None) => return Err(Failure::user("give a config: --config FILE")),
        };
        Ok(Self { source, overrides: args.overrides(), resume, stem, scratch: None, role: Role::Only })
    }

    /// Trains the stages, and makes this the plan of the run that comes after them.
    fn after_stages(&mut self, jobs: &Jobs, args: &TrainArgs, outline: &Outline) -> Result<(), Failure> {
        let name = if outline.name.is_empty() { &self.stem } else { &outline.name };
        if outline.stages.iter().any(|stage| stage.name == *name) {
            return Err(Failure::user(format!(
                "\"{name}\" is the name of the run and of one of its stages\n  give one of the two another name"
            )));
        }
        let runs = self.scratch.as_deref().unwrap_or(&outline.runs);
        RunFolder::check_free(&runs.join(name))?;
        let main = Main { args, plan: self, outline, runs };
        train_stages(&main.stages(jobs)?, args, name)?;
        let compared = outline.stages.iter().filter(|stage| stage.compare).map(|stage| stage.name.clone());
        self.role = Role::AfterStages(compared.collect());
        Ok(())
    }

    /// Where a config that names another run finds it.
    fn runs_to_look_in<'a>(&'a self, configured: &'a Path) -> &'a Path {
        match (&self.scratch, &self.role) {
            (Some(scratch), Role::Stage | Role::AfterStages(_)) => scratch,
            _ => configured,
        }
    }
}

/// The run that a config names. One that comes after stages is not there before they are done, and they go on by themselves.
fn resumed(jobs: &Jobs, args: &TrainArgs, file: &ConfigSource, stem: &str) -> Result<Option<Located>, Failure> {
    let overrides = args.overrides();
    let outline = jobs.of(file, &overrides)?.outline(file, &overrides)?;
    match runs::locate(if outline.name.is_empty() { stem } else { &outline.name }) {
        Err(_) if !outline.stages.is_empty() => Ok(None),
        located => located.map(Some),
    }
}

fn train_stages(stages: &[Staged], args: &TrainArgs, name: &str) -> Result<(), Failure> {
    let runs = stages.len() + 1;
    let say = |line: &str| {
        if args.progress() != Progress::Quiet {
            say(line);
        }
    };
    for (index, stage) in stages.iter().enumerate() {
        stage.train(args, &format!("stage {} of {runs}", index + 1), &say)?;
    }
    say(&format!("stage {runs} of {runs}: {name}"));
    Ok(())
}

/// Trains a job.
pub fn job<J: Job>(args: &TrainArgs, plan: &Plan) -> Result<(), Failure> {
    let mut loaded: Loaded<ExperimentOf<J>> = config::load(&plan.source, &plan.overrides)?;
    let experiment = &loaded.config;
    let choice = BackendChoice::new(experiment.backend, experiment.device)?;
    // What the resolved config must name to give the same run again.
    let mut overrides = plan.overrides.clone();
    overrides.push(Override::text_flag("--backend", "backend", choice.kind.name()));
    if experiment.name.is_empty() {
        let name = plan.resume.as_ref().map_or(plan.stem.clone(), |located| runs::name_of(&located.run));
        overrides.push(Override::text_flag("--name", "name", &name));
    }
    loaded = config::load(&plan.source, &overrides)?;
    let start = match (&plan.resume, &args.init_from) {
        (Some(located), _) => located.start()?,
        (None, Some(from)) => Start::Weights(runs::weights(from)?),
        (None, None) => Start::Scratch,
    };
    backend::dispatch(&choice, Training::<J> { args, plan, loaded, start, choice: &choice })?
}

struct Training<'a, J: Job> {
    args: &'a TrainArgs,
    plan: &'a Plan,
    loaded: Loaded<ExperimentOf<J>>,
    start: Start,
    choice: &'a BackendChoice,
}

impl<J: Job> WithBackend for Training<'_, J> {
    type Output = Result<(), Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let Self { args, plan, loaded, start, choice } = self;
        let experiment = &loaded.config;
        let run = match (&plan.resume, &plan.scratch) {
            (_, Some(scratch)) => RunFolder::create(&scratch.join(&experiment.name))?,
            (Some(located), None) => RunFolder::open(&located.run)?,
            (None, None) => RunFolder::create(&experiment.runs.0.join(&experiment.name))?,
        };
        run.write("config.toml", loaded.resolved_toml().as_bytes())?;
        if let Role::AfterStages(compared) = &plan.role
            && !compared.is_empty()
        {
            run.write("compare.json", &comparison(compared))?;
        }

        let interrupt = stop_on_ctrl_c(args.progress() == Progress::Tui);
        let mut plain = Plain::new(&run.root().join("train.log"), args.progress() == Progress::Plain);
        plain.line(&format!("{} on {choice}, run {}", J::NAME, run.root().display()));
        if let Some(note) = &choice.note {
            plain.line(note);
        }
        let preparing = Preparing::of_run(&mut plain, args.progress() == Progress::Quiet);
        let context = AssembleContext {
            device: &device,
            seed: experiment.training.seed,
            artefacts: plan.resume.as_ref().map(|located| located.run.as_path()),
            runs: plan.runs_to_look_in(&experiment.runs.0),
            progress: &preparing,
            weights_follow: start != Start::Scratch,
        };
        let assembled = J::assemble::<B>(&experiment.blocks::<J>(), &context).map_err(TrainError::from);
        drop(preparing);
        let Assembled { task, model, splits, artefacts, facts } = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                // Nothing was trained: the name stays free.
                if plan.resume.is_none() {
                    let _ = fs::remove_dir_all(run.root());
                }
                return Err(error.into());
            }
        };
        for (name, bytes) in &artefacts {
            run.write(name, bytes)?;
        }
        for (name, value) in &facts {
            plain.line(&format!("  {name}: {value}"));
        }

        let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(TensorBoard::new(&run.root().join("tensorboard")))];
        if args.progress() == Progress::Tui {
            let header =
                vec![format!("{}  ·  {}", experiment.name, J::NAME), format!("{choice}  ·  {}", run.root().display())];
            observers.push(Box::new(Tui::new(header, interrupt.clone()).map_err(Failure::user)?));
        }
        observers.push(Box::new(plain));
        let bar = args.progress() == Progress::Plain;
        let mut watch = Watch { observers, parameters: 0, bar, preparing: None };

        let config = smoke_test(experiment.loop_config(), args.fast_dev_run);
        let job = Fit { task, model, splits, config: &config, device: &device, run: &run, start, interrupt };
        let result = fit(job, &mut watch).map(|(_, _, outcome)| outcome);
        summarise(&run, J::NAME, choice, watch.parameters, &config, &result)?;
        drop(watch);
        let outcome = result?;
        if outcome.reason == StopReason::Interrupted {
            match plan.role {
                Role::Stage => eprintln!("saved: the same command goes on here"),
                _ => eprintln!("saved: go on with --resume {}", runs::name_of(run.root())),
            }
            return Err(Failure::Interrupted);
        }
        if args.progress() == Progress::Tui {
            say(&outcome_line(&outcome));
        }
        if plan.scratch.is_none() && args.progress() != Progress::Quiet {
            say(&format!("report: {}", run.root().join("report.html").display()));
        }
        Ok(())
    }
}

/// `compare.json`: the runs, beside this one, that its report shows.
fn comparison(names: &[String]) -> Vec<u8> {
    let paths: Vec<String> = names.iter().map(|name| format!("../{name}")).collect();
    serde_json::json!({ "runs": paths }).to_string().into_bytes()
}

/// A line on standard output; a reader that went away (`| head`) does not fail the run.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Hands events on, and remembers what the summary needs.
struct Watch {
    observers: Vec<Box<dyn Observer>>,
    parameters: usize,
    /// Whether what is prepared before the first step has a bar.
    bar: bool,
    preparing: Option<Preparing<'static>>,
}

impl Observer for Watch {
    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::Start { parameters, .. } = event {
            self.parameters = *parameters;
        }
        match event {
            Event::Preparing(activity) if self.bar => {
                self.preparing.get_or_insert_with(Preparing::bar_only).progress(activity);
            }
            // The bar makes room for lines.
            _ => self.preparing = None,
        }
        self.observers.on_event(event);
    }
}

/// Writes `summary.json` and the report; a report that fails is said, but does not fail the run.
fn summarise(
    run: &RunFolder,
    job: &str,
    choice: &BackendChoice,
    parameters: usize,
    config: &LoopConfig,
    result: &Result<Outcome, TrainError>,
) -> Result<(), Failure> {
    let mut summary = serde_json::json!({
        "job": job,
        "backend": choice.kind.to_string(),
        "device": choice.device_name,
        "parameters": parameters,
        "kiln": env!("CARGO_PKG_VERSION"),
    });
    match result {
        Ok(outcome) => {
            summary["status"] = match outcome.reason {
                StopReason::Interrupted => "interrupted",
                StopReason::Finished => "finished",
                StopReason::TimeIsUp | StopReason::NoImprovement => "stopped",
            }
            .into();
            summary["reason"] = outcome.reason.as_str().into();
            summary["steps"] = outcome.step.into();
            summary["epochs"] = outcome.epoch.into();
            summary["seconds"] = outcome.seconds.into();
            if let Some((value, step)) = outcome.best {
                summary["best"] = serde_json::json!({"metric": config.training.monitor, "value": value, "step": step});
            }
            if let Some(average) = &outcome.average {
                let scores = average.scores.as_ref().map(|row| &row.metrics);
                summary["average"] =
                    serde_json::json!({"steps": average.steps, "scores": scores, "is_best": average.is_best});
            }
            if let Some(row) = &outcome.scores {
                summary["final"] = serde_json::json!(row.metrics);
            }
        }
        Err(error) => {
            summary["status"] = "failed".into();
            summary["reason"] = error.to_string().into();
        }
    }
    run.write("summary.json", format!("{summary:#}\n").as_bytes())?;
    if result.as_ref().is_ok_and(|outcome| outcome.reason != StopReason::Interrupted)
        && let Err(error) = animation::write(run)
    {
        eprintln!("no animation of the samples could be written: {error}");
    }
    if let Err(error) = report::write(run.root()) {
        eprintln!("the report could not be written: {error}");
    }
    Ok(())
}

/// `--fast-dev-run`: the whole way in a few steps.
fn smoke_test(mut config: LoopConfig, fast_dev_run: bool) -> LoopConfig {
    use training_loop::config::Every;
    if fast_dev_run {
        let training = &mut config.training;
        training.epochs = None;
        training.max_minutes = None;
        training.max_steps = Some(3);
        training.log_every = Every::Steps(1);
        training.validate_every = Every::Steps(2);
        training.checkpoint_every = Every::Steps(2);
        training.limit_validation_batches = Some(2);
    }
    config
}

/// The folder of a `--fast-dev-run`, gone when it is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(wanted: bool, runs: &Path) -> Option<Self> {
        wanted.then(|| Self(runs.join(format!(".fast-dev-run-{}", process::id()))))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first Ctrl-C lets the loop finish its step and save; the second ends the process at once.
fn stop_on_ctrl_c(dashboard: bool) -> Interrupt {
    static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();
    INTERRUPT
        .get_or_init(|| {
            let interrupt = Interrupt::default();
            let asked = interrupt.clone();
            let installed = ctrlc::set_handler(move || {
                if asked.is_set() {
                    Tui::restore();
                    process::exit(130);
                }
                asked.set();
                if !dashboard {
                    eprintln!("\nstopping after this step; once more to stop at once");
                }
            });
            if let Err(error) = installed {
                log::warn!("Ctrl-C will not save: {error}");
            }
            interrupt
        })
        .clone()
}

impl Located {
    /// Where the run goes on: its named checkpoint, its last one, or its beginning when it was killed before the first.
    fn start(&self) -> Result<Start, Failure> {
        if let Some(checkpoint) = &self.checkpoint {
            return Ok(Start::Resume(checkpoint.clone()));
        }
        match checkpoint::find(&self.run, "last") {
            Ok(path) => Ok(Start::Resume(path)),
            Err(TrainError::NoRun { .. }) => Ok(Start::Scratch),
            Err(other) => Err(other.into()),
        }
    }
}
