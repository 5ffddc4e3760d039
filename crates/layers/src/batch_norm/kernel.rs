//! Batch normalisation on the CPU: two passes over memory forward and two backward. Only the input is kept, and the shortcut
//! where a rectifier follows it: whether it let a number through is computed again.

use super::{BatchNormOptions, BatchStatistics, portable::planes};
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, Tracked, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu,
    is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    on_cpu,
    planes::{GRAIN, plane_sum},
    threads::{self, SharedSlice},
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata, backend::Backend};
use std::ops::Range;

pub(super) fn takes<B: Backend, const D: usize>(
    input: &Tensor<B, D>,
    of_channels: [&Tensor<B, 1>; 2],
    shortcut: &Option<Tensor<B, D>>,
) -> bool {
    is_cpu::<B>() && is_f32(input) && of_channels.into_iter().all(is_f32) && shortcut.as_ref().is_none_or(is_f32)
}

pub(super) fn train<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> (Tensor<B, D>, BatchStatistics<B>) {
    let device = input.device();
    let sizes = Sizes::new(input.dims());
    let call = Call { sizes, input, weight, bias, shortcut, statistics: None, options: *options };
    let (output, statistics) = run(call);
    let of_channels = |values: Vec<f32>| {
        Tensor::from_data(TensorData::new(values, [sizes.channels]), (&device, DType::F32)) // [channels]
    };
    let variance = statistics.unbiased_variance(sizes.count());
    (output, BatchStatistics { mean: of_channels(statistics.mean), variance: of_channels(variance) })
}

pub(super) fn infer<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    statistics: [Tensor<B, 1>; 2],
    shortcut: Option<Tensor<B, D>>,
    options: &BatchNormOptions,
) -> Tensor<B, D> {
    let sizes = Sizes::new(input.dims());
    run(Call { sizes, input, weight, bias, shortcut, statistics: Some(statistics), options: *options }).0
}

fn run<B: Backend, const D: usize>(call: Call<B, D>) -> (Tensor<B, D>, Statistics) {
    match on_cpu::<B, _>(call) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

/// The input seen as `[batch, channels, pixels]`.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    channels: usize,
    pixels: usize,
    /// Batch times channels.
    planes: usize,
}

/// Mean and biased variance of each channel.
#[derive(Clone, Debug)]
struct Statistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Statistics {
    fn unbiased_variance(&self, count: usize) -> Vec<f32> {
        let factor = count as f64 / count.saturating_sub(1).max(1) as f64;
        self.variance.iter().map(|variance| (f64::from(*variance) * factor) as f32).collect()
    }
}

/// The normalisation as `input · scale + shift`, a number a channel.
#[derive(Clone, Debug)]
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

impl Affine {
    fn new(statistics: &Statistics, weight: &[f32], bias: &[f32], options: &BatchNormOptions) -> Self {
        let scale: Vec<f32> =
            weight.iter().zip(statistics.inverse_deviations(options.epsilon)).map(|(weight, by)| weight * by).collect();
        let shifts = bias.iter().zip(&statistics.mean).zip(&scale);
        let shift = shifts.map(|((bias, mean), scale)| bias - mean * scale).collect();
        Self { scale, shift, relu: options.relu }
    }
}

impl Statistics {
    fn inverse_deviations(&self, epsilon: f64) -> impl Iterator<Item = f32> {
        self.variance.iter().map(move |variance| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32)
    }
}

impl Sizes {
    fn new<const D: usize>(shape: [usize; D]) -> Self {
        let [batch, channels, pixels] = planes(shape);
        Self { channels, pixels, planes: if pixels == 0 { 0 } else { batch * channels } }
    }

    /// Numbers in a channel.
    fn count(&self) -> usize {
        self.planes / self.channels * self.pixels
    }

    /// Calls `work` with planes that cover all of them, on several threads where that is worth it.
    fn split(&self, work: impl Fn(Range<usize>) + Sync) {
        if self.planes == 0 {
            return;
        }
        threads::split(self.planes, (GRAIN / self.pixels.max(1)).max(1), work);
    }

