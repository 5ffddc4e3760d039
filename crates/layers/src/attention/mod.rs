//! Attention: what of a memory is looked at.

pub mod additive;

pub use additive::additive_scores;
