//! A layer over a whole batch of sequences: one product for the input of all steps, then each thread takes its rows of
//! the batch through all steps on its own, without waiting for the others.

use super::{
    panels::{Panels, WIDE},
    sizes::Sizes,
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

/// The state between two steps, `[rows, padded]` with `padded_stride`, and `W_hh h` of the gates.
struct Running {
    hidden: Scratch,
    next_hidden: Scratch,
    memory: Scratch,
    fed_back: Scratch,
    /// From one gate of a row to the next, and from one row to the next, in `fed_back`.
    gate_stride: usize,
    row_stride: usize,
}

/// Eight units, or fewer behind which there are no more, of one row at one step.
#[derive(Clone, Copy)]
struct Spot {
    row: usize,
    step: usize,
    unit: usize,
    length: usize,
    /// Where in a row of `fed_back` the unit is.
    fed_back: usize,
}

impl WithLanes for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let mut running = self.start();
        for turn in 0..self.sizes.time {
            let step = self.sizes.step(turn);
            // Zeros times the weight are the zeros that are there.
            let from_zeros = turn == 0 && self.start_hidden.is_none();
            if !from_zeros && let Recurrent::Plain(weight) = self.recurrent {
                self.multiply_all(weight, &mut running);
            }
            for block in 0..self.sizes.padded() / WIDE {
                self.prefetch::<L>(step, block);
                if !from_zeros && let Recurrent::Packed(panels) = self.recurrent {
                    let gates = self.sizes.cell.gates();
                    for gate in 0..gates {
                        panels.multiply::<L>(
                            block * gates + gate,
                            self.rows,
                            &running.hidden,
                            self.sizes.padded_stride(),
                            &mut running.fed_back[gate * running.gate_stride..],
                            WIDE,
                        );
                    }
                }
                self.activate::<L>(step, block, &mut running);
            }
            std::mem::swap(&mut running.hidden, &mut running.next_hidden);
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
        let (gate_stride, row_stride) = match self.recurrent {
            Recurrent::Packed(_) => (self.rows * WIDE, WIDE),
            Recurrent::Plain(_) => (sizes.hidden, sizes.gates()),
        };
        Running {
            hidden: state(self.start_hidden),
            next_hidden: state(None),
            memory: state(self.start_memory),
            fed_back: Scratch::zeros(match self.recurrent {
                Recurrent::Packed(_) => sizes.cell.gates() * gate_stride,
                Recurrent::Plain(_) => self.rows * row_stride,
            }),
            gate_stride,
            row_stride,
        }
    }

    fn multiply_all(&self, weight: &[f32], running: &mut Running) {
        let sizes = self.sizes;
        product(
            &mut running.fed_back,
            Matrix::strided(&running.hidden, self.rows, sizes.hidden, sizes.padded_stride()),
            Matrix::new(weight, sizes.gates(), sizes.hidden).transposed(),
            false,
        );
    }

    /// Asks for the lines that [`activate`](Self::activate) will need after the products, which take long enough.
    #[inline(always)]
    fn prefetch<L: Lanes>(&self, step: usize, block: usize) {
        let sizes = self.sizes;
        for row in 0..self.rows {
            let gates = (row * sizes.time + step) * sizes.gates_stride() + block * WIDE;
            for gate in 0..sizes.cell.gates() {
                L::prefetch(self.gates.as_ptr().wrapping_add(gates + gate * sizes.hidden));
            }
        }
    }

    #[inline(always)]
    fn activate<L: Lanes>(&mut self, step: usize, block: usize, running: &mut Running) {
        match self.sizes.cell {
            Cell::Lstm => self.each_spot::<L, Lstm>(step, block, running),
            Cell::Gru => self.each_spot::<L, Gru>(step, block, running),
            Cell::RnnTanh => self.each_spot::<L, RnnTanh>(step, block, running),
            Cell::RnnRelu => self.each_spot::<L, RnnRelu>(step, block, running),
        }
    }

    #[inline(always)]
    fn each_spot<L: Lanes, A: Activation>(&mut self, step: usize, block: usize, running: &mut Running) {
        let hidden = self.sizes.hidden;
        let packed = matches!(self.recurrent, Recurrent::Packed(_));
        for row in 0..self.rows {
            for unit in (block * WIDE..hidden.min((block + 1) * WIDE)).step_by(WIDTH) {
                let spot = Spot {
                    row,
                    step,
                    unit,
                    length: WIDTH.min(hidden - unit),
                    fed_back: if packed { unit - block * WIDE } else { unit },
                };
                A::apply::<L>(self, spot, running);
            }
        }
    }

    /// `W_ih x + W_hh h` and the biases.
    #[inline(always)]
    fn sum<L: Lanes>(&self, spot: Spot, gate: usize, running: &Running) -> L {
        self.input_part::<L>(spot, gate).add(self.fed_back_part(spot, gate, running))
    }

    /// `W_ih x` and the biases.
    #[inline(always)]
    fn input_part<L: Lanes>(&self, spot: Spot, gate: usize) -> L {
        let sizes = self.sizes;
        let step = (spot.row * sizes.time + spot.step) * sizes.gates_stride();
        let at = step + gate * sizes.hidden + spot.unit;
        L::load_partly(&self.gates[at..at + spot.length])
            .add(L::load(&self.bias.gates[gate * sizes.padded() + spot.unit..]))
    }

    /// `W_hh h`
    #[inline(always)]
    fn fed_back_part<L: Lanes>(&self, spot: Spot, gate: usize, running: &Running) -> L {
        let at = gate * running.gate_stride + spot.row * running.row_stride + spot.fed_back;
        L::load_partly(&running.fed_back[at..at + spot.length])
    }

    #[inline(always)]
    fn save<L: Lanes>(&mut self, spot: Spot, gates: &[L], memory: L) {
        if !self.saves {
            return;
        }
        let sizes = self.sizes;
        let step = spot.row * sizes.time + spot.step;
        for (index, gate) in gates.iter().enumerate() {
            let at = step * sizes.gates_stride() + index * sizes.hidden + spot.unit;
            gate.store_partly(&mut self.gates[at..at + spot.length]);
        }
        let at = step * sizes.hidden + spot.unit;
        memory.store_partly(&mut self.memories[at..at + spot.length]);
    }

    #[inline(always)]
    fn emit<L: Lanes>(&mut self, spot: Spot, hidden: L, running: &mut Running) {
        let sizes = self.sizes;
        hidden.store(&mut running.next_hidden[spot.row * sizes.padded_stride() + spot.unit..]);
        let at = (spot.row * sizes.time + spot.step) * sizes.hidden + spot.unit;
        hidden.store_partly(&mut self.output[at..at + spot.length]);
    }

    fn finish(&mut self, running: &Running) {
        let sizes = self.sizes;
        let rows = running.memory.chunks(sizes.padded_stride());
        for (last, memory) in self.memory.chunks_mut(sizes.hidden).zip(rows) {
            last.copy_from_slice(&memory[..sizes.hidden]);
        }
    }
}

