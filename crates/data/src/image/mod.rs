//! Pictures: decoded, split, augmented and dealt in batches for classifiers.
//!
//! - [`ImageConfig`]: the data section of a run's configuration.
//! - [`ImageData`]: everything read and split; its batches are plain vectors.
//! - [`ImageArtefact`]: what has to be kept beside the weights, and what prepares new pictures.
//! - [`augment`]: random changes, which follow from the seed, the epoch and the picture alone.
//! - [`shapes`], [`digits`]: the embedded sources.

mod artefact;
pub mod augment;
mod batches;
mod config;
pub mod digits;
mod embedded;
mod facts;
mod picture;
mod pictures;
mod prepared;
pub mod shapes;
mod source;
mod split;
mod statistics;

pub use artefact::ImageArtefact;
pub use batches::{ImageBatch, ImageBatches, Labels, Shown};
pub use config::ImageConfig;
pub use embedded::EmbeddedPicture;
pub use facts::ImageFacts;
pub use picture::{Image, gif, grid, png};
pub use prepared::ImageData;
pub use statistics::{Normalize, NormalizeRule, Statistics};
