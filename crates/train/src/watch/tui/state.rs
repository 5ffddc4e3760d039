//! What the dashboard shows, gathered from the loop's events.

use std::collections::{BTreeMap, VecDeque};

use training_loop::{
    event::Event,
    run_folder::MetricsRow,
    task::{Sample, SampleContent},
};

use crate::watch::{clock, plain::average_line, thousands};

/// Points that a curve keeps; a screen has fewer columns.
const MOST_POINTS: usize = 4096;

/// Messages that are kept.
const MOST_MESSAGES: usize = 8;

/// Characters of a sample that are kept: more than a screen holds.
const MOST_SAMPLE_CHARACTERS: usize = 8_000;

/// Larger numbers would overflow in the arithmetic of an axis.
const LARGEST: f64 = 1e200;

/// Everything that is drawn.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) header: Vec<String>,
    pub(super) progress: Progress,
    pub(super) curves: BTreeMap<String, Curve>,
    pub(super) scores: Option<Scores>,
    pub(super) sample: Option<TextSample>,
    pub(super) messages: VecDeque<String>,
    /// Somebody asked the run to stop.
    pub(super) stopping: bool,
    /// Of the large chart, once somebody chose one.
    selected: Option<String>,
}

/// How far the run is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The first step is under way; before that, data and model are being made.
    pub(super) started: bool,
    pub(super) step: u64,
    pub(super) total_steps: Option<u64>,
    pub(super) steps_per_epoch: u64,
    /// Seconds since it started, or went on.
    pub(super) elapsed: f64,
    /// As a clock on the wall sees it.
    pub(super) steps_per_second: Option<f64>,
}

/// One metric, as training and validation saw it.
#[derive(Debug, Default)]
pub(super) struct Curve {
    pub(super) train: Series,
    pub(super) validation: Series,
}

/// The last validation, and the best one since the dashboard opened.
#[derive(Debug)]
pub(super) struct Scores {
    pub(super) step: u64,
    pub(super) is_best: bool,
    pub(super) values: BTreeMap<String, f64>,
    pub(super) best: Option<(u64, BTreeMap<String, f64>)>,
}

/// The newest text the model made.
#[derive(Debug)]
pub(super) struct TextSample {
    pub(super) step: u64,
    pub(super) name: String,
    pub(super) text: String,
}

impl State {
    pub(super) fn new(header: Vec<String>) -> Self {
        let header = header.iter().map(|line| printable(line)).collect();
        Self { header, ..Self::default() }
    }

