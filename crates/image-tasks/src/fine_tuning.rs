//! What of a pretrained network trains, when, and how fast.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    optimizer::ParameterGroup,
};

use crate::Stage;

/// The name that stands for every stage but the head.
const TRUNK: &str = "trunk";

/// The stage that is never pretrained for the classes at hand.
const HEAD: &str = "head";

/// `[task.fine_tuning]`: which stages of the network train. By default all of them do, from the first step.
///
/// Each family has its own. The stages of a ResNet are `stem`, `layer1` to `layer4` (`layer3` for those of CIFAR) and `head`; those
/// of a VGG `block1` to `block5`, `classifier` and `head`; those of a ViT `embeddings`, `block1` and so on, and `head`. `trunk`
/// stands for all but the head. What a stage is may be refined with `[[parameter_groups]]`, whose patterns come after these and win.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FineTuning {
    /// Stages that keep their weights, and their statistics of batch normalisation. They have no state of the optimiser, and below
    /// the first stage that trains there is no backward pass.
    pub freeze: Vec<String>,
    /// Frozen stages that begin to train later: `[{ stages = ["layer4"], at_step = 200 }]`.
    pub unfreeze: Vec<Unfreeze>,
    /// Trains the head alone and then one more stage, from the top, after each so many steps (gradual unfreezing, arXiv:1801.06146).
    /// None: as `freeze` and `unfreeze` say.
    pub unfreeze_every: Option<u64>,
    /// Multiplies the learning rate of stages: `{ layer4 = 0.3, trunk = 0.1 }` (discriminative rates).
    pub lr_factors: BTreeMap<String, f64>,
    /// Multiplies the learning rate once more for each stage below the head: 0.5 gives 1, 0.5, 0.25, … (layer-wise decay). Usual: 0.3
    /// to 0.9.
    pub layer_decay: f64,
    /// Pulls the trunk towards the weights that it starts from, with this strength and in place of weight decay (L2-SP, arXiv:1802.01483).
    /// Usual: 0.01 to 0.1.
    pub l2_sp: f64,
    /// Trains nothing but the last layer, on features that are computed once: by far the fastest. Pictures are then seen as an
    /// evaluation sees them, or in `feature_views` random views. (With `freeze = ["trunk"]`, features are computed once too where
    /// neither augmentation nor dropout changes them.)
    pub linear_probe: bool,
    /// Random views of each training picture whose features a linear probe learns from, where `[data.augment]` changes pictures.
    /// 0: the one that an evaluation sees.
    pub feature_views: usize,
}

/// Stages that begin to train in the course of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// Names of stages.
    pub stages: Vec<String>,
    /// Optimiser steps before it.
    pub at_step: u64,
}

impl Default for FineTuning {
    fn default() -> Self {
        Self {
            freeze: Vec::new(),
            unfreeze: Vec::new(),
            unfreeze_every: None,
            lr_factors: BTreeMap::new(),
            layer_decay: 1.0,
            l2_sp: 0.0,
            linear_probe: false,
            feature_views: 0,
        }
    }
}

impl Validate for FineTuning {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            self.layer_decay > 0.0 && self.layer_decay <= 1.0,
            "layer_decay",
            "must lie above 0 and not above 1",
        );
        problems.check(self.l2_sp >= 0.0, "l2_sp", "must not be negative");
        problems.check(self.unfreeze_every != Some(0), "unfreeze_every", "must be at least 1 step");
        for (stage, factor) in &self.lr_factors {
            problems.check(*factor >= 0.0, &format!("lr_factors.{stage}"), "must not be negative");
        }
        let policies = [
            ("linear_probe", self.linear_probe),
            ("unfreeze_every", self.unfreeze_every.is_some()),
            ("freeze", !self.freeze.is_empty() || !self.unfreeze.is_empty()),
        ];
        let chosen: Vec<&str> = policies.iter().filter(|(_, chosen)| *chosen).map(|(name, _)| *name).collect();
        if let [first, second, ..] = chosen[..] {
            problems.check(false, second, format!("does not go with `{first}`: each says what trains when"));
        }
        problems.check(
            self.feature_views == 0 || self.linear_probe,
            "feature_views",
            "is for `linear_probe = true`, whose features are computed once",
        );
    }
}

