//! The rotation on the CPU, in place where nobody else holds the numbers. The gradient is turned back by the same angles.

use super::RotaryTable;
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    on_cpu, threads,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

pub(super) fn takes<B: Backend>(input: &Tensor<B, 3>, table: &RotaryTable<B>) -> bool {
    is_cpu::<B>() && is_f32(input) && is_f32(&table.cos) && is_f32(&table.sin)
}

pub(super) fn rotate<B: Backend>(
    input: Tensor<B, 3>,
    heads: Range<usize>,
    table: &RotaryTable<B>,
    offset: usize,
) -> Tensor<B, 3> {
    let [_, time, width] = input.dims();
    let [_, half] = table.cos.dims();
    let place = Place { heads, offset, time, width, half };
    match on_cpu::<B, _>(Call { input, cos: table.cos.clone(), sin: table.sin.clone(), place }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

struct Call<B: Backend> {
    input: Tensor<B, 3>,
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    place: Place,
}

/// What is turned.
#[derive(Clone, Debug)]
struct Place {
    heads: Range<usize>,
    offset: usize,
    time: usize,
    width: usize,
    half: usize,
}

#[derive(Clone, Debug)]
struct Rotation {
    cos: Buffer,
    sin: Buffer,
    place: Place,
}

impl Rotation {
    /// Turns `[batch, time, width]` by the table's angles, or by the opposite ones with `sign` -1.
    fn turn(&self, values: &mut [f32], sign: f32) {
        let width = self.place.width;
        if self.place.heads.is_empty() {
            return;
        }
        threads::split_rows(values, width, (GRAIN / width.max(1)).max(1), |first, rows| {
            dispatch(Turn { rotation: self, first, rows, sign });
        });
    }
}

struct Turn<'a> {
    rotation: &'a Rotation,
    /// The index of the first row, counted through the batch.
    first: usize,
    rows: &'a mut [f32],
    sign: f32,
}

impl WithLanes for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Rotation { cos, sin, place } = self.rotation;
        let (cos, sin): (&[f32], &[f32]) = (cos, sin);
        let Place { heads, offset, time, width, half } = place;
        for (index, row) in (self.first..).zip(self.rows.chunks_exact_mut(*width)) {
            let angles = (offset + index % time) * half..(offset + index % time + 1) * half;
            for head in row[2 * half * heads.start..2 * half * heads.end].chunks_exact_mut(2 * half) {
                turn_head::<L>(head, &cos[angles.clone()], &sin[angles.clone()], self.sign);
            }
        }
    }
}

#[inline(always)]
fn turn_head<L: Lanes>(head: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let (first, second) = head.split_at_mut(cos.len());
    let angles = cos.chunks(WIDTH).zip(sin.chunks(WIDTH));
    for ((first, second), (cos, sin)) in first.chunks_mut(WIDTH).zip(second.chunks_mut(WIDTH)).zip(angles) {
        let (cos, sin) = (L::load_partly(cos), L::load_partly(sin).mul(L::splat(sign)));
        let (x, y) = (L::load_partly(first), L::load_partly(second));
        x.mul(cos).sub(y.mul(sin)).store_partly(first);
        y.mul_add(cos, x.mul(sin)).store_partly(second);
    }
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 3>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 3> {
        let [cos, sin] = [self.cos, self.sin].map(|of| C::buffer(into_plain::<B, C, 2>(of)));
        let rotation = Rotation { cos, sin, place: self.place };
        let input = into_plain::<B, C, 3>(self.input);
        from_plain::<B, C, 3>(C::update(input, |values| rotation.turn(values, 1.0)))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 3> {
        let [cos, sin] = [self.cos, self.sin].map(|of| C::buffer(into_tracked::<B, C, 2>(of).primitive));
        let rotation = Rotation { cos, sin, place: self.place };
        let input = into_tracked::<B, C, 3>(self.input);
        let output = C::update(input.primitive, |values| rotation.turn(values, 1.0));
        let output = match RotaryBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(rotation, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, 3>(output)
    }
}

#[derive(Debug)]
struct RotaryBackward;

impl<C: CpuBackend> Backward<C, 1> for RotaryBackward {
    type State = Rotation;

    fn backward(self, ops: Ops<Rotation, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<C>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            grads.register::<C>(node.id, C::update(gradient, |values| ops.state.turn(values, -1.0)));
        }
    }
}
