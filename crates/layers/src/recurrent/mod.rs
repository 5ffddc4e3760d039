//! Recurrent networks over sequences: RNN with tanh or relu, LSTM, GRU; stacked, bidirectional, with carried state.
//!
//! The arithmetic, the initialisation and the parameters (layout, order of the gates, two biases) are those of PyTorch's
//! [`nn.RNN`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html),
//! [`nn.LSTM`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html) and
//! [`nn.GRU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html), so their state dicts load as they are:
//! see [`state_dict`].
//!
//! burn's own `nn::Lstm` and `nn::Gru` make eight small products a step; here the input of all steps is projected in one
//! product, and on the CPU backends the whole sequence is one operation with a backward pass of its own.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
mod packed;
mod portable;
mod state;
pub mod state_dict;

pub(crate) use portable::steps;
pub use state::{RecurrentState, RecurrentStateData};

use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// What happens in one step of the recurrence. `x` is the step's input, `h` the hidden state, `σ` the logistic function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`
    RnnTanh,
    /// The same with `max(0, ·)` in the place of `tanh`.
    RnnRelu,
    /// Gates `i, f, g, o` of `W_ih x + b_ih + W_hh h + b_hh`:
    /// `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`. The default.
    #[default]
    Lstm,
    /// Gates `r, z, n`: `r` and `z` are `σ(W_ih x + b_ih + W_hh h + b_hh)`,
    /// `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`, `h' = (1 - z) n + z h`.
    Gru,
}

impl Cell {
    /// How many blocks of `hidden_size` rows the weights have: 1, LSTM 4, GRU 3.
    pub fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Whether there is a second state beside the hidden one: only the LSTM's cell.
    pub fn has_cell_state(self) -> bool {
        self == Cell::Lstm
    }
}

/// The options of a [`Recurrent`] network, with the names that PyTorch gives them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// The kind of step. Default: LSTM.
    #[serde(default)]
    pub cell: Cell,
    /// Features of the input at each step.
    pub input_size: usize,
    /// Features of the hidden state.
    pub hidden_size: usize,
    /// Networks on top of each other, each reading the output of the one below. Default: 1.
    #[serde(default = "one")]
    pub num_layers: usize,
    /// Whether a second network reads each sequence from its end; the outputs are joined. Default: false.
    #[serde(default)]
    pub bidirectional: bool,
    /// Share of the outputs of every layer but the last that is dropped during training. Default: 0.
    #[serde(default)]
    pub dropout: f64,
    /// Whether the steps have biases. Default: true.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl RecurrentConfig {
    /// One layer that reads forwards, with biases and without dropout.
    pub fn new(cell: Cell, input_size: usize, hidden_size: usize) -> Self {
        Self { cell, input_size, hidden_size, num_layers: one(), bidirectional: false, dropout: 0.0, bias: yes() }
    }

    /// Sets [`num_layers`](Self::num_layers).
    pub fn with_num_layers(mut self, num_layers: usize) -> Self {
        self.num_layers = num_layers;
        self
    }

    /// Sets [`bidirectional`](Self::bidirectional).
    pub fn with_bidirectional(mut self, bidirectional: bool) -> Self {
        self.bidirectional = bidirectional;
        self
    }

    /// Sets [`dropout`](Self::dropout).
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets [`bias`](Self::bias).
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// 2 for a bidirectional network, else 1.
    pub fn num_directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Features of the output at each step: `hidden_size` for each direction.
    pub fn output_size(&self) -> usize {
        self.hidden_size * self.num_directions()
    }

    /// A network with every parameter from `U(-1/√hidden_size, 1/√hidden_size)`, as PyTorch starts.
    ///
    /// # Panics
    /// When a size or `num_layers` is 0, or `dropout` is not a probability.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Recurrent<B> {
        assert!(
            self.input_size > 0 && self.hidden_size > 0 && self.num_layers > 0,
            "input_size, hidden_size and num_layers have to be at least 1: {self:?}"
        );
        let layers = (0..self.num_layers)
            .map(|layer| {
                let input_size = if layer == 0 { self.input_size } else { self.output_size() };
                RecurrentLayer {
                    forward: self.init_direction(input_size, device),
                    reverse: self.bidirectional.then(|| self.init_direction(input_size, device)),
                }
            })
            .collect();
        Recurrent { layers, dropout: DropoutConfig::new(self.dropout).init(), cell: self.cell }
    }

    fn init_direction<B: Backend>(&self, input_size: usize, device: &B::Device) -> RecurrentDirection<B> {
        let rows = self.cell.gates() * self.hidden_size;
        let bound = 1.0 / (self.hidden_size as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let bias = || self.bias.then(|| uniform.init([rows], device));
        RecurrentDirection {
            weight_ih: uniform.init([rows, input_size], device),
            weight_hh: uniform.init([rows, self.hidden_size], device),
            bias_ih: bias(),
            bias_hh: bias(),
        }
    }
}

