//! `silu(gate) · up` without the two halves on their own.

use super::{Curve, GRAIN, Silu};
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    on_cpu, threads,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};

pub(in crate::activation) fn swiglu<B: Backend, const D: usize>(gate_and_up: Tensor<B, D>) -> Tensor<B, D> {
    match on_cpu::<B, _>(Call(gate_and_up)) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

/// `[rows, 2 * half]` to `[rows, half]`
fn values(input: &[f32], half: usize) -> Vec<f32> {
    let rows = input.len().checked_div(2 * half).unwrap_or(0);
    let [output] = threads::new_rows(rows, half, GRAIN / half.max(1), |first, [output]| {
        dispatch(Values { input: &input[2 * first * half..][..2 * output.len()], half, output });
    });
    output
}

/// The gradient of the input, `[rows, 2 * half]`, from that of the output.
fn slopes(input: &[f32], half: usize, incoming: &[f32]) -> Vec<f32> {
    let rows = input.len().checked_div(2 * half).unwrap_or(0);
    let [gradient] = threads::new_rows(rows, 2 * half, GRAIN / (2 * half).max(1), |first, [gradient]| {
        let input = &input[2 * first * half..][..gradient.len()];
        dispatch(Slopes { input, half, incoming: &incoming[first * half..][..gradient.len() / 2], gradient });
    });
    gradient
}

struct Values<'a> {
    input: &'a [f32],
    half: usize,
    output: &'a mut [f32],
}

impl WithLanes for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (row, output) in self.input.chunks_exact(2 * self.half).zip(self.output.chunks_exact_mut(self.half)) {
            let (gate, up) = row.split_at(self.half);
            for ((gate, up), output) in gate.chunks(WIDTH).zip(up.chunks(WIDTH)).zip(output.chunks_mut(WIDTH)) {
                let [gate, _] = Silu.at(L::load_partly(gate));
                gate.mul(L::load_partly(up)).store_partly(output);
            }
        }
    }
}

struct Slopes<'a> {
    input: &'a [f32],
    half: usize,
    incoming: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithLanes for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.input.chunks_exact(2 * self.half).zip(self.incoming.chunks_exact(self.half));
        for ((row, incoming), gradient) in rows.zip(self.gradient.chunks_exact_mut(2 * self.half)) {
            let (gate, up) = row.split_at(self.half);
            let (by_gate, by_up) = gradient.split_at_mut(self.half);
            let gradients = by_gate.chunks_mut(WIDTH).zip(by_up.chunks_mut(WIDTH));
            let arguments = gate.chunks(WIDTH).zip(up.chunks(WIDTH)).zip(incoming.chunks(WIDTH));
            for (((gate, up), incoming), (by_gate, by_up)) in arguments.zip(gradients) {
                let [value, slope] = Silu.at(L::load_partly(gate));
                let incoming = L::load_partly(incoming);
                incoming.mul(L::load_partly(up)).mul(slope).store_partly(by_gate);
                incoming.mul(value).store_partly(by_up);
            }
        }
    }
}

struct Call<B: Backend, const D: usize>(Tensor<B, D>);

impl<B: Backend, const D: usize> Call<B, D> {
    /// The shape of the output.
    fn shape(&self) -> [usize; D] {
        let mut shape = self.0.dims();
        shape[D - 1] /= 2;
        shape
    }
}

impl<B: Backend, const D: usize> OnCpu for Call<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.shape();
        let input = C::buffer(into_plain::<B, C, D>(self.0));
        from_plain::<B, C, D>(C::tensor(values(&input, shape[D - 1]), shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.shape();
        let input_shape = self.0.dims();
        let input = into_tracked::<B, C, D>(self.0);
        let saved = C::buffer(input.primitive);
        let output = C::tensor(values(&saved, shape[D - 1]), shape);
        let step = SwigluBackward(input_shape);
        let output = match step.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, D>(output)
    }
}

/// With the shape of the input.
#[derive(Debug)]
struct SwigluBackward<const D: usize>([usize; D]);

impl<C: CpuBackend, const D: usize> Backward<C, 1> for SwigluBackward<D> {
    /// The input.
    type State = Buffer;

    fn backward(self, ops: Ops<Buffer, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let gradient = slopes(&ops.state, self.0[D - 1] / 2, &incoming);
            add_gradient::<C>(grads, node.id, C::tensor(gradient, self.0));
        }
    }
}
