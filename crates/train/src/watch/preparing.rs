//! What a job does before step 1: a bar on a terminal, a few lines anywhere else and in `train.log`.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use training_loop::preparation::{Activity, Preparation, Unit};

use super::{Plain, clock, plain::style, thousands};

/// Between two lines about one activity where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Shows what is done before training. What it shows of an activity ends with this value.
pub struct Preparing<'a>(Mutex<State<'a>>);

struct State<'a> {
    /// For lines; none where only the bar is wanted.
    lines: Option<&'a mut Plain>,
    bar: bool,
    running: Option<Running>,
}

/// An activity that has begun.
struct Running {
    what: String,
    /// How far it is, in words.
    state: String,
    began: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl<'a> Preparing<'a> {
    /// For a run: lines go where `lines` puts them, and there is a bar unless it is `quiet`.
    pub fn of_run(lines: &'a mut Plain, quiet: bool) -> Self {
        Self::new(Some(lines), !quiet)
    }

    /// For a command whose output is something else: only the bar.
    pub fn bar_only() -> Self {
        Self::new(None, true)
    }

    fn new(lines: Option<&'a mut Plain>, bar: bool) -> Self {
        Self(Mutex::new(State { lines, bar: bar && io::stderr().is_terminal(), running: None }))
    }

    fn with(&self, change: impl FnOnce(&mut State<'a>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Preparation for Preparing<'_> {
    fn note(&self, line: &str) {
        self.with(|state| {
            state.end();
            state.line(&format!("  {line}"));
        });
    }

    fn progress(&self, activity: &Activity<'_>) {
        self.with(|state| state.progress(activity));
    }
}

impl Drop for Preparing<'_> {
    fn drop(&mut self) {
        self.with(State::end);
    }
}

impl State<'_> {
    fn progress(&mut self, activity: &Activity<'_>) {
        if self.running.as_ref().is_none_or(|running| running.what != activity.what) {
            self.end();
            self.begin(activity);
        }
        let has_bar = self.bar;
        let Some(running) = &mut self.running else { return };
        running.state = in_words(activity);
        if let Some(bar) = &running.bar {
            bar.set_position(activity.done);
        }
        if !has_bar && running.said.elapsed() >= BETWEEN_LINES {
            running.said = Instant::now();
            let line = format!("  {}: {}", running.what, running.state);
            self.line(&line);
        }
    }

    fn begin(&mut self, activity: &Activity<'_>) {
        let now = Instant::now();
        let bar = self.bar.then(|| bar_of(activity));
        let (what, state) = (activity.what.to_string(), in_words(activity));
        if bar.is_none() {
            self.line(&format!("  {what}: {state}"));
        }
        self.running = Some(Running { what, state, began: now, said: now, bar });
    }

    fn end(&mut self) {
        let Some(Running { what, state, began, bar, .. }) = self.running.take() else { return };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        self.line(&format!("  {what}: {state} in {}", clock(began.elapsed().as_secs_f64())));
    }

    fn line(&mut self, line: &str) {
        if let Some(lines) = &mut self.lines {
            lines.line(line);
        }
    }
}

fn bar_of(activity: &Activity<'_>) -> ProgressBar {
    let counted = match activity.unit {
        Unit::Bytes => "{bytes}/{total_bytes}  {bytes_per_sec}",
        Unit::Items(_) => "{pos}/{len}  {per_sec}",
    };
    let bar = match activity.total {
        Some(total) => {
            ProgressBar::new(total).with_style(style(&format!("{{msg}} {{wide_bar}} {counted}  {{eta}} left")))
        }
        None => ProgressBar::new_spinner().with_style(spinner(activity.unit)),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    bar.with_message(activity.what.to_string())
}

fn spinner(unit: Unit<'_>) -> ProgressStyle {
    style(match unit {
        Unit::Bytes => "{spinner} {msg} {bytes}  {bytes_per_sec}",
        Unit::Items(_) => "{spinner} {msg} {pos}  {per_sec}",
    })
}

/// `12.3 MB of 97.8 MB`, `1,500 of 6,000 images`, `97.8 MB`.
fn in_words(activity: &Activity<'_>) -> String {
    let Activity { unit, done, total, .. } = *activity;
    match (unit, total.filter(|total| done < *total)) {
        (Unit::Bytes, Some(total)) => format!("{} of {}", bytes(done), bytes(total)),
        (Unit::Bytes, None) => bytes(done),
        (Unit::Items(plural), Some(total)) => format!("{} of {} {plural}", thousands(done), thousands(total)),
        (Unit::Items(plural), None) => format!("{} {plural}", thousands(done)),
    }
}

/// `97.8 MB`
fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["bytes", "kB", "MB", "GB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    if unit == 0 { format!("{number} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn how_far_it_is_reads_well() {
        assert_eq!(in_words(&Activity::bytes("x", 0, Some(97_800_000))), "0 bytes of 97.8 MB");
        assert_eq!(in_words(&Activity::bytes("x", 97_800_000, Some(97_800_000))), "97.8 MB");
        assert_eq!(in_words(&Activity::bytes("x", 1_500, None)), "1.5 kB");
        assert_eq!(in_words(&Activity::items("x", "images", 1500, 6000)), "1,500 of 6,000 images");
    }

    #[test]
    fn the_log_says_that_an_activity_began_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("train.log");
        let mut plain = Plain::new(&log, false);
        {
            let preparing = Preparing(Mutex::new(State { lines: Some(&mut plain), bar: false, running: None }));
            for done in [0, 400, 1000] {
                preparing.progress(&Activity::bytes("download a.pth", done, Some(1000)));
            }
            preparing.note("loaded 20 tensors");
            preparing.progress(&Activity::items("features", "images", 5, 6));
            preparing.progress(&Activity::items("features", "images", 6, 6));
        }
        let text = fs::read_to_string(log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  download a.pth: 0 bytes of 1.0 kB");
        assert!(lines[1].starts_with("  download a.pth: 1.0 kB in "), "{text}");
        assert_eq!(lines[2..4], ["  loaded 20 tensors", "  features: 5 of 6 images"]);
        assert!(lines[4].starts_with("  features: 6 images in ") && lines.len() == 5, "{text}");
    }
}
