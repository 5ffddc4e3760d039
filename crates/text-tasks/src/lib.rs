//! The jobs on texts, whatever network learns them: data, loss, evaluation, samples, predictions and pages of the report.
//!
//! A family of networks makes a job its own in two steps. Its network implements what the job asks of it
//! ([`language_model::LanguageModel`], [`masked_language_model::MaskedLanguageModel`], [`classification::TextClassifier`],
//! [`token_classification::TokenClassifier`] or [`translation::EncoderDecoder`]), and its `[model]` block implements what makes
//! the network ([`language_model::LanguageModelFamily`] and so on). The job is then `LanguageModelJob<ItsConfig>`.

mod artefacts;
mod attention;
pub mod burn_learner;
pub mod classification;
mod context;
pub mod language_model;
pub mod masked_language_model;
mod texts;
pub mod token_classification;
pub mod translation;

pub use texts::Texts;
