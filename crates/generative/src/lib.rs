//! Networks that make and rebuild images, generic over burn's `Backend`.

pub mod diffusion;
#[cfg(feature = "training")]
pub mod task;
