//! The way back: each thread takes its rows of the batch through all steps from the last to the first, which leaves the
//! gradients of all gates; the gradients of the weights and of the input are then products over all steps at once.

use super::{
    forward::{Operands, Saved},
    panels::{Panels, WIDE},
    sizes::{GROUP, Sizes},
};
use crate::{
    cpu::{
        lanes::{Lanes, WIDTH, WithLanes, dispatch},
        math::tanh,
        product::{Matrix, product, product_strided},
        scratch::Scratch,
        threads::{self, SharedSlice},
    },
    recurrent::Cell,
};

/// The gradients that come in; those of what nobody used are absent.
#[derive(Clone, Copy, Default)]
pub struct Incoming<'a> {
    /// `[batch, time, hidden]`
    pub output: Option<&'a [f32]>,
    /// Of the final hidden state, `[batch, hidden]`.
    pub hidden: Option<&'a [f32]>,
    /// Of an LSTM's final cell, `[batch, hidden]`.
    pub memory: Option<&'a [f32]>,
}

/// Which gradients are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub input: bool,
    pub weight_ih: bool,
    pub weight_hh: bool,
    pub bias_ih: bool,
    pub bias_hh: bool,
    pub hidden: bool,
    pub memory: bool,
}

/// The gradients that were wanted, shaped as what they belong to.
#[derive(Default)]
pub struct Outgoing {
    pub input: Option<Vec<f32>>,
    pub weight_ih: Option<Vec<f32>>,
    pub weight_hh: Option<Vec<f32>>,
    pub bias_ih: Option<Vec<f32>>,
    pub bias_hh: Option<Vec<f32>>,
    pub hidden: Option<Vec<f32>>,
    pub memory: Option<Vec<f32>>,
}

/// Runs the way back. `output` is what the forward pass returned; the memory of `saved` is used for the gradients.
pub fn backward(
    operands: &Operands<'_>,
    output: &[f32],
    mut saved: Saved,
    incoming: Incoming<'_>,
    wanted: Wanted,
) -> Outgoing {
    let sizes = operands.sizes;
    let mut outgoing = Outgoing::default();
    let bias_sums = through_time(operands, output, &mut saved, incoming, wanted, &mut outgoing);

    // The gradients of the gates, seen from the input; a GRU's third gate looks different from the hidden state.
    let (steps, gates, hidden) = (sizes.steps(), sizes.gates(), sizes.hidden);
    let of_gates = Matrix::strided(&saved.gates, steps, gates, sizes.gates_stride());
    if wanted.input {
        let mut gradient = vec![0.0; steps * sizes.input];
        let weight = Matrix::new(operands.weight_ih, gates, sizes.input);
        product(&mut gradient, of_gates, weight, false);
        outgoing.input = Some(gradient);
    }
    if wanted.weight_ih {
        let mut gradient = vec![0.0; gates * sizes.input];
        let input = Matrix::new(operands.input, steps, sizes.input);
        product(&mut gradient, of_gates.transposed(), input, false);
        outgoing.weight_ih = Some(gradient);
    }
    if wanted.weight_hh {
        let previous = previous_hidden(operands, output);
        let previous = Matrix::new(&previous, steps, hidden);
        let mut gradient = vec![0.0; gates * hidden];
        if sizes.cell == Cell::Gru {
            let (shared, candidate) = gradient.split_at_mut(2 * hidden * hidden);
            let of_shared = Matrix::strided(&saved.gates, steps, 2 * hidden, sizes.gates_stride());
            product(shared, of_shared.transposed(), previous, false);
            let of_candidate = Matrix::new(&saved.memories, steps, hidden);
            product(candidate, of_candidate.transposed(), previous, false);
        } else {
            product(&mut gradient, of_gates.transposed(), previous, false);
        }
        outgoing.weight_hh = Some(gradient);
    }
    if wanted.bias_ih {
        outgoing.bias_ih = Some(bias_sums[..gates].to_vec());
    }
    if wanted.bias_hh {
        let mut gradient = bias_sums[..gates].to_vec();
        if sizes.cell == Cell::Gru {
            gradient[2 * hidden..].copy_from_slice(&bias_sums[gates..]);
        }
        outgoing.bias_hh = Some(gradient);
    }
    outgoing
}

