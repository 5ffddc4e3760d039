//! Pairs of texts for translation: a source is read into pairs, split into three parts, tokenised on both sides, and dealt in
//! padded batches. [`ParallelData`] does all of it from one [`ParallelConfig`].
//!
//! Beside the tokens of its tokenizer each side has one more, the [`boundary`]: it ends every source, and a decoder reads it
//! before the first token of a target and writes it after the last.

mod batches;
mod config;
pub mod dates;
mod facts;
mod prepared;
mod source;

pub use batches::{ParallelBatch, ParallelBatches};
pub use config::ParallelConfig;
pub use facts::{ParallelFacts, SideFacts};
pub use prepared::{ParallelData, boundary, encode_source};
