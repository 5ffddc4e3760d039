//! Group normalisation on the CPU: one pass over memory forward and one backward, in which the pixels of a group stay in the cache
//! where they are few enough. The input is kept, and two numbers of each group.

use super::kernel::squares;
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

pub(super) fn takes<B: Backend, const D: usize>(input: &Tensor<B, D>, affine: &Option<[Tensor<B, 1>; 2]>) -> bool {
    is_cpu::<B>() && is_f32(input) && affine.iter().flatten().all(is_f32)
}

pub(super) fn group_norm<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    groups: usize,
    affine: Option<[Tensor<B, 1>; 2]>,
    epsilon: f64,
) -> Tensor<B, D> {
    let sizes = Sizes::new(input.dims(), groups, epsilon);
    match on_cpu::<B, _>(Call { sizes, input, affine }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

/// The input seen as `[segments, channels of a group, pixels]`, where a segment is a group of an example.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    segments: usize,
    groups: usize,
    /// Of a group.
    channels: usize,
    pixels: usize,
    epsilon: f64,
}

impl Sizes {
    fn new<const D: usize>(shape: [usize; D], groups: usize, epsilon: f64) -> Self {
        let pixels = shape[2..].iter().product();
        let segments = if pixels == 0 { 0 } else { shape[0] * groups };
        Self { segments, groups, channels: shape[1] / groups, pixels, epsilon }
    }

    /// Numbers of a segment.
    fn segment(&self) -> usize {
        self.channels * self.pixels
    }

    /// Segments that are worth a thread.
    fn grain(&self) -> usize {
        (GRAIN / self.segment().max(1)).max(1)
    }

    /// The channels of a segment, of those of all groups.
    fn channels_of(&self, segment: usize) -> Range<usize> {
        let first = segment % self.groups * self.channels;
        first..first + self.channels
    }

    /// The output, and of each segment its mean and what is multiplied with what differs from it.
    fn forward(&self, input: &[f32], affine: Option<[&[f32]; 2]>) -> (Vec<f32>, Vec<[f32; 2]>) {
        let mut moments = vec![[0.0; 2]; self.segments];
        let shared = SharedSlice::new(moments.as_flattened_mut());
        let [output] = threads::new_rows(self.segments, self.segment(), self.grain(), |first, [output]| {
            let segments = first..first + output.len() / self.segment();
            let input = &input[first * self.segment()..][..output.len()];
            // SAFETY: `new_rows` hands out rows that do not overlap.
            let (moments, _) = unsafe { shared.slice_mut(2 * segments.start..2 * segments.end) }.as_chunks_mut();
            dispatch(Forward { sizes: self, first, input, affine, output, moments });
        });
        (output, moments)
    }
}

struct Forward<'a> {
    sizes: &'a Sizes,
    /// The number of the first segment.
    first: usize,
    input: &'a [f32],
    affine: Option<[&'a [f32]; 2]>,
    output: &'a mut [f32],
    moments: &'a mut [[f32; 2]],
}

impl WithLanes for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, first, input, affine, output, moments } = self;
        let segments = input.chunks_exact(sizes.segment()).zip(output.chunks_exact_mut(sizes.segment()));
        for (number, ((input, output), moments)) in (first..).zip(segments.zip(moments)) {
            let mean = plane_sum::<L>(input) / sizes.segment() as f32;
            let variance = f64::from(squares::<L>(input, mean)) / sizes.segment() as f64;
            let inverse = (1.0 / (variance + sizes.epsilon).sqrt()) as f32;
            *moments = [mean, inverse];
            let planes = input.chunks_exact(sizes.pixels).zip(output.chunks_exact_mut(sizes.pixels));
            for (channel, (input, output)) in sizes.channels_of(number).zip(planes) {
                let (weight, bias) = match affine {
                    Some([weight, bias]) => (weight[channel], bias[channel]),
                    None => (1.0, 0.0),
                };
                let scale = inverse * weight;
                linear::<L>(input, [scale, bias - mean * scale], output);
            }
        }
    }
}

