//! Multi-head attention with its weights ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.2.2), of a sequence to
//! itself and to another one. The attention between the projections is [`layers::attention::dot_product`].

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend, ops::FloatTensor},
};
use layers::{
    attention::dot_product::{AttentionBias, DotProductAttention, attention, attention_weights, self_attention},
    checkpoint::Inputs,
    initializer::Initializer,
    projection::LinearConfig,
    rotary::{RotaryTable, rotate},
};
use std::{fmt, sync::Arc};

use crate::projection::Projection;

/// What [`MultiHeadAttention`] and [`CrossAttention`] are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionConfig {
    /// Features of input and output.
    pub width: usize,
    /// Heads of queries, each of `width / heads` features.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`.
    pub kv_heads: usize,
    /// Whether projections have a bias.
    pub bias: bool,
    /// Probability of dropping a weight between a query and a key in training.
    pub dropout: f64,
    /// Whether no query sees what comes behind it.
    pub causal: bool,
    /// Of the projections to queries, keys and values.
    pub initializer: Initializer,
    /// Of the projection of the output.
    pub output_initializer: Initializer,
}

/// What attention is told besides its input.
#[derive(Clone, Debug)]
pub struct AttentionContext<'a, B: Backend> {
    /// What is hidden, and what is added to scores.
    pub bias: AttentionBias<B>,
    /// Turns queries and keys by their positions.
    pub rotary: Option<&'a RotaryTable<B>>,
}

/// Attention of a sequence to itself.
#[derive(Module, Debug)]
pub struct MultiHeadAttention<B: Backend> {
    /// `[(heads + 2 * kv_heads) * head_size, width]`: queries, then keys, then values, in each the heads side by side.
    pub qkv: Projection<B>,
    /// `[width, heads * head_size]`
    pub proj: Projection<B>,
    #[module(skip)]
    options: DotProductAttention,
}

/// Attention of a sequence to another one, the memory.
#[derive(Module, Debug)]
pub struct CrossAttention<B: Backend> {
    /// `[heads * head_size, width]`
    pub q: Projection<B>,
    /// `[kv_heads * head_size, width]`
    pub k: Projection<B>,
    /// `[kv_heads * head_size, width]`
    pub v: Projection<B>,
    /// `[width, heads * head_size]`
    pub proj: Projection<B>,
    #[module(skip)]
    options: DotProductAttention,
}

/// Keys and values of what was read already.
#[derive(Clone, Debug)]
pub struct KeyValueCache<B: Backend> {
    contents: Contents<B>,
}

/// A packed projection holds keys and values, and in training attention keeps it anyway: it is taken apart when the cache is used
/// for the first time, which in training is never.
#[derive(Clone, Debug)]
enum Contents<B: Backend> {
    /// `[batch, time, (heads + 2 * kv_heads) * head_size]`, and the features of keys.
    Packed(Tensor<B, 3>, usize),
    /// Two of `[batch, time, kv_heads * head_size]`
    Split { key: Tensor<B, 3>, value: Tensor<B, 3> },
    /// Of a block that keeps nothing: computed when the cache is used, which in training is never.
    Later { time: usize, read: Later<B> },
}

/// Reads a sequence.
#[derive(Clone)]
struct Later<B: Backend>(Arc<dyn Fn() -> KeyValueCache<B> + Send + Sync>);

impl<B: Backend> fmt::Debug for Later<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

impl<B: Backend> Default for AttentionContext<'_, B> {
    fn default() -> Self {
        Self { bias: AttentionBias::default(), rotary: None }
    }
}

impl<B: Backend> AttentionContext<'_, B> {
    /// Nothing is hidden but padding: each batch entry has this many keys.
    pub fn padded(lengths: &[usize]) -> Self {
        let bias = AttentionBias { lengths: Some(lengths.to_vec()), ..AttentionBias::default() };
        Self { bias, rotary: None }
    }
}

impl AttentionConfig {
    /// Attention of `width` features with a bias, and with the defaults of PyTorch's projections.
    pub fn new(width: usize, heads: usize) -> Self {
        Self {
            width,
            heads,
            kv_heads: heads,
            bias: true,
            dropout: 0.0,
            causal: false,
            initializer: Initializer::default(),
            output_initializer: Initializer::default(),
        }
    }