/// The hidden state that each step started from, `[batch * time, hidden]`.
fn previous_hidden(operands: &Operands<'_>, output: &[f32]) -> Scratch {
    let sizes = operands.sizes;
    let hidden = sizes.hidden;
    let sequence = sizes.time * hidden;
    let mut previous = Scratch::any(sizes.steps() * hidden);
    threads::split_rows(&mut previous, sequence, 1, |first, rows| {
        for (index, row) in rows.chunks_exact_mut(sequence).enumerate() {
            let batch = first + index;
            let output = &output[batch * sequence..][..sequence];
            let start = if sizes.reverse {
                row[..sequence - hidden].copy_from_slice(&output[hidden..]);
                &mut row[sequence - hidden..]
            } else {
                row[hidden..].copy_from_slice(&output[..sequence - hidden]);
                &mut row[..hidden]
            };
            match operands.hidden {
                Some(state) => start.copy_from_slice(&state[batch * hidden..][..hidden]),
                None => start.fill(0.0),
            }
        }
    });
    previous
}

/// From the last step to the first: replaces the saved gates by their gradients, sets those of the state at the start,
/// and returns the sum of the gates' gradients over all steps, for a GRU with those of its `W_hn h + b_hn` behind.
fn through_time(
    operands: &Operands<'_>,
    output: &[f32],
    saved: &mut Saved,
    incoming: Incoming<'_>,
    wanted: Wanted,
    outgoing: &mut Outgoing,
) -> Vec<f32> {
    let sizes = operands.sizes;
    let (batch, time, hidden) = (sizes.batch, sizes.time, sizes.hidden);
    let is_gru = sizes.cell == Cell::Gru;
    let sums = sizes.gates() + if is_gru { hidden } else { 0 };
    let has_memories = !saved.memories.is_empty();
    let mut bias_sums = Scratch::zeros(batch.div_ceil(GROUP) * sums);
    let zeros = |wanted: bool| vec![0.0; if wanted { batch * hidden } else { 0 }];
    let mut start_hidden = zeros(wanted.hidden);
    let mut start_memory = zeros(wanted.memory);

    let packed;
    let recurrent = if sizes.packs() {
        packed = Panels::of_columns(operands.weight_hh, sizes.gates(), hidden);
        Recurrent::Packed(&packed)
    } else {
        Recurrent::Plain(operands.weight_hh)
    };
    let chunks = sizes.chunks();
    {
        let all_gates = SharedSlice::new(&mut saved.gates);
        let all_memories = SharedSlice::new(&mut saved.memories);
        let all_sums = SharedSlice::new(&mut bias_sums);
        let all_start_hidden = SharedSlice::new(&mut start_hidden);
        let all_start_memory = SharedSlice::new(&mut start_memory);
        threads::run(chunks.len(), |index| {
            let rows = &chunks[index];
            let part = |length: usize| rows.start * length..rows.end * length;
            let part_if = |there: bool, length: usize| part(if there { length } else { 0 });
            let groups = rows.start / GROUP..rows.end.div_ceil(GROUP);
            // SAFETY: the chunks do not overlap and start with whole groups, so neither do their parts of these slices.
            let (gates, memories, bias_sums, start_hidden_gradient, start_memory_gradient) = unsafe {
                (
                    all_gates.slice_mut(part(time * sizes.gates_stride())),
                    all_memories.slice_mut(part_if(has_memories, time * hidden)),
                    all_sums.slice_mut(groups.start * sums..groups.end * sums),
                    all_start_hidden.slice_mut(part_if(wanted.hidden, hidden)),
                    all_start_memory.slice_mut(part_if(wanted.memory, hidden)),
                )
            };
            dispatch(Chunk {
                sizes,
                rows: rows.len(),
                recurrent,
                start_hidden: operands.hidden.map(|start| &start[part(hidden)]),
                start_memory: operands.memory.map(|start| &start[part(hidden)]),
                output: &output[part(time * hidden)],
                incoming: Incoming {
                    output: incoming.output.map(|all| &all[part(time * hidden)]),
                    hidden: incoming.hidden.map(|all| &all[part(hidden)]),
                    memory: incoming.memory.map(|all| &all[part(hidden)]),
                },
                gates,
                memories,
                bias_sums,
                start_hidden_gradient,
                start_memory_gradient,
            });
        });
    }
    outgoing.hidden = wanted.hidden.then_some(start_hidden);
    outgoing.memory = wanted.memory.then_some(start_memory);

    let mut total = vec![0.0; sums];
    for group in bias_sums.chunks_exact(sums) {
        for (total, value) in total.iter_mut().zip(group) {
            *total += value;
        }
    }
    total
}

