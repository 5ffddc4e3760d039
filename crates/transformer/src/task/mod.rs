//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).
//!
//! The jobs on texts are those of [`text_tasks`]; here stands what makes a network of this crate theirs.

pub mod decision;
pub mod language_model;
mod start;
pub mod text_classification;
pub mod translation;

pub use start::Start;
