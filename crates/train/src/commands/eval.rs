//! `train eval`: scores a trained model.

use std::{io::Write, path::Path};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use serde_json::json;
use training_loop::{
    error::TrainError,
    fit::read_weights,
    job::{AssembleContext, Assembled, Job},
    run_folder::write_page,
    task::Task,
    weights,
};

use super::runs::{self, Located, Opened};
use crate::{
    backend::{self, WithBackend},
    cli::EvalArgs,
    experiment::ExperimentOf,
    failure::Failure,
    jobs::Jobs,
    watch::{Preparing, value_text},
};

/// Runs the command.
pub fn run(jobs: &Jobs, args: &EvalArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (job, located) = runs::with_job(jobs, &args.run.run, &args.set)?;
    job.eval(args, &located, out)
}

/// Scores a job.
pub fn job<J: Job>(args: &EvalArgs, located: &Located, out: &mut dyn Write) -> Result<(), Failure> {
    let run = located.run.as_path();
    let Opened { experiment, checkpoint, choice } = Opened::<J>::new(located, &args.run, &args.device, &args.set)?;
    let updates_report = args.set.is_empty();
    let evaluation = Evaluation::<J> { experiment: &experiment, run, checkpoint: &checkpoint, updates_report };
    let scores = backend::dispatch(&choice, evaluation)??;
    if updates_report {
        report::write(run).map_err(Failure::internal)?;
    }
    writeln!(out, "{} of {}", runs::name_of(&checkpoint), run.display())?;
    let width = scores.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in &scores {
        writeln!(out, "  {name:<width$}  {}", value_text(*value))?;
    }
    Ok(())
}

struct Evaluation<'a, J: Job> {
    /// Whether the scores are those of the run as it was configured.
    updates_report: bool,
    experiment: &'a ExperimentOf<J>,
    run: &'a Path,
    checkpoint: &'a Path,
}

impl<J: Job> WithBackend for Evaluation<'_, J> {
    type Output = Result<training_loop::task::Scores, Failure>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let seed = self.experiment.training.seed;
        let preparing = Preparing::bar_only();
        let context = AssembleContext {
            device: &device,
            seed,
            artefacts: Some(self.run),
            runs: &self.experiment.runs.0,
            progress: &preparing,
            weights_follow: true,
        };
        let assembled = J::assemble::<B>(&self.experiment.blocks::<J>(), &context).map_err(TrainError::from)?;
        let Assembled { mut task, mut model, splits, .. } = assembled;
        let named = read_weights(self.checkpoint)?;
        weights::apply::<B, _>(&mut model, &named)
            .map_err(|message| TrainError::Weights { path: self.checkpoint.to_path_buf(), message })?;
        let (split, batches) = match (splits.test, splits.validation) {
            (Some(batches), _) => ("test", batches),
            (None, Some(batches)) => ("validation", batches),
            (None, None) => {
                return Err(Failure::user("this run has no data to score: it was configured without validation"));
            }
        };
        B::seed(&device, seed);
        task.begin_test();
        let model = model.valid();
        task.prepare(&model, &device, &preparing).map_err(TrainError::from)?;
        drop(preparing);
        let scores = task.evaluate(&model, &mut batches.iter(), &device).map_err(TrainError::from)?;
        if self.updates_report {
            let rows: Vec<_> = scores.iter().map(|(name, value)| [name.clone(), value_text(*value)]).collect();
            let title = format!("Scores of {} on the {split} data", runs::name_of(self.checkpoint));
            let table = json!({ "kind": "table", "title": title, "columns": ["score", "value"], "rows": rows });
            write_page(self.run, split, &table)?;
            for (name, mut page) in task.pages() {
                add_to_titles(&mut page, &format!(" ({split} data)"));
                write_page(self.run, &format!("{split}-{name}"), &page)?;
            }
        }
        Ok(scores)
    }
}

/// So that the sections about these data stand beside those of the last validation.
fn add_to_titles(page: &mut serde_json::Value, suffix: &str) {
    match page {
        serde_json::Value::Array(sections) => sections.iter_mut().for_each(|section| add_to_titles(section, suffix)),
        section => {
            if let Some(title) =
                section.get("title").and_then(|title| title.as_str()).map(|title| format!("{title}{suffix}"))
            {
                section["title"] = title.into();
            }
        }
    }
}
