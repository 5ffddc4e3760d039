//! BERT: an encoder that reads a text from both sides ([Devlin et al. 2018](https://arxiv.org/abs/1810.04805)), and its heads.
//!
//! Everything has the names of [Hugging Face's
//! implementation](https://github.com/huggingface/transformers/blob/main/src/transformers/models/bert/modeling_bert.py), but for blocks,
//! whose names are those of [`block`](crate::block).

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::{
    activation::gelu,
    dropout::Dropout,
    initializer::Initializer,
    projection::{Linear, LinearConfig, linear_transposed},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::AttentionContext,
    block::{Block, BlockConfig},
    embedding::Embedding,
    feed_forward::Activation,
    norm::{Norm, NormKind},
    sizes,
};

/// The architecture. The sizes of the vocabulary and of the set of classes are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BertConfig {
    /// Blocks, one on top of the other. Default: 4.
    pub num_layers: usize,
    /// Heads of attention in each block; they share out `hidden_size`. Default: 4.
    pub num_heads: usize,
    /// Length of a token's vector. Default: 256.
    pub hidden_size: usize,
    /// Features in the middle of the feed-forward networks. Default: 0, which stands for four times `hidden_size`, or with SwiGLU for
    /// 8/3 of it, rounded up to a multiple of 64.
    pub feed_forward_size: usize,
    /// Tokens that a text may have. Default: 512.
    pub context_len: usize,
    /// Kinds of tokens: those of a first sentence and of a second. Default: 2.
    pub type_vocab_size: usize,
    /// Probability of dropping a value in training: of the embedding, of attention's weights, of what blocks add, and before a
    /// classifier. Default: 0.1.
    pub dropout: f64,
    /// What stands in the feed-forward networks. Default: `gelu`.
    pub activation: Activation,
    /// What stands for a whole text where one is classified. Default: `first`.
    pub pooling: BertPooling,
    /// Added to variances. Default: 1e-12.
    pub norm_epsilon: f64,
    /// Keep the inputs of blocks alone for the backward pass, and compute each block again there (Chen et al. 2016, arXiv:1604.06174):
    /// memory grows by one activation a block rather than a dozen, for one more forward pass of the blocks. The results are the same.
    /// Default: false.
    pub activation_checkpointing: bool,
}

/// What stands for a whole text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BertPooling {
    /// What became of the first token, as published models have it, whose texts begin with a token for that.
    #[default]
    First,
    /// The mean of all tokens, which needs less training.
    Mean,
}

/// The encoder. See the [module's page](self).
#[derive(Module, Debug)]
pub struct Bert<B: Backend> {
    /// Of tokens, positions and types.
    pub embeddings: BertEmbeddings<B>,
    /// From bottom to top.
    pub blocks: Vec<Block<B>>,
    /// `[hidden, hidden]`: from the first token to what is said of the whole text; none where no head asks for it.
    pub pooler: Option<Linear<B>>,
    #[module(skip)]
    pooling: BertPooling,
}

/// The sum of three vectors for each token, normalised.
#[derive(Module, Debug)]
pub struct BertEmbeddings<B: Backend> {
    /// `[vocabulary, hidden]`
    pub word_embeddings: Embedding<B>,
    /// `[context, hidden]`
    pub position_embeddings: Embedding<B>,
    /// `[types, hidden]`
    pub token_type_embeddings: Embedding<B>,
    /// Of the sum.
    pub norm: Norm<B>,
    dropout: Dropout,
}

/// Tokens of a batch of texts, and what is known of them.
#[derive(Clone, Debug)]
pub struct Texts<'a, B: Backend> {
    /// `[batch, time]`, padded at the end with any token.
    pub tokens: Tensor<B, 2, Int>,
    /// `[batch, time]`: which sentence a token is of; without it, all are of the first.
    pub types: Option<Tensor<B, 2, Int>>,
    /// `batch` numbers in `1..=time`.
    pub lengths: &'a [usize],
}

