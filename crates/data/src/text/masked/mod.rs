//! Masked language modelling (Devlin et al. 2019, "BERT"): windows of a corpus of which some tokens are hidden, for a model to guess
//! them. [`MaskedData`] makes them from one [`MaskedConfig`].
//!
//! The mask is dynamic (Liu et al. 2019, "RoBERTa"): another in each epoch, and a pure function of (seed, epoch, window). The
//! validation part has one mask for ever, whatever the run's seed, so that scores can be compared.

mod batches;
mod config;
mod masking;
mod prepared;

pub use batches::{MaskedBatch, MaskedBatches};
pub use config::MaskedConfig;
pub use prepared::{MaskedData, encode_text};
