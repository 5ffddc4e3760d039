//! Encoder and decoder: one sequence in, another out, as in translation ([Vaswani et al.
//! 2017](https://arxiv.org/abs/1706.03762)).
//!
//! Attention and feed-forward networks are those of PyTorch's `nn.Transformer`. As in the paper, vectors of tokens are multiplied by
//! √width before positions are added. With `norm_first` (the default, which needs less care with the learning rate: Xiong et al. 2020,
//! <https://arxiv.org/abs/2002.04745>) branches are normalised where they begin, and both stacks at their ends; without it sums are,
//! as in the paper.

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use layers::{
    beam::Decoder,
    checkpoint::checkpoint,
    dropout::Dropout,
    embedding::sinusoidal_positions,
    initializer::Initializer,
    projection::{LinearConfig, linear_transposed},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::{AttentionConfig, AttentionContext, CrossAttention, KeyValueCache, MultiHeadAttention},
    block::{Block, BlockConfig},
    embedding::Embedding,
    feed_forward::{Activation, FeedForward},
    norm::Norm,
    projection::Projection,
    residual::Residual,
    sizes,
};

/// The architecture. The sizes of the vocabularies are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Seq2SeqConfig {
    /// Blocks of the encoder, and of the decoder. Default: 3.
    pub num_layers: usize,
    /// Heads of attention in each block; they share out `hidden_size`. Default: 4.
    pub num_heads: usize,
    /// Length of a token's vector. Default: 256.
    pub hidden_size: usize,
    /// Features in the middle of the feed-forward networks. Default: 0, which stands for four times `hidden_size`, or with SwiGLU for
    /// 8/3 of it, rounded up to a multiple of 64.
    pub feed_forward_size: usize,
    /// Tokens that a sequence may have. Default: 256.
    pub context_len: usize,
    /// Probability of dropping a value in training: of the embeddings, of attention's weights, and of what blocks add. Default: 0.1.
    pub dropout: f64,
    /// What stands in the feed-forward networks. Default: `relu`.
    pub activation: Activation,
    /// Normalise what goes into a branch rather than the sum behind it. Default: true.
    pub norm_first: bool,
    /// How the model knows where a token stands. Default: `sinusoidal`.
    pub positions: Seq2SeqPositions,
    /// One vector a token for both languages, which then have one vocabulary. Default: false.
    pub shared_embeddings: bool,
    /// Use the target's embedding as the weights of the output too (Press and Wolf, arXiv:1608.05859). Default: true.
    pub tie_weights: bool,
    /// Keep the inputs of blocks alone for the backward pass, and compute each block again there (Chen et al. 2016, arXiv:1604.06174):
    /// memory grows by one activation a block rather than a dozen, for one more forward pass of the blocks. The results are the same.
    /// Default: false.
    pub activation_checkpointing: bool,
}

/// How an encoder and a decoder know where a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seq2SeqPositions {
    /// A vector a position, of sines and cosines.
    #[default]
    Sinusoidal,
    /// A vector a position, learned.
    Learned,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Seq2Seq<B: Backend> {
    /// `[source vocabulary, hidden]`; with shared embeddings also that of the target.
    pub source_embedding: Embedding<B>,
    /// `[target vocabulary, hidden]`; none where embeddings are shared.
    pub target_embedding: Option<Embedding<B>>,
    /// `[context, hidden]`, where positions are learned.
    pub source_positions: Option<Embedding<B>>,
    /// `[context, hidden]`, where positions are learned.
    pub target_positions: Option<Embedding<B>>,
    /// Reads the source.
    pub encoder: EncoderStack<B>,
    /// Writes the target.
    pub decoder: DecoderStack<B>,
    /// `[target vocabulary, hidden]`; none where the target's embedding takes its place.
    pub output: Option<Projection<B>>,
    dropout: Dropout,
    /// `[context, hidden]`, where positions are not learned.
    sinusoids: Option<Tensor<B, 2>>,
    #[module(skip)]
    context_len: usize,
}

/// Blocks, and a normalisation behind them where branches are normalised at their beginnings.
#[derive(Module, Debug)]
pub struct EncoderStack<B: Backend> {
    /// From bottom to top.
    pub layers: Vec<Block<B>>,
    /// Behind the last.
    pub norm: Option<Norm<B>>,
}

/// Blocks that look at the source too, and a normalisation behind them where branches are normalised at their beginnings.
#[derive(Module, Debug)]
pub struct DecoderStack<B: Backend> {
    /// From bottom to top.
    pub layers: Vec<DecoderBlock<B>>,
    /// Behind the last.
    pub norm: Option<Norm<B>>,
}