/// [`Bert`] that fills in tokens.
#[derive(Module, Debug)]
pub struct BertForMaskedLm<B: Backend> {
    /// The encoder, without a pooler.
    pub bert: Bert<B>,
    /// From what it makes of a token to the logits of what the token may be.
    pub predictions: MaskedLmHead<B>,
}

/// A projection, GELU, a normalisation, and a product with the vectors of tokens.
#[derive(Module, Debug)]
pub struct MaskedLmHead<B: Backend> {
    /// `[hidden, hidden]`
    pub dense: Linear<B>,
    /// Before the product.
    pub norm: Norm<B>,
    /// `[vocabulary]`
    pub bias: Param<Tensor<B, 1>>,
}

/// [`Bert`] that says something of a text.
#[derive(Module, Debug)]
pub struct BertForSequenceClassification<B: Backend> {
    /// The encoder.
    pub bert: Bert<B>,
    /// `[classes, hidden]`
    pub classifier: Linear<B>,
    dropout: Dropout,
}

/// [`Bert`] that says something of each token.
#[derive(Module, Debug)]
pub struct BertForTokenClassification<B: Backend> {
    /// The encoder, without a pooler.
    pub bert: Bert<B>,
    /// `[classes, hidden]`
    pub classifier: Linear<B>,
    dropout: Dropout,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            num_layers: 4,
            num_heads: 4,
            hidden_size: 256,
            feed_forward_size: 0,
            context_len: 512,
            type_vocab_size: 2,
            dropout: 0.1,
            activation: Activation::Gelu,
            pooling: BertPooling::First,
            norm_epsilon: 1e-12,
            activation_checkpointing: false,
        }
    }
}

/// Tokens that the published English BERT knows, in lower case.
pub const BERT_UNCASED_VOCAB_SIZE: usize = 30_522;

const INITIALIZER: Initializer = Initializer::Normal(DEVIATION);
/// The standard deviation of weights before training.
const DEVIATION: f64 = 0.02;

impl BertConfig {
    /// BERT-base: 109,482,240 parameters with [`BERT_UNCASED_VOCAB_SIZE`] and a pooler.
    pub fn bert_base() -> Self {
        Self { num_layers: 12, num_heads: 12, hidden_size: 768, ..Self::default() }
    }

