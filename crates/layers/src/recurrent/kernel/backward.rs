//! The way back: each thread takes its rows of the batch through all steps from the last to the first, which leaves the
//! gradients of all gates; the gradients of the weights and of the input are then products over all steps at once.

use super::{
    forward::{Operands, Saved},
    panels::{Panels, WIDE},
    sizes::{GROUP, Sizes},
    units::{self, Units},
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
    /// `tanh` of an LSTM's cell at this step.
    squashed: Scratch,
    /// `[rows, gates]` with `gates_stride`: this step's gradients of `W_hh h`. A copy, because the rows of the saved
    /// gates are too far from each other to stay in the cache together.
    gates: Scratch,
}

/// A block of units, or what is left of them, of one row at one step.
#[derive(Clone, Copy)]
struct Spot {
    row: usize,
    step: usize,
    /// The step before, if there is one.
    before: Option<usize>,
    /// The first unit.
    unit: usize,
    /// How many, at most [`WIDE`].
    count: usize,
}

/// The gates' gradients at a spot: of `r, z, n, W_hn h` in a GRU, of `i, f, g, o` in an LSTM, of one gate else.
type Gradients = [Units; 4];

impl WithLanes for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        match self.sizes.cell {
            Cell::Lstm => self.all_steps::<L, Lstm>(),
            Cell::Gru => self.all_steps::<L, Gru>(),
            Cell::RnnTanh => self.all_steps::<L, RnnTanh>(),
            Cell::RnnRelu => self.all_steps::<L, RnnRelu>(),
        }
    }
}

