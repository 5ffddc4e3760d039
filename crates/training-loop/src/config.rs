//! The blocks of a config file that the loop itself reads, and how their values are checked.
//!
//! Every block is plain serde with `deny_unknown_fields` and `default`: an unknown key is refused and every default is
//! visible in the resolved config.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A check of values that types alone cannot express.
pub trait Validate {
    /// Reports every impossible value.
    fn validate(&self, problems: &mut Problems);
}

/// The impossible values found in a config, each with the dotted key that holds it.
#[derive(Debug, Default)]
pub struct Problems {
    prefix: Vec<String>,
    found: Vec<(String, String)>,
}

impl Problems {
    /// Reports `message` for `key` unless `holds`.
    pub fn check(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            let mut path = self.prefix.clone();
            path.push(key.to_string());
            self.found.push((path.join("."), message.into()));
        }
    }

    /// Runs the checks of a nested table, whose keys are reported below `key`.
    pub fn nested(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        self.prefix.push(key.to_string());
        check(self);
        self.prefix.pop();
    }

    /// What was found: dotted key and message.
    pub fn into_found(self) -> Vec<(String, String)> {
        self.found
    }
}

/// Adds what a configuration that knows nothing of the loop found wrong with itself: keys and messages.
pub fn report_problems(found: Vec<(&'static str, String)>, problems: &mut Problems) {
    for (key, message) in found {
        problems.check(false, key, message);
    }
}

/// A `[data]` block: a configuration of the data crate, which knows nothing of the loop, with the loop's check of its values
/// (what its `validate` finds). The crate that uses this depends on `serde` and `schemars`.
#[macro_export]
macro_rules! data_block {
    ($(#[$documentation:meta])* $block:ident($config:ty)) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $block(pub $config);

        impl $crate::config::Validate for $block {
            fn validate(&self, problems: &mut $crate::config::Problems) {
                $crate::config::report_problems(self.0.validate(), problems);
            }
        }
    };
}

/// The loop's check of a model's own configuration, which knows nothing of the loop either.
#[macro_export]
macro_rules! model_block {
    ($config:ident) => {
        impl $crate::config::Validate for $config {
            fn validate(&self, problems: &mut $crate::config::Problems) {
                $crate::config::report_problems($config::validate(self), problems);
            }
        }
    };
}

/// How often something happens: `"500 steps"`, `"1 epoch"` or `"never"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Every so many optimiser steps.
    Steps(u64),
    /// Every so many passes over the training data.
    Epochs(u64),
    /// Not at all.
    Never,
}

impl Every {
    /// Whether it is due after optimiser step `step` (counted from 1); `finished_epochs` is set when that step ended an epoch.
    pub fn is_due(self, step: u64, finished_epochs: Option<u64>) -> bool {
        match self {
            Self::Steps(n) => step.is_multiple_of(n),
            Self::Epochs(n) => finished_epochs.is_some_and(|epochs| epochs.is_multiple_of(n)),
            Self::Never => false,
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(1) => write!(f, "1 step"),
            Self::Steps(n) => write!(f, "{n} steps"),
            Self::Epochs(1) => write!(f, "1 epoch"),
            Self::Epochs(n) => write!(f, "{n} epochs"),
            Self::Never => write!(f, "never"),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected \"500 steps\", \"1 epoch\" or \"never\", found \"{text}\"");
        if text.trim() == "never" {
            return Ok(Self::Never);
        }
        let (count, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let count = count.parse::<u64>().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
        match unit.trim() {
            "step" | "steps" => Ok(Self::Steps(count)),
            "epoch" | "epochs" => Ok(Self::Epochs(count)),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Every {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "How often: \"500 steps\", \"1 epoch\" or \"never\"",
            "pattern": "^(never|[1-9][0-9]* (steps?|epochs?))$"
        })
    }
}

/// `[training]`: how long to train, and what happens along the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Stop after this many passes over the training data.
    pub epochs: Option<u64>,
    /// Stop after this many optimiser steps; 0 only scores what the run starts from.
    pub max_steps: Option<u64>,
    /// Stop after this many minutes of training, resumed time included.
    pub max_minutes: Option<f64>,
    /// Seed of everything random: initial weights, data order, dropout, sampling.
    pub seed: u64,
    /// Batches whose gradients are averaged, by their number of items, before one optimiser step.
    pub gradient_accumulation_steps: u64,
    /// Scale gradients down so that their global norm is at most this.
    pub clip_norm: Option<f64>,
    /// Clamp every gradient element to [-value, value]; happens before `clip_norm`.
    pub clip_value: Option<f64>,
    /// Keep an exponential moving average of the weights with this decay, and validate with it. Typical: 0.999.
    pub ema_decay: Option<f64>,
    /// When to score the validation data.
    pub validate_every: Every,
    /// Score at most this many validation batches.
    pub limit_validation_batches: Option<u64>,
    /// When to write a line of training metrics; metrics are read from the device only then.
    pub log_every: Every,
    /// When to write a checkpoint; one is always written at the end.
    pub checkpoint_every: Every,
    /// How many of the newest checkpoints to keep; the best one is kept as well.
    pub keep_last: usize,
    /// When the run ends, average the weights of the last N checkpoints that `checkpoint_every` wrote, the one of the end among them, score
    /// the average on the validation data and keep it as the checkpoint `average`; where it beats the best single checkpoint, or nothing
    /// is validated, it is the run's `best`. Those N are kept whatever `keep_last` says. Buffers, such as the statistics of batch
    /// normalisation, are the newest checkpoint's. 0: off. Typical: 5 (Vaswani et al. 2017).
    pub average_last: usize,
    /// The validation metric that decides which checkpoint is the best, and what plateau and early stopping look at.
    pub monitor: String,
    /// Whether a smaller or a larger value of `monitor` is better.
    pub mode: Mode,
    /// Stop when `monitor` no longer improves.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Train on the first N batches only, over and over, and validate on the same: does the model learn at all?
    pub overfit_batches: Option<u64>,
    /// Threads that prepare batches ahead of the step; 0 prepares them in the loop. The order never depends on it.
    pub data_workers: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: None,
            max_steps: None,
            max_minutes: None,
            seed: 42,
            gradient_accumulation_steps: 1,
            clip_norm: None,
            clip_value: None,
            ema_decay: None,
            validate_every: Every::Epochs(1),
            limit_validation_batches: None,
            log_every: Every::Steps(50),
            checkpoint_every: Every::Epochs(1),
            keep_last: 2,
            average_last: 0,
            monitor: "loss".into(),
            mode: Mode::Min,
            early_stopping: None,
            overfit_batches: None,
            data_workers: 1,
        }
    }
}

