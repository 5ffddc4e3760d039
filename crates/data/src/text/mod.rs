//! Text for language models, from a source to batches: [`corpus`] reads it, [`tokenizer`] turns it into tokens, [`windows`]
//! cuts these into batches, and [`TextData`] does all three from one [`TextConfig`]. [`masked`] hides tokens of a corpus,
//! [`labelled`] deals texts with a class each, [`tagged`] sentences with a tag a word, and [`parallel`] pairs of texts.

pub(crate) mod columns;
mod config;
pub mod corpus;
pub mod framing;
pub mod labelled;
pub mod masked;
mod padded;
pub mod parallel;
mod prepared;
pub mod stories;
pub mod tagged;
pub mod tokenizer;
mod warmup;
pub mod windows;

pub use config::{Documents, Encoding, Sampling, TextConfig};
pub use padded::DocumentWindows;
pub use prepared::{TextData, TextFacts};
pub use warmup::{GrowingWindows, SeqLenWarmup};