    /// Two numbers of each plane, by a kernel that is given the planes and where to put the numbers.
    fn of_planes(&self, work: impl Fn(Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
        let mut numbers = vec![0.0; 2 * self.planes];
        let shared = SharedSlice::new(&mut numbers);
        self.split(|planes| {
            // SAFETY: `split` hands out planes that do not overlap.
            let numbers = unsafe { shared.slice_mut(2 * planes.start..2 * planes.end) };
            work(planes, numbers);
        });
        numbers
    }

    fn statistics(&self, input: &[f32]) -> Statistics {
        let moments = self.of_planes(|planes, moments| {
            dispatch(Moments { input: &input[self.numbers(&planes)], pixels: self.pixels, moments });
        });
        let (batch, pixels) = (self.planes / self.channels, self.pixels as f64);
        let mut statistics = Statistics { mean: vec![0.0; self.channels], variance: vec![0.0; self.channels] };
        for channel in 0..self.channels {
            // In a fixed order, as the formula of Chan et al. has it for parts of one size.
            let planes = || moments.chunks_exact(2).skip(channel).step_by(self.channels);
            let mean = planes().map(|moments| f64::from(moments[0])).sum::<f64>() / batch as f64;
            let squares =
                planes().map(|moments| f64::from(moments[1]) + pixels * (f64::from(moments[0]) - mean).powi(2));
            statistics.mean[channel] = mean as f32;
            statistics.variance[channel] = (squares.sum::<f64>() / self.count() as f64) as f32;
        }
        statistics
    }

    fn numbers(&self, planes: &Range<usize>) -> Range<usize> {
        planes.start * self.pixels..planes.end * self.pixels
    }

    fn forward(&self, input: &[f32], shortcut: Option<&[f32]>, affine: &Affine) -> Vec<f32> {
        let mut output = vec![0.0; input.len()];
        let shared = SharedSlice::new(&mut output);
        self.split(|planes| {
            // SAFETY: `split` hands out planes that do not overlap.
            let output = unsafe { shared.slice_mut(self.numbers(&planes)) };
            dispatch(Forward { sizes: self, planes, input, shortcut, affine, output });
        });
        output
    }

    /// The sums over each channel of the gradient that the rectifier lets through, and of its product with the input less
    /// its mean.
    fn gradient_sums(&self, saved: &Saved, gradient: &[f32]) -> [Vec<f64>; 2] {
        let sums = self.of_planes(|planes, sums| {
            dispatch(GradientSums { sizes: self, saved, planes, gradient, sums });
        });
        [0, 1].map(|which| {
            let channel = |channel| {
                let planes = sums.chunks_exact(2).skip(channel).step_by(self.channels);
                planes.map(|sums| f64::from(sums[which])).sum()
            };
            (0..self.channels).map(channel).collect()
        })
    }
}

/// Mean, and sum of the squares of what differs from it, of each plane.
struct Moments<'a> {
    input: &'a [f32],
    pixels: usize,
    moments: &'a mut [f32],
}

impl WithLanes for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (plane, moments) in self.input.chunks_exact(self.pixels).zip(self.moments.chunks_exact_mut(2)) {
            let mean = plane_sum::<L>(plane) / self.pixels as f32;
            let (blocks, rest) = plane.as_chunks::<{ 4 * WIDTH }>();
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
            moments.copy_from_slice(&[mean, squares]);
        }
    }
}

struct Forward<'a> {
    sizes: &'a Sizes,
    planes: Range<usize>,
    /// All of it, and so is the shortcut.
    input: &'a [f32],
    shortcut: Option<&'a [f32]>,
    affine: &'a Affine,
    /// Of these planes.
    output: &'a mut [f32],
}

impl WithLanes for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, planes, input, shortcut, affine, output } = self;
        for (plane, output) in planes.zip(output.chunks_exact_mut(sizes.pixels)) {
            let numbers = sizes.numbers(&(plane..plane + 1));
            let map = Map::<L>::new(affine, plane % sizes.channels);
            let input = input[numbers.clone()].chunks(WIDTH);
            let output = output.chunks_mut(WIDTH);
            match shortcut {
                Some(shortcut) => {
                    for ((output, input), shortcut) in output.zip(input).zip(shortcut[numbers].chunks(WIDTH)) {
                        let value = map.before_relu(L::load_partly(input)).add(L::load_partly(shortcut));
                        map.relu(value).store_partly(output);
                    }
                }
                None => {
                    for (output, input) in output.zip(input) {
                        map.relu(map.before_relu(L::load_partly(input))).store_partly(output);
                    }
                }
            }
        }
    }
}