/// Attention to what was written, attention to the source, and a feed-forward network, each with a way around it.
#[derive(Module, Debug)]
pub struct DecoderBlock<B: Backend> {
    /// Of the attention to what was written.
    pub norm1: Norm<B>,
    /// To what was written.
    pub attn: MultiHeadAttention<B>,
    /// Of the attention to the source.
    pub norm2: Norm<B>,
    /// To the source.
    pub cross: CrossAttention<B>,
    /// Of the feed-forward network.
    pub norm3: Norm<B>,
    /// Each position on its own.
    pub mlp: FeedForward<B>,
    residual: Residual,
    #[module(skip)]
    activation_checkpointing: bool,
}

/// Where a decoder stands: what it knows of the source, and what it wrote so far.
#[derive(Clone, Debug)]
pub struct Seq2SeqState<B: Backend> {
    layers: Vec<LayerState<B>>,
    /// Of the sources.
    lengths: Vec<usize>,
    /// Tokens that were written.
    written: usize,
}

/// What a block remembers.
#[derive(Clone, Debug)]
struct LayerState<B: Backend> {
    /// Keys and values of the source: computed once.
    source: KeyValueCache<B>,
    /// Those of what was written; none before the first token.
    written: Option<KeyValueCache<B>>,
}

impl Default for Seq2SeqConfig {
    fn default() -> Self {
        Self {
            num_layers: 3,
            num_heads: 4,
            hidden_size: 256,
            feed_forward_size: 0,
            context_len: 256,
            dropout: 0.1,
            activation: Activation::Relu,
            norm_first: true,
            positions: Seq2SeqPositions::default(),
            shared_embeddings: false,
            tie_weights: true,
            activation_checkpointing: false,
        }
    }
}

impl Seq2SeqConfig {
    /// The base model of the paper.
    pub fn transformer_base() -> Self {
        let (num_heads, hidden_size, norm_first, shared_embeddings) = (8, 512, false, true);
        Self { num_layers: 6, num_heads, hidden_size, norm_first, shared_embeddings, ..Self::default() }
    }

    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let needed = [
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("hidden_size", self.hidden_size),
            ("context_len", self.context_len),
        ];
        sizes::at_least_one(&mut wrong, &needed);
        sizes::heads(&mut wrong, ("hidden_size", self.hidden_size), self.num_heads);
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout)]);
        wrong
    }

    /// A model with random weights, drawn at this call: projections uniformly within ±√(6 / (inputs + outputs)) as `nn.Transformer`
    /// draws them, embeddings from N(0, 1 / width); biases are 0.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, a vocabulary is empty, or embeddings are shared by vocabularies of two sizes.
    pub fn init<B: Backend>(&self, source_vocab: usize, target_vocab: usize, device: &B::Device) -> Seq2Seq<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        assert!(!self.shared_embeddings || source_vocab == target_vocab, "shared embeddings need one vocabulary");
        let Self { num_layers, hidden_size, context_len, .. } = *self;
        let embedding = |count| Embedding::new(count, hidden_size, (hidden_size as f64).powf(-0.5), device);
        let learned = self.positions == Seq2SeqPositions::Learned;
        let sinusoids = || Tensor::from_data(sinusoidal_positions(context_len, hidden_size), device);
        let block = self.block();
        let last_norm = || self.norm_first.then(|| block.norm(device));
        let output = LinearConfig::new(hidden_size, target_vocab).with_bias(false).with_initializer(block.initializer);
        Seq2Seq {
            source_embedding: embedding(source_vocab),
            target_embedding: (!self.shared_embeddings).then(|| embedding(target_vocab)),
            source_positions: learned.then(|| embedding(context_len)),
            target_positions: learned.then(|| embedding(context_len)),
            encoder: EncoderStack { layers: (0..num_layers).map(|_| block.init(device)).collect(), norm: last_norm() },
            decoder: DecoderStack {
                layers: (0..num_layers).map(|_| DecoderBlock::new(&block, device)).collect(),
                norm: last_norm(),
            },
            output: (!self.tie_weights).then(|| Projection::new(&output, device)),
            dropout: Dropout::new(self.dropout),
            sinusoids: (!learned).then(sinusoids),
            context_len,
        }
    }

    fn block(&self) -> BlockConfig {
        BlockConfig {
            feed_forward_size: self.activation.hidden(self.feed_forward_size, self.hidden_size),
            activation: self.activation,
            norm_first: self.norm_first,
            dropout: self.dropout,
            activation_checkpointing: self.activation_checkpointing,
            initializer: Initializer::XavierUniform,
            residual_initializer: Initializer::XavierUniform,
            ..BlockConfig::new(self.hidden_size, self.num_heads)
        }
    }
}

