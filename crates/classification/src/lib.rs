//! What classification of texts, recordings and images has in common: [`ClassificationOptions`] of a config and the
//! [`ClassificationLoss`] that follows from them, what a classifier says of each item ([`Predictions`], or
//! [`MultiLabelPredictions`] where an item may have several labels), and the scores and sections of a report.

mod loss;
mod multi_label;
mod options;
mod predictions;

pub use loss::ClassificationLoss;
pub use multi_label::{LABEL_THRESHOLD, MultiLabelPredictions, label_probabilities};
pub use options::{ClassWeights, ClassificationOptions};
pub use predictions::{Prediction, Predictions, largest, probabilities};
