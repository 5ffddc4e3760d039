//! Recurrent encoder and decoder with attention: one sequence in, another out, as in translation.
//!
//! - Sutskever, Vinyals and Le 2014, <https://arxiv.org/abs/1409.3215>: without attention.
//! - Bahdanau, Cho and Bengio 2015, <https://arxiv.org/abs/1409.0473>: the decoder's last state asks, and what it gathers is
//!   read together with the next token.
//! - Luong, Pham and Manning 2015, <https://arxiv.org/abs/1508.04025>: the decoder's new state asks, and what it gathers
//!   makes the attentional vector `tanh(W [context; state])`, which may be fed to the next step.
//!
//! Where this differs: the decoder starts from an affine map of the encoder's last states (Bahdanau's `s₀`, for every layer and
//! for an LSTM's cell); each direction of the encoder has half of `hidden_size`, so that all states have one size; Bahdanau's
//! maxout before the output is `tanh(W [state; context; embedding])` here.
//!
//! Luong's attention without input feeding reads a whole target in one pass. The others, and training that lets the decoder
//! read its own output, go step by step.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig},
    tensor::{Bool, Distribution, Int, Tensor, backend::Backend},
};
use layers::{
    beam::Decoder,
    embedding::embedding,
    projection::linear_transposed,
    recurrent::{Cell, Recurrent, RecurrentConfig, RecurrentState},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::{Attention, Memory, Score},
    pooling::uniform,
};

/// The architecture. The sizes of the vocabularies are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TranslatorConfig {
    /// The recurrent cell of encoder and decoder: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
    #[cfg_attr(feature = "training", schemars(with = "crate::language_model::CellName"))]
    pub cell: Cell,
    /// Length of a token's vector, in both languages.
    pub embedding_size: usize,
    /// Length of the states of encoder and decoder. Each direction of a bidirectional encoder has half of it.
    pub hidden_size: usize,
    /// Recurrent layers of the encoder, and of the decoder.
    pub num_layers: usize,
    /// Whether the encoder reads from both ends; it needs an even `hidden_size`.
    pub bidirectional: bool,
    /// How the decoder looks at the source.
    pub attention: AttentionKind,
    /// Luong's input feeding: the decoder reads its last attentional vector with the next token. Slower, since a target is then
    /// read step by step.
    pub input_feeding: bool,
    /// Probability of dropping a value in training: of the embeddings, between recurrent layers, and before the output.
    pub dropout: f64,
    /// Use the target's embedding as the weights of the output too (Press and Wolf, arXiv:1608.05859). It needs
    /// `embedding_size = hidden_size`.
    pub tie_weights: bool,
}

/// How a decoder looks at the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// Not at all: it knows the encoder's last state only.
    None,
    /// Bahdanau's: additive scores with the decoder's last state.
    Bahdanau,
    /// Luong's, with the score `s · h`.
    LuongDot,
    /// Luong's, with the score `s · W h`.
    #[default]
    LuongGeneral,
    /// Luong's, with the score `v · tanh(W [s; h])`.
    LuongConcat,
}

impl AttentionKind {
    fn score(self) -> Option<Score> {
        match self {
            Self::None => None,
            Self::LuongDot => Some(Score::Dot),
            Self::LuongGeneral => Some(Score::General),
            Self::Bahdanau | Self::LuongConcat => Some(Score::Additive),
        }
    }
}

