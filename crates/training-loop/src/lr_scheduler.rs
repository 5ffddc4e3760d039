//! Learning-rate schedules, stepped once per optimiser step.
//!
//! Each gives the factor of `optimizer.learning_rate` for a step. All but [`Plateau`](LrSchedulerConfig::Plateau) are pure functions of
//! the step, so resuming needs no state. Formulas follow `torch.optim.lr_scheduler` and, for the warm-up and the cosine, nanoGPT.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Mode, Problems, Validate};

/// `[lr_scheduler]`: how the learning rate changes. Every kind but `one_cycle` and `noam`, which rise by themselves, can begin with a linear
/// warm-up of `warmup_steps`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LrSchedulerConfig {
    /// The same rate throughout.
    Constant {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
    },
    /// A straight line from the full rate to `end_factor` of it.
    Linear {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Fraction of the rate at the end.
        #[serde(default)]
        end_factor: f64,
        /// Step at which the end is reached; default: the last step of the run.
        #[serde(default)]
        decay_steps: Option<u64>,
    },
    /// Half a cosine from the full rate to `min_factor` of it; stays there afterwards (SGDR without restarts, arXiv:1608.03983).
    Cosine {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Fraction of the rate at the end.
        #[serde(default)]
        min_factor: f64,
        /// Step at which the end is reached; default: the last step of the run.
        #[serde(default)]
        decay_steps: Option<u64>,
    },
    /// Cosines that start again at the full rate (SGDR, arXiv:1608.03983).
    CosineRestarts {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Length of the first cosine in steps.
        period: u64,
        /// Each cosine is this many times as long as the one before.
        #[serde(default = "one")]
        period_factor: u64,
        /// Fraction of the rate at the end of a cosine.
        #[serde(default)]
        min_factor: f64,
    },
    /// Multiplied by `gamma` every `step_size` steps.
    Step {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Steps between two reductions.
        step_size: u64,
        /// The factor.
        #[serde(default = "tenth")]
        gamma: f64,
    },
    /// Multiplied by `gamma` at each of the given steps.
    MultiStep {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// The steps, rising.
        milestones: Vec<u64>,
        /// The factor.
        #[serde(default = "tenth")]
        gamma: f64,
    },
    /// Multiplied by `gamma` at every step.
    Exponential {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// The factor a step, such as 0.9995.
        gamma: f64,
    },
    /// Up to the full rate and down far below where it began, both by cosine (arXiv:1708.07120; PyTorch's `OneCycleLR`).
    OneCycle {
        /// The first rate is the full rate divided by this.
        #[serde(default = "twenty_five")]
        div_factor: f64,
        /// The last rate is the first rate divided by this.
        #[serde(default = "ten_thousand")]
        final_div_factor: f64,
        /// Fraction of the run in which the rate rises.
        #[serde(default = "three_tenths")]
        pct_start: f64,
    },
    /// Multiplied by `factor` when the monitored validation metric has not improved for `patience` validations.
    Plateau {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// The factor.
        #[serde(default = "tenth")]
        factor: f64,
        /// Validations without improvement that are let pass.
        #[serde(default = "ten")]
        patience: u64,
        /// An improvement is a relative change by more than this.
        #[serde(default = "ten_thousandth")]
        threshold: f64,
        /// Validations after a reduction during which nothing is counted.
        #[serde(default)]
        cooldown: u64,
        /// The rate never falls below this fraction.
        #[serde(default)]
        min_factor: f64,
    },
    /// Rises linearly for `warmup_steps`, then falls with the root of the step (Attention Is All You Need, arXiv:1706.03762):
    /// `learning_rate · model_size^-0.5 · min(step^-0.5, step · warmup_steps^-1.5)`.
    Noam {
        /// Steps of the rise.
        #[serde(default = "four_thousand")]
        warmup_steps: u64,
        /// Width of the model.
        model_size: u64,
    },
    /// From the full rate to `end_factor` of it along a power of the remaining fraction.
    Polynomial {
        /// Steps over which the rate rises linearly from near 0.
        #[serde(default)]
        warmup_steps: u64,
        /// The exponent; 1 is linear.
        #[serde(default = "two")]
        power: f64,
        /// Fraction of the rate at the end.
        #[serde(default)]
        end_factor: f64,
        /// Step at which the end is reached; default: the last step of the run.
        #[serde(default)]
        decay_steps: Option<u64>,
    },
}