    /// Takes in what happened.
    pub(super) fn apply(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { step, total_steps, steps_per_epoch, trainable, parameters } => {
                self.progress = Progress {
                    started: true,
                    step: *step,
                    total_steps: *total_steps,
                    steps_per_epoch: *steps_per_epoch,
                    ..Progress::default()
                };
                let of = if trainable == parameters {
                    String::new()
                } else {
                    format!(" of {}", thousands(*parameters as u64))
                };
                self.message(&format!("{}{of} parameters train", thousands(*trainable as u64)));
                if *step > 0 {
                    self.message(&format!("going on at step {}", thousands(*step)));
                }
            }
            Event::Step { step } => self.progress.step = *step,
            Event::Train(row) => {
                for (name, value) in &row.metrics {
                    self.curve(name).train.push(row.step, *value);
                }
            }
            Event::Validation { row, is_best } => self.validation(row, *is_best),
            Event::Sample { step, sample, path } => match text_of(sample) {
                Some(text) => {
                    let text: String = text.trim_matches('\n').chars().take(MOST_SAMPLE_CHARACTERS).collect();
                    self.sample =
                        Some(TextSample { step: *step, name: printable(&sample.name), text: printable(&text) });
                }
                None => self.message(&format!("sample: {}", path.display())),
            },
            Event::Checkpoint { path } => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                self.message(&format!("checkpoint {name} written"));
            }
            Event::Average(average) => self.message(&average_line(average)),
            Event::Message(message) => self.message(message),
            Event::Preparing(_) | Event::End(_) => {}
        }
    }

    fn validation(&mut self, row: &MetricsRow, is_best: bool) {
        for (name, value) in &row.metrics {
            self.curve(name).validation.push(row.step, *value);
        }
        let best = match self.scores.take() {
            _ if is_best => Some((row.step, row.metrics.clone())),
            Some(scores) => scores.best,
            None => None,
        };
        self.scores = Some(Scores { step: row.step, is_best, values: row.metrics.clone(), best });
    }

    fn curve(&mut self, name: &str) -> &mut Curve {
        self.curves.entry(name.into()).or_default()
    }

    fn message(&mut self, message: &str) {
        let time = clock(self.progress.elapsed);
        for line in message.trim().lines() {
            self.messages.push_back(format!("{time}  {}", printable(line)));
        }
        while self.messages.len() > MOST_MESSAGES {
            self.messages.pop_front();
        }
    }

    /// The metrics that the large chart can show: the loss first, and without those that have a small chart.
    pub(super) fn charted(&self) -> Vec<&str> {
        let has_small_chart =
            |name: &str| is_learning_rate(name) || name == "grad_norm" || name.ends_with("_per_second");
        let mut names: Vec<_> = self.curves.keys().map(String::as_str).filter(|name| !has_small_chart(name)).collect();
        names.sort_by_key(|name| *name != "loss");
        names
    }

    /// Which of [`Self::charted`] is shown.
    pub(super) fn selected(&self) -> usize {
        let selected = |name: &&str| Some(*name) == self.selected.as_deref();
        self.charted().iter().position(selected).unwrap_or(0)
    }

    /// Shows the next metric in the large chart.
    pub(super) fn select_next(&mut self) {
        self.select(1);
    }

    /// Shows the one before.
    pub(super) fn select_previous(&mut self) {
        self.select(self.charted().len().saturating_sub(1));
    }

    fn select(&mut self, distance: usize) {
        let names = self.charted();
        let at = (self.selected() + distance) % names.len().max(1);
        // By name: new metrics move the others.
        self.selected = names.get(at).map(|name| (*name).into());
    }
}

/// `lr`, or `lr_<optimiser>` where there are several.
pub(super) fn is_learning_rate(name: &str) -> bool {
    name == "lr" || name.starts_with("lr_")
}

fn text_of(sample: &Sample) -> Option<&str> {
    match &sample.content {
        SampleContent::Text(text) => Some(text),
        SampleContent::Png(_) | SampleContent::Gif(_) => None,
    }
}

/// Without what would steer the terminal: a model writes any character it likes.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => printable.push('\n'),
            '\t' => printable.push_str("    "),
            '\r' => {}
            control if control.is_control() => printable.push('\u{fffd}'),
            other => printable.push(other),
        }
    }
    printable
}

/// A curve that stays small: once it is full, two neighbours become their mean, and so do all points that follow.
#[derive(Debug)]
pub(super) struct Series {
    points: Vec<(f64, f64)>,
    /// Values that make one point.
    stride: u32,
    /// Sums of the steps and values of the point that is not full yet, and their number.
    open: (f64, f64, u32),
    latest: Option<f64>,
    /// The first and the last step on the curve.
    span: Option<(u64, u64)>,
}

impl Default for Series {
    fn default() -> Self {
        Self { points: Vec::new(), stride: 1, open: (0.0, 0.0, 0), latest: None, span: None }
    }
}

