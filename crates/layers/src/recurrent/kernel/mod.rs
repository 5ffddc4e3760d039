//! The recurrence as one operation a layer on the CPU backends.

mod backward;
mod forward;
mod panels;
mod sizes;
mod units;

use super::{Sequence, SequenceOutput};
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, Tracked, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_f32,
    on_cpu,
};
use backward::{Incoming, Wanted, backward};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{backend::Backend, ops::FloatTensor};
use forward::{Forward, Operands, Saved, forward};
use sizes::Sizes;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs the layer if its backend and element type have a kernel, and hands it back otherwise.
pub fn run<B: Backend>(sequence: Sequence<B>) -> Result<SequenceOutput<B>, Sequence<B>> {
    if has_only_f32(&sequence) { on_cpu::<B, _>(sequence) } else { Err(sequence) }
}

fn has_only_f32<B: Backend>(sequence: &Sequence<B>) -> bool {
    let start = sequence.start.as_ref();
    is_f32(&sequence.input)
        && is_f32(&sequence.weight_ih)
        && is_f32(&sequence.weight_hh)
        && sequence.bias.iter().flatten().all(is_f32)
        && start.is_none_or(|(hidden, memory)| is_f32(hidden) && memory.as_ref().is_none_or(is_f32))
}

impl<B: Backend> OnCpu for Sequence<B> {
    type Output = SequenceOutput<B>;

    fn plain<C: CpuBackend>(self) -> SequenceOutput<B> {
        let sizes = self.sizes();
        let (hidden, memory) = split(self.start);
        let [bias_ih, bias_hh] = halves(self.bias);
        let inputs = Inputs {
            sizes,
            input: C::buffer(into_plain::<B, C, 3>(self.input)),
            weight_ih: C::buffer(into_plain::<B, C, 2>(self.weight_ih)),
            weight_hh: C::buffer(into_plain::<B, C, 2>(self.weight_hh)),
            bias_ih: bias_ih.map(|bias| C::buffer(into_plain::<B, C, 1>(bias))),
            bias_hh: bias_hh.map(|bias| C::buffer(into_plain::<B, C, 1>(bias))),
            hidden: hidden.map(|state| C::buffer(into_plain::<B, C, 2>(state))),
            memory: memory.map(|state| C::buffer(into_plain::<B, C, 2>(state))),
        };
        let results = Results::<C>::new(sizes, forward(&inputs.operands(), false));
        SequenceOutput {
            output: from_plain::<B, C, 3>(results.output),
            hidden: from_plain::<B, C, 2>(results.hidden),
            cell: results.memory.map(from_plain::<B, C, 2>),
        }
    }

    fn tracked<C: CpuBackend>(self) -> SequenceOutput<B> {
        let sizes = self.sizes();
        let (hidden, memory) = split(self.start);
        let [bias_ih, bias_hh] = halves(self.bias);
        let input = into_tracked::<B, C, 3>(self.input);
        let weight_ih = into_tracked::<B, C, 2>(self.weight_ih);
        let weight_hh = into_tracked::<B, C, 2>(self.weight_hh);
        let bias_ih = bias_ih.map(into_tracked::<B, C, 1>);
        let bias_hh = bias_hh.map(into_tracked::<B, C, 1>);
        let hidden = hidden.map(into_tracked::<B, C, 2>);
        let memory = memory.map(into_tracked::<B, C, 2>);

        // What is absent needs a node as well; this one asks for no gradient.
        let absent = Tracked::<C>::new(C::tensor(Vec::new(), [0])).node;
        let node = |tensor: &Option<Tracked<C>>| {
            let present = tensor.as_ref().map(|tensor| tensor.node.clone());
            present.unwrap_or_else(|| absent.clone())
        };
        let nodes = [
            input.node.clone(),
            weight_ih.node.clone(),
            weight_hh.node.clone(),
            node(&bias_ih),
            node(&bias_hh),
            node(&hidden),
            node(&memory),
        ];
        let buffer = |tensor: Tracked<C>| C::buffer(tensor.primitive);
        let inputs = Inputs {
            sizes,
            input: buffer(input),
            weight_ih: buffer(weight_ih),
            weight_hh: buffer(weight_hh),
            bias_ih: bias_ih.map(buffer),
            bias_hh: bias_hh.map(buffer),
            hidden: hidden.map(buffer),
            memory: memory.map(buffer),
        };
        let prepared = Layer.prepare::<NoCheckpointing>(nodes);
        let (output, hidden, memory) = match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let mut result = forward(&inputs.operands(), true);
                let saved = result.saved.take();
                let results = Results::<C>::new(sizes, result);
                let finals = Finals::default();
                let state =
                    LayerState { inputs, output: C::buffer(results.output.clone()), saved, finals: finals.clone() };
                let output = prepared.finish(state, results.output);
                let last = |value, which| Final::attach::<C>(&output, &finals, which, value);
                let hidden = last(results.hidden, Which::Hidden);
                let memory = results.memory.map(|value| last(value, Which::Memory));
                (output, hidden, memory)
            }
            OpsKind::UnTracked(prepared) => {
                let results = Results::<C>::new(sizes, forward(&inputs.operands(), false));
                (
                    prepared.finish(results.output),
                    Tracked::<C>::new(results.hidden),
                    results.memory.map(Tracked::<C>::new),
                )
            }
        };
        SequenceOutput {
            output: from_tracked::<B, C, 3>(output),
            hidden: from_tracked::<B, C, 2>(hidden),
            cell: memory.map(from_tracked::<B, C, 2>),
        }
    }
}

