//! GPT: a decoder that reads tokens and gives the logits of the next one.
//!
//! - Radford et al. 2019, [Language models are unsupervised multitask
//!   learners](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf): GPT-2, which the
//!   defaults are;
//! - Touvron et al. 2023, <https://arxiv.org/abs/2302.13971>: Llama, with `positions = "rotary"`, `norm = "rms_norm"`,
//!   `activation = "swiglu"` and `bias = false`.
//!
//! Weights are drawn as [nanoGPT](https://github.com/karpathy/nanoGPT/blob/master/model.py) draws them. Where this differs from GPT-2:
//! nothing but what the config says.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    attention::dot_product::{AttentionBias, alibi_slopes},
    dropout::Dropout,
    embedding::sinusoidal_positions,
    generation::CausalLanguageModel,
    initializer::Initializer,
    projection::{LinearConfig, linear_transposed},
    rotary::{RotaryConfig, RotaryTable},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::{AttentionContext, KeyValueCache},
    block::{Block, BlockConfig},
    embedding::Embedding,
    feed_forward::Activation,
    norm::{Norm, NormKind},
    projection::Projection,
    sizes,
};

/// The architecture. The size of the vocabulary is not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GptConfig {
    /// Blocks, one on top of the other. Default: 6.
    pub num_layers: usize,
    /// Heads of attention in each block; they share out `embedding_size`. Default: 6.
    pub num_heads: usize,
    /// Heads of keys and values, a divisor of `num_heads` (grouped queries, Ainslie et al. 2023, arXiv:2305.13245). Default: 0, which
    /// stands for as many as `num_heads`.
    pub num_kv_heads: usize,
    /// Length of a token's vector. Default: 384.
    pub embedding_size: usize,
    /// Tokens that the model can look back on, and with learned positions the most there can be. Default: 256.
    pub context_len: usize,
    /// Features in the middle of the feed-forward networks. Default: 0, which stands for four times `embedding_size`, or with SwiGLU
    /// for 8/3 of it, rounded up to a multiple of 64.
    pub feed_forward_size: usize,
    /// Probability of dropping a value in training: of the embedding, of attention's weights, and of what blocks add. Default: 0.
    pub dropout: f64,
    /// Whether projections and layer normalisations have a bias. Default: true.
    pub bias: bool,
    /// How the model knows where a token stands. Default: `learned`.
    pub positions: Positions,
    /// Which normalisation. Default: `layer_norm`.
    pub norm: NormKind,
    /// What stands in the feed-forward networks. Default: `gelu`.
    pub activation: Activation,
    /// Use the embedding as the weights of the output too (Press and Wolf, arXiv:1608.05859). Default: true.
    pub tie_weights: bool,
    /// Added to variances. Default: 1e-5.
    pub norm_epsilon: f64,
    /// Of rotary positions: the largest wavelength over 2π. Default: 10,000.
    pub rotary_base: f64,
    /// Keep the inputs of blocks alone for the backward pass, and compute each block again there (Chen et al. 2016, arXiv:1604.06174):
    /// memory grows by one activation a block rather than a dozen, for one more forward pass of the blocks. The results are the same.
    /// Default: false.
    pub activation_checkpointing: bool,
}

/// How a model knows where a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A vector a position, learned.
    #[default]
    Learned,
    /// Queries and keys are turned (Su et al. 2021, arXiv:2104.09864).
    Rotary,
    /// Attention prefers what is near (ALiBi, Press et al. 2022, arXiv:2108.12409).
    Alibi,
    /// A vector a position, of sines and cosines (Vaswani et al. 2017, arXiv:1706.03762).
    Sinusoidal,
}

/// Tokens that GPT-2 knows: those of its byte-level BPE.
pub const GPT2_VOCAB_SIZE: usize = 50_257;

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Gpt<B: Backend> {
    /// `[vocabulary, embedding]`
    pub wte: Embedding<B>,
    /// `[context, embedding]`, with learned positions.
    pub wpe: Option<Embedding<B>>,
    /// From bottom to top.
    pub blocks: Vec<Block<B>>,
    /// Behind the last block.
    pub norm: Norm<B>,
    /// `[vocabulary, embedding]`; none where the embedding takes its place.
    pub lm_head: Option<Projection<B>>,
    dropout: Dropout,
    /// `[context, embedding]`, with sinusoidal positions.
    sinusoids: Option<Tensor<B, 2>>,
    rotary: Option<RotaryTable<B>>,
    #[module(skip)]
    slopes: Option<Vec<f32>>,
    #[module(skip)]
    context_len: usize,
}

/// What a model has read so far: the keys and values of every block.
#[derive(Clone, Debug)]
pub struct KvCache<B: Backend> {
    layers: Vec<KeyValueCache<B>>,
}

impl Default for GptConfig {
    fn default() -> Self {
        Self {
            num_layers: 6,
            num_heads: 6,
            num_kv_heads: 0,
            embedding_size: 384,
            context_len: 256,
            feed_forward_size: 0,
            dropout: 0.0,
            bias: true,
            positions: Positions::default(),
            norm: NormKind::default(),
            activation: Activation::default(),
            tie_weights: true,
            norm_epsilon: 1e-5,
            rotary_base: 10_000.0,
            activation_checkpointing: false,
        }
    }
}

