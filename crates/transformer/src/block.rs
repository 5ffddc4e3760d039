//! The block that encoders and decoders are stacks of: attention of the sequence to itself, then a feed-forward network, each with a
//! way around it.
//!
//! Parameters have the names that timm's vision transformers give them (`norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`,
//! `mlp.fc2`), in every family; [`pretrained`](crate::pretrained) knows those of others.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::{checkpoint::checkpoint, initializer::Initializer};

use crate::{
    attention::{AttentionConfig, AttentionContext, KeyValueCache, MultiHeadAttention},
    feed_forward::{Activation, FeedForward, FeedForwardConfig},
    norm::{Norm, NormKind},
    residual::Residual,
};

/// What a [`Block`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockConfig {
    /// Features of input and output.
    pub width: usize,
    /// Heads of queries. Default of [`new`](Self::new): as given.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`. Default: `heads`.
    pub kv_heads: usize,
    /// Features in the middle of the feed-forward network. Default: four times the width.
    pub feed_forward_size: usize,
    /// What stands in the feed-forward network. Default: GELU.
    pub activation: Activation,
    /// Which normalisation. Default: layer normalisation.
    pub norm: NormKind,
    /// Added to variances. Default: 1e-5.
    pub norm_epsilon: f64,
    /// Whether branches are normalised where they begin, and not sums. Default: true.
    pub norm_first: bool,
    /// Whether projections and layer normalisations have a bias. Default: true.
    pub bias: bool,
    /// Whether no position sees what comes behind it. Default: false.
    pub causal: bool,
    /// Probability of dropping a number of a branch, or a weight of attention, in training. Default: 0.
    pub dropout: f64,
    /// Probability of leaving out a branch of a batch entry in training. Default: 0.
    pub drop_path: f64,
    /// Whether training keeps the input of the block alone and computes the block again in the backward pass (Chen et al. 2016,
    /// arXiv:1604.06174). Default: false.
    pub activation_checkpointing: bool,
    /// Of projections. Default: normal with a deviation of 0.02.
    pub initializer: Initializer,
    /// Of the projections whose results are added to what goes around. Default: the same.
    pub residual_initializer: Initializer,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    /// Of attention.
    pub norm1: Norm<B>,
    /// Of the sequence to itself.
    pub attn: MultiHeadAttention<B>,
    /// Of the feed-forward network.
    pub norm2: Norm<B>,
    /// Each position on its own.
    pub mlp: FeedForward<B>,
    residual: Residual,
    #[module(skip)]
    activation_checkpointing: bool,
}

impl BlockConfig {
    /// A block like GPT-2's, without dropout.
    pub fn new(width: usize, heads: usize) -> Self {
        Self {
            width,
            heads,
            kv_heads: heads,
            feed_forward_size: 4 * width,
            activation: Activation::Gelu,
            norm: NormKind::LayerNorm,
            norm_epsilon: 1e-5,
            norm_first: true,
            bias: true,
            causal: false,
            dropout: 0.0,
            drop_path: 0.0,
            activation_checkpointing: false,
            initializer: Initializer::Normal(0.02),
            residual_initializer: Initializer::Normal(0.02),
        }
    }

    /// A block with random weights, drawn at this call; biases are 0.
    ///
    /// # Panics
    /// When a size is 0, or the heads do not share out the width.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Block<B> {
        Block {
            norm1: self.norm(device),
            attn: self.attention().init(device),
            norm2: self.norm(device),
            mlp: self.feed_forward().init(device),
            residual: self.residual(),
            activation_checkpointing: self.activation_checkpointing,
        }
    }

    pub(crate) fn norm<B: Backend>(&self, device: &B::Device) -> Norm<B> {
        self.norm.init(self.width, self.norm_epsilon, self.bias, device)
    }

    pub(crate) fn attention(&self) -> AttentionConfig {
        AttentionConfig {
            width: self.width,
            heads: self.heads,
            kv_heads: self.kv_heads,
            bias: self.bias,
            dropout: self.dropout,
            causal: self.causal,
            initializer: self.initializer,
            output_initializer: self.residual_initializer,
        }
    }

    pub(crate) fn feed_forward(&self) -> FeedForwardConfig {
        FeedForwardConfig {
            width: self.width,
            hidden: self.feed_forward_size,
            activation: self.activation,
            bias: self.bias,
            initializer: self.initializer,
            output_initializer: self.residual_initializer,
        }
    }

    pub(crate) fn residual(&self) -> Residual {
        Residual { norm_first: self.norm_first, dropout: self.dropout, drop_path: self.drop_path }
    }
}

impl<B: Backend> Block<B> {
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    pub fn forward(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> Tensor<B, 3> {
        if !self.activation_checkpointing {
            return self.compute(input, context);
        }
        let rotary = context.rotary.cloned();
        checkpoint(self, (input, context.bias.clone()), move |block, (input, bias)| {
            block.compute(input, &AttentionContext { bias, rotary: rotary.as_ref() })
        })
    }

    fn compute(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> Tensor<B, 3> {
        let seen = self.residual.join(&self.norm1, input, |input| self.attn.forward(input, context));
        self.residual.join(&self.norm2, seen, |input| self.mlp.forward(input))
    }

    /// [`forward`](Self::forward) that goes on where `cache` ends, and the cache with what was read now.
    ///
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    pub fn forward_cached(
        &self,
        input: Tensor<B, 3>,
        context: &AttentionContext<B>,
        cache: Option<KeyValueCache<B>>,
    ) -> (Tensor<B, 3>, KeyValueCache<B>) {
        if cache.is_none() && self.activation_checkpointing && B::ad_enabled(&input.device()) {
            return (self.forward(input.clone(), context), self.read_later(input, context));
        }
        let normed = self.residual.branch_input(&self.norm1, input.clone());
        let (branch, cache) = self.attn.forward_cached(normed, context, cache);
        let seen = self.residual.add(&self.norm1, input, branch);
        (self.residual.join(&self.norm2, seen, |input| self.mlp.forward(input)), cache)
    }

    /// The cache of a pass that keeps nothing but its input.
    fn read_later(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> KeyValueCache<B> {
        let [_, time, _] = input.dims();
        let (block, bias, rotary) = (self.clone(), context.bias.clone(), context.rotary.cloned());
        KeyValueCache::later(time, move || {
            let context = AttentionContext { bias: bias.clone(), rotary: rotary.as_ref() };
            block.attn.read(block.residual.branch_input(&block.norm1, input.clone()), &context)
        })
    }

    /// How much each position looks at each, without dropout: for drawing.
    ///
    /// # Shapes
    /// - input: `[batch, time, width]`
    /// - output: `[batch, heads, time, time]`
    pub fn attention_weights(&self, input: Tensor<B, 3>, context: &AttentionContext<B>) -> Tensor<B, 4> {
        self.attn.weights(self.residual.branch_input(&self.norm1, input), context)
    }
}