/// What happens to the numbers of one channel.
#[derive(Clone, Copy)]
struct Map<L> {
    scale: L,
    shift: L,
    relu: bool,
}

impl<L: Lanes> Map<L> {
    #[inline(always)]
    fn new(affine: &Affine, channel: usize) -> Self {
        Self { scale: L::splat(affine.scale[channel]), shift: L::splat(affine.shift[channel]), relu: affine.relu }
    }

    #[inline(always)]
    fn before_relu(&self, input: L) -> L {
        input.mul_add(self.scale, self.shift)
    }

    #[inline(always)]
    fn relu(&self, value: L) -> L {
        if self.relu { value.at_least(L::splat(0.0)) } else { value }
    }

    /// The gradient behind the rectifier from that in front of it.
    #[inline(always)]
    fn through_relu(&self, gradient: L, input: L, shortcut: Option<L>) -> L {
        if !self.relu {
            return gradient;
        }
        let value = self.before_relu(input);
        let value = match shortcut {
            Some(shortcut) => value.add(shortcut),
            None => value,
        };
        L::splat(0.0).if_less(value, gradient, L::splat(0.0))
    }
}

/// The first eight numbers, where there are any.
#[inline(always)]
#[allow(clippy::manual_map)] // a closure would be compiled without the CPU's instructions
fn load<L: Lanes>(values: Option<&[f32]>) -> Option<L> {
    match values {
        Some(values) => Some(L::load_partly(values)),
        None => None,
    }
}

/// Everything that the backward pass needs.
#[derive(Clone, Debug)]
struct Saved {
    sizes: Sizes,
    input: Buffer,
    /// Only where a rectifier follows it.
    shortcut: Option<Buffer>,
    affine: Affine,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
    /// Whether the statistics are those of the input and depend on it.
    training: bool,
}

struct GradientSums<'a> {
    sizes: &'a Sizes,
    saved: &'a Saved,
    planes: Range<usize>,
    gradient: &'a [f32],
    sums: &'a mut [f32],
}

impl WithLanes for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, saved, planes, gradient, sums } = self;
        let (input, shortcut) = (&*saved.input, saved.shortcut.as_deref());
        for (plane, sums) in planes.zip(sums.chunks_exact_mut(2)) {
            let channel = plane % sizes.channels;
            let map = Map::<L>::new(&saved.affine, channel);
            let mean = L::splat(saved.mean[channel]);
            let numbers = sizes.numbers(&(plane..plane + 1));
            let gradient = gradient[numbers.clone()].chunks(WIDTH);
            let inputs = input[numbers.clone()].chunks(WIDTH);
            let shortcut = shortcut.map(|shortcut| &shortcut[numbers]);
            // Two of each, so that one addition need not wait for the one before.
            let mut sum = [L::splat(0.0); 2];
            let mut product = [L::splat(0.0); 2];
            for (index, (gradient, input)) in gradient.zip(inputs).enumerate() {
                let input = L::load_partly(input);
                let shortcut = load(shortcut.map(|shortcut| &shortcut[index * WIDTH..]));
                // Behind the end of the plane the gradient is 0.
                let through = map.through_relu(L::load_partly(gradient), input, shortcut);
                let which = index % 2;
                sum[which] = sum[which].add(through);
                product[which] = through.mul_add(input.sub(mean), product[which]);
            }
            sums[0] = sum[0].add(sum[1]).sum();
            sums[1] = product[0].add(product[1]).sum();
        }
    }
}

/// The gradients by the input, as `through · scale + input · slope + level`, and by the shortcut, `through`: what the rectifier
/// lets through.
struct InputGradients<'a> {
    saved: &'a Saved,
    planes: Range<usize>,
    /// `[channels]`
    slope: &'a [f32],
    level: &'a [f32],
    /// The output's gradient in these planes, which becomes the input's.
    gradient: &'a mut [f32],
    /// Of these planes; empty where nobody wants it.
    by_shortcut: &'a mut [f32],
}