/// A recurrent network over whole sequences. Made by [`RecurrentConfig::init`].
#[derive(Module, Debug)]
pub struct Recurrent<B: Backend> {
    /// From the input to the output.
    pub layers: Vec<RecurrentLayer<B>>,
    /// Between the layers, while training.
    pub dropout: Dropout,
    #[module(skip)]
    cell: Cell,
}

/// One layer of a [`Recurrent`] network.
#[derive(Module, Debug)]
pub struct RecurrentLayer<B: Backend> {
    /// Reads the sequence from its start.
    pub forward: RecurrentDirection<B>,
    /// Reads it from its end, in a bidirectional network.
    pub reverse: Option<RecurrentDirection<B>>,
}

/// The parameters of one layer in one direction, laid out as PyTorch's. `gates` is [`Cell::gates`].
#[derive(Module, Debug)]
pub struct RecurrentDirection<B: Backend> {
    /// `[gates * hidden_size, input_size]`
    pub weight_ih: Param<Tensor<B, 2>>,
    /// `[gates * hidden_size, hidden_size]`
    pub weight_hh: Param<Tensor<B, 2>>,
    /// `[gates * hidden_size]`
    pub bias_ih: Option<Param<Tensor<B, 1>>>,
    /// `[gates * hidden_size]`
    pub bias_hh: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> Recurrent<B> {
    /// Reads a batch of sequences, from `state` or from a state of zeros.
    ///
    /// Returns the last layer's hidden states at all steps (those of the reverse direction behind those of the forward
    /// one), and the state after the last step of each layer and direction, with which the next part of the same
    /// sequences can go on. [`RecurrentState::detach`] it to truncate the back-propagation there.
    ///
    /// # Shapes
    /// - input: `[batch, time, input_size]`
    /// - state and final state: `[num_layers * directions, batch, hidden_size]`
    /// - output: `[batch, time, hidden_size * directions]`
    ///
    /// # Panics
    /// When shapes disagree, or a batch has no sequences or no steps.
    pub fn forward(&self, input: Tensor<B, 3>, state: Option<RecurrentState<B>>) -> (Tensor<B, 3>, RecurrentState<B>) {
        self.run(input, state, Sequence::run)
    }

    /// [`forward`](Self::forward) in plain tensor operations on every backend: the path without a kernel, for tests
    /// and comparisons.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_portable(
        &self,
        input: Tensor<B, 3>,
        state: Option<RecurrentState<B>>,
    ) -> (Tensor<B, 3>, RecurrentState<B>) {
        self.run(input, state, portable::run)
    }

    /// The kind of step.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Features of the hidden state.
    pub fn hidden_size(&self) -> usize {
        let [_, hidden_size] = self.layers[0].forward.weight_hh.dims();
        hidden_size
    }

    /// 2 for a bidirectional network, else 1.
    pub fn num_directions(&self) -> usize {
        1 + usize::from(self.layers[0].reverse.is_some())
    }

    /// The state in which a batch starts when [`forward`](Self::forward) is given none.
    ///
    /// # Shapes
    /// - state: `[num_layers * directions, batch, hidden_size]`
    pub fn zero_state(&self, batch: usize, device: &B::Device) -> RecurrentState<B> {
        let rows = self.layers.len() * self.num_directions();
        let zeros = || Tensor::zeros([rows, batch, self.hidden_size()], device);
        RecurrentState { hidden: zeros(), cell: self.cell.has_cell_state().then(zeros) }
    }

