use classification::{ClassWeights, ClassificationOptions};
use data::image::augment::TestViews;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::config::{Problems, Validate};

use crate::fine_tuning::FineTuning;

/// `[task]`: the loss, what of the network trains, and what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageOptions {
    /// Part of the target's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// How much each class counts: `"none"`, `"balanced"` (rare classes count as much as common ones), or one factor a class. Where
    /// pictures have several labels, the factor of each label that is there.
    pub class_weights: ClassWeights,
    /// Above 0, the focal loss (arXiv:1708.02002): pictures that are right already count less. Usual: 2.
    pub focal_gamma: f64,
    /// Views of each test picture whose probabilities are averaged by `train eval`.
    pub test_views: TestViews,
    /// Pictures in the report that the model is most wrong about; none where pictures have several labels.
    pub worst_mistakes: usize,
    /// Pictures in the report with a map of what the prediction rests on (Grad-CAM, arXiv:1610.02391; of a ViT attention rollout,
    /// arXiv:2005.00928): half of them the worst mistakes, the others those that are right and surest. None where pictures have
    /// several labels.
    pub grad_cam: usize,
    /// Training pictures in the report as the network sees them.
    pub shown_samples: usize,
    /// Which stages of the network train, when, and how fast.
    pub fine_tuning: FineTuning,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            label_smoothing: 0.0,
            class_weights: ClassWeights::default(),
            focal_gamma: 0.0,
            test_views: TestViews::default(),
            worst_mistakes: 16,
            grad_cam: 8,
            shown_samples: 24,
            fine_tuning: FineTuning::default(),
        }
    }
}

impl Validate for ImageOptions {
    fn validate(&self, problems: &mut Problems) {
        self.classification().validate(problems);
        problems.nested("fine_tuning", |problems| self.fine_tuning.validate(problems));
    }
}

impl ImageOptions {
    /// What these have in common with classification of other things.
    pub(crate) fn classification(&self) -> ClassificationOptions {
        ClassificationOptions {
            label_smoothing: self.label_smoothing,
            class_weights: self.class_weights.clone(),
            focal_gamma: self.focal_gamma,
            worst_mistakes: self.worst_mistakes,
        }
    }
}