impl Default for TranslatorConfig {
    fn default() -> Self {
        Self {
            cell: Cell::Gru,
            embedding_size: 256,
            hidden_size: 256,
            num_layers: 1,
            bidirectional: true,
            attention: AttentionKind::default(),
            input_feeding: false,
            dropout: 0.2,
            tie_weights: false,
        }
    }
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Translator<B: Backend> {
    /// `[source vocabulary, embedding]`
    pub source_embedding: Param<Tensor<B, 2>>,
    /// Reads the source.
    pub encoder: Recurrent<B>,
    /// From the encoder's last states to the hidden states in which the decoder starts.
    pub bridge: Bridge<B>,
    /// The same for the cells of an LSTM.
    pub cell_bridge: Option<Bridge<B>>,
    /// `[target vocabulary, embedding]`
    pub target_embedding: Param<Tensor<B, 2>>,
    /// Writes the target.
    pub decoder: Recurrent<B>,
    /// Over the encoder's states.
    pub attention: Option<Attention<B>>,
    /// `[hidden, ..]`: from the decoder's state, what it gathered and (Bahdanau) what it read, to the features of the output.
    pub combine: Option<Param<Tensor<B, 2>>>,
    /// `[target vocabulary, hidden]`; none where the target's embedding takes its place.
    pub output: Option<Param<Tensor<B, 2>>>,
    /// `[target vocabulary]`
    pub output_bias: Param<Tensor<B, 1>>,
    /// Of the embeddings, and before the output.
    pub dropout: Dropout,
    #[module(skip)]
    kind: AttentionKind,
    #[module(skip)]
    input_feeding: bool,
}

/// An affine map of the encoder's last states.
#[derive(Module, Debug)]
pub struct Bridge<B: Backend> {
    /// `[num_layers * hidden, hidden]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[num_layers * hidden]`
    pub bias: Param<Tensor<B, 1>>,
}

/// Where a decoder stands: what it knows of the source, and what it remembers of the target so far.
#[derive(Clone, Debug)]
pub struct DecoderState<B: Backend> {
    memory: Option<Memory<B>>,
    rnn: RecurrentState<B>,
    /// The last attentional vector, `[batch, 1, hidden]`, where it is fed to the next step.
    fed: Option<Tensor<B, 3>>,
}

/// What a decoder makes of its input.
#[derive(Debug)]
pub struct Decoded<B: Backend> {
    /// `[batch, time, target vocabulary]`
    pub logits: Tensor<B, 3>,
    /// How much each step looked at each token of the source, `[batch, time, source time]`; none without attention.
    pub attention: Option<Tensor<B, 3>>,
}

impl TranslatorConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, size) in [
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ] {
            if size == 0 {
                wrong.push((key, "must be at least 1".to_string()));
            }
        }
        if self.bidirectional && !self.hidden_size.is_multiple_of(2) {
            let message =
                "must be even, since each direction of the encoder has half of it; or set `bidirectional = false`";
            wrong.push(("hidden_size", message.to_string()));
        }
        if self.input_feeding && matches!(self.attention, AttentionKind::None | AttentionKind::Bahdanau) {
            wrong.push((
                "input_feeding",
                "is for Luong's attention: `luong_dot`, `luong_general`, `luong_concat`".into(),
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            wrong.push(("dropout", "must be at least 0 and below 1".to_string()));
        }
        if self.tie_weights && self.embedding_size != self.hidden_size {
            let message = format!(
                "needs `embedding_size` ({}) and `hidden_size` ({}) to be equal",
                self.embedding_size, self.hidden_size
            );
            wrong.push(("tie_weights", message));
        }
        wrong
    }

    /// A model with random weights, drawn as PyTorch draws them: embeddings from N(0, 1), everything else from the uniform
    /// distribution within ±1/√inputs (recurrent layers: ±1/√hidden). A tied embedding is drawn within ±0.1 and the output's
    /// bias is 0 then.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or a vocabulary is empty.
    pub fn init<B: Backend>(&self, source_vocab: usize, target_vocab: usize, device: &B::Device) -> Translator<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        assert!(source_vocab > 0 && target_vocab > 0, "a vocabulary is empty");
        let (embedding_size, hidden) = (self.embedding_size, self.hidden_size);
        let matrix = |rows, inputs| Param::from_tensor(uniform([rows, inputs], inputs, device));
        let vector = |length| Param::from_tensor(uniform([length], hidden, device));
        let embedding = |vocabulary, distribution| {
            Param::from_tensor(Tensor::random([vocabulary, embedding_size], distribution, device))
        };
        let rows = self.num_layers * hidden;
        let bridge = || Bridge { weight: matrix(rows, hidden), bias: vector(rows) };
        let recurrent = |config: RecurrentConfig| {
            let network = config.with_num_layers(self.num_layers).with_dropout(self.dropout).init(device);
            // Its parameters are lazy; counting them draws them.
            network.num_params();
            network
        };
        let directions = 1 + usize::from(self.bidirectional);
        let encoder =
            RecurrentConfig::new(self.cell, embedding_size, hidden / directions).with_bidirectional(self.bidirectional);
        let is_bahdanau = self.attention == AttentionKind::Bahdanau;
        let fed = if is_bahdanau || self.input_feeding { hidden } else { 0 };
        let decoder = RecurrentConfig::new(self.cell, embedding_size + fed, hidden);
        let combined = 2 * hidden + if is_bahdanau { embedding_size } else { 0 };
        let normal = Distribution::Normal(0.0, 1.0);
        let target_distribution = if self.tie_weights { Distribution::Uniform(-0.1, 0.1) } else { normal };
        Translator {
            source_embedding: embedding(source_vocab, normal),
            encoder: recurrent(encoder),
            bridge: bridge(),
            cell_bridge: self.cell.has_cell_state().then(bridge),
            target_embedding: embedding(target_vocab, target_distribution),
            decoder: recurrent(decoder),
            attention: self.attention.score().map(|score| score.init(hidden, device)),
            combine: (self.attention != AttentionKind::None).then(|| matrix(hidden, combined)),
            output: (!self.tie_weights).then(|| matrix(target_vocab, hidden)),
            output_bias: if self.tie_weights {
                Param::from_tensor(Tensor::zeros([target_vocab], device))
            } else {
                vector(target_vocab)
            },
            dropout: DropoutConfig::new(self.dropout).init(),
            kind: self.attention,
            input_feeding: self.input_feeding,
        }
    }
}

