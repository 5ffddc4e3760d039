//! A layer over a whole batch of sequences: one product for the input of all steps, then each thread takes its rows of
//! the batch through all steps on its own, without waiting for the others.

use super::{
    panels::{Panels, WIDE},
    sizes::Sizes,
    units::{self, Units},
};
use crate::{
    cpu::{
        lanes::{Lanes, WIDTH, WithLanes, dispatch},
        math::{sigmoid, tanh},
        product::{Matrix, product, product_strided},
        scratch::Scratch,
        threads::{self, SharedSlice},
    },
    recurrent::Cell,
};

/// What a layer reads. Row-major, with the shapes of `Sequence`.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    pub sizes: Sizes,
    pub input: &'a [f32],
    pub weight_ih: &'a [f32],
    pub weight_hh: &'a [f32],
    pub bias: Option<[&'a [f32]; 2]>,
    pub hidden: Option<&'a [f32]>,
    pub memory: Option<&'a [f32]>,
}

/// What it makes of it.
pub struct Forward {
    /// `[batch, time, hidden]`
    pub output: Vec<f32>,
    /// An LSTM's cell after the last step, `[batch, hidden]`; else empty.
    pub memory: Vec<f32>,
    /// What the backward pass needs, where it was asked for.
    pub saved: Option<Saved>,
}

/// The inside of the steps.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The activated gates, `[batch, time, gates]` with rows `gates_stride` apart.
    pub gates: Scratch,
    /// `[batch, time, hidden]`: an LSTM's cells, a GRU's `W_hn h + b_hn`; else empty.
    pub memories: Scratch,
}

/// Runs the layer.
pub fn forward(operands: &Operands<'_>, save: bool) -> Forward {
    let sizes = operands.sizes;
    let (batch, time, hidden) = (sizes.batch, sizes.time, sizes.hidden);
    let mut gates = Scratch::any(sizes.steps() * sizes.gates_stride());
    product_strided(
        &mut gates,
        sizes.gates_stride(),
        Matrix::new(operands.input, sizes.steps(), sizes.input),
        Matrix::new(operands.weight_ih, sizes.gates(), sizes.input).transposed(),
        false,
    );

    let keeps_memories = save && matches!(sizes.cell, Cell::Lstm | Cell::Gru);
    let mut memories = Scratch::any(if keeps_memories { sizes.steps() * hidden } else { 0 });
    let mut output = vec![0.0; sizes.steps() * hidden];
    let memory_length = if sizes.cell == Cell::Lstm { hidden } else { 0 };
    let mut memory = vec![0.0; batch * memory_length];

    let bias = Bias::new(operands);
    let packed;
    let recurrent = if sizes.packs() {
        packed = Panels::of_gates(operands.weight_hh, sizes.cell.gates(), hidden);
        Recurrent::Packed(&packed)
    } else {
        Recurrent::Plain(operands.weight_hh)
    };
    let chunks = sizes.chunks();
    {
        let all_gates = SharedSlice::new(&mut gates);
        let all_memories = SharedSlice::new(&mut memories);
        let all_output = SharedSlice::new(&mut output);
        let all_memory = SharedSlice::new(&mut memory);
        threads::run(chunks.len(), |index| {
            let rows = &chunks[index];
            let part = |length: usize| rows.start * length..rows.end * length;
            // SAFETY: the chunks do not overlap, so neither do their parts of these slices.
            let (gates, memories, output, memory) = unsafe {
                (
                    all_gates.slice_mut(part(time * sizes.gates_stride())),
                    all_memories.slice_mut(part(if keeps_memories { time * hidden } else { 0 })),
                    all_output.slice_mut(part(time * hidden)),
                    all_memory.slice_mut(part(memory_length)),
                )
            };
            dispatch(Chunk {
                sizes,
                rows: rows.len(),
                recurrent,
                bias: &bias,
                start_hidden: operands.hidden.map(|start| &start[part(hidden)]),
                start_memory: operands.memory.map(|start| &start[part(hidden)]),
                saves: save,
                gates,
                memories,
                output,
                memory,
            });
        });
    }
    Forward { output, memory, saved: save.then_some(Saved { gates, memories }) }
}

