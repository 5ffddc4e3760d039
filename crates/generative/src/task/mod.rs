//! What the `train` command assembles: data, models, losses, samples and evaluation (feature `training`).

pub mod diffusion;
pub mod evaluator;
pub mod features;
pub mod gan;
pub mod latents;
pub mod pictures;