impl Chunk<'_> {
    #[inline(always)]
    fn all_steps<L: Lanes, D: Derivative>(&mut self) {
        let mut running = self.start();
        for turn in (0..self.sizes.time).rev() {
            let step = self.sizes.step(turn);
            let before = turn.checked_sub(1).map(|turn| self.sizes.step(turn));
            if self.sizes.cell == Cell::Lstm {
                self.squash::<L>(step, &mut running);
            }
            for row in 0..self.rows {
                for unit in (0..self.sizes.hidden).step_by(WIDE) {
                    let spot = Spot { row, step, before, unit, count: WIDE.min(self.sizes.hidden - unit) };
                    self.prefetch::<L>(spot);
                    let gradients = D::apply::<L>(self, spot, &mut running);
                    self.add_to_bias::<L>(spot, &gradients);
                }
            }
            if turn > 0 || !self.start_hidden_gradient.is_empty() {
                self.multiply::<L>(&mut running);
            }
        }
        self.finish(&running);
    }

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
            squashed: state(None),
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
    fn squash<L: Lanes>(&self, step: usize, running: &mut Running) {
        let sizes = self.sizes;
        let stride = sizes.padded_stride();
        for (row, squashed) in running.squashed.chunks_exact_mut(stride).enumerate() {
            let at = (row * sizes.time + step) * sizes.hidden;
            squashed[..sizes.hidden].copy_from_slice(&self.memories[at..at + sizes.hidden]);
            // One short loop, whose iterations do not wait for each other.
            for lanes in squashed[..sizes.padded()].as_chunks_mut::<WIDTH>().0 {
                tanh(L::load(lanes)).store(lanes);
            }
        }
    }

    /// Asks for the lines that the step before will need.
    #[inline(always)]
    fn prefetch<L: Lanes>(&self, spot: Spot) {
        let Some(step) = spot.before else { return };
        let before = Spot { step, ..spot };
        for gate in 0..self.sizes.cell.gates() {
            let at = self.gate_position(before, gate);
            L::prefetch(self.gates.as_ptr().wrapping_add(at));
        }
        if let Some(output) = self.incoming.output {
            L::prefetch(output.as_ptr().wrapping_add(self.unit_position(before)));
        }
    }

    #[inline(always)]
    fn add_to_bias<L: Lanes>(&mut self, spot: Spot, gradients: &Gradients) {
        let hidden = self.sizes.hidden;
        let sums = self.sizes.cell.gates() + usize::from(self.sizes.cell == Cell::Gru);
        for (index, gradient) in gradients[..sums].iter().enumerate() {
            let at = (spot.row / GROUP * sums + index) * hidden + spot.unit;
            let total = &mut self.bias_sums[at..at + spot.count];
            let mut buffer = [0.0; WIDE];
            let mut sum = *units::view(total, &mut buffer);
            for half in [0, WIDTH] {
                let added = L::load(&sum[half..]).add(L::load(&gradient[half..]));
                added.store(&mut sum[half..]);
            }
            units::put(total, &sum);
        }
    }

    #[inline(always)]
    fn gate_position(&self, spot: Spot, gate: usize) -> usize {
        let step = (spot.row * self.sizes.time + spot.step) * self.sizes.gates_stride();
        step + gate * self.sizes.hidden + spot.unit
    }

    #[inline(always)]
    fn unit_position(&self, spot: Spot) -> usize {
        (spot.row * self.sizes.time + spot.step) * self.sizes.hidden + spot.unit
    }

    #[inline(always)]
    fn gate<'b>(&'b self, spot: Spot, gate: usize, buffer: &'b mut Units) -> &'b Units {
        let at = self.gate_position(spot, gate);
        units::view(&self.gates[at..at + spot.count], buffer)
    }

    #[inline(always)]
    fn set_gate(&mut self, spot: Spot, gate: usize, gradient: &Units) {
        let at = self.gate_position(spot, gate);
        units::put(&mut self.gates[at..at + spot.count], gradient);
    }

    /// Puts a gradient where the product with the weight reads it.
    #[inline(always)]
    fn set_running(&self, spot: Spot, gate: usize, gradient: &Units, running: &mut Running) {
        let row = spot.row * self.sizes.gates_stride();
        let at = row + gate * self.sizes.hidden + spot.unit;
        units::put(&mut running.gates[at..at + spot.count], gradient);
    }

    /// The state that the step started from, out of the states after all steps.
    #[inline(always)]
    fn previous<'b>(
        &'b self,
        spot: Spot,
        after: &'b [f32],
        start: Option<&'b [f32]>,
        buffer: &'b mut Units,
    ) -> &'b Units {
        let values = match (spot.before, start) {
            (Some(step), _) => &after[self.unit_position(Spot { step, ..spot })..],
            (None, Some(start)) => &start[spot.row * self.sizes.hidden + spot.unit..],
            (None, None) => return buffer,
        };
        units::view(&values[..spot.count], buffer)
    }

    /// The gradient of the step's hidden state, from its output and from the step after it.
    #[inline(always)]
    fn hidden_gradient<L: Lanes>(&self, spot: Spot, running: &Running) -> Units {
        let at = spot.row * self.sizes.padded_stride() + spot.unit;
        let mut gradient = *units::block(&running.hidden, at);
        if let Some(output) = self.incoming.output {
            let at = self.unit_position(spot);
            let mut buffer = [0.0; WIDE];
            let output = units::view(&output[at..at + spot.count], &mut buffer);
            for half in [0, WIDTH] {
                let sum = L::load(&gradient[half..]).add(L::load(&output[half..]));
                sum.store(&mut gradient[half..]);
            }
        }
        gradient
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

/// From the gradient of the hidden state to those of the gates, which it leaves where they are needed and returns.
///
/// A trait rather than functions handed over: a call through `Fn` is compiled without the lanes' instructions.
trait Derivative {
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients;
}

struct Lstm;

impl Derivative for Lstm {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients {
        let one = L::splat(1.0);
        let mut buffers = [[0.0; WIDE]; 5];
        let [b0, b1, b2, b3, b4] = &mut buffers;
        let input = chunk.gate(spot, 0, b0);
        let forget = chunk.gate(spot, 1, b1);
        let candidate = chunk.gate(spot, 2, b2);
        let output = chunk.gate(spot, 3, b3);
        let previous = chunk.previous(spot, chunk.memories, chunk.start_memory, b4);
        let gradient = chunk.hidden_gradient::<L>(spot, running);
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        let squashed = units::block(&running.squashed, at);
        let memory = units::block_mut(&mut running.memory, at);
        let mut gradients = [[0.0; WIDE]; 4];
        for half in [0, WIDTH] {
            let (input, forget) = (units::load::<L>(input, half), units::load::<L>(forget, half));
            let (candidate, output) = (units::load::<L>(candidate, half), units::load::<L>(output, half));
            let (gradient, squashed) = (units::load::<L>(&gradient, half), units::load::<L>(squashed, half));
            // dc = what comes from the next step + dh o (1 - tanh(c)^2)
            let slope = one.sub(squashed.mul(squashed));
            let of_memory = gradient.mul(output).mul_add(slope, units::load::<L>(memory, half));
            of_memory.mul(forget).store(&mut memory[half..]);
            let of_input = of_memory.mul(candidate).mul(logistic_slope(input));
            let of_forget = of_memory.mul(units::load::<L>(previous, half)).mul(logistic_slope(forget));
            let of_candidate = of_memory.mul(input).mul(one.sub(candidate.mul(candidate)));
            let of_output = gradient.mul(squashed).mul(logistic_slope(output));
            of_input.store(&mut gradients[0][half..]);
            of_forget.store(&mut gradients[1][half..]);
            of_candidate.store(&mut gradients[2][half..]);
            of_output.store(&mut gradients[3][half..]);
        }
        for (gate, gradient) in gradients.iter().enumerate() {
            chunk.set_gate(spot, gate, gradient);
            chunk.set_running(spot, gate, gradient, running);
        }
        gradients
    }
}

struct Gru;

impl Derivative for Gru {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients {
        let one = L::splat(1.0);
        let mut buffers = [[0.0; WIDE]; 5];
        let [b0, b1, b2, b3, b4] = &mut buffers;
        let reset = chunk.gate(spot, 0, b0);
        let update = chunk.gate(spot, 1, b1);
        let candidate = chunk.gate(spot, 2, b2);
        let previous = chunk.previous(spot, chunk.output, chunk.start_hidden, b3);
        let position = chunk.unit_position(spot);
        // W_hn h + b_hn
        let fed_back = units::view(&chunk.memories[position..position + spot.count], b4);
        let gradient = chunk.hidden_gradient::<L>(spot, running);
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        let kept = units::block_mut(&mut running.kept, at);
        let mut gradients = [[0.0; WIDE]; 4];
        for half in [0, WIDTH] {
            let (reset, update) = (units::load::<L>(reset, half), units::load::<L>(update, half));
            let candidate = units::load::<L>(candidate, half);
            let gradient = units::load::<L>(&gradient, half).add(units::load::<L>(kept, half));
            gradient.mul(update).store(&mut kept[half..]);
            let of_candidate = gradient.mul(one.sub(update)).mul(one.sub(candidate.mul(candidate)));
            let of_reset = of_candidate.mul(units::load::<L>(fed_back, half)).mul(logistic_slope(reset));
            let of_update = gradient.mul(units::load::<L>(previous, half).sub(candidate)).mul(logistic_slope(update));
            of_reset.store(&mut gradients[0][half..]);
            of_update.store(&mut gradients[1][half..]);
            of_candidate.store(&mut gradients[2][half..]);
            of_candidate.mul(reset).store(&mut gradients[3][half..]);
        }
        for (gate, gradient) in gradients[..3].iter().enumerate() {
            chunk.set_gate(spot, gate, gradient);
        }
        for (gate, index) in [0, 1, 3].into_iter().enumerate() {
            chunk.set_running(spot, gate, &gradients[index], running);
        }
        units::put(&mut chunk.memories[position..position + spot.count], &gradients[3]);
        gradients
    }
}

struct RnnTanh;

impl Derivative for RnnTanh {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients {
        let at = chunk.unit_position(spot);
        let mut slope = [0.0; WIDE];
        slope[..spot.count].copy_from_slice(&chunk.output[at..at + spot.count]);
        for half in [0, WIDTH] {
            let hidden = L::load(&slope[half..]);
            let derivative = L::splat(1.0).sub(hidden.mul(hidden));
            derivative.store(&mut slope[half..]);
        }
        rnn::<L>(chunk, spot, &slope, running)
    }
}

struct RnnRelu;

impl Derivative for RnnRelu {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) -> Gradients {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let at = chunk.unit_position(spot);
        let mut slope = [0.0; WIDE];
        slope[..spot.count].copy_from_slice(&chunk.output[at..at + spot.count]);
        for half in [0, WIDTH] {
            let derivative = zero.if_less(L::load(&slope[half..]), one, zero);
            derivative.store(&mut slope[half..]);
        }
        rnn::<L>(chunk, spot, &slope, running)
    }
}

/// Of a cell whose only gate is its hidden state.
#[inline(always)]
fn rnn<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, slope: &Units, running: &mut Running) -> Gradients {
    let mut gradient = chunk.hidden_gradient::<L>(spot, running);
    for half in [0, WIDTH] {
        let product = L::load(&gradient[half..]).mul(L::load(&slope[half..]));
        product.store(&mut gradient[half..]);
    }
    chunk.set_gate(spot, 0, &gradient);
    chunk.set_running(spot, 0, &gradient, running);
    [gradient, [0.0; WIDE], [0.0; WIDE], [0.0; WIDE]]
}

/// The derivative of the logistic function where it is `value`.
#[inline(always)]
fn logistic_slope<L: Lanes>(value: L) -> L {
    value.mul(L::splat(1.0).sub(value))
}
