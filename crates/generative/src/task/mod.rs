//! What the `train` command assembles: data, models, losses, samples and evaluation (feature `training`).

pub mod diffusion;
pub mod pictures;
