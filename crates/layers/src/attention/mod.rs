//! Attention: what of a memory is looked at.

pub mod additive;
pub mod dot_product;

pub use additive::additive_scores;
pub use dot_product::{AttentionBias, DotProductAttention, alibi_slopes, attention, attention_weights, self_attention};