/// Which direction of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Smaller is better, as for a loss.
    Min,
    /// Larger is better, as for an accuracy.
    Max,
}

impl Mode {
    /// Whether `value` is better than `best` by more than `margin`.
    pub fn is_better(self, value: f64, best: f64, margin: f64) -> bool {
        match self {
            Self::Min => value < best - margin,
            Self::Max => value > best + margin,
        }
    }
}

/// `[training.early_stopping]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStoppingConfig {
    /// How many validations in a row may pass without an improvement.
    pub patience: u64,
    /// What counts as an improvement: at least this much better than the best so far.
    pub min_delta: f64,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { patience: 5, min_delta: 0.0 }
    }
}

impl Validate for TrainingConfig {
    fn validate(&self, problems: &mut Problems) {
        let positive = |value: Option<f64>| value.is_none_or(|v| v > 0.0 && v.is_finite());
        problems.check(
            self.epochs.is_some() || self.max_steps.is_some() || self.max_minutes.is_some(),
            "max_steps",
            "nothing says when to stop: set one of `epochs`, `max_steps` or `max_minutes`",
        );
        problems.check(self.epochs != Some(0), "epochs", "must be at least 1");
        problems.check(positive(self.max_minutes), "max_minutes", "must be above 0");
        problems.check(self.gradient_accumulation_steps > 0, "gradient_accumulation_steps", "must be at least 1");
        problems.check(positive(self.clip_norm), "clip_norm", "must be above 0");
        problems.check(positive(self.clip_value), "clip_value", "must be above 0");
        problems.check(
            self.ema_decay.is_none_or(|decay| (0.0..1.0).contains(&decay)),
            "ema_decay",
            "must be at least 0 and below 1",
        );
        problems.check(self.limit_validation_batches != Some(0), "limit_validation_batches", "must be at least 1");
        problems.check(self.overfit_batches != Some(0), "overfit_batches", "must be at least 1");
        problems.check(self.keep_last > 0, "keep_last", "must be at least 1: resuming needs a checkpoint");
        problems.check(self.average_last != 1, "average_last", "must be 0, which is off, or at least 2");
        problems.check(self.average_last <= 1000, "average_last", "must be at most 1000: so many checkpoints are kept");
        problems.check(
            self.average_last == 0 || self.checkpoint_every != Every::Never,
            "checkpoint_every",
            "averaging needs checkpoints: give an interval, or leave out average_last",
        );
        problems.check(self.data_workers <= 256, "data_workers", "must be at most 256");
        if let Some(stopping) = &self.early_stopping {
            problems.nested("early_stopping", |problems| {
                problems.check(stopping.patience > 0, "patience", "must be at least 1");
                problems.check(stopping.min_delta >= 0.0, "min_delta", "must not be negative");
            });
            problems.check(
                self.validate_every != Every::Never,
                "validate_every",
                "early stopping needs validation: give an interval",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reads_what_it_writes() {
        for every in [Every::Steps(1), Every::Steps(500), Every::Epochs(1), Every::Epochs(3), Every::Never] {
            assert_eq!(every.to_string().parse::<Every>(), Ok(every));
        }
        for wrong in ["", "500", "0 steps", "-1 steps", "5 minutes", "steps 5"] {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_average_of_one_or_of_no_checkpoints_is_refused() {
        let found = |average_last, checkpoint_every| {
            let config =
                TrainingConfig { max_steps: Some(5), average_last, checkpoint_every, ..TrainingConfig::default() };
            let mut problems = Problems::default();
            config.validate(&mut problems);
            problems.into_found().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(found(0, Every::Never), [""; 0]);
        assert_eq!(found(5, Every::Steps(2)), [""; 0]);
        assert_eq!(found(1, Every::Steps(2)), ["average_last"]);
        assert_eq!(found(1001, Every::Steps(2)), ["average_last"]);
        assert_eq!(found(5, Every::Never), ["checkpoint_every"]);
    }

    #[test]
    fn a_config_without_an_end_is_refused() {
        let mut problems = Problems::default();
        problems.nested("training", |problems| TrainingConfig::default().validate(problems));
        let found = problems.into_found();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "training.max_steps");
    }
}
