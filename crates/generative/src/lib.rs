//! Networks that make and rebuild images, generic over burn's `Backend`.

pub mod autoencoder;
pub mod diffusion;
pub mod encoder_classifier;
pub mod gan;
#[cfg(feature = "training")]
pub mod metrics;
pub mod similarity;
#[cfg(feature = "training")]
pub mod task;
pub mod vae;
pub mod vq_vae;