impl<B: Backend> Sequence<B> {
    fn sizes(&self) -> Sizes {
        let [batch, time, input] = self.input.dims();
        let [_, hidden] = self.weight_hh.dims();
        Sizes { cell: self.cell, reverse: self.reverse, batch, time, input, hidden }
    }
}

fn split<A, M>(start: Option<(A, Option<M>)>) -> (Option<A>, Option<M>) {
    match start {
        Some((hidden, memory)) => (Some(hidden), memory),
        None => (None, None),
    }
}

fn halves<T>(bias: Option<[T; 2]>) -> [Option<T>; 2] {
    match bias {
        Some([ih, hh]) => [Some(ih), Some(hh)],
        None => [None, None],
    }
}

/// The numbers of the operands, shared with their tensors.
#[derive(Clone, Debug)]
struct Inputs {
    sizes: Sizes,
    input: Buffer,
    weight_ih: Buffer,
    weight_hh: Buffer,
    bias_ih: Option<Buffer>,
    bias_hh: Option<Buffer>,
    hidden: Option<Buffer>,
    memory: Option<Buffer>,
}

impl Inputs {
    fn operands(&self) -> Operands<'_> {
        Operands {
            sizes: self.sizes,
            input: &self.input,
            weight_ih: &self.weight_ih,
            weight_hh: &self.weight_hh,
            bias: match (&self.bias_ih, &self.bias_hh) {
                (Some(ih), Some(hh)) => Some([ih, hh]),
                _ => None,
            },
            hidden: self.hidden.as_deref(),
            memory: self.memory.as_deref(),
        }
    }
}

/// The results of the forward pass as tensors.
struct Results<C: CpuBackend> {
    output: FloatTensor<C>,
    hidden: FloatTensor<C>,
    memory: Option<FloatTensor<C>>,
}

impl<C: CpuBackend> Results<C> {
    fn new(sizes: Sizes, result: Forward) -> Self {
        let Sizes { batch, time, hidden, .. } = sizes;
        let last = sizes.step(time - 1);
        let mut last_hidden = Vec::with_capacity(batch * hidden);
        for sequence in result.output.chunks_exact(time * hidden) {
            last_hidden.extend_from_slice(&sequence[last * hidden..][..hidden]);
        }
        Self {
            output: C::tensor(result.output, [batch, time, hidden]),
            hidden: C::tensor(last_hidden, [batch, hidden]),
            memory: sizes.cell.has_cell_state().then(|| C::tensor(result.memory, [batch, hidden])),
        }
    }
}

/// The operation: its output is the sequence of hidden states. Its parents are the fields of [`Inputs`], in their order.
#[derive(Debug)]
struct Layer;

