//! Both normalisations on the CPU: one pass over memory forward and one backward, in which a row stays in the cache. The input
//! is kept, and two numbers of each row.

use crate::cpu::{
    Buffer, CpuBackend, OnCpu, Tracked, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu,
    is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    on_cpu,
    planes::plane_sum,
    threads::{self, SharedSlice},
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 13;

/// Rows whose gradients of the weight are summed by one thread: a number of its own, so that the sum's order has nothing to do
/// with the threads.
const BLOCK: usize = 64;

pub(super) fn takes<B: Backend, const D: usize>(
    input: &Tensor<B, D>,
    weight: &Tensor<B, 1>,
    bias: &Option<Tensor<B, 1>>,
) -> bool {
    is_cpu::<B>() && is_f32(input) && is_f32(weight) && bias.as_ref().is_none_or(is_f32)
}

pub(super) fn layer_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Option<Tensor<B, 1>>,
    epsilon: f64,
) -> Tensor<B, D> {
    run(Call { sizes: Sizes::new(&weight, true, epsilon), input, weight, bias })
}

pub(super) fn rms_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    epsilon: f64,
) -> Tensor<B, D> {
    run(Call { sizes: Sizes::new(&weight, false, epsilon), input, weight, bias: None })
}

fn run<B: Backend, const D: usize>(call: Call<B, D>) -> Tensor<B, D> {
    match on_cpu::<B, _>(call) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Of a row.
    size: usize,
    /// Whether the mean is taken out: layer normalisation.
    centred: bool,
    epsilon: f64,
}

impl Sizes {
    fn new<B: Backend>(weight: &Tensor<B, 1>, centred: bool, epsilon: f64) -> Self {
        let [size] = weight.dims();
        Self { size, centred, epsilon }
    }

    fn numbers(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.size..rows.end * self.size
    }

    /// The output, and of each row what is taken out of it and what it is multiplied with.
    fn forward(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Vec<[f32; 2]>) {
        let rows = input.len().checked_div(self.size).unwrap_or(0);
        let mut moments = vec![[0.0; 2]; rows];
        let zeros = vec![0.0; if bias.is_none() { self.size } else { 0 }];
        let bias = bias.unwrap_or(&zeros);
        let shared = SharedSlice::new(moments.as_flattened_mut());
        let grain = (GRAIN / self.size.max(1)).max(1);
        let [output] = threads::new_rows(rows, self.size, grain, |first, [output]| {
            let rows = first..first + output.len() / self.size;
            let input = &input[self.numbers(&rows)];
            // SAFETY: `new_rows` hands out rows that do not overlap.
            let (moments, _) = unsafe { shared.slice_mut(2 * rows.start..2 * rows.end) }.as_chunks_mut();
            dispatch(Forward { sizes: self, input, weight, bias, output, moments });
        });
        (output, moments)
    }
}

struct Forward<'a> {
    sizes: &'a Sizes,
    input: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    output: &'a mut [f32],
    moments: &'a mut [[f32; 2]],
}

impl WithLanes for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, input, weight, bias, output, moments } = self;
        let rows = input.chunks_exact(sizes.size).zip(output.chunks_exact_mut(sizes.size));
        for ((row, output), moments) in rows.zip(moments) {
            let mean = if sizes.centred { plane_sum::<L>(row) / sizes.size as f32 } else { 0.0 };
            let variance = f64::from(squares::<L>(row, mean)) / sizes.size as f64;
            let inverse = (1.0 / (variance + sizes.epsilon).sqrt()) as f32;
            *moments = [mean, inverse];
            scale_and_shift::<L>(row, *moments, weight, bias, output);
        }
    }
}

/// The sum of the squares of what differs from `mean`, of four vectors side by side.
#[inline(always)]
pub(super) fn squares<L: Lanes>(row: &[f32], mean: f32) -> f32 {
    let (blocks, rest) = row.as_chunks::<{ 4 * WIDTH }>();
    let mut sums = [L::splat(0.0); 4];
    for block in blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact(WIDTH)) {
            let centred = L::load(part).sub(L::splat(mean));
            *sum = centred.mul_add(centred, *sum);
        }
    }
    let mut squares = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum();
    for value in rest {
        squares += (value - mean) * (value - mean);
    }
    squares
}