impl GptConfig {
    /// GPT-2 in its smallest size: 124,439,808 parameters with [`GPT2_VOCAB_SIZE`].
    pub fn gpt2() -> Self {
        Self::published(12, 12, 768)
    }

    /// GPT-2 with 354,823,168 parameters.
    pub fn gpt2_medium() -> Self {
        Self::published(24, 16, 1024)
    }

    /// GPT-2 with 774,030,080 parameters.
    pub fn gpt2_large() -> Self {
        Self::published(36, 20, 1280)
    }

    /// GPT-2 with 1,557,611,200 parameters.
    pub fn gpt2_xl() -> Self {
        Self::published(48, 25, 1600)
    }

    fn published(num_layers: usize, num_heads: usize, embedding_size: usize) -> Self {
        let (context_len, activation) = (1024, Activation::GeluTanh);
        Self { num_layers, num_heads, embedding_size, context_len, activation, dropout: 0.1, ..Self::default() }
    }

    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let needed = [
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("embedding_size", self.embedding_size),
            ("context_len", self.context_len),
        ];
        sizes::at_least_one(&mut wrong, &needed);
        sizes::heads(&mut wrong, ("embedding_size", self.embedding_size), self.num_heads);
        if self.num_kv_heads > 0 && !self.num_heads.is_multiple_of(self.num_kv_heads) {
            let message = format!("must be a divisor of `num_heads` ({}), or 0 for as many", self.num_heads);
            wrong.push(("num_kv_heads", message));
        }
        if self.positions == Positions::Rotary
            && self.num_heads > 0
            && !(self.embedding_size / self.num_heads).is_multiple_of(2)
        {
            let message = "rotary positions need an even `embedding_size / num_heads`, since they turn pairs";
            wrong.push(("positions", message.to_string()));
        }
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout)]);
        sizes::positive(&mut wrong, &[("norm_epsilon", self.norm_epsilon), ("rotary_base", self.rotary_base)]);
        wrong
    }

    /// A model with random weights, drawn as nanoGPT draws them: from N(0, 0.02²), projections whose results are added to what goes
    /// around a block from N(0, 0.02² / (2 layers)); biases are 0.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or `vocab_size` is 0.
    pub fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Gpt<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        let Self { embedding_size, context_len, .. } = *self;
        let block = self.block();
        let embedding = |count| Embedding::new(count, embedding_size, DEVIATION, device);
        let head = LinearConfig::new(embedding_size, vocab_size).with_bias(false);
        let head = head.with_initializer(Initializer::Normal(DEVIATION));
        let sinusoids = || Tensor::from_data(sinusoidal_positions(context_len, embedding_size), device);
        let rotary = RotaryConfig::new(embedding_size / self.num_heads).with_base(self.rotary_base);
        let positions = |kind| self.positions == kind;
        Gpt {
            wte: embedding(vocab_size),
            wpe: positions(Positions::Learned).then(|| embedding(context_len)),
            blocks: (0..self.num_layers).map(|_| block.init(device)).collect(),
            norm: block.norm(device),
            lm_head: (!self.tie_weights).then(|| Projection::new(&head, device)),
            dropout: Dropout::new(self.dropout),
            sinusoids: positions(Positions::Sinusoidal).then(sinusoids),
            rotary: positions(Positions::Rotary).then(|| rotary.table(context_len, device)),
            slopes: positions(Positions::Alibi).then(|| alibi_slopes(self.num_heads)),
            context_len,
        }
    }

    fn block(&self) -> BlockConfig {
        BlockConfig {
            kv_heads: if self.num_kv_heads == 0 { self.num_heads } else { self.num_kv_heads },
            feed_forward_size: self.activation.hidden(self.feed_forward_size, self.embedding_size),
            activation: self.activation,
            norm: self.norm,
            norm_epsilon: self.norm_epsilon,
            bias: self.bias,
            causal: true,
            dropout: self.dropout,
            activation_checkpointing: self.activation_checkpointing,
            initializer: Initializer::Normal(DEVIATION),
            residual_initializer: Initializer::Normal(DEVIATION / (2.0 * self.num_layers as f64).sqrt()),
            ..BlockConfig::new(self.embedding_size, self.num_heads)
        }
    }
}

/// The standard deviation of weights before training.
const DEVIATION: f64 = 0.02;

impl<B: Backend> Gpt<B> {
    /// The logits of the token after each of `tokens`, and what the next call can go on from.
    ///
    /// Without a cache the text begins here; with that of an earlier call it goes on there. Making the cache costs nothing until it is
    /// used.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`, in `0..vocabulary`
    /// - logits: `[batch, time, vocabulary]`
    ///
    /// # Panics
    /// When the text is longer than [`context_len`](Self::context_len).
    pub fn forward(&self, tokens: Tensor<B, 2, Int>, cache: Option<KvCache<B>>) -> (Tensor<B, 3>, KvCache<B>) {
        let (features, cache) = self.forward_features(tokens, cache);
        (self.forward_head(features), cache)
    }

