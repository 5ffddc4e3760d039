//! Pictures: decoded, split, augmented and dealt in batches for classifiers.

pub mod augment;
mod picture;
pub mod shapes;

pub use picture::Image;