#[derive(Clone, Copy)]
enum Recurrent<'a> {
    Packed(&'a Panels),
    Plain(&'a [f32]),
}

/// Some rows of the batch on their way back. The slices are those rows' parts.
struct Chunk<'a> {
    sizes: Sizes,
    rows: usize,
    recurrent: Recurrent<'a>,
    start_hidden: Option<&'a [f32]>,
    start_memory: Option<&'a [f32]>,
    output: &'a [f32],
    incoming: Incoming<'a>,
    gates: &'a mut [f32],
    memories: &'a mut [f32],
    /// One row for each [`GROUP`] of rows.
    bias_sums: &'a mut [f32],
    start_hidden_gradient: &'a mut [f32],
    start_memory_gradient: &'a mut [f32],
}

/// What goes from a step to the one before it.
struct Running {
    /// `[rows, padded]` with `padded_stride`: the gradient of the hidden state as far as it comes through `W_hh`.
    hidden: Scratch,
    /// The same for what reaches it past the weight: only in a GRU, which keeps a share of its state.
    kept: Scratch,
    /// The gradient of an LSTM's cell.
    memory: Scratch,
    /// `[rows, gates]` with `gates_stride`: this step's gradients of `W_hh h`.
    gates: Scratch,
}

/// Eight units, or fewer behind which there are no more, of one row at one step.
#[derive(Clone, Copy)]
struct Spot {
    row: usize,
    step: usize,
    /// The step before, if there is one.
    before: Option<usize>,
    unit: usize,
    length: usize,
}

/// The gates' gradients at a spot: of `r, z, n, W_hn h` in a GRU, of `i, f, g, o` in an LSTM, of one gate else.
type Gradients<L> = [L; 4];

impl WithLanes for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let mut running = self.start();
        for turn in (0..self.sizes.time).rev() {
            match self.sizes.cell {
                Cell::Lstm => self.each_spot::<L, Lstm>(turn, &mut running),
                Cell::Gru => self.each_spot::<L, Gru>(turn, &mut running),
                Cell::RnnTanh => self.each_spot::<L, RnnTanh>(turn, &mut running),
                Cell::RnnRelu => self.each_spot::<L, RnnRelu>(turn, &mut running),
            }
            if turn > 0 || !self.start_hidden_gradient.is_empty() {
                self.multiply::<L>(&mut running);
            }
        }
        self.finish(&running);
    }
}