fn one() -> u64 {
    1
}
fn ten() -> u64 {
    10
}
fn four_thousand() -> u64 {
    4000
}
fn two() -> f64 {
    2.0
}
fn tenth() -> f64 {
    0.1
}
fn three_tenths() -> f64 {
    0.3
}
fn twenty_five() -> f64 {
    25.0
}
fn ten_thousand() -> f64 {
    1e4
}
fn ten_thousandth() -> f64 {
    1e-4
}

impl Default for LrSchedulerConfig {
    fn default() -> Self {
        Self::Constant { warmup_steps: 0 }
    }
}

impl LrSchedulerConfig {
    fn warmup_steps(&self) -> u64 {
        match *self {
            Self::Constant { warmup_steps }
            | Self::Linear { warmup_steps, .. }
            | Self::Cosine { warmup_steps, .. }
            | Self::CosineRestarts { warmup_steps, .. }
            | Self::Step { warmup_steps, .. }
            | Self::MultiStep { warmup_steps, .. }
            | Self::Exponential { warmup_steps, .. }
            | Self::Plateau { warmup_steps, .. }
            | Self::Polynomial { warmup_steps, .. } => warmup_steps,
            // Their rise is part of the formula.
            Self::OneCycle { .. } | Self::Noam { .. } => 0,
        }
    }

    /// Whether the schedule must know when the run ends.
    pub fn needs_total_steps(&self) -> bool {
        match self {
            Self::Linear { decay_steps, .. }
            | Self::Cosine { decay_steps, .. }
            | Self::Polynomial { decay_steps, .. } => decay_steps.is_none(),
            Self::OneCycle { .. } => true,
            _ => false,
        }
    }

    /// The factor of the learning rate for `step` (completed steps, from 0) of a run of `total` steps.
    fn factor(&self, step: u64, total: u64) -> f64 {
        let warmup = self.warmup_steps();
        if step < warmup {
            // The denominator makes the step after the warm-up the first at the full rate (nanoGPT).
            return (step + 1) as f64 / (warmup + 1) as f64;
        }
        let since = step - warmup;
        // Fraction of the decay that is done, given the step at which it ends.
        let progress = |end: Option<u64>| {
            let length = end.unwrap_or(total).saturating_sub(warmup).max(1);
            (since as f64 / length as f64).min(1.0)
        };
        match *self {
            Self::Constant { .. } | Self::Plateau { .. } => 1.0,
            Self::Linear { end_factor, decay_steps, .. } => interpolate(1.0, end_factor, progress(decay_steps)),
            Self::Cosine { min_factor, decay_steps, .. } => cosine(1.0, min_factor, progress(decay_steps)),
            Self::CosineRestarts { period, period_factor, min_factor, .. } => {
                let (mut start, mut length) = (0, period.max(1));
                while since >= start + length {
                    start += length;
                    length *= period_factor.max(1);
                }
                cosine(1.0, min_factor, (since - start) as f64 / length as f64)
            }
            Self::Step { step_size, gamma, .. } => gamma.powf((since / step_size.max(1)) as f64),
            Self::MultiStep { ref milestones, gamma, .. } => {
                gamma.powf(milestones.iter().filter(|&&milestone| step >= milestone).count() as f64)
            }
            Self::Exponential { gamma, .. } => gamma.powf(since as f64),
            Self::OneCycle { div_factor, final_div_factor, pct_start } => {
                let last = total.saturating_sub(1).max(1) as f64;
                let peak = (pct_start * total as f64 - 1.0).max(0.0);
                let (first, end) = (1.0 / div_factor, 1.0 / (div_factor * final_div_factor));
                let step = (step as f64).min(last);
                if step <= peak {
                    cosine(first, 1.0, if peak > 0.0 { step / peak } else { 1.0 })
                } else {
                    cosine(1.0, end, ((step - peak) / (last - peak).max(1.0)).min(1.0))
                }
            }
            Self::Noam { warmup_steps, model_size } => {
                let step = (step + 1) as f64;
                let warmup = warmup_steps.max(1) as f64;
                (model_size.max(1) as f64).powf(-0.5) * step.powf(-0.5).min(step * warmup.powf(-1.5))
            }
            Self::Polynomial { power, end_factor, decay_steps, .. } => {
                end_factor + (1.0 - end_factor) * (1.0 - progress(decay_steps)).powf(power)
            }
        }
    }
}

fn interpolate(from: f64, to: f64, fraction: f64) -> f64 {
    from + (to - from) * fraction
}

fn cosine(from: f64, to: f64, fraction: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * fraction).cos())
}