#[derive(Clone, Copy)]
enum Recurrent<'a> {
    Packed(&'a Panels),
    Plain(&'a [f32]),
}

/// The biases, with zeros up to whole panels.
struct Bias {
    /// `[gates, padded]`: what is added to the sum of both products.
    gates: Scratch,
    /// `[padded]`: what is added to a GRU's `W_hn h` before the reset gate scales it; else empty.
    fed_back: Scratch,
}

impl Bias {
    fn new(operands: &Operands<'_>) -> Self {
        let sizes = operands.sizes;
        let (padded, hidden) = (sizes.padded(), sizes.hidden);
        let gated = sizes.cell == Cell::Gru;
        let mut gates = Scratch::zeros(sizes.cell.gates() * padded);
        let mut fed_back = Scratch::zeros(if gated { padded } else { 0 });
        if let Some([input, recurrent]) = operands.bias {
            for gate in 0..sizes.cell.gates() {
                let target = &mut gates[gate * padded..][..hidden];
                let input = &input[gate * hidden..][..hidden];
                let recurrent = &recurrent[gate * hidden..][..hidden];
                target.copy_from_slice(input);
                if gated && gate == 2 {
                    fed_back[..hidden].copy_from_slice(recurrent);
                } else {
                    for (target, value) in target.iter_mut().zip(recurrent) {
                        *target += value;
                    }
                }
            }
        }
        Self { gates, fed_back }
    }
}

/// Some rows of the batch on their way through all steps. The slices are those rows' parts.
struct Chunk<'a> {
    sizes: Sizes,
    rows: usize,
    recurrent: Recurrent<'a>,
    bias: &'a Bias,
    start_hidden: Option<&'a [f32]>,
    start_memory: Option<&'a [f32]>,
    saves: bool,
    /// The projected input; with `saves` replaced by the activated gates.
    gates: &'a mut [f32],
    memories: &'a mut [f32],
    output: &'a mut [f32],
    memory: &'a mut [f32],
}

/// The state between two steps, `[rows, padded]` with `padded_stride`.
struct Running {
    hidden: Scratch,
    next_hidden: Scratch,
    memory: Scratch,
    /// `[gates, rows, WIDE]`: of one block of units first `W_hh h`, then the activated gates.
    block: Scratch,
    /// `[rows, gates]`: `W_hh h` of all units, where the weight is not packed.
    whole: Scratch,
}

