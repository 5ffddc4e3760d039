//! Networks that make and rebuild images, generic over burn's `Backend`.

#[cfg(feature = "training")]
pub mod task;
