//! What the `train` command assembles: data, models, losses, samples and evaluation (feature `training`).

pub mod autoencoder;
mod comparison;
pub mod diffusion;
pub mod encoder_classification;
pub mod evaluator;
pub mod features;
pub mod gan;
pub mod generation;
mod latent_map;
pub mod latents;
mod parts;
pub mod pictures;
mod quality;
pub mod reduction;
pub mod scoring;
pub mod vae;
pub mod vq_vae;
mod walk;
