//! What the `train` command assembles: data, models, losses, samples and evaluation (feature `training`).

pub mod autoencoder;
mod comparison;
pub mod encoder_classification;
mod latent_map;
mod parts;
pub mod pictures;
mod quality;
pub mod reduction;
pub mod vae;
pub mod vq_vae;
mod walk;
