use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
};

use crate::ClassificationLoss;

/// `[task]`: the loss, and what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassificationOptions {
    /// Part of the target's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// How much each class counts: `"none"`, `"balanced"` (rare classes count as much as common ones), or one factor a class.
    pub class_weights: ClassWeights,
    /// Above 0, the focal loss (arXiv:1708.02002): items that are right already count less. Usual: 2.
    pub focal_gamma: f64,
    /// Items in the report that the model is most wrong about.
    pub worst_mistakes: usize,
}

impl Default for ClassificationOptions {
    fn default() -> Self {
        Self { label_smoothing: 0.0, class_weights: ClassWeights::default(), focal_gamma: 0.0, worst_mistakes: 20 }
    }
}

impl Validate for ClassificationOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check((0.0..1.0).contains(&self.label_smoothing), "label_smoothing", "must be at least 0 and below 1");
        problems.check(self.focal_gamma >= 0.0, "focal_gamma", "must not be negative");
        problems.check(
            self.focal_gamma == 0.0 || self.label_smoothing == 0.0,
            "focal_gamma",
            "goes with `label_smoothing = 0` only: the focal loss is of one class a target",
        );
        if let ClassWeights::Given(weights) = &self.class_weights {
            let usable = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
                && weights.iter().any(|weight| *weight > 0.0);
            problems.check(usable, "class_weights", "must not be negative, and not all 0");
        }
    }
}

impl ClassificationOptions {
    /// The loss, for as many training items of each class as `counts` says.
    ///
    /// # Errors
    /// When there is not one weight a class.
    pub fn loss(&self, counts: &[usize]) -> Result<ClassificationLoss, TaskError> {
        let class_weights = self.class_weights.of(counts)?;
        Ok(ClassificationLoss::new(self.label_smoothing as f32, class_weights, self.focal_gamma))
    }
}

/// How much each class counts in the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "\"none\", \"balanced\" or one factor a class, as in [1.0, 2.5], is expected")]
pub enum ClassWeights {
    /// By a rule.
    Rule(WeightRule),
    /// One factor a class, in the order of the classes.
    Given(Vec<f32>),
}

/// A rule for class weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WeightRule {
    /// All alike.
    #[default]
    None,
    /// `items / (classes · items of the class)`, scikit-learn's rule.
    Balanced,
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Rule(WeightRule::default())
    }
}

impl ClassWeights {
    /// One factor a class, or none where all are alike, for as many training items of each class as `counts` says.
    ///
    /// # Errors
    /// When there is not one factor a class.
    pub fn of(&self, counts: &[usize]) -> Result<Option<Vec<f32>>, TaskError> {
        match self {
            Self::Rule(WeightRule::None) => Ok(None),
            Self::Rule(WeightRule::Balanced) => {
                let items: usize = counts.iter().sum();
                // A class without items has no target that its weight could count for.
                let weight = |count: &usize| items as f32 / (counts.len() * (*count).max(1)) as f32;
                Ok(Some(counts.iter().map(weight).collect()))
            }
            Self::Given(weights) if weights.len() == counts.len() => Ok(Some(weights.clone())),
            Self::Given(weights) => Err(format!(
                "`task.class_weights` has {} factors, and there are {} classes: give one a class, or \"balanced\"",
                weights.len(),
                counts.len()
            )
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_make_every_class_count_alike() {
        let balanced = ClassWeights::Rule(WeightRule::Balanced).of(&[90, 10]).unwrap().unwrap();
        assert_eq!(balanced, [100.0 / 180.0, 5.0]);
        assert_eq!(ClassWeights::default().of(&[90, 10]).unwrap(), None);
        let error = ClassWeights::Given(vec![1.0; 3]).of(&[90, 10]).unwrap_err().to_string();
        assert!(error.contains("3 factors") && error.contains("2 classes"), "{error}");
    }

    #[test]
    fn a_rule_or_factors_are_read_and_written() {
        for text in ["\"none\"", "\"balanced\"", "[1.0,2.5]"] {
            let weights: ClassWeights = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&weights).unwrap(), text);
        }
    }
}