/// From the sums of the gates to the next hidden state.
///
/// A trait rather than functions handed to `each_spot`: a call through `Fn` is compiled without the lanes' instructions.
trait Activation {
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running);
}

struct Lstm;

impl Activation for Lstm {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) {
        let gates: [L; 4] = [
            sigmoid(chunk.sum(spot, 0, running)),
            sigmoid(chunk.sum(spot, 1, running)),
            tanh(chunk.sum(spot, 2, running)),
            sigmoid(chunk.sum(spot, 3, running)),
        ];
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        let memory = L::load(&running.memory[at..]);
        let memory = gates[1].mul_add(memory, gates[0].mul(gates[2]));
        memory.store(&mut running.memory[at..]);
        chunk.save(spot, &gates, memory);
        chunk.emit(spot, gates[3].mul(tanh(memory)), running);
    }
}

struct Gru;

impl Activation for Gru {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) {
        let reset = sigmoid(chunk.sum::<L>(spot, 0, running));
        let update = sigmoid(chunk.sum::<L>(spot, 1, running));
        let fed_back = chunk.fed_back_part::<L>(spot, 2, running).add(L::load(&chunk.bias.fed_back[spot.unit..]));
        let candidate = tanh(reset.mul_add(fed_back, chunk.input_part(spot, 2)));
        let at = spot.row * chunk.sizes.padded_stride() + spot.unit;
        let hidden = L::load(&running.hidden[at..]);
        chunk.save(spot, &[reset, update, candidate], fed_back);
        // (1 - z) n + z h
        let hidden = update.mul_add(hidden.sub(candidate), candidate);
        chunk.emit(spot, hidden, running);
    }
}

struct RnnTanh;

impl Activation for RnnTanh {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) {
        chunk.emit(spot, tanh(chunk.sum::<L>(spot, 0, running)), running);
    }
}

struct RnnRelu;

impl Activation for RnnRelu {
    #[inline(always)]
    fn apply<L: Lanes>(chunk: &mut Chunk<'_>, spot: Spot, running: &mut Running) {
        let sum = chunk.sum::<L>(spot, 0, running);
        chunk.emit(spot, sum.at_least(L::splat(0.0)), running);
    }
}
