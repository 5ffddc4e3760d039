//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).
//!
//! The jobs on texts are those of [`text_tasks`]; here stands what makes a network of this crate theirs.

pub mod burn_learner;
pub mod classification;
pub mod forecast;
pub mod language_model;
mod speech;
pub mod speech_classification;
pub mod speech_recognition;
pub mod translation;