impl Chunk<'_> {
    fn start(&self) -> Running {
        let sizes = self.sizes;
        let stride = sizes.padded_stride();
        let state = |start: Option<&[f32]>| {
            let mut state = Scratch::zeros(self.rows * stride);
            if let Some(start) = start {
                for (state, start) in state.chunks_mut(stride).zip(start.chunks(sizes.hidden)) {
                    state[..sizes.hidden].copy_from_slice(start);
                }
            }
            state
        };
        Running {
            hidden: state(self.incoming.hidden),
            kept: state(None),
            memory: state(self.incoming.memory),
            gates: Scratch::zeros(self.rows * sizes.gates_stride()),
        }
    }

    /// The gradient of the hidden state before a step from those of its gates.
    #[inline(always)]
    fn multiply<L: Lanes>(&self, running: &mut Running) {
        let sizes = self.sizes;
        match self.recurrent {
            Recurrent::Packed(panels) => panels.multiply_all::<L>(
                self.rows,
                &running.gates,
                sizes.gates_stride(),
                &mut running.hidden,
                sizes.padded_stride(),
            ),
            Recurrent::Plain(weight) => self.multiply_plain(weight, running),
        }
    }

    fn multiply_plain(&self, weight: &[f32], running: &mut Running) {
        let sizes = self.sizes;
        product_strided(
            &mut running.hidden,
            sizes.padded_stride(),
            Matrix::strided(&running.gates, self.rows, sizes.gates(), sizes.gates_stride()),
            Matrix::new(weight, sizes.gates(), sizes.hidden),
            false,
        );
    }

    #[inline(always)]
    fn each_spot<L: Lanes, D: Derivative>(&mut self, turn: usize, running: &mut Running) {
        let sizes = self.sizes;
        let (hidden, gates) = (sizes.hidden, sizes.cell.gates());
        let sums = gates + usize::from(sizes.cell == Cell::Gru);
        let step = sizes.step(turn);
        let before = turn.checked_sub(1).map(|turn| sizes.step(turn));
        for group in 0..self.rows.div_ceil(GROUP) {
            let rows = group * GROUP..self.rows.min((group + 1) * GROUP);
            for unit in (0..hidden).step_by(WIDTH) {
                let length = WIDTH.min(hidden - unit);
                let mut totals = [L::splat(0.0); 4];
                for row in rows.clone() {
                    self.prefetch::<L>(row, before, unit);
                    let spot = Spot { row, step, before, unit, length };
                    let gradients = D::apply::<L>(self, spot, running);
                    for (total, gradient) in totals.iter_mut().zip(&gradients) {
                        *total = total.add(*gradient);
                    }
                }
                for (index, total) in totals[..sums].iter().enumerate() {
                    let at = (group * sums + index) * hidden + unit;
                    let sum = &mut self.bias_sums[at..at + length];
                    total.add(L::load_partly(sum)).store_partly(sum);
                }
            }
        }
    }

    /// Asks for the lines that the step before will need.
    #[inline(always)]
    fn prefetch<L: Lanes>(&self, row: usize, before: Option<usize>, unit: usize) {
        let sizes = self.sizes;
        let Some(before) = before.filter(|_| unit.is_multiple_of(WIDE)) else {
            return;
        };
        let step = row * sizes.time + before;
        for gate in 0..sizes.cell.gates() {
            let at = step * sizes.gates_stride() + gate * sizes.hidden + unit;
            L::prefetch(self.gates.as_ptr().wrapping_add(at));
        }
        let at = step * sizes.hidden + unit;
        if let Some(output) = self.incoming.output {
            L::prefetch(output.as_ptr().wrapping_add(at));
        }
    }

    #[inline(always)]
    fn rnn<L: Lanes>(&mut self, spot: Spot, slope: L, running: &mut Running) -> Gradients<L> {
        let gradient = self.hidden_gradient::<L>(spot, running).mul(slope);
        self.set_gate(spot, 0, gradient);
        set_running(self.sizes, spot, 0, gradient, running);
        let zero = L::splat(0.0);
        [gradient, zero, zero, zero]
    }

    /// The gradient of the step's hidden state, from its output and from the step after it.
    #[inline(always)]
    fn hidden_gradient<L: Lanes>(&self, spot: Spot, running: &Running) -> L {
        let through_weight = L::load(&running.hidden[spot.row * self.sizes.padded_stride() + spot.unit..]);
        match self.incoming.output {
            Some(output) => {
                let at = (spot.row * self.sizes.time + spot.step) * self.sizes.hidden + spot.unit;
                L::load_partly(&output[at..at + spot.length]).add(through_weight)
            }
            None => through_weight,
        }
    }

    /// The hidden state before the step.
    #[inline(always)]
    fn previous_hidden<L: Lanes>(&self, spot: Spot) -> L {
        match (spot.before, self.start_hidden) {
            (Some(before), _) => self.output_at(spot, before),
            (None, Some(start)) => L::load_partly(&start[spot.row * self.sizes.hidden + spot.unit..][..spot.length]),
            (None, None) => L::splat(0.0),
        }
    }

    #[inline(always)]
    fn output_at<L: Lanes>(&self, spot: Spot, step: usize) -> L {
        let at = (spot.row * self.sizes.time + step) * self.sizes.hidden + spot.unit;
        L::load_partly(&self.output[at..at + spot.length])
    }

    #[inline(always)]
    fn memory_at<L: Lanes>(&self, spot: Spot, step: usize) -> L {
        let at = (spot.row * self.sizes.time + step) * self.sizes.hidden + spot.unit;
        L::load_partly(&self.memories[at..at + spot.length])
    }

    #[inline(always)]
    fn gate_position(&self, spot: Spot, gate: usize) -> usize {
        let step = (spot.row * self.sizes.time + spot.step) * self.sizes.gates_stride();
        step + gate * self.sizes.hidden + spot.unit
    }

    #[inline(always)]
    fn gate<L: Lanes>(&self, spot: Spot, gate: usize) -> L {
        let at = self.gate_position(spot, gate);
        L::load_partly(&self.gates[at..at + spot.length])
    }

    #[inline(always)]
    fn set_gate<L: Lanes>(&mut self, spot: Spot, gate: usize, gradient: L) {
        let at = self.gate_position(spot, gate);
        gradient.store_partly(&mut self.gates[at..at + spot.length]);
    }

    fn finish(&mut self, running: &Running) {
        let sizes = self.sizes;
        let hidden = sizes.hidden;
        let rows = running.hidden.chunks(sizes.padded_stride()).zip(running.kept.chunks(sizes.padded_stride()));
        for (gradient, (through_weight, kept)) in self.start_hidden_gradient.chunks_mut(hidden).zip(rows) {
            for (index, gradient) in gradient.iter_mut().enumerate() {
                *gradient = through_weight[index] + kept[index];
            }
        }
        let rows = running.memory.chunks(sizes.padded_stride());
        for (gradient, memory) in self.start_memory_gradient.chunks_mut(hidden).zip(rows) {
            gradient.copy_from_slice(&memory[..hidden]);
        }
    }
}