impl Validate for LrSchedulerConfig {
    fn validate(&self, problems: &mut Problems) {
        let fraction = |value: f64| (0.0..=1.0).contains(&value);
        let multiplier = |value: f64| value > 0.0 && value <= 1.0;
        match self {
            Self::Constant { .. } => {}
            Self::Linear { end_factor, .. } => {
                problems.check(fraction(*end_factor), "end_factor", "must be between 0 and 1")
            }
            Self::Cosine { min_factor, .. } => {
                problems.check(fraction(*min_factor), "min_factor", "must be between 0 and 1")
            }
            Self::CosineRestarts { period, period_factor, min_factor, .. } => {
                problems.check(*period > 0, "period", "must be at least 1");
                problems.check(*period_factor > 0, "period_factor", "must be at least 1");
                problems.check(fraction(*min_factor), "min_factor", "must be between 0 and 1");
            }
            Self::Step { step_size, gamma, .. } => {
                problems.check(*step_size > 0, "step_size", "must be at least 1");
                problems.check(multiplier(*gamma), "gamma", "must be above 0 and at most 1");
            }
            Self::MultiStep { milestones, gamma, .. } => {
                problems.check(milestones.is_sorted(), "milestones", "must rise");
                problems.check(multiplier(*gamma), "gamma", "must be above 0 and at most 1");
            }
            Self::Exponential { gamma, .. } => {
                problems.check(multiplier(*gamma), "gamma", "must be above 0 and at most 1")
            }
            Self::OneCycle { div_factor, final_div_factor, pct_start } => {
                problems.check(*div_factor >= 1.0, "div_factor", "must be at least 1");
                problems.check(*final_div_factor >= 1.0, "final_div_factor", "must be at least 1");
                problems.check(*pct_start > 0.0 && *pct_start < 1.0, "pct_start", "must be above 0 and below 1");
            }
            Self::Plateau { factor, min_factor, threshold, .. } => {
                problems.check(*factor > 0.0 && *factor < 1.0, "factor", "must be above 0 and below 1");
                problems.check(fraction(*min_factor), "min_factor", "must be between 0 and 1");
                problems.check(*threshold >= 0.0, "threshold", "must not be negative");
            }
            Self::Noam { warmup_steps, model_size } => {
                problems.check(*warmup_steps > 0, "warmup_steps", "must be at least 1");
                problems.check(*model_size > 0, "model_size", "must be at least 1");
            }
            Self::Polynomial { power, end_factor, .. } => {
                problems.check(*power > 0.0, "power", "must be above 0");
                problems.check(fraction(*end_factor), "end_factor", "must be between 0 and 1");
            }
        }
    }
}

/// What the plateau schedule remembers; kept in every checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    factor: Option<f64>,
    best: Option<f64>,
    bad_validations: u64,
    cooldown_left: u64,
}

/// A schedule with what it remembers.
#[derive(Debug, Clone)]
pub struct LrScheduler {
    config: LrSchedulerConfig,
    total_steps: u64,
    plateau: PlateauState,
}

impl LrScheduler {
    /// A schedule for a run of `total_steps` optimiser steps (any number where the schedule does not need it).
    pub fn new(config: LrSchedulerConfig, total_steps: u64) -> Self {
        Self { config, total_steps, plateau: PlateauState::default() }
    }

    /// The factor of the learning rate for the step after `step` completed ones.
    pub fn factor(&self, step: u64) -> f64 {
        self.config.factor(step, self.total_steps) * self.plateau.factor.unwrap_or(1.0)
    }

    /// Tells the schedule the monitored validation metric.
    pub fn observe(&mut self, value: f64, mode: Mode) {
        let LrSchedulerConfig::Plateau { factor, patience, threshold, cooldown, min_factor, .. } = self.config else {
            return;
        };
        let state = &mut self.plateau;
        if state.best.is_none_or(|best| mode.is_better(value, best, threshold * best.abs())) {
            state.best = Some(value);
            state.bad_validations = 0;
        } else {
            state.bad_validations += 1;
        }
        if state.cooldown_left > 0 {
            state.cooldown_left -= 1;
            state.bad_validations = 0;
        }
        if state.bad_validations > patience {
            state.factor = Some((state.factor.unwrap_or(1.0) * factor).max(min_factor));
            state.cooldown_left = cooldown;
            state.bad_validations = 0;
        }
    }

    /// What must be kept in a checkpoint.
    pub fn state(&self) -> &PlateauState {
        &self.plateau
    }