    fn run(
        &self,
        input: Tensor<B, 3>,
        state: Option<RecurrentState<B>>,
        run: fn(Sequence<B>) -> SequenceOutput<B>,
    ) -> (Tensor<B, 3>, RecurrentState<B>) {
        self.check(&input, state.as_ref());
        let mut starts = match state {
            Some(state) => state.split(self.cell),
            None => Vec::new(),
        }
        .into_iter();
        let mut finals = Vec::with_capacity(self.layers.len() * self.num_directions());
        let mut output = input;
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                output = self.dropout.forward(output);
            }
            let directions = [(Some(&layer.forward), false), (layer.reverse.as_ref(), true)];
            let mut outputs = Vec::with_capacity(2);
            for (direction, reverse) in directions {
                let Some(direction) = direction else { continue };
                let start = starts.next();
                let result = run(direction.sequence(self.cell, output.clone(), start, reverse));
                outputs.push(result.output);
                finals.push((result.hidden, result.cell));
            }
            output = join(outputs, 2); // [batch, time, hidden * directions]
        }
        (output, RecurrentState::join(finals))
    }

    fn check(&self, input: &Tensor<B, 3>, state: Option<&RecurrentState<B>>) {
        let [batch, time, features] = input.dims();
        let [_, input_size] = self.layers[0].forward.weight_ih.dims();
        assert_eq!(features, input_size, "the input has {features} features a step, the network reads {input_size}");
        assert!(
            batch > 0 && time > 0,
            "a recurrent network needs at least one sequence and one step, got {batch} and {time}"
        );
        let Some(state) = state else { return };
        let expected = [self.layers.len() * self.num_directions(), batch, self.hidden_size()];
        assert_eq!(state.hidden.dims(), expected, "shape of the hidden state that the network starts from");
        assert_eq!(
            state.cell.as_ref().map(|cell| cell.dims()),
            self.cell.has_cell_state().then_some(expected),
            "shape of the cell state that the network starts from (only an LSTM has one)"
        );
    }
}

impl<B: Backend> RecurrentDirection<B> {
    fn sequence(
        &self,
        cell: Cell,
        input: Tensor<B, 3>,
        start: Option<(Tensor<B, 2>, Option<Tensor<B, 2>>)>,
        reverse: bool,
    ) -> Sequence<B> {
        Sequence {
            cell,
            reverse,
            input,
            weight_ih: self.weight_ih.val(),
            weight_hh: self.weight_hh.val(),
            bias: match (&self.bias_ih, &self.bias_hh) {
                (Some(ih), Some(hh)) => Some([ih.val(), hh.val()]),
                _ => None,
            },
            start,
        }
    }
}

/// What one layer reads in one direction.
#[derive(Clone)]
struct Sequence<B: Backend> {
    cell: Cell,
    /// Whether the last step comes first.
    reverse: bool,
    /// `[batch, time, input]`
    input: Tensor<B, 3>,
    /// `[gates * hidden, input]`
    weight_ih: Tensor<B, 2>,
    /// `[gates * hidden, hidden]`
    weight_hh: Tensor<B, 2>,
    /// `bias_ih` and `bias_hh`, `[gates * hidden]`
    bias: Option<[Tensor<B, 1>; 2]>,
    /// Hidden state, and cell state of an LSTM, `[batch, hidden]`; zeros if absent.
    start: Option<(Tensor<B, 2>, Option<Tensor<B, 2>>)>,
}

/// What one layer makes of it.
struct SequenceOutput<B: Backend> {
    /// `[batch, time, hidden]`
    output: Tensor<B, 3>,
    /// After the last step that was read, `[batch, hidden]`.
    hidden: Tensor<B, 2>,
    /// The same of an LSTM's cell.
    cell: Option<Tensor<B, 2>>,
}

impl<B: Backend> Sequence<B> {
    /// By the kernel of the backend, where there is one.
    fn run(self) -> SequenceOutput<B> {
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        return kernel::run(self).unwrap_or_else(portable::run);
        #[cfg(not(any(feature = "ndarray", feature = "flex")))]
        portable::run(self)
    }
}

/// `Tensor::cat`, which copies even a single tensor.
fn join<B: Backend, const D: usize>(mut tensors: Vec<Tensor<B, D>>, dim: usize) -> Tensor<B, D> {
    if tensors.len() == 1 { tensors.remove(0) } else { Tensor::cat(tensors, dim) }
}