/// From the gradient of the hidden state to those of the gates.
///
/// A trait rather than functions handed to `each_spot`: a call through `Fn` is compiled without the lanes' instructions.
trait Derivative {
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients<L>;
}

struct Lstm;

impl Derivative for Lstm {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients<L> {
        let one = L::splat(1.0);
        let input = chunk.gate::<L>(spot, 0);
        let forget = chunk.gate::<L>(spot, 1);
        let candidate = chunk.gate::<L>(spot, 2);
        let output = chunk.gate::<L>(spot, 3);
        let memory = chunk.memory_at::<L>(spot, spot.step);
        let previous = match (spot.before, chunk.start_memory) {
            (Some(before), _) => chunk.memory_at(spot, before),
            (None, Some(start)) => L::load_partly(&start[spot.row * chunk.sizes.hidden + spot.unit..][..spot.length]),
            (None, None) => L::splat(0.0),
        };
        let gradient = chunk.hidden_gradient::<L>(spot, running);
        let squashed = tanh(memory);
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        // dc = what comes from the next step + dh o (1 - tanh(c)^2)
        let slope = one.sub(squashed.mul(squashed));
        let of_memory = gradient.mul(output).mul_add(slope, L::load(&running.memory[at..]));
        of_memory.mul(forget).store(&mut running.memory[at..]);
        let gradients = [
            of_memory.mul(candidate).mul(logistic_slope(input)),
            of_memory.mul(previous).mul(logistic_slope(forget)),
            of_memory.mul(input).mul(one.sub(candidate.mul(candidate))),
            gradient.mul(squashed).mul(logistic_slope(output)),
        ];
        for (gate, gradient) in gradients.iter().enumerate() {
            chunk.set_gate(spot, gate, *gradient);
            set_running(chunk.sizes, spot, gate, *gradient, running);
        }
        gradients
    }
}

struct Gru;

impl Derivative for Gru {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients<L> {
        let one = L::splat(1.0);
        let reset = chunk.gate::<L>(spot, 0);
        let update = chunk.gate::<L>(spot, 1);
        let candidate = chunk.gate::<L>(spot, 2);
        let fed_back = chunk.memory_at::<L>(spot, spot.step); // W_hn h + b_hn
        let previous = chunk.previous_hidden::<L>(spot);
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        let gradient = chunk.hidden_gradient::<L>(spot, running).add(L::load(&running.kept[at..]));
        gradient.mul(update).store(&mut running.kept[at..]);
        let of_candidate = gradient.mul(one.sub(update)).mul(one.sub(candidate.mul(candidate)));
        let of_fed_back = of_candidate.mul(reset);
        let gradients = [
            of_candidate.mul(fed_back).mul(logistic_slope(reset)),
            gradient.mul(previous.sub(candidate)).mul(logistic_slope(update)),
            of_candidate,
            of_fed_back,
        ];
        for (gate, gradient) in gradients[..3].iter().enumerate() {
            chunk.set_gate(spot, gate, *gradient);
        }
        for (gate, index) in [0, 1, 3].into_iter().enumerate() {
            set_running(chunk.sizes, spot, gate, gradients[index], running);
        }
        let at = (spot.row * chunk.sizes.time + spot.step) * chunk.sizes.hidden + spot.unit;
        of_fed_back.store_partly(&mut chunk.memories[at..at + spot.length]);
        gradients
    }
}

struct RnnTanh;

impl Derivative for RnnTanh {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients<L> {
        let hidden = chunk.output_at::<L>(spot, spot.step);
        let slope = L::splat(1.0).sub(hidden.mul(hidden));
        chunk.rnn(spot, slope, running)
    }
}

struct RnnRelu;

impl Derivative for RnnRelu {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients<L> {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let slope = zero.if_less(chunk.output_at::<L>(spot, spot.step), one, zero);
        chunk.rnn(spot, slope, running)
    }
}

/// Puts a gradient where the product with the weight reads it: apart from the saved gates, whose rows are too far from
/// each other to stay in the cache together.
#[inline(always)]
fn set_running<L: Lanes>(sizes: Sizes, spot: Spot, gate: usize, gradient: L, running: &mut Running) {
    let at = spot.row * sizes.gates_stride() + gate * sizes.hidden + spot.unit;
    gradient.store_partly(&mut running.gates[at..at + spot.length]);
}

/// The derivative of the logistic function where it is `value`.
#[inline(always)]
fn logistic_slope<L: Lanes>(value: L) -> L {
    value.mul(L::splat(1.0).sub(value))
}