    /// Attention of a sequence to itself with random weights, drawn at this call.
    ///
    /// # Panics
    /// When the heads do not share out the width, or the heads of keys those of queries.
    pub fn init<B: Backend>(&self, device: &B::Device) -> MultiHeadAttention<B> {
        let [queries, keys] = self.features();
        MultiHeadAttention {
            qkv: self.projection(self.width, queries + 2 * keys, self.initializer, device),
            proj: self.projection(queries, self.width, self.output_initializer, device),
            options: self.options(),
        }
    }

    /// Attention to a memory of the same width with random weights, drawn at this call.
    ///
    /// # Panics
    /// As [`init`](Self::init).
    pub fn init_cross<B: Backend>(&self, device: &B::Device) -> CrossAttention<B> {
        let [queries, keys] = self.features();
        CrossAttention {
            q: self.projection(self.width, queries, self.initializer, device),
            k: self.projection(self.width, keys, self.initializer, device),
            v: self.projection(self.width, keys, self.initializer, device),
            proj: self.projection(queries, self.width, self.output_initializer, device),
            options: self.options(),
        }
    }

    /// Of queries, and of keys.
    fn features(&self) -> [usize; 2] {
        let Self { width, heads, kv_heads, .. } = *self;
        assert!(heads > 0 && width.is_multiple_of(heads), "attention: {heads} heads of {width} features");
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "attention: {kv_heads} heads of keys for {heads}");
        [width, width / heads * kv_heads]
    }

    fn projection<B: Backend>(
        &self,
        inputs: usize,
        outputs: usize,
        initializer: Initializer,
        device: &B::Device,
    ) -> Projection<B> {
        let config = LinearConfig::new(inputs, outputs).with_bias(self.bias).with_initializer(initializer);
        Projection::new(&config, device)
    }

    fn options(&self) -> DotProductAttention {
        DotProductAttention::new(self.heads)
            .with_kv_heads(self.kv_heads)
            .with_causal(self.causal)
            .with_dropout(self.dropout)
    }
}