impl FineTuning {
    /// The settings of the parameters of `stages`, which come from bottom to top.
    ///
    /// # Errors
    /// When a name is that of no stage; the message names those there are.
    pub fn groups(&self, stages: &[Stage]) -> Result<Vec<ParameterGroup>, TaskError> {
        let mut plan: Vec<ParameterGroup> =
            stages.iter().enumerate().map(|(place, _)| self.rate(stages, place)).collect();
        if self.l2_sp > 0.0 {
            for place in places(stages, TRUNK, "l2_sp")? {
                plan[place].l2_sp = Some(self.l2_sp);
                plan[place].weight_decay = Some(0.0);
            }
        }
        // `trunk` first, so that a stage of its own name wins.
        let by_breadth = |(name, _): &(&String, &f64)| *name != TRUNK;
        let mut factors: Vec<(&String, &f64)> = self.lr_factors.iter().collect();
        factors.sort_by_key(by_breadth);
        let decayed: Vec<Option<f64>> = plan.iter().map(|group| group.lr_factor).collect();
        for (name, factor) in factors {
            for place in places(stages, name, "lr_factors")? {
                plan[place].lr_factor = Some(decayed[place].unwrap_or(1.0) * factor);
            }
        }
        for (place, at_step) in self.frozen(stages)? {
            plan[place].frozen = Some(true);
            plan[place].unfreeze_at_step = at_step;
        }
        Ok(stages.iter().zip(plan).flat_map(|(stage, group)| of_stage(stage, &group)).collect())
    }

    /// Whether nothing but the head trains, all the way.
    ///
    /// # Errors
    /// As [`groups`](Self::groups).
    pub fn trunk_stays_frozen(&self, stages: &[Stage]) -> Result<bool, TaskError> {
        let frozen = self.frozen(stages)?;
        let trunk = places(stages, TRUNK, "freeze")?;
        Ok(trunk.iter().all(|place| frozen.get(place) == Some(&None)))
    }

    /// The frozen stages, by place, with the step at which each begins to train.
    fn frozen(&self, stages: &[Stage]) -> Result<BTreeMap<usize, Option<u64>>, TaskError> {
        let trunk = || places(stages, TRUNK, "freeze");
        let mut frozen = BTreeMap::new();
        if self.linear_probe {
            frozen.extend(trunk()?.into_iter().map(|place| (place, None)));
        }
        if let Some(every) = self.unfreeze_every {
            let from_the_top = trunk()?.into_iter().rev().zip(1..);
            frozen.extend(from_the_top.map(|(place, turn)| (place, Some(turn * every))));
        }
        for name in &self.freeze {
            frozen.extend(places(stages, name, "freeze")?.into_iter().map(|place| (place, None)));
        }
        for Unfreeze { stages: names, at_step } in &self.unfreeze {
            for name in names {
                for place in places(stages, name, "unfreeze")? {
                    let Some(at) = frozen.get_mut(&place) else {
                        let message =
                            format!("`task.fine_tuning.unfreeze` names {name}, which `freeze` does not freeze");
                        return Err(message.into());
                    };
                    *at = Some(*at_step);
                }
            }
        }
        Ok(frozen)
    }

    /// The learning rate of the stage at `place`.
    fn rate(&self, stages: &[Stage], place: usize) -> ParameterGroup {
        let below_the_head = stages.len() - 1 - place;
        let factor = self.layer_decay.powi(below_the_head as i32);
        ParameterGroup { lr_factor: (factor != 1.0).then_some(factor), ..ParameterGroup::default() }
    }
}

/// The settings of a stage for each of its patterns; none where they say nothing.
fn of_stage(stage: &Stage, settings: &ParameterGroup) -> Vec<ParameterGroup> {
    if *settings == ParameterGroup::default() {
        return Vec::new();
    }
    let of_pattern = |pattern: &String| ParameterGroup { parameters: pattern.clone(), ..settings.clone() };
    stage.patterns.iter().map(of_pattern).collect()
}

