//! Recordings of speech, from a source to batches: for a classifier, one class a recording ([`SpeechData`]), and for a
//! recogniser, strings of recordings with one class after the other ([`SpeechStringsData`]).
//!
//! A source is read, resampled and split; waveforms become frames of features as torchaudio computes them
//! ([`FeatureExtractor`]); frames become padded batches. A batch is a pure function of (seed, epoch, index), and what is
//! drawn for one recording of (seed, epoch, recording).

mod artefact;
mod augment;
mod batches;
mod config;
pub mod digits;
mod facts;
mod features;
mod prepared;
mod resample;
mod source;
mod split;
mod strings;
mod wav;

pub use crate::{OnError, PartCounts};
pub use artefact::SpeechArtefact;
pub use augment::AugmentConfig;
pub use batches::{SpeechBatch, SpeechBatches};
pub use config::SpeechConfig;
pub use facts::SpeechFacts;
pub use features::{FeatureExtractor, FeatureKind, Features, FeaturesConfig, Normalization, Normalize};
pub use prepared::SpeechData;
pub use resample::Resampler;
pub use split::{RandomSplit, SpeakerSplit, SpeechSplit, TakeSplit};
pub use strings::{
    SpeechStringsConfig, SpeechStringsData, SpeechStringsFacts, StringItem, StringsBatch, StringsBatches, StringsConfig,
};
pub use wav::{Waveform, read_wav};
