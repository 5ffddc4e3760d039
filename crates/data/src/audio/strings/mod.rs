//! Strings of recordings, as of digits that one speaker says after another: what a recogniser with connectionist temporal
//! classification (CTC) learns from.

mod batches;
mod composer;
mod config;
mod facts;
mod prepared;

pub use batches::{StringsBatch, StringsBatches};
pub use composer::StringItem;
pub use config::{SpeechStringsConfig, StringsConfig};
pub use facts::SpeechStringsFacts;
pub use prepared::SpeechStringsData;