/// The places of the stages that a name stands for.
fn places(stages: &[Stage], name: &str, key: &str) -> Result<Vec<usize>, TaskError> {
    let found: Vec<usize> = match name {
        TRUNK => (0..stages.len()).filter(|place| stages[*place].name != HEAD).collect(),
        name => (0..stages.len()).filter(|place| stages[*place].name == name).collect(),
    };
    if found.is_empty() {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_ref()).collect();
        let names = names.join(", ");
        let message = format!(
            "`task.fine_tuning.{key}` names the stage \"{name}\"; this network has {names}, and `{TRUNK}` for all but the head"
        );
        return Err(message.into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<Stage> {
        let stage = |name: &str, patterns: &[&str]| Stage {
            name: name.into(),
            patterns: patterns.iter().map(|pattern| pattern.to_string()).collect(),
        };
        vec![
            stage("stem", &["conv1.*", "bn1.*"]),
            stage("layer1", &["layer1.*"]),
            stage("layer2", &["layer2.*"]),
            stage("head", &["fc.*"]),
        ]
    }

    fn of<T>(policy: &FineTuning, setting: impl Fn(&ParameterGroup) -> Option<T>) -> Vec<(String, T)> {
        let groups = policy.groups(&stages()).unwrap();
        groups.iter().filter_map(|group| Some((group.parameters.clone(), setting(group)?))).collect()
    }

    #[test]
    fn by_default_everything_trains_alike() {
        assert_eq!(FineTuning::default().groups(&stages()).unwrap(), []);
        assert!(!FineTuning::default().trunk_stays_frozen(&stages()).unwrap());
    }

    #[test]
    fn stages_unfreeze_from_the_top() {
        let policy = FineTuning { unfreeze_every: Some(100), ..FineTuning::default() };
        let expected = [("conv1.*", 300), ("bn1.*", 300), ("layer1.*", 200), ("layer2.*", 100)];
        let expected: Vec<(String, u64)> = expected.iter().map(|(name, step)| (name.to_string(), *step)).collect();
        assert_eq!(of(&policy, |group| group.unfreeze_at_step), expected);
        assert!(of(&policy, |group| group.frozen).iter().all(|(_, frozen)| *frozen));
        assert!(!policy.trunk_stays_frozen(&stages()).unwrap());
    }

    #[test]
    fn frozen_stages_may_begin_to_train_later() {
        let unfreeze = vec![Unfreeze { stages: vec!["layer2".into()], at_step: 50 }];
        let policy = FineTuning { freeze: vec!["trunk".into()], unfreeze, ..FineTuning::default() };
        assert_eq!(of(&policy, |group| group.frozen).len(), 4);
        assert_eq!(of(&policy, |group| group.unfreeze_at_step), [("layer2.*".to_string(), 50)]);
        let frozen = FineTuning { unfreeze: Vec::new(), ..policy };
        assert!(frozen.trunk_stays_frozen(&stages()).unwrap());
        assert!(FineTuning { linear_probe: true, ..FineTuning::default() }.trunk_stays_frozen(&stages()).unwrap());
    }

    #[test]
    fn rates_decay_from_the_head_down_and_a_stage_wins_over_the_trunk() {
        let lr_factors = BTreeMap::from([("layer2".to_string(), 1.0), ("trunk".to_string(), 0.1)]);
        let policy = FineTuning { layer_decay: 0.5, lr_factors, ..FineTuning::default() };
        let found = of(&policy, |group| group.lr_factor);
        let expected = [("conv1.*", 0.0125), ("bn1.*", 0.0125), ("layer1.*", 0.025), ("layer2.*", 0.5)];
        for ((name, factor), (expected_name, expected_factor)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((factor - expected_factor).abs() < 1e-12, "{name}: {factor} is not {expected_factor}");
        }
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn l2_sp_takes_the_place_of_weight_decay_in_the_trunk() {
        let policy = FineTuning { l2_sp: 0.05, ..FineTuning::default() };
        assert_eq!(of(&policy, |group| group.l2_sp).len(), 4);
        assert!(of(&policy, |group| group.weight_decay).iter().all(|(_, decay)| *decay == 0.0));
        assert!(!of(&policy, |group| group.l2_sp).iter().any(|(name, _)| name == "fc.*"));
    }

    #[test]
    fn a_stage_that_is_not_there_is_named_with_those_that_are() {
        let policy = FineTuning { freeze: vec!["layer9".into()], ..FineTuning::default() };
        let error = policy.groups(&stages()).unwrap_err().to_string();
        assert!(
            error.contains("freeze") && error.contains("layer9") && error.contains("stem, layer1, layer2, head"),
            "{error}"
        );
        let unfreeze = vec![Unfreeze { stages: vec!["layer1".into()], at_step: 1 }];
        let error = FineTuning { unfreeze, ..FineTuning::default() }.groups(&stages()).unwrap_err().to_string();
        assert!(error.contains("layer1") && error.contains("does not freeze"), "{error}");
    }

    #[test]
    fn policies_exclude_one_another() {
        let found = |policy: FineTuning| {
            let mut problems = Problems::default();
            policy.validate(&mut problems);
            problems.into_found()
        };
        assert_eq!(found(FineTuning::default()), []);
        let both = FineTuning { linear_probe: true, unfreeze_every: Some(10), ..FineTuning::default() };
        assert_eq!(found(both)[0].0, "unfreeze_every");
        assert_eq!(found(FineTuning { feature_views: 2, ..FineTuning::default() })[0].0, "feature_views");
    }
}
