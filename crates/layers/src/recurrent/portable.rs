//! The recurrence in plain tensor operations: the path of every backend and float type without a kernel, and the one
//! that can be differentiated more than once.

use super::{Cell, Sequence, SequenceOutput};
use burn::tensor::{
    Tensor,
    activation::{relu, sigmoid},
    backend::Backend,
};

pub(super) fn run<B: Backend>(sequence: Sequence<B>) -> SequenceOutput<B> {
    let Sequence { cell, reverse, input, weight_ih, weight_hh, bias, start } = sequence;
    let [batch, time, features] = input.dims();
    let [rows, hidden_size] = weight_hh.dims();

    let bias = bias.map(|bias| Bias::new(cell, bias));
    let flat = input.reshape([batch * time, features]);
    let mut projected = flat.matmul(weight_ih.transpose()); // [batch * time, gates * hidden]
    if let Some(bias) = &bias {
        projected = projected + bias.input.clone();
    }
    let projected = projected.reshape([batch, time, rows]);
    let mut steps = steps(projected);
    if reverse {
        steps.reverse();
    }

    let device = weight_hh.device();
    let zeros = || Tensor::zeros([batch, hidden_size], (&device, weight_hh.dtype()));
    let (mut hidden, mut memory) = match start {
        Some((hidden, memory)) => (hidden, memory),
        None => (zeros(), cell.has_cell_state().then(zeros)),
    };
    let recurrent = weight_hh.clone().transpose(); // [hidden, gates * hidden]
    let mut outputs = Vec::with_capacity(time);
    for step in steps {
        let mut fed_back = hidden.clone().matmul(recurrent.clone()); // [batch, gates * hidden]
        if let Some(bias) = bias.as_ref().and_then(|bias| bias.recurrent.clone()) {
            fed_back = fed_back + bias;
        }
        (hidden, memory) = match (cell, memory) {
            (Cell::Lstm, Some(memory)) => {
                let (hidden, memory) = lstm(step + fed_back, memory);
                (hidden, Some(memory))
            }
            (Cell::Gru, _) => (gru(step, fed_back, hidden), None),
            (Cell::RnnRelu, _) => (relu(step + fed_back), None),
            _ => ((step + fed_back).tanh(), None),
        };
        outputs.push(hidden.clone());
    }
    if reverse {
        outputs.reverse();
    }
    SequenceOutput {
        output: Tensor::stack(outputs, 1), // [batch, time, hidden]
        hidden,
        cell: memory,
    }
}

/// The biases, as far as they can be added to the input of all steps at once.
struct Bias<B: Backend> {
    /// `[1, gates * hidden]`
    input: Tensor<B, 2>,
    /// `[1, gates * hidden]`: what has to be added inside of a step, because the GRU's reset gate scales it.
    recurrent: Option<Tensor<B, 2>>,
}

impl<B: Backend> Bias<B> {
    fn new(cell: Cell, [input, recurrent]: [Tensor<B, 1>; 2]) -> Self {
        match cell {
            Cell::Gru => Self { input: input.unsqueeze(), recurrent: Some(recurrent.unsqueeze()) },
            _ => Self { input: (input + recurrent).unsqueeze(), recurrent: None },
        }
    }
}

/// One step of an LSTM from its gates `[batch, 4 * hidden]` and its cell state `[batch, hidden]`.
fn lstm<B: Backend>(gates: Tensor<B, 2>, memory: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let [batch, hidden] = memory.dims();
    let gate = |index: usize| gates.clone().slice([0..batch, index * hidden..(index + 1) * hidden]);
    let (input, forget) = (sigmoid(gate(0)), sigmoid(gate(1)));
    let (candidate, output) = (gate(2).tanh(), sigmoid(gate(3)));
    let memory = forget * memory + input * candidate;
    (output * memory.clone().tanh(), memory)
}

/// One step of a GRU from the two halves of its gates, `[batch, 3 * hidden]`, and its hidden state `[batch, hidden]`.
fn gru<B: Backend>(from_input: Tensor<B, 2>, from_hidden: Tensor<B, 2>, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
    let [batch, size] = hidden.dims();
    let gate = |gates: &Tensor<B, 2>, index: usize| gates.clone().slice([0..batch, index * size..(index + 1) * size]);
    let reset = sigmoid(gate(&from_input, 0) + gate(&from_hidden, 0));
    let update = sigmoid(gate(&from_input, 1) + gate(&from_hidden, 1));
    let candidate = (gate(&from_input, 2) + reset * gate(&from_hidden, 2)).tanh();
    // (1 - z) n + z h
    candidate.clone() + update * (hidden - candidate)
}

/// The steps `[batch, features]` of `[batch, time, features]`.
///
/// Halved again and again rather than cut off one by one: the gradient of a slice is as large as what it was cut from,
/// so one by one the backward pass would be quadratic in time.
pub(crate) fn steps<B: Backend>(sequence: Tensor<B, 3>) -> Vec<Tensor<B, 2>> {
    let [batch, time, features] = sequence.dims();
    if time == 1 {
        return vec![sequence.reshape([batch, features])];
    }
    let middle = time / 2;
    let mut first = steps(sequence.clone().slice([0..batch, 0..middle]));
    first.extend(steps(sequence.slice([0..batch, middle..time])));
    first
}