#[inline(always)]
fn scale_and_shift<L: Lanes>(row: &[f32], moments: [f32; 2], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    let [mean, inverse] = moments.map(L::splat);
    let ([row, weight, bias], rests) = in_vectors([row, weight, bias]);
    let (output, output_rest) = output.as_chunks_mut::<WIDTH>();
    for (((row, weight), bias), output) in row.iter().zip(weight).zip(bias).zip(output) {
        L::load(row).sub(mean).mul(inverse).mul_add(L::load(weight), L::load(bias)).store(output);
    }
    let [row, weight, bias] = rests.map(L::load_partly);
    row.sub(mean).mul(inverse).mul_add(weight, bias).store_partly(output_rest);
}

/// Slices as whole vectors, and what is left of each.
#[inline(always)]
fn in_vectors<const N: usize>(slices: [&[f32]; N]) -> ([&[[f32; WIDTH]]; N], [&[f32]; N]) {
    let (mut vectors, mut rests) = ([&[][..]; N], [&[][..]; N]);
    for (slice, (vectors, rest)) in slices.into_iter().zip(vectors.iter_mut().zip(&mut rests)) {
        (*vectors, *rest) = slice.as_chunks();
    }
    (vectors, rests)
}

/// Everything that the backward pass needs.
#[derive(Clone, Debug)]
struct Saved {
    sizes: Sizes,
    input: Buffer,
    weight: Buffer,
    moments: Vec<[f32; 2]>,
}

impl Saved {
    /// Turns the output's gradient into the input's, and returns those of weight and bias.
    fn gradients(&self, gradient: &mut [f32]) -> [Vec<f32>; 2] {
        let (size, rows) = (self.sizes.size, self.moments.len());
        let blocks = rows.div_ceil(BLOCK);
        let mut sums = vec![0.0; blocks * 2 * size];
        {
            let gradient = SharedSlice::new(gradient);
            let grain = GRAIN / (BLOCK * size).max(1);
            threads::split_rows(&mut sums, 2 * size, grain, |first, sums| {
                for (block, sums) in (first..).zip(sums.chunks_exact_mut(2 * size)) {
                    let rows = block * BLOCK..rows.min((block + 1) * BLOCK);
                    // SAFETY: `split_rows` hands out blocks that do not overlap.
                    let gradient = unsafe { gradient.slice_mut(self.sizes.numbers(&rows)) };
                    let (by_weight, by_bias) = sums.split_at_mut(size);
                    dispatch(Slopes { saved: self, rows, gradient, by_weight, by_bias });
                }
            });
        }
        // One block after the other: the threads have no say in the rounding.
        let mut totals = vec![0.0_f64; 2 * size];
        for sums in sums.chunks_exact((2 * size).max(1)) {
            totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        let (by_weight, by_bias) = totals.split_at(size);
        [by_weight, by_bias].map(|totals| totals.iter().map(|&total| total as f32).collect())
    }
}

/// The gradients of a block of rows.
struct Slopes<'a> {
    saved: &'a Saved,
    rows: Range<usize>,
    /// The output's gradient in these rows, which becomes the input's.
    gradient: &'a mut [f32],
    /// `[size]`, zeros before
    by_weight: &'a mut [f32],
    /// `[size]`, zeros before
    by_bias: &'a mut [f32],
}

impl WithLanes for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { saved, rows, gradient, by_weight, by_bias } = self;
        let sizes = &saved.sizes;
        let input = saved.input[sizes.numbers(&rows)].chunks_exact(sizes.size);
        let gradient = gradient.chunks_exact_mut(sizes.size);
        for ((row, gradient), &moments) in input.zip(gradient).zip(&saved.moments[rows]) {
            let [sum, product] = add_slopes::<L>(row, gradient, &saved.weight, moments, [by_weight, by_bias]);
            let [mean, inverse] = moments;
            // The moments move with the input: what of the gradient would shift or scale the whole row is taken out.
            let slope = -inverse * inverse * (product / sizes.size as f32);
            let level = if sizes.centred { -inverse * (sum / sizes.size as f32) - slope * mean } else { 0.0 };
            input_slopes::<L>(row, gradient, &saved.weight, [inverse, slope, level]);
        }
    }
}