impl<B: Backend> MultiHeadAttention<B> {
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    ///
    /// # Panics
    /// When the shapes disagree, or the table of rotations ends before the sequence.
    pub fn forward(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> Tensor<B, 3> {
        let qkv = self.project(input, context, 0);
        self.proj.forward(self_attention(qkv, &context.bias, &self.options))
    }

    /// [`forward`](Self::forward) that goes on where `cache` ends, and the cache with the new keys and values. Biases are those of
    /// all keys, old and new.
    ///
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_cached(
        &self,
        input: Tensor<B, 3>,
        context: &AttentionContext<B>,
        cache: Option<KeyValueCache<B>>,
    ) -> (Tensor<B, 3>, KeyValueCache<B>) {
        let past = cache.as_ref().map_or(0, KeyValueCache::len);
        let qkv = self.project(input, context, past);
        let [batch, time, features] = qkv.dims();
        let keys = self.key_features(features);
        let new = KeyValueCache::packed(qkv.clone(), keys);
        let Some(cache) = cache else {
            let output = self_attention(qkv, &context.bias, &self.options);
            return (self.proj.forward(output), new);
        };
        let query = qkv.slice([0..batch, 0..time, 0..features - 2 * keys]);
        let cache = cache.followed_by(new);
        let (key, value) = cache.clone().split();
        (self.proj.forward(attention(query, key, value, &context.bias, &self.options)), cache)
    }

    /// The cache of a sequence that begins here, without what attention makes of it.
    ///
    /// # Shapes
    /// - input: `[batch, time, width]`
    pub(crate) fn read(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> KeyValueCache<B> {
        let qkv = self.project(input, context, 0);
        let [.., features] = qkv.dims();
        KeyValueCache::packed(qkv, self.key_features(features))
    }

    /// How much each position looks at each, without dropout: for drawing.
    ///
    /// # Shapes
    /// - input: `[batch, time, width]`
    /// - output: `[batch, heads, time, time]`; rows sum to 1
    pub fn weights(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> Tensor<B, 4> {
        let qkv = self.project(input, context, 0);
        let [batch, time, features] = qkv.dims();
        let keys = self.key_features(features);
        let [queries, end] = [features - 2 * keys, features - keys];
        let query = qkv.clone().slice([0..batch, 0..time, 0..queries]);
        let key = qkv.slice([0..batch, 0..time, queries..end]);
        attention_weights(query, key, &context.bias, &self.options)
    }

    /// Queries, keys and values of positions from `past` on: `[batch, time, (heads + 2 * kv_heads) * head_size]`
    fn project(&self, input: Tensor<B, 3>, context: &AttentionContext<B>, past: usize) -> Tensor<B, 3> {
        let qkv = self.qkv.forward(input);
        match context.rotary {
            Some(table) => rotate(qkv, 0..self.options.heads + self.options.kv_heads, table, past),
            None => qkv,
        }
    }

    /// How many of the features of a packed projection are those of keys.
    fn key_features(&self, features: usize) -> usize {
        let DotProductAttention { heads, kv_heads, .. } = self.options;
        features / (heads + 2 * kv_heads) * kv_heads
    }
}

impl<B: Backend> CrossAttention<B> {
    /// Keys and values of a memory, which every call of [`forward`](Self::forward) for it can use.
    ///
    /// # Shapes
    /// - memory: `[batch, memory time, width]`
    pub fn memory(&self, memory: Tensor<B, 3>) -> KeyValueCache<B> {
        let key = self.k.forward(memory.clone());
        KeyValueCache { contents: Contents::Split { key, value: self.v.forward(memory) } }
    }

    /// # Shapes
    /// - input, output: `[batch, time, width]`
    ///
    /// # Panics
    /// When the shapes disagree.
    pub fn forward(
        &self,
        input: Tensor<B, 3>,
        memory: KeyValueCache<B>,
        context: &AttentionContext<B>,
    ) -> Tensor<B, 3> {
        let (key, value) = memory.split();
        self.proj.forward(attention(self.q.forward(input), key, value, &context.bias, &self.options))
    }

    /// How much each position looks at each of the memory, without dropout: for drawing.
    ///
    /// # Shapes
    /// - input: `[batch, time, width]`
    /// - output: `[batch, heads, time, memory time]`; rows sum to 1
    pub fn weights(
        &self,
        input: Tensor<B, 3>,
        memory: KeyValueCache<B>,
        context: &AttentionContext<B>,
    ) -> Tensor<B, 4> {
        attention_weights(self.q.forward(input), memory.split().0, &context.bias, &self.options)
    }
}

impl<B: Backend> KeyValueCache<B> {
    fn packed(qkv: Tensor<B, 3>, keys: usize) -> Self {
        Self { contents: Contents::Packed(qkv, keys) }
    }

    /// A cache of this many positions, which `read` makes when it is used.
    pub(crate) fn later(time: usize, read: impl Fn() -> Self + Send + Sync + 'static) -> Self {
        Self { contents: Contents::Later { time, read: Later(Arc::new(read)) } }
    }

    /// Positions that were read.
    pub fn len(&self) -> usize {
        match &self.contents {
            Contents::Packed(any, _) | Contents::Split { key: any, .. } => any.dims()[1],
            Contents::Later { time, .. } => *time,
        }
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cache of the batch entries with these indices, in this order and as often as they are named.
    ///
    /// # Shapes
    /// - rows: `[new batch]`
    pub fn select(self, rows: Tensor<B, 1, Int>) -> Self {
        let (key, value) = self.split();
        Self { contents: Contents::Split { key: key.select(0, rows.clone()), value: value.select(0, rows) } }
    }

    /// The cache without what gradients would need.
    pub fn detach(self) -> Self {
        let (key, value) = self.split();
        Self { contents: Contents::Split { key: key.detach(), value: value.detach() } }
    }

    fn followed_by(self, new: Self) -> Self {
        let ((key, value), (new_key, new_value)) = (self.split(), new.split());
        let [key, value] = [[key, new_key], [value, new_value]].map(|parts| Tensor::cat(parts.into(), 1));
        Self { contents: Contents::Split { key, value } }
    }

    /// Keys and values, each `[batch, time, kv_heads * head_size]`.
    fn split(self) -> (Tensor<B, 3>, Tensor<B, 3>) {
        match self.contents {
            Contents::Split { key, value } => (key, value),
            Contents::Later { read, .. } => (read.0)().split(),
            Contents::Packed(qkv, keys) => {
                let [batch, time, features] = qkv.dims();
                let (start, end) = (features - 2 * keys, features - keys);
                let key = qkv.clone().slice([0..batch, 0..time, start..end]);
                (key, qkv.slice([0..batch, 0..time, end..features]))
            }
        }
    }
}

/// Keys and values.
impl<B: Backend> Inputs<B> for KeyValueCache<B> {
    const MOST: usize = 2;

    fn map_tensors(self, change: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        let (key, value) = self.split().map_tensors(change);
        Self { contents: Contents::Split { key, value } }
    }
}
