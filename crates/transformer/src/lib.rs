//! Transformers, generic over burn's `Backend`.
//!
//! - [`gpt`]: decoders that write text, GPT-2 and Llama among them;
//! - [`bert`]: encoders of text, with heads for masked tokens, for texts and for tokens;
//! - [`seq2seq`]: one sequence in, another out, as in translation;
//! - [`vit`]: images as sequences of patches;
//! - [`decision`]: decisions as a sequence of returns, observations and actions;
//! - [`attention`], [`feed_forward`] and [`block`]: what they are made of;
//! - [`pretrained`]: weights from Hugging Face, torchvision, timm and nanoGPT;
//! - [`lora`]: small trainable additions to frozen weights.
//!
//! With `default-features = false` this crate is models alone, for use in any burn project.
//!
//! ```
//! use burn::{backend::NdArray, tensor::{Int, Tensor}};
//! use transformer::gpt::GptConfig;
//!
//! let device = Default::default();
//! let config = GptConfig { num_layers: 2, num_heads: 2, embedding_size: 32, context_len: 16, ..GptConfig::default() };
//! let model = config.init::<NdArray>(65, &device);
//! let tokens = Tensor::<NdArray, 2, Int>::zeros([1, 16], &device);
//! let (logits, _cache) = model.forward(tokens, None);
//! assert_eq!(logits.dims(), [1, 16, 65]);
//! ```

pub mod attention;
pub mod bert;
pub mod block;
pub mod decision;
pub mod embedding;
pub mod feed_forward;
pub mod gpt;
mod hugging_face;
pub mod lora;
pub mod norm;
pub mod pretrained;
pub mod projection;
mod residual;
pub mod seq2seq;
mod sizes;
#[cfg(feature = "training")]
pub mod task;
pub mod vit;

pub use hugging_face::HuggingFaceError;
