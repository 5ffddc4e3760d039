//! Labelled texts for classification: a source is read into texts and classes, split into three parts, tokenised, and
//! dealt in padded batches. [`LabelledData`] does all of it from one [`LabelledConfig`].
//!
//! The split is stratified and a pure function of the texts, their classes and `split_seed`; texts that differ only in
//! capitals and white space stay on one side of it. A batch is a pure function of (seed, epoch, index).

mod batches;
mod config;
mod facts;
mod prepared;
pub mod reviews;
mod source;
mod table;

pub use batches::{LabelledBatch, LabelledBatches};
pub use config::LabelledConfig;
pub use facts::LabelledFacts;
pub use prepared::{LabelledData, encode_example};
