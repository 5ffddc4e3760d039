//! The pools on the CPU: every plane on its own, planes in parallel.

use super::Pool2dOptions;
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    on_cpu,
    planes::GRAIN,
    threads::{self, SharedSlice},
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

pub(super) fn takes<B: Backend>(input: &Tensor<B, 4>) -> bool {
    is_cpu::<B>() && is_f32(input)
}

pub(super) fn max_pool2d<B: Backend>(input: Tensor<B, 4>, options: &Pool2dOptions) -> Tensor<B, 4> {
    let windows = [0, 1].map(|axis| strided(options, input.dims()[2 + axis], axis));
    run(input, windows, Kind::Max)
}

pub(super) fn avg_pool2d<B: Backend>(
    input: Tensor<B, 4>,
    options: &Pool2dOptions,
    count_padding: bool,
) -> Tensor<B, 4> {
    let windows = [0, 1].map(|axis| strided(options, input.dims()[2 + axis], axis));
    let [height, width] = options.kernel;
    run(input, windows, Kind::Mean { divisor: count_padding.then_some((height * width) as f32) })
}

pub(super) fn adaptive_avg_pool2d<B: Backend>(input: Tensor<B, 4>, output: [usize; 2]) -> Tensor<B, 4> {
    let windows = [0, 1].map(|axis| {
        let (size, output) = (input.dims()[2 + axis], output[axis]);
        (0..output).map(|index| index * size / output..((index + 1) * size).div_ceil(output)).collect()
    });
    run(input, windows, Kind::Mean { divisor: None })
}

/// What of each window lies inside of the image.
fn strided(options: &Pool2dOptions, size: usize, axis: usize) -> Vec<Range<usize>> {
    let (kernel, stride, padding) = (options.kernel[axis], options.stride[axis], options.padding[axis]);
    let starts = (0..=size + 2 * padding - kernel).step_by(stride);
    starts.map(|start| start.saturating_sub(padding)..(start + kernel - padding).min(size)).collect()
}

fn run<B: Backend>(input: Tensor<B, 4>, [rows, columns]: [Vec<Range<usize>>; 2], kind: Kind) -> Tensor<B, 4> {
    let [batch, channels, height, width] = input.dims();
    let planes = batch * channels;
    let pool = Pool { shape: [batch, channels, rows.len(), columns.len()], planes, height, width, rows, columns, kind };
    match on_cpu::<B, _>(Call { input, pool }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

struct Call<B: Backend> {
    input: Tensor<B, 4>,
    pool: Pool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Max,
    /// By what the sum is divided, if not by the number of pixels.
    Mean {
        divisor: Option<f32>,
    },
}

#[derive(Clone, Debug)]
struct Pool {
    /// Of the output.
    shape: [usize; 4],
    planes: usize,
    height: usize,
    width: usize,
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    kind: Kind,
}

impl Pool {
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    fn outputs(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    fn split(&self, work: impl Fn(Range<usize>) + Sync) {
        threads::split(self.planes, (GRAIN / self.pixels().max(1)).max(1), work);
    }

    fn forward(&self, input: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; self.planes * self.outputs()];
        let shared = SharedSlice::new(&mut output);
        self.split(|planes| {
            for plane in planes {
                let input = &input[plane * self.pixels()..][..self.pixels()];
                // SAFETY: `split` hands out each plane once.
                let output = unsafe { shared.slice_mut(plane * self.outputs()..(plane + 1) * self.outputs()) };
                match self.kind {
                    Kind::Max => self.each(|index, window| output[index] = input[window.largest(input)]),
                    Kind::Mean { divisor } => self.each(|index, window| {
                        let sum: f32 = window.rows().map(|row| input[row].iter().sum::<f32>()).sum();
                        output[index] = sum / divisor.unwrap_or(window.pixels());
                    }),
                }
            }
        });
        output
    }

    /// The gradient by the input, which only the largest of windows need.
    fn backward(&self, input: Option<&[f32]>, gradient: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; self.planes * self.pixels()];
        let shared = SharedSlice::new(&mut output);
        self.split(|planes| {
            for plane in planes {
                let gradient = &gradient[plane * self.outputs()..][..self.outputs()];
                let pixels = plane * self.pixels()..(plane + 1) * self.pixels();
                // SAFETY: `split` hands out each plane once.
                let output = unsafe { shared.slice_mut(pixels.clone()) };
                match (self.kind, input) {
                    (Kind::Mean { divisor }, _) => self.each(|index, window| {
                        let share = gradient[index] / divisor.unwrap_or(window.pixels());
                        window.rows().for_each(|row| output[row].iter_mut().for_each(|value| *value += share));
                    }),
                    (Kind::Max, Some(input)) => {
                        let input = &input[pixels];
                        self.each(|index, window| output[window.largest(input)] += gradient[index]);
                    }
                    (Kind::Max, None) => unreachable!("the input is kept for this"),
                }
            }
        });
        output
    }

    /// Calls `work` with every window and the place of its result.
    #[inline(always)]
    fn each(&self, mut work: impl FnMut(usize, Window<'_>)) {
        for (row, rows) in self.rows.iter().enumerate() {
            for (column, columns) in self.columns.iter().enumerate() {
                work(row * self.columns.len() + column, Window { rows, columns, width: self.width });
            }
        }
    }
}

/// Some pixels of a plane.
struct Window<'a> {
    rows: &'a Range<usize>,
    columns: &'a Range<usize>,
    /// Of the plane.
    width: usize,
}

impl Window<'_> {
    fn pixels(&self) -> f32 {
        (self.rows.len() * self.columns.len()) as f32
    }

    fn rows(&self) -> impl Iterator<Item = Range<usize>> {
        self.rows.clone().map(|row| row * self.width + self.columns.start..row * self.width + self.columns.end)
    }

    /// Where the first of the largest numbers is, or of those that are none.
    #[inline(always)]
    fn largest(&self, plane: &[f32]) -> usize {
        let mut place = self.rows.start * self.width + self.columns.start;
        let mut largest = plane[place];
        for row in self.rows() {
            for (index, &value) in row.clone().zip(&plane[row]) {
                if value > largest || (value.is_nan() && !largest.is_nan()) {
                    (place, largest) = (index, value);
                }
            }
        }
        place
    }
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 4>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 4> {
        let output = self.pool.forward(&C::buffer(into_plain::<B, C, 4>(self.input)));
        from_plain::<B, C, 4>(C::tensor(output, self.pool.shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 4> {
        let pool = self.pool;
        let input = into_tracked::<B, C, 4>(self.input);
        let values = C::buffer(input.primitive);
        let output = C::tensor(pool.forward(&values), pool.shape);
        let output = match PoolBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let input = matches!(pool.kind, Kind::Max).then_some(values);
                prep.finish(Saved { pool, input }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, 4>(output)
    }
}

#[derive(Debug)]
struct PoolBackward;

#[derive(Clone, Debug)]
struct Saved {
    pool: Pool,
    /// To find the largest again.
    input: Option<Buffer>,
}

impl<C: CpuBackend> Backward<C, 1> for PoolBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { pool, input } = ops.state;
        let gradient = C::buffer(grads.consume::<C>(&ops.node));
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let values = pool.backward(input.as_deref(), &gradient);
            let [batch, channels, ..] = pool.shape;
            add_gradient::<C>(grads, node.id, C::tensor(values, [batch, channels, pool.height, pool.width]));
        }
    }
}
