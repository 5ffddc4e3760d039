//! Datasets, tokenizers and batching for Kiln. This crate knows no model and no tensor: batches are plain vectors with
//! their shape, which a task turns into tensors on its device.
//!
//! - [`text`]: a corpus (embedded, a file, a folder), its tokenizer, and windows of tokens for language models.
//! - [`series`]: tables of numbers over time, scaled, and windows of them for forecasters.
//! - [`audio`]: recordings of speech, their features, and padded batches of them for classifiers and recognisers.
//! - [`image`]: pictures, their augmentation, and batches of them for classifiers.
//! - [`vectors`]: tables of numbers, a row a point, to be reduced.
//! - [`trajectories`]: episodes of environments, and windows of their steps for models that learn to act.
//! - [`stream_seed`] and [`SplitMix64`]: the one way in which this crate derives random numbers, so that a batch is a pure
//!   function of (seed, epoch, index).
//! - [`locate()`]: from a path as a user writes it to a file that exists, or to an error that says what to do.
//! - [`DataError`]: every way in which data can be wrong, worded for the person who supplied it.
//!
//! Library code here never prints and never exits.

pub mod audio;
mod dealing;
mod error;
mod gather;
pub mod image;
mod locate;
mod on_error;
mod part_counts;
pub mod series;
mod split;
pub mod text;
pub mod trajectories;
pub mod vectors;

pub use error::DataError;
pub use locate::{DATA_VARIABLE, locate, real_data_folder};
pub use on_error::OnError;
pub use part_counts::PartCounts;
pub use random::{SplitMix64, stream_seed};
