//! Batches and losses for burn's own training traits, so that the networks also run under burn's learner
//! (`burn::train::SupervisedTraining`): a family names its network, a batch and a function of this module in
//! [`burn_steps`](training_loop::burn_steps).

mod classifier;
mod language_model;
mod translator;

pub use classifier::{TextClassBatch, classify};
pub use language_model::{LanguageModelBatch, LanguageModelBatcher, predict_tokens};
pub use translator::{TranslationBatch, translate};