impl WithLanes for InputGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { saved, planes, slope, level, gradient, by_shortcut } = self;
        let sizes = &saved.sizes;
        let (inputs, shortcuts) = (&*saved.input, saved.shortcut.as_deref());
        let mut by_shortcut = by_shortcut.chunks_exact_mut(sizes.pixels);
        for (plane, gradient) in planes.zip(gradient.chunks_exact_mut(sizes.pixels)) {
            let channel = plane % sizes.channels;
            let map = Map::<L>::new(&saved.affine, channel);
            let (slope, level) = (L::splat(slope[channel]), L::splat(level[channel]));
            let numbers = sizes.numbers(&(plane..plane + 1));
            let mut by_shortcut = by_shortcut.next().map(|plane| plane.chunks_mut(WIDTH));
            let mut shortcuts = shortcuts.map(|shortcut| shortcut[numbers.clone()].chunks(WIDTH));
            for (gradient, input) in gradient.chunks_mut(WIDTH).zip(inputs[numbers].chunks(WIDTH)) {
                let input = L::load_partly(input);
                let shortcut = load(shortcuts.as_mut().and_then(Iterator::next));
                let through = map.through_relu(L::load_partly(gradient), input, shortcut);
                if let Some(by_shortcut) = by_shortcut.as_mut().and_then(Iterator::next) {
                    through.store_partly(by_shortcut);
                }
                through.mul_add(map.scale, input.mul_add(slope, level)).store_partly(gradient);
            }
        }
    }
}

struct Call<B: Backend, const D: usize> {
    sizes: Sizes,
    input: Tensor<B, D>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    shortcut: Option<Tensor<B, D>>,
    /// Mean and variance, where they are not to be those of the batch.
    statistics: Option<[Tensor<B, 1>; 2]>,
    options: BatchNormOptions,
}

/// Of a mean and a variance, or of the input.
fn statistics_of(given: Option<[Buffer; 2]>, sizes: &Sizes, input: &[f32]) -> Statistics {
    match given {
        Some([mean, variance]) => Statistics { mean: mean.to_vec(), variance: variance.to_vec() },
        None => sizes.statistics(input),
    }
}

impl<B: Backend, const D: usize> OnCpu for Call<B, D> {
    type Output = (Tensor<B, D>, Statistics);

    fn plain<C: CpuBackend>(self) -> Self::Output {
        let shape = self.input.dims();
        let input = C::buffer(into_plain::<B, C, D>(self.input));
        let weight = C::buffer(into_plain::<B, C, 1>(self.weight));
        let bias = C::buffer(into_plain::<B, C, 1>(self.bias));
        let shortcut = self.shortcut.map(|shortcut| C::buffer(into_plain::<B, C, D>(shortcut)));
        let given = self.statistics.map(|given| given.map(|values| C::buffer(into_plain::<B, C, 1>(values))));
        let statistics = statistics_of(given, &self.sizes, &input);
        let affine = Affine::new(&statistics, &weight, &bias, &self.options);
        let output = self.sizes.forward(&input, shortcut.as_deref(), &affine);
        (from_plain::<B, C, D>(C::tensor(output, shape)), statistics)
    }

