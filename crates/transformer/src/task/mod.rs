//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).
//!
//! The jobs on texts are those of [`text_tasks`], that on pictures is that of [`image_tasks`]; here stands what makes a network of this crate theirs.

pub mod decision;
pub mod image_classification;
pub mod language_model;
pub mod masked_language_model;
mod start;
pub mod text_classification;
pub mod token_classification;
pub mod translation;

pub use start::{Source, Start};