impl<B: Backend> Translator<B> {
    /// The logits of the token after each of `inputs`, which begin with the token that starts a sentence.
    ///
    /// With `forced`, a step reads its token from `inputs` only where that is true, and elsewhere the token that the step before
    /// thought likeliest: scheduled sampling (Bengio et al. 2015, <https://arxiv.org/abs/1506.03099>). The first step always
    /// reads `inputs`.
    ///
    /// # Shapes
    /// - source: `[batch, source time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=source time`
    /// - inputs, forced: `[batch, time]`
    pub fn forward(
        &self,
        source: Tensor<B, 2, Int>,
        lengths: &[usize],
        inputs: Tensor<B, 2, Int>,
        forced: Option<Tensor<B, 2, Bool>>,
    ) -> Decoded<B> {
        self.decode_from(self.encode(source, lengths), inputs, forced)
    }

    /// [`forward`](Self::forward) for sources that are [encoded](Self::encode) already.
    pub fn decode_from(
        &self,
        state: DecoderState<B>,
        inputs: Tensor<B, 2, Int>,
        forced: Option<Tensor<B, 2, Bool>>,
    ) -> Decoded<B> {
        let (features, attention) = match forced {
            None if !self.goes_by_steps() => {
                let (features, attention, _) = self.decode(inputs, state);
                (features, attention)
            }
            None => self.decode_by_steps(inputs, state),
            Some(forced) => return self.decode_sampled(inputs, forced, state),
        };
        Decoded { logits: self.forward_head(features), attention }
    }

    /// Reads the source: the state in which the decoder starts.
    ///
    /// # Shapes
    /// - source: `[batch, time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=time`
    pub fn encode(&self, source: Tensor<B, 2, Int>, lengths: &[usize]) -> DecoderState<B> {
        let embedded = self.dropout.forward(embedding(self.source_embedding.val(), source));
        let (states, last) = self.encoder.forward_packed(embedded, lengths);
        let [batch, _, hidden] = states.dims();
        let fed = self.input_feeding.then(|| Tensor::zeros([batch, 1, hidden], &states.device()));
        let start = |bridge: &Bridge<B>| {
            let mapped = linear_transposed(last.clone(), bridge.weight.val(), Some(bridge.bias.val()));
            mapped.reshape([batch, self.decoder.layers.len(), hidden]).swap_dims(0, 1)
        };
        DecoderState {
            memory: self.attention.as_ref().map(|attention| attention.memory(states, lengths)),
            rnn: RecurrentState { hidden: start(&self.bridge).tanh(), cell: self.cell_bridge.as_ref().map(start) },
            fed,
        }
    }

    /// How many tokens of the target the model knows.
    pub fn target_vocab(&self) -> usize {
        self.target_embedding.dims()[0]
    }

    /// Whether a step reads something that the step before made, other than its recurrent state.
    fn goes_by_steps(&self) -> bool {
        self.kind == AttentionKind::Bahdanau || self.input_feeding
    }

    /// `[batch, time, hidden]` to `[batch, time, target vocabulary]`
    fn forward_head(&self, features: Tensor<B, 3>) -> Tensor<B, 3> {
        let weight = self.output.as_ref().unwrap_or(&self.target_embedding).val();
        linear_transposed(self.dropout.forward(features), weight, Some(self.output_bias.val()))
    }

