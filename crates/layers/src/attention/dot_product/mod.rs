//! Scaled dot-product attention: [Vaswani et al. (2017)](https://arxiv.org/abs/1706.03762), section 3.2, with grouped
//! queries ([Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)) and linear biases
//! ([Press et al., 2022](https://arxiv.org/abs/2108.12409)).
//!
//! Heads lie side by side in a row of features, as a projection gives them. A query that may look at no key gets zeros,
//! and gives no gradient; wherever every query sees a key the results are those of PyTorch's
//! `scaled_dot_product_attention`.

mod alibi;
mod check;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

pub use alibi::alibi_slopes;

use burn::tensor::{Bool, Tensor, backend::Backend};

/// How queries look at keys.
#[derive(Clone, Debug, PartialEq)]
pub struct DotProductAttention {
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, which divides `heads`: query head `h` reads head `h / (heads / kv_heads)` of them.
    /// Default: `heads`.
    pub kv_heads: usize,
    /// What the products of queries and keys are multiplied with. Default: none, which is `1 / sqrt(head_size)`.
    pub scale: Option<f64>,
    /// Whether a query sees no key behind its own position. Queries are the last positions of the keys: query `i` stands
    /// at `keys - queries + i`, as with a cache of earlier keys. Default: false.
    pub causal: bool,
    /// The share of weights that are set to zero after the softmax while training (`B::ad_enabled`), the others divided
    /// by `1 - dropout`. Default: 0.
    pub dropout: f64,
}

impl DotProductAttention {
    /// Attention of this many heads, with the defaults.
    pub fn new(heads: usize) -> Self {
        Self { heads, kv_heads: heads, scale: None, causal: false, dropout: 0.0 }
    }

    /// Sets how many heads keys and values have.
    pub fn with_kv_heads(mut self, kv_heads: usize) -> Self {
        self.kv_heads = kv_heads;
        self
    }

    /// Sets what the products of queries and keys are multiplied with.
    pub fn with_scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Sets whether later keys are hidden.
    pub fn with_causal(mut self, causal: bool) -> Self {
        self.causal = causal;
        self
    }

    /// Sets the share of weights that training drops.
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// The factor of the scores for heads of this size.
    fn scale_for(&self, head_size: usize) -> f64 {
        self.scale.unwrap_or(1.0 / (head_size.max(1) as f64).sqrt())
    }

    /// The dropout that applies to this tensor's backend.
    fn dropout_on<B: Backend>(&self, device: &B::Device) -> f64 {
        if B::ad_enabled(device) { self.dropout } else { 0.0 }
    }
}

/// Which keys a query may look at besides [`causal`](DotProductAttention::causal), and what is added to the scores.
/// Default: all of them, and nothing.
#[derive(Clone, Debug)]
pub struct AttentionBias<B: Backend> {
    /// How many keys of each batch entry are real; those behind are padding, which nobody sees.
    pub lengths: Option<Vec<usize>>,
    /// `[batch or 1, heads or 1, queries, keys]`, true where the key is hidden.
    pub mask: Option<Tensor<B, 4, Bool>>,
    /// `[batch or 1, heads or 1, queries, keys]`, finite: added to the scaled scores. Gets a gradient.
    pub added: Option<Tensor<B, 4>>,
    /// One a head, see [`alibi_slopes`]: `-slope * |query position - key position|` is added to the scores, with the
    /// positions of [`causal`](DotProductAttention::causal).
    pub slopes: Option<Vec<f32>>,
}

impl<B: Backend> Default for AttentionBias<B> {
    fn default() -> Self {
        Self { lengths: None, mask: None, added: None, slopes: None }
    }
}

/// For each query the values, weighted with the softmax of `scale * query · key + bias` over the keys.
///
/// # Shapes
/// - query: `[batch, queries, heads * head_size]`
/// - key: `[batch, keys, kv_heads * head_size]`
/// - value: `[batch, keys, kv_heads * value_size]`
/// - output: `[batch, queries, heads * value_size]`
///
/// # Panics
/// When the shapes disagree with each other, with the heads or with the bias, or the dropout is not in `0..1`.
pub fn attention<B: Backend>(
    query: Tensor<B, 3>,
    key: Tensor<B, 3>,
    value: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    check::shapes(query.dims(), key.dims(), value.dims(), bias, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes([&query, &key, &value], bias) {
        return kernel::attention(query, key, value, bias, options);
    }
    portable::attention(query, key, value, bias, options)
}

/// [`attention`] of a sequence to itself, whose projections lie side by side: all heads of the queries, then those of
/// the keys, then those of the values, all of one size.
///
/// # Shapes
/// - qkv: `[batch, time, (heads + 2 * kv_heads) * head_size]`
/// - output: `[batch, time, heads * head_size]`
///
/// # Panics
/// As [`attention`].
pub fn self_attention<B: Backend>(
    qkv: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    check::packed_shapes(qkv.dims(), bias, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes([&qkv], bias) {
        return kernel::self_attention(qkv, bias, options);
    }
    portable::self_attention(qkv, bias, options)
}

/// The weights of [`attention`], without dropout: for drawing, in plain tensor operations.
///
/// # Shapes
/// - query: `[batch, queries, heads * head_size]`
/// - key: `[batch, keys, kv_heads * head_size]`
/// - output: `[batch, heads, queries, keys]`; a row sums up to one, or to zero where the query sees no key
///
/// # Panics
/// As [`attention`].
pub fn attention_weights<B: Backend>(
    query: Tensor<B, 3>,
    key: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 4> {
    check::shapes(query.dims(), key.dims(), key.dims(), bias, options);
    portable::attention_weights(query, key, bias, options)
}