    /// What the last block makes of each token, normalised.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`
    /// - features: `[batch, time, embedding]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_features(&self, tokens: Tensor<B, 2, Int>, cache: Option<KvCache<B>>) -> (Tensor<B, 3>, KvCache<B>) {
        let past = cache.as_ref().map_or(0, KvCache::len);
        let mut features = self.embed(tokens, past);
        let bias = AttentionBias { slopes: self.slopes.clone(), ..AttentionBias::default() };
        let context = AttentionContext { bias, rotary: self.rotary.as_ref() };
        let mut old = cache.map(|cache| cache.layers.into_iter());
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let of_block = old.as_mut().and_then(Iterator::next);
            let (output, cache) = block.forward_cached(features, &context, of_block);
            features = output;
            layers.push(cache);
        }
        (self.norm.forward(features), KvCache { layers })
    }

    /// The logits of features: those of the last token alone are enough to write on.
    ///
    /// # Shapes
    /// - features: `[batch, time, embedding]`
    /// - logits: `[batch, time, vocabulary]`
    pub fn forward_head(&self, features: Tensor<B, 3>) -> Tensor<B, 3> {
        match &self.lm_head {
            Some(head) => head.forward(features),
            None => linear_transposed(features, self.wte.weight.val(), None),
        }
    }

    /// How much each token looks at each in every block, without dropout: for drawing.
    ///
    /// # Shapes
    /// - tokens: `[batch, time]`
    /// - each: `[batch, heads, time, time]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn attention_weights(&self, tokens: Tensor<B, 2, Int>) -> Vec<Tensor<B, 4>> {
        let mut features = self.embed(tokens, 0);
        let bias = AttentionBias { slopes: self.slopes.clone(), ..AttentionBias::default() };
        let context = AttentionContext { bias, rotary: self.rotary.as_ref() };
        let mut weights = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            weights.push(block.attention_weights(features.clone(), &context));
            features = block.forward(features, &context);
        }
        weights
    }

    /// How many tokens a text may have, cache included; none where there is no limit (ALiBi).
    pub fn context_len(&self) -> Option<usize> {
        self.slopes.is_none().then_some(self.context_len)
    }

    /// How many tokens the model knows.
    pub fn vocab_size(&self) -> usize {
        self.wte.count()
    }

    /// The vectors of tokens, the first of which stands at `past`: `[batch, time, embedding]`
    fn embed(&self, tokens: Tensor<B, 2, Int>, past: usize) -> Tensor<B, 3> {
        let [_, time] = tokens.dims();
        if let Some(limit) = self.context_len() {
            assert!(past + time <= limit, "a text of {} tokens for a model with a context of {limit}", past + time);
        }
        let mut embedded = self.wte.forward(tokens);
        if let Some(positions) = &self.wpe {
            embedded = embedded + positions.positions(past, time);
        }
        if let Some(sinusoids) = &self.sinusoids {
            embedded = embedded + sinusoids.clone().narrow(0, past, time).unsqueeze_dim(0);
        }
        self.dropout.forward(embedded)
    }
}

impl<B: Backend> KvCache<B> {
    /// Tokens that were read.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, KeyValueCache::len)
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
        Self { layers: self.layers.into_iter().map(|layer| layer.select(rows.clone())).collect() }
    }

    /// The cache without what gradients would need.
    pub fn detach(self) -> Self {
        Self { layers: self.layers.into_iter().map(KeyValueCache::detach).collect() }
    }
}

impl<B: Backend> CausalLanguageModel<B> for Gpt<B> {
    type State = KvCache<B>;

    fn vocab_size(&self) -> usize {
        Gpt::vocab_size(self)
    }

    fn context_len(&self) -> Option<usize> {
        Gpt::context_len(self)
    }

    fn next_logits(&self, tokens: Tensor<B, 2, Int>, state: Option<Self::State>) -> (Tensor<B, 2>, Self::State) {
        let [_, time] = tokens.dims();
        let (features, state) = self.forward_features(tokens, state);
        let last = features.narrow(1, time - 1, 1); // [batch, 1, embedding]
        (self.forward_head(last).squeeze_dim(1), state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = GptConfig {
            num_layers: 0,
            num_heads: 6,
            num_kv_heads: 4,
            embedding_size: 33,
            positions: Positions::Rotary,
            dropout: 1.0,
            norm_epsilon: 0.0,
            ..GptConfig::default()
        };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["num_layers", "embedding_size", "num_kv_heads", "positions", "dropout", "norm_epsilon"]);
        assert!(GptConfig::default().validate().is_empty());
    }

    #[test]
    fn a_config_is_read_by_the_names_of_its_keys() {
        let text = r#"{"positions": "rotary", "norm": "rms_norm", "activation": "swiglu", "embedding_size": 384}"#;
        let config: GptConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.block().feed_forward_size, 1024);
        assert!(serde_json::from_str::<GptConfig>(r#"{"layers": 2}"#).is_err());
    }
}