/// Adds a row's part to the gradients of weight and bias. Returns the sums over the row of the gradient before the scale, and
/// of its product with the normalised input.
#[inline(always)]
fn add_slopes<L: Lanes>(
    row: &[f32],
    gradient: &[f32],
    weight: &[f32],
    moments: [f32; 2],
    [by_weight, by_bias]: [&mut [f32]; 2],
) -> [f32; 2] {
    let [mean, inverse] = moments.map(L::splat);
    let ([row, gradient, weight], rests) = in_vectors([row, gradient, weight]);
    let (by_weight, by_weight_rest) = by_weight.as_chunks_mut::<WIDTH>();
    let (by_bias, by_bias_rest) = by_bias.as_chunks_mut::<WIDTH>();
    // Two of each, so that one addition need not wait for the one before.
    let mut sums = [[L::splat(0.0); 2]; 2];
    let arguments = row.iter().zip(gradient).zip(weight).zip(by_weight.iter_mut().zip(by_bias));
    for (index, (((row, gradient), weight), (by_weight, by_bias))) in arguments.enumerate() {
        let normal = L::load(row).sub(mean).mul(inverse);
        let (gradient, sums) = (L::load(gradient), &mut sums[index % 2]);
        normal.mul_add(gradient, L::load(by_weight)).store(by_weight);
        gradient.add(L::load(by_bias)).store(by_bias);
        let scaled = gradient.mul(L::load(weight));
        *sums = [sums[0].add(scaled), scaled.mul_add(normal, sums[1])];
    }
    // Behind the end of the row the gradient is 0.
    let [row, gradient, weight] = rests.map(L::load_partly);
    let normal = row.sub(mean).mul(inverse);
    normal.mul_add(gradient, L::load_partly(by_weight_rest)).store_partly(by_weight_rest);
    gradient.add(L::load_partly(by_bias_rest)).store_partly(by_bias_rest);
    let scaled = gradient.mul(weight);
    let [even, odd] = sums;
    [even[0].add(odd[0]).add(scaled).sum(), scaled.mul_add(normal, even[1].add(odd[1])).sum()]
}

/// The gradient of the input as `gradient · weight · scale + input · slope + level`.
#[inline(always)]
fn input_slopes<L: Lanes>(row: &[f32], gradient: &mut [f32], weight: &[f32], numbers: [f32; 3]) {
    let [scale, slope, level] = numbers.map(L::splat);
    let ([row, weight], rests) = in_vectors([row, weight]);
    let (gradient, gradient_rest) = gradient.as_chunks_mut::<WIDTH>();
    for ((row, weight), gradient) in row.iter().zip(weight).zip(gradient) {
        let through = L::load(gradient).mul(L::load(weight));
        through.mul_add(scale, L::load(row).mul_add(slope, level)).store(gradient);
    }
    let [row, weight] = rests.map(L::load_partly);
    let through = L::load_partly(gradient_rest).mul(weight);
    through.mul_add(scale, row.mul_add(slope, level)).store_partly(gradient_rest);
}

struct Call<B: Backend, const D: usize> {
    sizes: Sizes,
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Option<Tensor<B, 1>>,
}

impl<B: Backend, const D: usize> OnCpu for Call<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = C::buffer(into_plain::<B, C, D>(self.input));
        let weight = C::buffer(into_plain::<B, C, 1>(self.weight));
        let bias = self.bias.map(|bias| C::buffer(into_plain::<B, C, 1>(bias)));
        let (output, _) = self.sizes.forward(&input, &weight, bias.as_deref());
        from_plain::<B, C, D>(C::tensor(output, shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = into_tracked::<B, C, D>(self.input);
        let weight = into_tracked::<B, C, 1>(self.weight);
        let bias = self.bias.map(|bias| into_tracked::<B, C, 1>(bias));
        let (input_values, weight_values) = (C::buffer(input.primitive), C::buffer(weight.primitive));
        let bias_values = bias.as_ref().map(|bias| C::buffer(bias.primitive.clone()));
        let (output, moments) = self.sizes.forward(&input_values, &weight_values, bias_values.as_deref());
        let output = C::tensor(output, shape);
        let saved = Saved { sizes: self.sizes, input: input_values, weight: weight_values, moments };
        let output: Tracked<C> = match bias {
            Some(bias) => {
                let nodes = [input.node, weight.node, bias.node];
                match NormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
            None => {
                let nodes = [input.node, weight.node];
                match NormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        };
        from_tracked::<B, C, D>(output)
    }
}

#[derive(Debug)]
struct NormBackward;

/// With parents input, weight and (where there are three) bias.
impl<C: CpuBackend, const N: usize> Backward<C, N> for NormBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let saved = ops.state;
        let parent = |index: usize| ops.parents.get(index).cloned().flatten();
        let mut of_features = [Vec::new(), Vec::new()];
        let by_input = C::update(grads.consume::<C>(&ops.node), |gradient| of_features = saved.gradients(gradient));
        if let Some(node) = parent(0) {
            add_gradient::<C>(grads, node.id, by_input);
        }
        for (index, values) in (1..).zip(of_features) {
            if let Some(node) = parent(index) {
                add_gradient::<C>(grads, node.id, C::tensor(values, [saved.sizes.size]));
            }
        }
    }
}
