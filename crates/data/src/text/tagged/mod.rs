//! Sentences of which each word has a tag, for token classification: names, dates and amounts in texts, or parts of speech. A source
//! in the form of CoNLL-2003 is read, split into three parts, tokenised, and dealt in padded batches. [`TaggedData`] does all of
//! it from one [`TaggedConfig`].
//!
//! A word may be several tokens: its tag is that of the first, and the others count for nothing, as in Devlin et al. 2019. A
//! batch knows where each word begins, so that what is predicted for tokens comes back by word.

mod batches;
mod config;
pub mod entities;
mod facts;
mod input;
mod prepared;
mod source;

pub use batches::{TaggedBatch, TaggedBatches};
pub use config::TaggedConfig;
pub use facts::TaggedFacts;
pub use input::{TaggedInput, encode_words};
pub use prepared::TaggedData;