/// `input · scale + shift`
#[inline(always)]
fn linear<L: Lanes>(input: &[f32], numbers: [f32; 2], output: &mut [f32]) {
    let [scale, shift] = numbers.map(L::splat);
    for (input, output) in input.chunks(WIDTH).zip(output.chunks_mut(WIDTH)) {
        L::load_partly(input).mul_add(scale, shift).store_partly(output);
    }
}

/// Everything that the backward pass needs.
#[derive(Clone, Debug)]
struct Saved {
    sizes: Sizes,
    input: Buffer,
    weight: Option<Buffer>,
    moments: Vec<[f32; 2]>,
}

impl Saved {
    /// Turns the output's gradient into the input's, and returns those of weight and bias.
    fn gradients(&self, gradient: &mut [f32]) -> [Vec<f32>; 2] {
        let sizes = &self.sizes;
        let all = sizes.groups * sizes.channels;
        // Of every plane its part of the weight's gradient and of the bias's.
        let mut sums = vec![[0.0; 2]; sizes.segments * sizes.channels];
        {
            let sums = SharedSlice::new(sums.as_flattened_mut());
            let grain = sizes.grain();
            let rows = |first: usize, gradient: &mut [f32]| {
                let segments = first..first + gradient.len() / sizes.segment();
                let planes = 2 * sizes.channels * segments.start..2 * sizes.channels * segments.end;
                // SAFETY: `split_rows` hands out segments that do not overlap.
                let (sums, _) = unsafe { sums.slice_mut(planes) }.as_chunks_mut();
                dispatch(Slopes { saved: self, first, gradient, sums });
            };
            threads::split_rows(gradient, sizes.segment().max(1), grain, rows);
        }
        // One example after the other: the threads have no say in the rounding.
        let total = |channel: usize, which: usize| {
            let planes = sums.iter().skip(channel).step_by(all.max(1));
            planes.map(|sums| f64::from(sums[which])).sum::<f64>() as f32
        };
        [0, 1].map(|which| (0..all).map(|channel| total(channel, which)).collect())
    }
}

/// The gradients of some segments.
struct Slopes<'a> {
    saved: &'a Saved,
    /// The number of the first segment.
    first: usize,
    /// The output's gradient in these segments, which becomes the input's.
    gradient: &'a mut [f32],
    /// Of each plane, the sum of its product with the normalised input, and the sum.
    sums: &'a mut [[f32; 2]],
}

impl WithLanes for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { saved, first, gradient, sums } = self;
        let sizes = &saved.sizes;
        let input = saved.input[first * sizes.segment()..].chunks_exact(sizes.segment());
        let gradient = gradient.chunks_exact_mut(sizes.segment());
        for (number, ((input, gradient), sums)) in
            (first..).zip(input.zip(gradient).zip(sums.chunks_exact_mut(sizes.channels)))
        {
            let [mean, inverse] = saved.moments[number];
            // The sums over the segment of the gradient before the scale, and of its product with the normalised input.
            let (mut sum, mut product) = (0.0_f32, 0.0_f32);
            let planes = input.chunks_exact(sizes.pixels).zip(gradient.chunks_exact(sizes.pixels));
            for (channel, ((input, gradient), sums)) in sizes.channels_of(number).zip(planes.zip(sums)) {
                *sums = plane_slopes::<L>(input, gradient, [mean, inverse]);
                let weight = saved.weight_of(channel);
                product += sums[0] * weight;
                sum += sums[1] * weight;
            }
            // The moments move with the input: what of the gradient would shift or scale the whole segment is taken out.
            let count = sizes.segment() as f32;
            let slope = -inverse * inverse * (product / count);
            let level = -inverse * (sum / count) - slope * mean;
            let planes = input.chunks_exact(sizes.pixels).zip(gradient.chunks_exact_mut(sizes.pixels));
            for (channel, (input, gradient)) in sizes.channels_of(number).zip(planes) {
                input_slopes::<L>(input, gradient, [inverse * saved.weight_of(channel), slope, level]);
            }
        }
    }
}