    fn tracked<C: CpuBackend>(self) -> Self::Output {
        let Self { sizes, options, .. } = self;
        let shape = self.input.dims();
        let input = into_tracked::<B, C, D>(self.input);
        let weight = into_tracked::<B, C, 1>(self.weight);
        let bias = into_tracked::<B, C, 1>(self.bias);
        let shortcut = self.shortcut.map(|shortcut| into_tracked::<B, C, D>(shortcut));
        let training = self.statistics.is_none();
        let given =
            self.statistics.map(|given| given.map(|values| C::buffer(into_tracked::<B, C, 1>(values).primitive)));

        let input_values = C::buffer(input.primitive);
        let shortcut_values = shortcut.as_ref().map(|shortcut| C::buffer(shortcut.primitive.clone()));
        let statistics = statistics_of(given, &sizes, &input_values);
        let affine = Affine::new(&statistics, &C::buffer(weight.primitive), &C::buffer(bias.primitive), &options);
        let output = C::tensor(sizes.forward(&input_values, shortcut_values.as_deref(), &affine), shape);
        let saved = Saved {
            sizes,
            input: input_values,
            shortcut: shortcut_values.filter(|_| options.relu),
            affine,
            mean: statistics.mean.clone(),
            inverse_deviation: statistics.inverse_deviations(options.epsilon).collect(),
            training,
        };
        let output: Tracked<C> = match shortcut {
            Some(shortcut) => {
                let nodes = [input.node, weight.node, bias.node, shortcut.node];
                match BatchNormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
            None => {
                let nodes = [input.node, weight.node, bias.node];
                match BatchNormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        };
        (from_tracked::<B, C, D>(output), statistics)
    }
}

#[derive(Debug)]
struct BatchNormBackward;

impl Saved {
    /// Turns the output's gradient into the input's and returns the shortcut's, or nothing unless it is `wanted`. `sums` are those
    /// of [`Sizes::gradient_sums`].
    fn input_gradients(&self, gradient: &mut [f32], sums: &[Vec<f64>; 2], wanted: bool) -> Vec<f32> {
        let sizes = &self.sizes;
        let (mut slope, mut level) = (vec![0.0; sizes.channels], vec![0.0; sizes.channels]);
        if self.training {
            // The statistics move with the input: what of the gradient would shift or scale the whole channel is taken out.
            let count = sizes.count() as f64;
            for channel in 0..sizes.channels {
                let scale = f64::from(self.affine.scale[channel]);
                let inverse = f64::from(self.inverse_deviation[channel]);
                let by = -scale * inverse * inverse * sums[1][channel] / count;
                slope[channel] = by as f32;
                level[channel] = (-scale * sums[0][channel] / count - by * f64::from(self.mean[channel])) as f32;
            }
        }
        let mut by_shortcut = vec![0.0; if wanted { gradient.len() } else { 0 }];
        let (shared, shared_shortcut) = (SharedSlice::new(gradient), SharedSlice::new(&mut by_shortcut));
        sizes.split(|planes| {
            let numbers = sizes.numbers(&planes);
            // SAFETY: `split` hands out planes that do not overlap.
            let gradient = unsafe { shared.slice_mut(numbers.clone()) };
            // SAFETY: as above.
            let by_shortcut = unsafe { shared_shortcut.slice_mut(if wanted { numbers } else { 0..0 }) };
            let (slope, level) = (&slope, &level);
            dispatch(InputGradients { saved: self, planes, slope, level, gradient, by_shortcut });
        });
        by_shortcut
    }
}

/// With parents input, weight, bias and (where there are four) shortcut.
impl<C: CpuBackend, const N: usize> Backward<C, N> for BatchNormBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let saved = ops.state;
        let sizes = &saved.sizes;
        let gradient = grads.consume::<C>(&ops.node);
        let shape = gradient.shape();
        let parent = |index: usize| ops.parents.get(index).cloned().flatten();
        let sums = sizes.gradient_sums(&saved, &C::buffer(gradient.clone()));

        let mut shortcut = parent(3);
        if let Some(node) = shortcut.take_if(|_| !saved.affine.relu) {
            add_gradient::<C>(grads, node.id, gradient.clone()); // nothing has happened to it
        }
        if parent(0).is_some() || shortcut.is_some() {
            let mut by_shortcut = Vec::new();
            let by_input = C::update(gradient, |gradient| {
                by_shortcut = saved.input_gradients(gradient, &sums, shortcut.is_some());
            });
            if let Some(node) = parent(0) {
                add_gradient::<C>(grads, node.id, by_input);
            }
            if let Some(node) = shortcut {
                add_gradient::<C>(grads, node.id, C::tensor(by_shortcut, shape));
            }
        }
        let [by_bias, products] = sums;
        if let Some(node) = parent(1) {
            let values = products.iter().zip(&saved.inverse_deviation).map(|(sum, by)| (sum * f64::from(*by)) as f32);
            add_gradient::<C>(grads, node.id, C::tensor(values.collect(), [sizes.channels]));
        }
        if let Some(node) = parent(2) {
            let values = by_bias.iter().map(|sum| *sum as f32).collect();
            add_gradient::<C>(grads, node.id, C::tensor(values, [sizes.channels]));
        }
    }
}
