//! What the `train` command assembles: data, model, policy of fine-tuning, loss and evaluation (feature `training`).
//!
//! The job on pictures is that of [`image_tasks`]; here stands what makes a network of this crate its own.

pub mod burn_learner;
pub mod image_classification;
mod pretrained;

pub use image_tasks::{Batch, ImageOptions, Part, fine_tuning};
pub use pretrained::ImageModelConfig;