    /// BERT-large: 335,141,888 parameters with [`BERT_UNCASED_VOCAB_SIZE`] and a pooler.
    pub fn bert_large() -> Self {
        Self { num_layers: 24, num_heads: 16, hidden_size: 1024, ..Self::default() }
    }

    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let needed = [
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("hidden_size", self.hidden_size),
            ("context_len", self.context_len),
            ("type_vocab_size", self.type_vocab_size),
        ];
        sizes::at_least_one(&mut wrong, &needed);
        sizes::heads(&mut wrong, ("hidden_size", self.hidden_size), self.num_heads);
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout)]);
        sizes::positive(&mut wrong, &[("norm_epsilon", self.norm_epsilon)]);
        wrong
    }

    /// An encoder with random weights, drawn at this call from N(0, 0.02²); biases are 0.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or `vocab_size` is 0.
    pub fn init<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Bert<B> {
        let pooler = self.linear(self.hidden_size, device);
        Bert { pooler: Some(pooler), ..self.encoder(vocab_size, device) }
    }

    /// A model that fills in tokens, drawn as [`init`](Self::init) does.
    ///
    /// # Panics
    /// As [`init`](Self::init).
    pub fn init_masked_lm<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> BertForMaskedLm<B> {
        let predictions = MaskedLmHead {
            dense: self.linear(self.hidden_size, device),
            norm: self.norm(device),
            bias: Param::from_tensor(Tensor::zeros([vocab_size], device)),
        };
        BertForMaskedLm { bert: self.encoder(vocab_size, device), predictions }
    }

    /// A classifier of texts, drawn as [`init`](Self::init) does.
    ///
    /// # Panics
    /// As [`init`](Self::init), and when there are no classes.
    pub fn init_sequence_classifier<B: Backend>(
        &self,
        vocab_size: usize,
        classes: usize,
        device: &B::Device,
    ) -> BertForSequenceClassification<B> {
        let (classifier, dropout) = (self.linear(classes, device), Dropout::new(self.dropout));
        BertForSequenceClassification { bert: self.init(vocab_size, device), classifier, dropout }
    }

    /// A classifier of tokens, drawn as [`init`](Self::init) does.
    ///
    /// # Panics
    /// As [`init`](Self::init), and when there are no classes.
    pub fn init_token_classifier<B: Backend>(
        &self,
        vocab_size: usize,
        classes: usize,
        device: &B::Device,
    ) -> BertForTokenClassification<B> {
        let (classifier, dropout) = (self.linear(classes, device), Dropout::new(self.dropout));
        BertForTokenClassification { bert: self.encoder(vocab_size, device), classifier, dropout }
    }

    /// Without a pooler.
    fn encoder<B: Backend>(&self, vocab_size: usize, device: &B::Device) -> Bert<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        let embedding = |count| Embedding::new(count, self.hidden_size, DEVIATION, device);
        let embeddings = BertEmbeddings {
            word_embeddings: embedding(vocab_size),
            position_embeddings: embedding(self.context_len),
            token_type_embeddings: embedding(self.type_vocab_size),
            norm: self.norm(device),
            dropout: Dropout::new(self.dropout),
        };
        let block = self.block();
        let blocks = (0..self.num_layers).map(|_| block.init(device)).collect();
        Bert { embeddings, blocks, pooler: None, pooling: self.pooling }
    }

    fn block(&self) -> BlockConfig {
        BlockConfig {
            feed_forward_size: self.activation.hidden(self.feed_forward_size, self.hidden_size),
            activation: self.activation,
            norm_epsilon: self.norm_epsilon,
            norm_first: false,
            dropout: self.dropout,
            activation_checkpointing: self.activation_checkpointing,
            initializer: INITIALIZER,
            residual_initializer: INITIALIZER,
            ..BlockConfig::new(self.hidden_size, self.num_heads)
        }
    }

    fn norm<B: Backend>(&self, device: &B::Device) -> Norm<B> {
        NormKind::LayerNorm.init(self.hidden_size, self.norm_epsilon, true, device)
    }

    fn linear<B: Backend>(&self, outputs: usize, device: &B::Device) -> Linear<B> {
        LinearConfig::new(self.hidden_size, outputs).with_initializer(INITIALIZER).init(device)
    }
}

impl<'a, B: Backend> Texts<'a, B> {
    /// Texts of one sentence each.
    pub fn new(tokens: Tensor<B, 2, Int>, lengths: &'a [usize]) -> Self {
        Self { tokens, types: None, lengths }
    }
}

impl<B: Backend> Bert<B> {
    /// What the last block makes of each token; of padding it makes something without meaning.
    ///
    /// # Shapes
    /// - output: `[batch, time, hidden]`
    ///
    /// # Panics
    /// When a text is longer than the context.
    pub fn forward(&self, texts: Texts<B>) -> Tensor<B, 3> {
        let context = AttentionContext::padded(texts.lengths);
        let embedded = self.embeddings.forward(texts.tokens, texts.types);
        self.blocks.iter().fold(embedded, |features, block| block.forward(features, &context))
    }

    /// What is said of whole texts: of the first token of each, or the mean of all, through the pooler where there is one.
    ///
    /// # Shapes
    /// - features: `[batch, time, hidden]`, from [`forward`](Self::forward)
    /// - lengths: `batch` numbers in `1..=time`
    /// - output: `[batch, hidden]`
    pub fn pooled(&self, features: Tensor<B, 3>, lengths: &[usize]) -> Tensor<B, 2> {
        let pooled = match self.pooling {
            BertPooling::First => features.narrow(1, 0, 1).squeeze_dim(1),
            BertPooling::Mean => mean(features, lengths),
        };
        match &self.pooler {
            Some(pooler) => pooler.forward(pooled).tanh(),
            None => pooled,
        }
    }