    /// Restores [`state`](Self::state).
    pub fn load_state(&mut self, state: PlateauState) {
        self.plateau = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(toml_like: serde_json::Value, total: u64, steps: &[u64]) -> Vec<f64> {
        let config: LrSchedulerConfig = serde_json::from_value(toml_like).unwrap();
        let scheduler = LrScheduler::new(config, total);
        steps.iter().map(|&step| scheduler.factor(step)).collect()
    }

    fn assert_close(actual: Vec<f64>, expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() < 1e-9, "{actual:?} is not {expected:?}");
        }
    }

    #[test]
    fn warm_up_rises_to_the_full_rate() {
        let config = serde_json::json!({"kind": "constant", "warmup_steps": 4});
        assert_close(factors(config, 10, &[0, 1, 2, 3, 4, 9]), &[0.2, 0.4, 0.6, 0.8, 1.0, 1.0]);
    }

    #[test]
    fn cosine_reaches_its_minimum_and_stays() {
        let config = serde_json::json!({"kind": "cosine", "min_factor": 0.1});
        assert_close(factors(config, 10, &[0, 5, 10, 15]), &[1.0, 0.55, 0.1, 0.1]);
    }

    #[test]
    fn restarts_lengthen() {
        let config = serde_json::json!({"kind": "cosine_restarts", "period": 2, "period_factor": 2});
        // Periods: steps 0-1, 2-5, 6-13.
        assert_close(factors(config, 99, &[0, 1, 2, 4, 6, 10]), &[1.0, 0.5, 1.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn step_multi_step_exponential() {
        let step = serde_json::json!({"kind": "step", "step_size": 3, "gamma": 0.5});
        assert_close(factors(step, 99, &[0, 2, 3, 6]), &[1.0, 1.0, 0.5, 0.25]);
        let multi = serde_json::json!({"kind": "multi_step", "milestones": [2, 5]});
        assert_close(factors(multi, 99, &[1, 2, 4, 5]), &[1.0, 0.1, 0.1, 0.01]);
        let exponential = serde_json::json!({"kind": "exponential", "gamma": 0.5});
        assert_close(factors(exponential, 99, &[0, 1, 3]), &[1.0, 0.5, 0.125]);
    }

    #[test]
    fn linear_and_polynomial() {
        let linear = serde_json::json!({"kind": "linear", "end_factor": 0.5});
        assert_close(factors(linear, 10, &[0, 5, 10]), &[1.0, 0.75, 0.5]);
        let polynomial = serde_json::json!({"kind": "polynomial", "power": 2.0, "decay_steps": 4});
        assert_close(factors(polynomial, 99, &[0, 2, 4, 9]), &[1.0, 0.25, 0.0, 0.0]);
    }

    /// torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10): rates of steps 0, 2, 5 and 9.
    #[test]
    fn one_cycle_is_pytorchs() {
        let config = serde_json::json!({"kind": "one_cycle"});
        let expected = [0.04, 1.0, 0.6112620219362893, 4e-6];
        let actual = factors(config, 10, &[0, 2, 5, 9]);
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() < 1e-7, "{actual:?}");
        }
    }

    #[test]
    fn noam_peaks_at_the_end_of_its_warm_up() {
        let config = serde_json::json!({"kind": "noam", "warmup_steps": 4, "model_size": 4});
        assert_close(factors(config, 99, &[0, 3, 15]), &[0.5 / 8.0, 0.25, 0.125]);
    }

    #[test]
    fn plateau_waits_for_its_patience_and_resumes() {
        let config: LrSchedulerConfig =
            serde_json::from_value(serde_json::json!({"kind": "plateau", "patience": 1, "factor": 0.5})).unwrap();
        let mut scheduler = LrScheduler::new(config.clone(), 0);
        for value in [1.0, 0.9, 0.95] {
            scheduler.observe(value, Mode::Min);
        }
        assert_eq!(scheduler.factor(3), 1.0);
        let mut resumed = LrScheduler::new(config, 0);
        resumed.load_state(scheduler.state().clone());
        resumed.observe(0.95, Mode::Min);
        assert_eq!(resumed.factor(4), 0.5);
    }

    #[test]
    fn unknown_keys_and_kinds_are_refused() {
        for wrong in [
            serde_json::json!({"kind": "cosine", "warmup": 1}),
            serde_json::json!({"kind": "cosin"}),
            serde_json::json!({"kind": "step"}),
        ] {
            assert!(serde_json::from_value::<LrSchedulerConfig>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