#[derive(Clone, Debug)]
struct LayerState {
    inputs: Inputs,
    output: Buffer,
    saved: Option<Saved>,
    finals: Finals,
}

impl<C: CpuBackend> Backward<C, 7> for Layer {
    type State = LayerState;

    fn backward(self, ops: Ops<LayerState, 7>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let of_output = take_gradient::<C, _, 7>(&ops, gradients).map(C::buffer);
        let LayerState { inputs, output, saved, finals } = ops.state;
        let FinalGradients { hidden, memory } = finals.take();
        let Some(saved) = saved else { return };
        if of_output.is_none() && hidden.is_none() && memory.is_none() {
            return;
        }
        let wanted = |parent: usize| ops.parents[parent].is_some();
        let incoming = Incoming { output: of_output.as_deref(), hidden: hidden.as_deref(), memory: memory.as_deref() };
        let wanted = Wanted {
            input: wanted(0),
            weight_ih: wanted(1),
            weight_hh: wanted(2),
            bias_ih: wanted(3),
            bias_hh: wanted(4),
            hidden: wanted(5),
            memory: wanted(6),
        };
        let outgoing = backward(&inputs.operands(), &output, saved, incoming, wanted);

        let Sizes { batch, time, input, hidden, .. } = inputs.sizes;
        let gates = inputs.sizes.gates();
        let results = [
            (outgoing.input, vec![batch, time, input]),
            (outgoing.weight_ih, vec![gates, input]),
            (outgoing.weight_hh, vec![gates, hidden]),
            (outgoing.bias_ih, vec![gates]),
            (outgoing.bias_hh, vec![gates]),
            (outgoing.hidden, vec![batch, hidden]),
            (outgoing.memory, vec![batch, hidden]),
        ];
        for (parent, (gradient, shape)) in ops.parents.iter().zip(results) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                add_gradient::<C>(gradients, parent.id, C::tensor(gradient, shape));
            }
        }
    }
}

/// The gradient that reached an operation, if any did. (`Gradients::consume` panics if none.)
fn take_gradient<C: CpuBackend, S, const N: usize>(
    ops: &Ops<S, N>,
    gradients: &mut Gradients,
) -> Option<FloatTensor<C>> {
    // The container is asked by tensor; only the node of the tensor matters.
    let mut handle = Tracked::<C>::new(C::tensor(Vec::new(), [0]));
    handle.node = ops.node.clone();
    gradients.remove::<C>(&handle)
}

/// Hands the gradients of the final state to [`Layer`], whose only output in burn's graph is the sequence.
///
/// An operation has one output. Packing the final state behind the sequence and slicing it off again would cost a copy
/// of the whole gradient for each slice, in every step that does not even use the state. So each final state is an
/// operation [`Final`] of its own, whose parent is the sequence; it has no gradient for its parent, but leaves the one
/// that it got here. It comes later in the graph, so it has done so when [`Layer`] runs.
#[derive(Clone, Debug, Default)]
struct Finals(Arc<Mutex<FinalGradients>>);

#[derive(Debug, Default)]
struct FinalGradients {
    hidden: Option<Buffer>,
    memory: Option<Buffer>,
}

impl Finals {
    fn take(&self) -> FinalGradients {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn leave(&self, which: Which, gradient: Buffer) {
        let mut gradients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match which {
            Which::Hidden => gradients.hidden = Some(gradient),
            Which::Memory => gradients.memory = Some(gradient),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Hidden,
    Memory,
}

/// See [`Finals`].
#[derive(Debug)]
struct Final;

impl Final {
    fn attach<C: CpuBackend>(
        sequence: &Tracked<C>,
        finals: &Finals,
        which: Which,
        value: FloatTensor<C>,
    ) -> Tracked<C> {
        let prepared = Backward::<C, 1>::prepare::<NoCheckpointing>(Self, [sequence.node.clone()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((finals.clone(), which), value),
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        }
    }
}

impl<C: CpuBackend> Backward<C, 1> for Final {
    type State = (Finals, Which);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        if let Some(gradient) = take_gradient::<C, _, 1>(&ops, gradients) {
            let (finals, which) = &ops.state;
            finals.leave(*which, C::buffer(gradient));
        }
    }
}