impl Series {
    /// Adds a value; one that is not finite is shown as the latest, but has no place on a curve.
    pub(super) fn push(&mut self, step: u64, value: f64) {
        self.latest = Some(value);
        if !value.is_finite() || value.abs() > LARGEST {
            return;
        }
        self.span = Some((self.span.map_or(step, |(first, _)| first), step));
        let (steps, values, count) = &mut self.open;
        *steps += step as f64;
        *values += value;
        *count += 1;
        if *count < self.stride {
            return;
        }
        self.points.push((*steps / f64::from(*count), *values / f64::from(*count)));
        self.open = (0.0, 0.0, 0);
        if self.points.len() >= MOST_POINTS {
            self.points = self.points.chunks(2).map(mean).collect();
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// The last value, finite or not.
    pub(super) fn latest(&self) -> Option<f64> {
        self.latest
    }

    /// The first and the last step on the curve.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        self.span
    }

    /// The curve in at most `most` points.
    pub(super) fn points(&self, most: usize) -> Vec<(f64, f64)> {
        let mut points = self.points.clone();
        let (steps, values, count) = self.open;
        if count > 0 {
            points.push((steps / f64::from(count), values / f64::from(count)));
        }
        if points.len() <= most {
            return points;
        }
        (0..most).map(|at| mean(&points[at * points.len() / most..(at + 1) * points.len() / most])).collect()
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count))
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    pub(in crate::watch::tui) fn row(split: &str, step: u64, metrics: &[(&str, f64)]) -> MetricsRow {
        MetricsRow {
            step,
            epoch: step as f64 / 100.0,
            split: split.into(),
            seconds: step as f64 / 10.0,
            metrics: metrics.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
        }
    }

    #[test]
    fn long_curves_stay_small_and_true() {
        let mut series = Series::default();
        for step in 1..=1_000_000 {
            series.push(step, step as f64 * 2.0);
        }
        assert!(series.points.len() <= MOST_POINTS);
        for most in [1, 7, 200, MOST_POINTS] {
            let points = series.points(most);
            assert!(!points.is_empty() && points.len() <= most);
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(points.iter().all(|(x, y)| (y - x * 2.0).abs() < 1e-3));
        }
        assert_eq!(series.points(0), []);
        assert_eq!(series.latest(), Some(2_000_000.0));
    }

    #[test]
    fn values_that_are_not_finite_are_shown_but_not_drawn() {
        let mut series = Series::default();
        for (step, value) in [(1, 1.0), (2, f64::NAN), (3, f64::INFINITY), (4, f64::MAX)] {
            series.push(step, value);
        }
        assert_eq!(series.points(10), [(1.0, 1.0)]);
        assert_eq!(series.span(), Some((1, 1)));
        assert_eq!(series.latest(), Some(f64::MAX));
    }

    #[test]
    fn best_scores_stay_until_there_are_better_ones() {
        let mut state = State::default();
        for (step, loss, is_best) in [(10, 2.0, true), (20, 3.0, false), (30, 2.5, false)] {
            state.apply(&Event::Validation { row: &row("validation", step, &[("loss", loss)]), is_best });
        }
        let scores = state.scores.as_ref().map(|scores| (scores.step, scores.is_best, scores.best.clone()));
        assert_eq!(scores, Some((30, false, Some((10, BTreeMap::from([("loss".into(), 2.0)]))))));
    }

    #[test]
    fn the_loss_is_charted_first_and_keys_go_round() {
        let mut state = State::default();
        state.select_next();
        state.select_previous();
        assert_eq!(state.selected(), 0);
        let metrics = [("accuracy", 0.5), ("grad_norm", 1.0), ("loss", 2.0), ("lr", 0.1), ("tokens_per_second", 9.0)];
        state.apply(&Event::Train(&row("train", 1, &metrics)));
        assert_eq!(state.charted(), ["loss", "accuracy"]);
        state.select_previous();
        assert_eq!(state.selected(), 1);
        state.apply(&Event::Validation { row: &row("validation", 1, &[("aaa", 1.0)]), is_best: true });
        assert_eq!(state.charted()[state.selected()], "accuracy");
        state.select_next();
        assert_eq!(state.selected(), 0);
    }

    #[test]
    fn nothing_that_a_model_writes_steers_the_terminal() {
        let mut state = State::default();
        let sample = Sample::text("\n\x1b[2Jone\ttwo\r\nthree\n");
        state.apply(&Event::Sample { step: 5, sample: &sample, path: Path::new("samples/5.txt") });
        assert_eq!(state.sample.take().map(|sample| sample.text), Some("\u{fffd}[2Jone    two\nthree".into()));
        state.apply(&Event::Checkpoint { path: Path::new("runs/a/checkpoints/step-5") });
        state.apply(&Event::Message("two\nlines"));
        assert_eq!(state.messages, ["0:00  checkpoint step-5 written", "0:00  two", "0:00  lines"]);
    }
}