impl Saved {
    #[inline(always)]
    fn weight_of(&self, channel: usize) -> f32 {
        match &self.weight {
            Some(weight) => weight[channel],
            None => 1.0,
        }
    }
}

/// The sum of the gradient's product with the normalised input, and that of the gradient.
#[inline(always)]
fn plane_slopes<L: Lanes>(input: &[f32], gradient: &[f32], moments: [f32; 2]) -> [f32; 2] {
    let [mean, inverse] = moments;
    // Two of each, so that one addition need not wait for the one before.
    let mut sums = [[L::splat(0.0); 2]; 2];
    for (index, (input, gradient)) in input.chunks(WIDTH).zip(gradient.chunks(WIDTH)).enumerate() {
        // Behind the end of the plane the gradient is 0.
        let (centred, gradient) = (L::load_partly(input).sub(L::splat(mean)), L::load_partly(gradient));
        let sums = &mut sums[index % 2];
        *sums = [centred.mul_add(gradient, sums[0]), gradient.add(sums[1])];
    }
    let [even, odd] = sums;
    [even[0].add(odd[0]).sum() * inverse, even[1].add(odd[1]).sum()]
}

/// The gradient of the input as `gradient · scale + input · slope + level`.
#[inline(always)]
fn input_slopes<L: Lanes>(input: &[f32], gradient: &mut [f32], numbers: [f32; 3]) {
    let [scale, slope, level] = numbers.map(L::splat);
    for (input, gradient) in input.chunks(WIDTH).zip(gradient.chunks_mut(WIDTH)) {
        let through = L::load_partly(input).mul_add(slope, level);
        L::load_partly(gradient).mul_add(scale, through).store_partly(gradient);
    }
}

struct Call<B: Backend, const D: usize> {
    sizes: Sizes,
    input: Tensor<B, D>,
    affine: Option<[Tensor<B, 1>; 2]>,
}

impl<B: Backend, const D: usize> OnCpu for Call<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = C::buffer(into_plain::<B, C, D>(self.input));
        let affine = self.affine.map(|affine| affine.map(|of_channels| C::buffer(into_plain::<B, C, 1>(of_channels))));
        let affine = affine.as_ref().map(|affine| affine.each_ref().map(|of_channels| &**of_channels));
        let (output, _) = self.sizes.forward(&input, affine);
        from_plain::<B, C, D>(C::tensor(output, shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = into_tracked::<B, C, D>(self.input);
        let affine = self.affine.map(|affine| affine.map(into_tracked::<B, C, 1>));
        let input_values = C::buffer(input.primitive);
        let affine_values =
            affine.as_ref().map(|affine| affine.each_ref().map(|of_channels| C::buffer(of_channels.primitive.clone())));
        let slices = affine_values.as_ref().map(|affine| affine.each_ref().map(|of_channels| &**of_channels));
        let (output, moments) = self.sizes.forward(&input_values, slices);
        let output = C::tensor(output, shape);
        let weight = affine_values.map(|[weight, _]| weight);
        let saved = Saved { sizes: self.sizes, input: input_values, weight, moments };
        let output: Tracked<C> = match affine {
            Some([weight, bias]) => {
                let nodes = [input.node, weight.node, bias.node];
                match GroupNormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
            None => match GroupNormBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(saved, output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            },
        };
        from_tracked::<B, C, D>(output)
    }
}

#[derive(Debug)]
struct GroupNormBackward;

/// With parents input and (where there are three) weight and bias.
impl<C: CpuBackend, const N: usize> Backward<C, N> for GroupNormBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let saved = ops.state;
        let parent = |index: usize| ops.parents.get(index).cloned().flatten();
        let mut of_channels = [Vec::new(), Vec::new()];
        let by_input = C::update(grads.consume::<C>(&ops.node), |gradient| of_channels = saved.gradients(gradient));
        if let Some(node) = parent(0) {
            add_gradient::<C>(grads, node.id, by_input);
        }
        for (index, values) in (1..).zip(of_channels) {
            if let Some(node) = parent(index) {
                let channels = values.len();
                add_gradient::<C>(grads, node.id, C::tensor(values, [channels]));
            }
        }
    }
}