    /// How much each token looks at each in every block, without dropout: for drawing.
    ///
    /// # Shapes
    /// - each: `[batch, heads, time, time]`; nobody looks at padding
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn attention_weights(&self, texts: Texts<B>) -> Vec<Tensor<B, 4>> {
        let context = AttentionContext::padded(texts.lengths);
        let mut features = self.embeddings.forward(texts.tokens, texts.types);
        let mut weights = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            weights.push(block.attention_weights(features.clone(), &context));
            features = block.forward(features, &context);
        }
        weights
    }

    /// How many tokens a text may have.
    pub fn context_len(&self) -> usize {
        self.embeddings.position_embeddings.count()
    }
}

/// The means over the tokens that are no padding: `[batch, hidden]`
fn mean<B: Backend>(features: Tensor<B, 3>, lengths: &[usize]) -> Tensor<B, 2> {
    let [batch, time, _] = features.dims();
    let share =
        |length: &usize| (0..time).map(|at| if at < *length { 1.0 / *length as f32 } else { 0.0 }).collect::<Vec<_>>();
    let shares: Vec<f32> = lengths.iter().flat_map(share).collect();
    let device = features.device();
    let shares = Tensor::from_data(TensorData::new(shares, [batch, 1, time]), (&device, features.dtype()));
    shares.matmul(features).squeeze_dim(1)
}

impl<B: Backend> BertEmbeddings<B> {
    /// # Shapes
    /// - tokens, types: `[batch, time]`
    /// - output: `[batch, time, hidden]`
    pub fn forward(&self, tokens: Tensor<B, 2, Int>, types: Option<Tensor<B, 2, Int>>) -> Tensor<B, 3> {
        let [_, time] = tokens.dims();
        let types = match types {
            Some(types) => self.token_type_embeddings.forward(types),
            None => self.token_type_embeddings.positions(0, 1),
        };
        let sum = self.word_embeddings.forward(tokens) + self.position_embeddings.positions(0, time) + types;
        self.dropout.forward(self.norm.forward(sum))
    }
}

impl<B: Backend> BertForMaskedLm<B> {
    /// The logits of what each token may be.
    ///
    /// # Shapes
    /// - output: `[batch, time, vocabulary]`
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn forward(&self, texts: Texts<B>) -> Tensor<B, 3> {
        self.forward_head(self.bert.forward(texts))
    }

    /// The logits of the tokens with these features; those of masked tokens alone are enough for a loss.
    ///
    /// # Shapes
    /// - features: `[.., hidden]`
    /// - output: `[.., vocabulary]`
    pub fn forward_head<const D: usize>(&self, features: Tensor<B, D>) -> Tensor<B, D> {
        let head = &self.predictions;
        let features = head.norm.forward(gelu(head.dense.forward(features)));
        linear_transposed(features, self.bert.embeddings.word_embeddings.weight.val(), Some(head.bias.val()))
    }
}

impl<B: Backend> BertForSequenceClassification<B> {
    /// One logit a class for each text.
    ///
    /// # Shapes
    /// - output: `[batch, classes]`
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn forward(&self, texts: Texts<B>) -> Tensor<B, 2> {
        let lengths = texts.lengths;
        let pooled = self.bert.pooled(self.bert.forward(texts), lengths);
        self.classifier.forward(self.dropout.forward(pooled))
    }
}

impl<B: Backend> BertForTokenClassification<B> {
    /// One logit a class for each token.
    ///
    /// # Shapes
    /// - output: `[batch, time, classes]`
    ///
    /// # Panics
    /// As [`Bert::forward`].
    pub fn forward(&self, texts: Texts<B>) -> Tensor<B, 3> {
        self.classifier.forward(self.dropout.forward(self.bert.forward(texts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config =
            BertConfig { num_heads: 5, context_len: 0, dropout: -0.1, norm_epsilon: f64::NAN, ..BertConfig::default() };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["context_len", "hidden_size", "dropout", "norm_epsilon"]);
        assert!(BertConfig::default().validate().is_empty());
    }
}
