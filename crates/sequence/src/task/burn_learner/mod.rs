//! burn's own training traits, so that the supervised models also run under burn's learner
//! (`burn::train::SupervisedTraining`): for each, what a batch is on the device, and its loss with burn's kind of output.
//!
//! The CTC recogniser is not among them: burn's learner has no output without a target at each step.

mod forecaster;
mod recordings;
mod texts;

pub use forecaster::ForecastBatch;
pub use recordings::RecordingBatch;
pub use text_tasks::burn_learner::{LanguageModelBatch, LanguageModelBatcher, TextClassBatch, TranslationBatch};
