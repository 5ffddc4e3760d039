//! One line an event: on the terminal, and in `train.log`.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use training_loop::{
    average::{Average, listed},
    event::{Event, Observer, Outcome},
    run_folder::MetricsRow,
    task::SampleContent,
};

use super::{clock, thousands};

/// Lines of a sample that are shown on the terminal.
const SAMPLE_LINES: usize = 6;

/// Writes lines to `train.log`, and shows them with a progress bar unless it is quiet.
pub struct Plain {
    log: Option<File>,
    bar: Option<ProgressBar>,
    show: bool,
    total_steps: Option<u64>,
}

impl Plain {
    /// `show` is false for `--quiet` and for `--tui`.
    pub fn new(log: &Path, show: bool) -> Self {
        // A log that cannot be written is no reason not to train.
        let log = File::options().create(true).append(true).open(log).ok();
        Self { log, bar: None, show, total_steps: None }
    }

    /// A line on standard output and in the log.
    pub fn line(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{line}");
        }
        if !self.show {
            return;
        }
        // A reader that went away (`| head`) does not stop the training.
        let print = || {
            let _ = writeln!(io::stdout(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn start_bar(&mut self, step: u64) {
        if !self.show || !io::stderr().is_terminal() {
            return;
        }
        let bar = match self.total_steps {
            Some(total) => {
                ProgressBar::new(total).with_style(style("{bar:40} {pos}/{len} steps  {per_sec}  {eta} left"))
            }
            None => ProgressBar::new_spinner().with_style(style("{spinner} {pos} steps  {per_sec}  {elapsed}")),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        bar.set_position(step);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn training(&mut self, row: &MetricsRow) {
        let step = match self.total_steps {
            Some(total) => format!("step {:>width$}/{total}", row.step, width = total.to_string().len()),
            None => format!("step {:>6}", row.step),
        };
        let mut parts = vec![step, format!("epoch {:.2}", row.epoch)];
        let mut rate = None;
        for (name, value) in loss_first(row) {
            if name == "steps_per_second" {
                rate = Some(value);
            } else if let Some(item) = name.strip_suffix("_per_second") {
                parts.push(format!("{} {item}/s", thousands(value.round() as u64)));
            } else {
                parts.push(format!("{name} {}", value_text(value)));
            }
        }
        if let (Some(rate), Some(total)) = (rate, self.total_steps)
            && rate > 0.0
        {
            parts.push(format!("{} left", clock(total.saturating_sub(row.step) as f64 / rate)));
        }
        self.line(&parts.join("  "));
    }

    fn end(&mut self, outcome: &Outcome) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.line(&outcome_line(outcome));
    }
}

impl Observer for Plain {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { step, total_steps, steps_per_epoch, trainable, parameters } => {
                self.total_steps = *total_steps;
                let of = if trainable == parameters {
                    String::new()
                } else {
                    format!(" of {}", thousands(*parameters as u64))
                };
                let steps = total_steps.map_or("until time is up".into(), |total| format!("{total} steps"));
                self.line(&format!(
                    "{}{of} parameters train; {steps}, {steps_per_epoch} an epoch",
                    thousands(*trainable as u64)
                ));
                if *step > 0 {
                    self.line(&format!("going on at step {step}"));
                }
                self.start_bar(*step);
            }
            Event::Step { step } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                }
            }
            Event::Train(row) => self.training(row),
            Event::Validation { row, is_best } => {
                let scores: Vec<_> =
                    loss_first(row).map(|(name, value)| format!("{name} {}", value_text(value))).collect();
                let best = if *is_best { "  (best)" } else { "" };
                self.line(&format!("validation at step {}: {}{best}", row.step, scores.join("  ")));
            }
            Event::Sample { sample, path, .. } => match &sample.content {
                SampleContent::Text(text) => {
                    for line in text.trim().lines().take(SAMPLE_LINES) {
                        self.line(&format!("    | {line}"));
                    }
                }
                SampleContent::Png(_) | SampleContent::Gif(_) => self.line(&format!("    sample: {}", path.display())),
            },
            // One a validation or so: worth a line in the log, not on the screen.
            Event::Checkpoint { path } => {
                let shown = std::mem::replace(&mut self.show, false);
                self.line(&format!("checkpoint {}", path.display()));
                self.show = shown;
            }
            Event::Average(average) => self.line(&average_line(average)),
            Event::Preparing(_) => {}
            Event::Message(message) => self.line(message),
            Event::End(outcome) => self.end(outcome),
        }
    }
}

/// How a run ended, in a line.
pub fn outcome_line(outcome: &Outcome) -> String {
    let mut line = format!(
        "{}: {} steps, {:.2} epochs, {}",
        outcome.reason.as_str(),
        thousands(outcome.step),
        outcome.epoch,
        clock(outcome.seconds)
    );
    if let Some((value, step)) = outcome.best {
        let averaged = outcome.average.as_ref().is_some_and(|average| average.is_best);
        let of = if averaged { ", averaged" } else { "" };
        line.push_str(&format!("; best {} at step {step}{of}", value_text(value)));
    }
    line
}

/// The average of the last checkpoints, in a line.
pub(super) fn average_line(average: &Average) -> String {
    let scores = average.scores.iter().flat_map(loss_first);
    let scores: Vec<_> = scores.map(|(name, value)| format!("{name} {}", value_text(value))).collect();
    let best = if average.is_best { "  (best)" } else { "" };
    format!("average of the checkpoints of steps {}: {}{best}", listed(&average.steps), scores.join("  "))
}

pub(super) fn style(template: &str) -> ProgressStyle {
    // The templates are literals of this module; one that indicatif cannot read would show its default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The metrics by name, but the loss, which everybody looks for, at the front.
fn loss_first(row: &MetricsRow) -> impl Iterator<Item = (&str, f64)> {
    let loss = row.metrics.get("loss").map(|value| ("loss", *value));
    let others = row.metrics.iter().filter(|(name, _)| *name != "loss").map(|(name, value)| (name.as_str(), *value));
    loss.into_iter().chain(others)
}

/// Four significant digits for small and large numbers alike.
pub fn value_text(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e5).contains(&magnitude) {
        let decimals = if magnitude >= 100.0 { 1 } else { 4 };
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2e}")
    }
}