    /// The features of the output behind each of `inputs`, `[batch, time, hidden]`, the attention, and the state after the last.
    /// Where the decoder [goes by steps](Self::goes_by_steps), `time` has to be 1.
    fn decode(
        &self,
        inputs: Tensor<B, 2, Int>,
        state: DecoderState<B>,
    ) -> (Tensor<B, 3>, Option<Tensor<B, 3>>, DecoderState<B>) {
        let DecoderState { memory, rnn, fed } = state;
        let embedded = self.dropout.forward(embedding(self.target_embedding.val(), inputs));
        let (Some(attention), Some(source), Some(combine)) = (&self.attention, &memory, &self.combine) else {
            let (states, rnn) = self.decoder.forward(embedded, Some(rnn));
            return (states, None, DecoderState { memory, rnn, fed });
        };
        let combined = |parts| linear_transposed(Tensor::cat(parts, 2), combine.val(), None).tanh();
        if self.kind == AttentionKind::Bahdanau {
            let (context, weights) = attention.forward(top_layer(&rnn), source);
            let read = Tensor::cat(vec![embedded.clone(), context.clone()], 2);
            let (states, rnn) = self.decoder.forward(read, Some(rnn));
            let features = combined(vec![states, context, embedded]);
            return (features, Some(weights), DecoderState { memory, rnn, fed });
        }
        let read = match &fed {
            Some(fed) => Tensor::cat(vec![embedded, fed.clone()], 2),
            None => embedded,
        };
        let (states, rnn) = self.decoder.forward(read, Some(rnn));
        let (context, weights) = attention.forward(states.clone(), source);
        let features = combined(vec![context, states]);
        let fed = fed.map(|_| features.clone());
        (features, Some(weights), DecoderState { memory, rnn, fed })
    }

    fn decode_by_steps(
        &self,
        inputs: Tensor<B, 2, Int>,
        mut state: DecoderState<B>,
    ) -> (Tensor<B, 3>, Option<Tensor<B, 3>>) {
        let [_, time] = inputs.dims();
        let (mut features, mut weights) = (Vec::with_capacity(time), Vec::with_capacity(time));
        for step in 0..time {
            let decoded = self.decode(inputs.clone().narrow(1, step, 1), state);
            features.push(decoded.0);
            weights.extend(decoded.1);
            state = decoded.2;
        }
        (Tensor::cat(features, 1), join(weights))
    }

    fn decode_sampled(
        &self,
        inputs: Tensor<B, 2, Int>,
        forced: Tensor<B, 2, Bool>,
        mut state: DecoderState<B>,
    ) -> Decoded<B> {
        let [_, time] = inputs.dims();
        let (mut logits, mut weights) = (Vec::with_capacity(time), Vec::with_capacity(time));
        let mut likeliest: Option<Tensor<B, 2, Int>> = None;
        for step in 0..time {
            let given = inputs.clone().narrow(1, step, 1);
            let read = match likeliest {
                Some(likeliest) => likeliest.mask_where(forced.clone().narrow(1, step, 1), given),
                None => given,
            };
            let decoded = self.decode(read, state);
            let step_logits = self.forward_head(decoded.0); // [batch, 1, vocabulary]
            likeliest = Some(step_logits.clone().detach().argmax(2).squeeze_dim::<2>(2));
            logits.push(step_logits);
            weights.extend(decoded.1);
            state = decoded.2;
        }
        Decoded { logits: Tensor::cat(logits, 1), attention: join(weights) }
    }
}

impl<B: Backend> Decoder<B> for Translator<B> {
    type State = DecoderState<B>;

    fn step(&self, tokens: Tensor<B, 1, Int>, state: Self::State) -> (Tensor<B, 2>, Self::State) {
        let (features, _, state) = self.decode(tokens.unsqueeze_dim::<2>(1), state);
        (self.forward_head(features).squeeze_dim::<2>(1), state)
    }

    fn select(&self, state: Self::State, rows: Tensor<B, 1, Int>) -> Self::State {
        DecoderState {
            memory: state.memory.map(|memory| memory.select(rows.clone())),
            rnn: state.rnn.select(rows.clone()),
            fed: state.fed.map(|fed| fed.select(0, rows)),
        }
    }
}

/// The hidden state of the last layer, as one step: `[batch, 1, hidden]`.
fn top_layer<B: Backend>(state: &RecurrentState<B>) -> Tensor<B, 3> {
    let [layers, _, _] = state.hidden.dims();
    state.hidden.clone().narrow(0, layers - 1, 1).swap_dims(0, 1)
}

fn join<B: Backend>(steps: Vec<Tensor<B, 3>>) -> Option<Tensor<B, 3>> {
    (!steps.is_empty()).then(|| Tensor::cat(steps, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = TranslatorConfig {
            num_layers: 0,
            hidden_size: 5,
            attention: AttentionKind::Bahdanau,
            input_feeding: true,
            dropout: 1.0,
            tie_weights: true,
            ..Default::default()
        };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["num_layers", "hidden_size", "input_feeding", "dropout", "tie_weights"]);
        assert!(TranslatorConfig::default().validate().is_empty());
    }
}