impl<B: Backend> DecoderBlock<B> {
    fn new(config: &BlockConfig, device: &B::Device) -> Self {
        let attention = config.attention();
        Self {
            norm1: config.norm(device),
            attn: AttentionConfig { causal: true, ..attention }.init(device),
            norm2: config.norm(device),
            cross: attention.init_cross(device),
            norm3: config.norm(device),
            mlp: config.feed_forward().init(device),
            residual: config.residual(),
            activation_checkpointing: config.activation_checkpointing,
        }
    }

    /// What the block makes of what was written, the source and what was read before, and the cache with what was read now.
    fn forward(
        &self,
        input: Tensor<B, 3>,
        source: KeyValueCache<B>,
        written: Option<KeyValueCache<B>>,
        context: &AttentionContext<B>,
    ) -> (Tensor<B, 3>, KeyValueCache<B>) {
        if written.is_none() && self.activation_checkpointing && B::ad_enabled(&input.device()) {
            return (self.checkpointed(input.clone(), source, context), self.read_later(input));
        }
        let (seen, written) = self.look_back(input, written);
        (self.look_at_source(seen, source, context), written)
    }

    /// A whole target, of which nothing is kept for the backward pass.
    fn checkpointed(
        &self,
        input: Tensor<B, 3>,
        source: KeyValueCache<B>,
        context: &AttentionContext<B>,
    ) -> Tensor<B, 3> {
        let rotary = context.rotary.cloned();
        checkpoint(self, (input, source, context.bias.clone()), move |block, (input, source, bias)| {
            let (seen, _) = block.look_back(input, None);
            block.look_at_source(seen, source, &AttentionContext { bias, rotary: rotary.as_ref() })
        })
    }

    /// The cache of a pass that keeps nothing but its input.
    fn read_later(&self, input: Tensor<B, 3>) -> KeyValueCache<B> {
        let [_, time, _] = input.dims();
        let block = self.clone();
        KeyValueCache::later(time, move || {
            block.attn.read(block.residual.branch_input(&block.norm1, input.clone()), &AttentionContext::default())
        })
    }

    /// What goes into the attention to the source, and the cache with what was read now.
    fn look_back(&self, input: Tensor<B, 3>, written: Option<KeyValueCache<B>>) -> (Tensor<B, 3>, KeyValueCache<B>) {
        let normed = self.residual.branch_input(&self.norm1, input.clone());
        let (branch, written) = self.attn.forward_cached(normed, &AttentionContext::default(), written);
        (self.residual.add(&self.norm1, input, branch), written)
    }

    /// The rest of the block.
    fn look_at_source(
        &self,
        input: Tensor<B, 3>,
        source: KeyValueCache<B>,
        context: &AttentionContext<B>,
    ) -> Tensor<B, 3> {
        let seen = self.residual.join(&self.norm2, input, |input| self.cross.forward(input, source, context));
        self.residual.join(&self.norm3, seen, |input| self.mlp.forward(input))
    }
}

impl<B: Backend> Seq2Seq<B> {
    /// The logits of the token after each of `inputs`, which begin with the token that starts a sequence.
    ///
    /// # Shapes
    /// - source: `[batch, source time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=source time`
    /// - inputs: `[batch, time]`
    /// - output: `[batch, time, target vocabulary]`
    ///
    /// # Panics
    /// When a sequence is longer than [`context_len`](Self::context_len).
    pub fn forward(&self, source: Tensor<B, 2, Int>, lengths: &[usize], inputs: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        self.decode(inputs, self.encode(source, lengths)).0
    }