/// A block of units, or what is left of them, at one step.
#[derive(Clone, Copy)]
struct Block {
    step: usize,
    /// The first.
    unit: usize,
    /// How many, at most [`WIDE`].
    count: usize,
}

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
    fn all_steps<L: Lanes, A: Activation>(&mut self) {
        let mut running = self.start();
        for turn in 0..self.sizes.time {
            let step = self.sizes.step(turn);
            // Zeros times the weight are zeros.
            let from_zeros = turn == 0 && self.start_hidden.is_none();
            if !from_zeros && let Recurrent::Plain(weight) = self.recurrent {
                self.multiply_all(weight, &mut running);
            }
            for unit in (0..self.sizes.hidden).step_by(WIDE) {
                let count = WIDE.min(self.sizes.hidden - unit);
                let block = Block { step, unit, count };
                self.prefetch::<L>(block);
                match self.recurrent {
                    _ if from_zeros => running.block.fill(0.0),
                    Recurrent::Packed(panels) => self.multiply::<L>(panels, block, &mut running),
                    Recurrent::Plain(_) => self.take_block(block, &mut running),
                }
                A::apply::<L>(self, block, &mut running);
            }
            std::mem::swap(&mut running.hidden, &mut running.next_hidden);
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
            hidden: state(self.start_hidden),
            next_hidden: state(None),
            memory: state(self.start_memory),
            block: Scratch::zeros(sizes.cell.gates() * self.rows * WIDE),
            whole: Scratch::any(match self.recurrent {
                Recurrent::Packed(_) => 0,
                Recurrent::Plain(_) => self.rows * sizes.gates(),
            }),
        }
    }

    #[inline(always)]
    fn multiply<L: Lanes>(&self, panels: &Panels, block: Block, running: &mut Running) {
        let gates = self.sizes.cell.gates();
        for gate in 0..gates {
            panels.multiply::<L>(
                block.unit / WIDE * gates + gate,
                self.rows,
                &running.hidden,
                self.sizes.padded_stride(),
                &mut running.block[gate * self.rows * WIDE..],
                WIDE,
            );
        }
    }

    fn multiply_all(&self, weight: &[f32], running: &mut Running) {
        let sizes = self.sizes;
        product(
            &mut running.whole,
            Matrix::strided(&running.hidden, self.rows, sizes.hidden, sizes.padded_stride()),
            Matrix::new(weight, sizes.gates(), sizes.hidden).transposed(),
            false,
        );
    }

    fn take_block(&self, block: Block, running: &mut Running) {
        let sizes = self.sizes;
        for (index, target) in running.block.chunks_exact_mut(WIDE).enumerate() {
            let (gate, row) = (index / self.rows, index % self.rows);
            let at = row * sizes.gates() + gate * sizes.hidden + block.unit;
            target[..block.count].copy_from_slice(&running.whole[at..at + block.count]);
        }
    }

    /// Asks for the lines that the activation will need after the products, which take long enough.
    #[inline(always)]
    fn prefetch<L: Lanes>(&self, block: Block) {
        for row in 0..self.rows {
            for gate in 0..self.sizes.cell.gates() {
                let at = self.gate_position(block, row, gate);
                L::prefetch(self.gates.as_ptr().wrapping_add(at));
            }
        }
    }

    #[inline(always)]
    fn gate_position(&self, block: Block, row: usize, gate: usize) -> usize {
        let step = (row * self.sizes.time + block.step) * self.sizes.gates_stride();
        step + gate * self.sizes.hidden + block.unit
    }

    #[inline(always)]
    fn unit_position(&self, block: Block, row: usize) -> usize {
        (row * self.sizes.time + block.step) * self.sizes.hidden + block.unit
    }

    /// Adds `W_ih x` and the bias of a gate to its `W_hh h`.
    #[inline(always)]
    fn add_input<L: Lanes>(&self, block: Block, gate: usize, running: &mut Running) {
        let bias = units::block(&self.bias.gates, gate * self.sizes.padded() + block.unit);
        let sums = gate_of_block(&mut running.block, self.rows, gate);
        for (row, sums) in sums.as_chunks_mut().0.iter_mut().enumerate() {
            let at = self.gate_position(block, row, gate);
            let mut buffer = [0.0; WIDE];
            let input = units::view(&self.gates[at..at + block.count], &mut buffer);
            add_all::<L>(sums, input, bias);
        }
    }

    /// Hands out the new hidden state, which is in `next_hidden`.
    #[inline(always)]
    fn emit(&mut self, block: Block, row: usize, hidden: &Units) {
        let at = self.unit_position(block, row);
        units::put(&mut self.output[at..at + block.count], hidden);
    }

    /// Saves the activated gates, which are in `Running::block`, of one row.
    #[inline(always)]
    fn save(&mut self, block: Block, row: usize, running: &Running) {
        for gate in 0..self.sizes.cell.gates() {
            let at = self.gate_position(block, row, gate);
            let gate = units::block(&running.block, (gate * self.rows + row) * WIDE);
            units::put(&mut self.gates[at..at + block.count], gate);
        }
    }

    #[inline(always)]
    fn save_memory(&mut self, block: Block, row: usize, memory: &Units) {
        let at = self.unit_position(block, row);
        units::put(&mut self.memories[at..at + block.count], memory);
    }

    fn finish(&mut self, running: &Running) {
        let sizes = self.sizes;
        let rows = running.memory.chunks(sizes.padded_stride());
        for (last, memory) in self.memory.chunks_mut(sizes.hidden).zip(rows) {
            last.copy_from_slice(&memory[..sizes.hidden]);
        }
    }
}

/// The `[rows, WIDE]` part of `Running::block` that belongs to a gate.
#[inline(always)]
fn gate_of_block(block: &mut [f32], rows: usize, gate: usize) -> &mut [f32] {
    &mut block[gate * rows * WIDE..(gate + 1) * rows * WIDE]
}

/// `sums += input + bias`
#[inline(always)]
fn add_all<L: Lanes>(sums: &mut Units, input: &Units, bias: &Units) {
    for half in [0, WIDTH] {
        let sum = L::load(&sums[half..]).add(L::load(&input[half..]));
        sum.add(L::load(&bias[half..])).store(&mut sums[half..]);
    }
}

/// In loops as short as this the iterations do not wait for each other, so the CPU works on several at once; in one
/// long computation from the sums to the hidden state each function would wait for the one before.
#[inline(always)]
fn sigmoid_all<L: Lanes>(values: &mut [f32]) {
    for lanes in values.as_chunks_mut::<WIDTH>().0 {
        sigmoid(L::load(lanes)).store(lanes);
    }
}

/// As [`sigmoid_all`].
#[inline(always)]
fn tanh_all<L: Lanes>(values: &mut [f32]) {
    for lanes in values.as_chunks_mut::<WIDTH>().0 {
        tanh(L::load(lanes)).store(lanes);
    }
}

/// From the products of the gates of a block to the next hidden state.
///
/// A trait rather than functions handed over: a call through `Fn` is compiled without the lanes' instructions.
trait Activation {
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, block: Block, running: &mut Running);
}

struct Lstm;

