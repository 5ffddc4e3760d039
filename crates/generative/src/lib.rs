//! Networks that make and rebuild images, generic over burn's `Backend`.

pub mod diffusion;
pub mod gan;
#[cfg(feature = "training")]
pub mod metrics;
#[cfg(feature = "training")]
pub mod task;
