//! From waveforms to frames of features.

mod config;
mod delta;
mod extractor;
mod mel;
mod normalization;

pub use config::{FeatureKind, FeaturesConfig, Normalize};
pub use extractor::{FeatureExtractor, Features};
pub use normalization::Normalization;
