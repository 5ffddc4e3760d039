//! Recurrent networks, generic over burn's `Backend`.
//!
//! With `default-features = false` this crate is models alone: [`language_model`], [`generation`] and [`pretrained`]
//! weights, for use in any burn project. The feature `training` (on by default) adds [`task`]: what the `train` command
//! assembles from a config file, and burn's own training traits.
//!
//! ```
//! use burn::{backend::NdArray, tensor::{Int, Tensor}};
//! use sequence::language_model::LanguageModelConfig;
//!
//! let device = Default::default();
//! let model = LanguageModelConfig::default().init::<NdArray>(65, &device);
//! let tokens = Tensor::<NdArray, 2, Int>::zeros([1, 16], &device);
//! let (logits, _state) = model.forward(tokens, None);
//! assert_eq!(logits.dims(), [1, 16, 65]);
//! ```

pub mod acoustic;
pub mod attention;
pub mod classifier;
pub mod forecaster;
pub mod generation;
pub mod language_model;
mod padding;
pub mod pooling;
pub mod pretrained;
pub mod speech_classifier;
pub mod speech_recognizer;
#[cfg(feature = "training")]
pub mod task;
pub mod translator;
