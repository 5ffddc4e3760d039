//! What the `train` command assembles: data, models, losses, samples and evaluation (feature `training`).

pub mod diffusion;
pub mod evaluator;
pub mod features;
pub mod gan;
pub mod generation;
pub mod latents;
pub mod pictures;
pub mod scoring;