    /// Reads sources; the state stands before the first token of the target.
    ///
    /// # Shapes
    /// - source: `[batch, source time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=source time`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn encode(&self, source: Tensor<B, 2, Int>, lengths: &[usize]) -> Seq2SeqState<B> {
        let context = AttentionContext::padded(lengths);
        let embedded = self.embed(source, &self.source_embedding, self.source_positions.as_ref(), 0);
        let stack = &self.encoder;
        let features = stack.layers.iter().fold(embedded, |features, block| block.forward(features, &context));
        let memory = normed(&stack.norm, features);
        let layer = |block: &DecoderBlock<B>| LayerState { source: block.cross.memory(memory.clone()), written: None };
        Seq2SeqState { layers: self.decoder.layers.iter().map(layer).collect(), lengths: lengths.to_vec(), written: 0 }
    }

    /// The logits of the token after each of `inputs`, which go on where the state stands, and the state behind the last.
    ///
    /// # Shapes
    /// - inputs: `[batch, time]`
    /// - output: `[batch, time, target vocabulary]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn decode(&self, inputs: Tensor<B, 2, Int>, state: Seq2SeqState<B>) -> (Tensor<B, 3>, Seq2SeqState<B>) {
        let context = AttentionContext::padded(&state.lengths);
        let [_, time] = inputs.dims();
        let mut features = self.embed_target(inputs, state.written);
        let mut layers = Vec::with_capacity(state.layers.len());
        for (block, LayerState { source, written }) in self.decoder.layers.iter().zip(state.layers) {
            let (output, written) = block.forward(features, source.clone(), written, &context);
            features = output;
            layers.push(LayerState { source, written: Some(written) });
        }
        let features = normed(&self.decoder.norm, features);
        let logits = match &self.output {
            Some(output) => output.forward(features),
            None => linear_transposed(features, self.target().weight.val(), None),
        };
        (logits, Seq2SeqState { layers, lengths: state.lengths, written: state.written + time })
    }

    /// How much each of `inputs` looks at each token of the source in every block of the decoder, without dropout: for drawing. The
    /// state is that of [`encode`](Self::encode).
    ///
    /// # Shapes
    /// - inputs: `[batch, time]`
    /// - each: `[batch, heads, time, source time]`; nobody looks at padding
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn attention_weights(&self, inputs: Tensor<B, 2, Int>, state: Seq2SeqState<B>) -> Vec<Tensor<B, 4>> {
        let context = AttentionContext::padded(&state.lengths);
        let mut features = self.embed_target(inputs, state.written);
        let mut weights = Vec::with_capacity(state.layers.len());
        for (block, LayerState { source, written }) in self.decoder.layers.iter().zip(state.layers) {
            let (seen, _) = block.look_back(features, written);
            let asking = block.residual.branch_input(&block.norm2, seen.clone());
            weights.push(block.cross.weights(asking, source.clone(), &context));
            features = block.look_at_source(seen, source, &context);
        }
        weights
    }

    /// How many tokens a sequence may have.
    pub fn context_len(&self) -> usize {
        self.context_len
    }

    /// How many tokens of the target the model knows.
    pub fn target_vocab(&self) -> usize {
        self.target().count()
    }

    fn target(&self) -> &Embedding<B> {
        self.target_embedding.as_ref().unwrap_or(&self.source_embedding)
    }

    fn embed_target(&self, inputs: Tensor<B, 2, Int>, written: usize) -> Tensor<B, 3> {
        self.embed(inputs, self.target(), self.target_positions.as_ref(), written)
    }

    /// The vectors of tokens, the first of which stands at `first`: `[batch, time, hidden]`
    fn embed(
        &self,
        tokens: Tensor<B, 2, Int>,
        embedding: &Embedding<B>,
        positions: Option<&Embedding<B>>,
        first: usize,
    ) -> Tensor<B, 3> {
        let [_, time] = tokens.dims();
        let (limit, end) = (self.context_len, first + time);
        assert!(end <= limit, "a sequence of {end} tokens for a model with a context of {limit}");
        let embedded = embedding.forward(tokens);
        let [.., hidden] = embedded.dims();
        let mut sum = embedded * (hidden as f64).sqrt();
        if let Some(positions) = positions {
            sum = sum + positions.positions(first, time);
        }
        if let Some(sinusoids) = &self.sinusoids {
            sum = sum + sinusoids.clone().narrow(0, first, time).unsqueeze_dim(0);
        }
        self.dropout.forward(sum)
    }
}

fn normed<B: Backend>(norm: &Option<Norm<B>>, features: Tensor<B, 3>) -> Tensor<B, 3> {
    match norm {
        Some(norm) => norm.forward(features),
        None => features,
    }
}

impl<B: Backend> Seq2SeqState<B> {
    /// The state of the batch entries with these indices, in this order and as often as they are named. It reads the indices from the
    /// device.
    ///
    /// # Shapes
    /// - rows: `[new batch]`
    ///
    /// # Panics
    /// When there is no such entry.
    pub fn select(self, rows: Tensor<B, 1, Int>) -> Self {
        let layer = |layer: LayerState<B>| LayerState {
            source: layer.source.select(rows.clone()),
            written: layer.written.map(|written| written.select(rows.clone())),
        };
        let layers = self.layers.into_iter().map(layer).collect();
        let lengths = rows.to_data().iter::<i64>().map(|row| self.lengths[row as usize]).collect();
        Self { layers, lengths, written: self.written }
    }
}

impl<B: Backend> Decoder<B> for Seq2Seq<B> {
    type State = Seq2SeqState<B>;

    fn step(&self, tokens: Tensor<B, 1, Int>, state: Self::State) -> (Tensor<B, 2>, Self::State) {
        let (logits, state) = self.decode(tokens.unsqueeze_dim::<2>(1), state);
        (logits.squeeze_dim::<2>(1), state)
    }

    fn select(&self, state: Self::State, rows: Tensor<B, 1, Int>) -> Self::State {
        state.select(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = Seq2SeqConfig { num_layers: 0, num_heads: 3, dropout: 1.0, ..Seq2SeqConfig::default() };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["num_layers", "hidden_size", "dropout"]);
        assert!(Seq2SeqConfig::default().validate().is_empty());
    }
}