impl Activation for Lstm {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, block: Block, running: &mut Running) {
        let rows = chunk.rows;
        for gate in 0..4 {
            chunk.add_input::<L>(block, gate, running);
            let values = gate_of_block(&mut running.block, rows, gate);
            if gate == 2 {
                tanh_all::<L>(values);
            } else {
                sigmoid_all::<L>(values);
            }
        }
        for row in 0..rows {
            let at = row * chunk.sizes.padded_stride() + block.unit;
            let memory = units::block_mut(&mut running.memory, at);
            let hidden = units::block_mut(&mut running.next_hidden, at);
            let [input, forget, candidate, output] =
                [0, 1, 2, 3].map(|gate| units::block(&running.block, (gate * rows + row) * WIDE));
            for half in [0, WIDTH] {
                let added = L::load(&input[half..]).mul(L::load(&candidate[half..]));
                let next = L::load(&forget[half..]).mul_add(L::load(&memory[half..]), added);
                next.store(&mut memory[half..]);
                let hidden = &mut hidden[half..];
                L::load(&output[half..]).mul(tanh(next)).store(hidden);
            }
            chunk.emit(block, row, hidden);
            if chunk.saves {
                chunk.save_memory(block, row, memory);
                chunk.save(block, row, running);
            }
        }
    }
}

struct Gru;

impl Activation for Gru {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, block: Block, running: &mut Running) {
        let rows = chunk.rows;
        chunk.add_input::<L>(block, 0, running);
        chunk.add_input::<L>(block, 1, running);
        sigmoid_all::<L>(&mut running.block[..2 * rows * WIDE]);
        let input_bias = units::block(&chunk.bias.gates, 2 * chunk.sizes.padded() + block.unit);
        let bias = units::block(&chunk.bias.fed_back, block.unit);
        for row in 0..rows {
            let at = chunk.gate_position(block, row, 2);
            let mut buffer = [0.0; WIDE];
            let input = units::view(&chunk.gates[at..at + block.count], &mut buffer);
            let (reset, others) = running.block.split_at_mut(rows * WIDE);
            let reset = units::block(reset, row * WIDE);
            let candidate = units::block_mut(others, (rows + row) * WIDE);
            let mut fed_back = [0.0; WIDE];
            for half in [0, WIDTH] {
                // n = W_in x + b_in + r (W_hn h + b_hn)
                let product = L::load(&candidate[half..]).add(L::load(&bias[half..]));
                product.store(&mut fed_back[half..]);
                let input = L::load(&input[half..]).add(L::load(&input_bias[half..]));
                let sum = L::load(&reset[half..]).mul_add(product, input);
                sum.store(&mut candidate[half..]);
            }
            if chunk.saves {
                chunk.save_memory(block, row, &fed_back);
            }
        }
        tanh_all::<L>(gate_of_block(&mut running.block, rows, 2));
        for row in 0..rows {
            let at = row * chunk.sizes.padded_stride() + block.unit;
            let next = units::block_mut(&mut running.next_hidden, at);
            let hidden = units::block(&running.hidden, at);
            let update = units::block(&running.block, (rows + row) * WIDE);
            let candidate = units::block(&running.block, (2 * rows + row) * WIDE);
            for half in [0, WIDTH] {
                // (1 - z) n + z h
                let candidate = L::load(&candidate[half..]);
                let difference = L::load(&hidden[half..]).sub(candidate);
                let update = L::load(&update[half..]);
                update.mul_add(difference, candidate).store(&mut next[half..]);
            }
            chunk.emit(block, row, next);
            if chunk.saves {
                chunk.save(block, row, running);
            }
        }
    }
}

struct RnnTanh;

impl Activation for RnnTanh {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, block: Block, running: &mut Running) {
        chunk.add_input::<L>(block, 0, running);
        tanh_all::<L>(&mut running.block);
        take_hidden(chunk, block, running);
    }
}

struct RnnRelu;

impl Activation for RnnRelu {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, block: Block, running: &mut Running) {
        chunk.add_input::<L>(block, 0, running);
        for lanes in running.block.as_chunks_mut::<WIDTH>().0 {
            L::load(lanes).at_least(L::splat(0.0)).store(lanes);
        }
        take_hidden(chunk, block, running);
    }
}

/// The hidden state of a cell whose only gate it is.
#[inline(always)]
fn take_hidden(chunk: &mut Chunk<'_>, block: Block, running: &mut Running) {
    for row in 0..chunk.rows {
        let hidden = units::block(&running.block, row * WIDE);
        let at = row * chunk.sizes.padded_stride() + block.unit;
        *units::block_mut(&mut running.next_hidden, at) = *hidden;
        chunk.emit(block, row, hidden);
    }
}
