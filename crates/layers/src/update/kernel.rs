//! The updates on the CPU: one pass over memory, eight numbers at a time.

use super::{AdamFactors, AdamHyper, RmsPropHyper, RmsPropState, SgdHyper, portable};
use crate::cpu::{
    CpuBackend, OnCpu, from_plain, into_plain,
    lanes::{self, Lanes, WIDTH, WithLanes},
    threads::{self, SharedSlice},
};
use burn::tensor::{Tensor, backend::Backend};

/// How many numbers make a task of their own. Handing a task to another thread costs some microseconds, and so does
/// updating this many.
const GRAIN: usize = 1 << 15;

/// An update that reads and writes `N` slices number by number, and reads one more.
trait Elementwise<const N: usize>: Copy + Sync {
    /// The new values of the `N`, from the old ones and the one that is only read.
    fn apply<L: Lanes>(self, values: [L; N], read: L) -> [L; N];
}

/// Runs an update over whole slices of one length, on several threads where they are long.
fn run<const N: usize, U: Elementwise<N>>(update: U, values: [&mut [f32]; N], read: &[f32]) {
    assert!(values.iter().all(|values| values.len() == read.len()), "an update takes tensors of one shape");
    let values = values.map(SharedSlice::new);
    threads::split(read.len(), GRAIN, |range| {
        let values = values.each_ref().map(|values| {
            // SAFETY: `split` hands out ranges that do not overlap.
            unsafe { values.slice_mut(range.clone()) }
        });
        lanes::dispatch(Pass { update, values, read: &read[range] });
    });
}

struct Pass<'a, const N: usize, U> {
    update: U,
    values: [&'a mut [f32]; N],
    read: &'a [f32],
}

impl<const N: usize, U: Elementwise<N>> WithLanes for Pass<'_, N, U> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { update, values, read } = self;
        let length = read.len();
        let whole = length - length % WIDTH;
        // Loops and not `array::map`, which the compiler leaves as a call to code without the CPU's instructions.
        let mut pointers = [std::ptr::null_mut::<f32>(); N];
        for (pointer, values) in pointers.iter_mut().zip(values) {
            assert_eq!(values.len(), length);
            *pointer = values.as_mut_ptr();
        }
        let mut old = [L::splat(0.0); N];
        let mut start = 0;
        while start < whole {
            // SAFETY: every slice holds `length` numbers, asserted above, and `start + WIDTH <= length`. The slices are
            // borrowed exclusively until the end of this function, and reached through these pointers alone.
            unsafe {
                for (old, pointer) in old.iter_mut().zip(pointers) {
                    *old = L::read(pointer.add(start));
                }
                let new = update.apply(old, L::read(read.as_ptr().add(start)));
                for (new, pointer) in new.into_iter().zip(pointers) {
                    new.write(pointer.add(start));
                }
            }
            start += WIDTH;
        }
        if whole < length {
            // SAFETY: as above; these are the numbers behind the last whole vector.
            let rest =
                |pointer: *mut f32| unsafe { std::slice::from_raw_parts_mut(pointer.add(whole), length - whole) };
            for (old, pointer) in old.iter_mut().zip(pointers) {
                *old = L::load_partly(rest(pointer));
            }
            let new = update.apply(old, L::load_partly(&read[whole..]));
            for (new, pointer) in new.into_iter().zip(pointers) {
                new.store_partly(rest(pointer));
            }
        }
    }
}

/// `grad * scale + param * decay`
#[inline(always)]
fn decayed<L: Lanes>(param: L, grad: L, scale: f32, decay: f32) -> L {
    param.mul_add(L::splat(decay), grad.mul(L::splat(scale)))
}

#[derive(Clone, Copy)]
struct Adam {
    scale: f32,
    l2: f32,
    keep: f32,
    first_rate: f32,
    second_keep: f32,
    second_rate: f32,
    root_factor: f32,
    eps: f32,
    step_size: f32,
}

impl Adam {
    fn new(hyper: &AdamHyper) -> Self {
        let factors = AdamFactors::new(hyper);
        Self {
            scale: hyper.grad_scale,
            l2: hyper.l2 as f32,
            keep: factors.keep as f32,
            first_rate: (1.0 - hyper.beta1) as f32,
            second_keep: hyper.beta2 as f32,
            second_rate: (1.0 - hyper.beta2) as f32,
            root_factor: (1.0 / factors.root_correction) as f32,
            eps: hyper.eps as f32,
            step_size: factors.step_size as f32,
        }
    }
}

impl Elementwise<3> for Adam {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, first, second]: [L; 3], grad: L) -> [L; 3] {
        let grad = decayed(param, grad, self.scale, self.l2);
        let first = grad.sub(first).mul_add(L::splat(self.first_rate), first);
        let square = grad.mul(grad).mul(L::splat(self.second_rate));
        let second = second.mul_add(L::splat(self.second_keep), square);
        let divisor = second.sqrt().mul_add(L::splat(self.root_factor), L::splat(self.eps));
        let step = first.mul(L::splat(self.step_size)).div(divisor);
        let param = param.mul(L::splat(self.keep)).sub(step);
        [param, first, second]
    }
}

pub(super) fn adamw<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    first: Tensor<B, D>,
    second: Tensor<B, D>,
    hyper: &AdamHyper,
) -> (Tensor<B, D>, Tensor<B, D>, Tensor<B, D>) {
    let call = AdamCall { tensors: [param, first, second], grad, hyper };
    let [param, first, second] = on_plain::<B, _>(call);
    (param, first, second)
}

struct AdamCall<'a, B: Backend, const D: usize> {
    tensors: [Tensor<B, D>; 3],
    grad: Tensor<B, D>,
    hyper: &'a AdamHyper,
}

impl<B: Backend, const D: usize> OnCpu for AdamCall<'_, B, D> {
    type Output = [Tensor<B, D>; 3];

    fn plain<C: CpuBackend>(self) -> Self::Output {
        update_3::<B, C, D>(Adam::new(self.hyper), self.tensors, self.grad)
    }

    fn tracked<C: CpuBackend>(self) -> Self::Output {
        let [param, first, second] = self.tensors;
        let (param, first, second) = portable::adamw(param, self.grad, first, second, self.hyper);
        [param, first, second]
    }
}

#[derive(Clone, Copy)]
struct PlainSgd {
    scale: f32,
    decay: f32,
    lr: f32,
}

impl Elementwise<1> for PlainSgd {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param]: [L; 1], grad: L) -> [L; 1] {
        let grad = decayed(param, grad, self.scale, self.decay);
        [grad.mul_add(L::splat(-self.lr), param)]
    }
}

#[derive(Clone, Copy)]
struct MomentumSgd {
    scale: f32,
    decay: f32,
    lr: f32,
    /// What stays of the buffer: 0 at the first step.
    keep: f32,
    /// What enters of the gradient: 1 at the first step.
    enter: f32,
    /// Nesterov's factor on the buffer, where the gradient itself is added to the direction.
    nesterov: Option<f32>,
}

impl Elementwise<2> for MomentumSgd {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, buffer]: [L; 2], grad: L) -> [L; 2] {
        let grad = decayed(param, grad, self.scale, self.decay);
        let buffer = buffer.mul_add(L::splat(self.keep), grad.mul(L::splat(self.enter)));
        let direction = match self.nesterov {
            Some(momentum) => buffer.mul_add(L::splat(momentum), grad),
            None => buffer,
        };
        [direction.mul_add(L::splat(-self.lr), param), buffer]
    }
}

pub(super) fn sgd<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    buffer: Option<Tensor<B, D>>,
    hyper: &SgdHyper,
) -> (Tensor<B, D>, Option<Tensor<B, D>>) {
    on_plain::<B, _>(SgdCall { param, grad, buffer, hyper })
}

struct SgdCall<'a, B: Backend, const D: usize> {
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    buffer: Option<Tensor<B, D>>,
    hyper: &'a SgdHyper,
}

impl<B: Backend, const D: usize> OnCpu for SgdCall<'_, B, D> {
    type Output = (Tensor<B, D>, Option<Tensor<B, D>>);

    fn plain<C: CpuBackend>(self) -> Self::Output {
        let hyper = self.hyper;
        let (scale, decay, lr) = (hyper.grad_scale, hyper.weight_decay as f32, hyper.lr as f32);
        if hyper.momentum == 0.0 {
            let [param] = update_1::<B, C, D>(PlainSgd { scale, decay, lr }, [self.param], self.grad);
            return (param, self.buffer);
        }
        let (keep, enter) = match self.buffer {
            Some(_) => (hyper.momentum as f32, (1.0 - hyper.dampening) as f32),
            None => (0.0, 1.0),
        };
        let buffer = self.buffer.unwrap_or_else(|| self.param.zeros_like());
        let update =
            MomentumSgd { scale, decay, lr, keep, enter, nesterov: hyper.nesterov.then_some(hyper.momentum as f32) };
        let [param, buffer] = update_2::<B, C, D>(update, [self.param, buffer], self.grad);
        (param, Some(buffer))
    }

    fn tracked<C: CpuBackend>(self) -> Self::Output {
        portable::sgd(self.param, self.grad, self.buffer, self.hyper)
    }
}

#[derive(Clone, Copy)]
struct RmsProp {
    scale: f32,
    decay: f32,
    alpha: f32,
    rate: f32,
    eps: f32,
    lr: f32,
}

impl RmsProp {
    fn new(hyper: &RmsPropHyper) -> Self {
        Self {
            scale: hyper.grad_scale,
            decay: hyper.weight_decay as f32,
            alpha: hyper.alpha as f32,
            rate: (1.0 - hyper.alpha) as f32,
            eps: hyper.eps as f32,
            lr: hyper.lr as f32,
        }
    }

    /// The (decayed) gradient and the new mean square.
    #[inline(always)]
    fn square<L: Lanes>(self, param: L, square: L, grad: L) -> (L, L) {
        let grad = decayed(param, grad, self.scale, self.decay);
        let new = grad.mul(grad).mul(L::splat(self.rate));
        (grad, square.mul_add(L::splat(self.alpha), new))
    }

    /// The new mean, and the variance about it.
    #[inline(always)]
    fn centre<L: Lanes>(self, mean: L, square: L, grad: L) -> (L, L) {
        let mean = grad.sub(mean).mul_add(L::splat(self.rate), mean);
        let variance = square.sub(mean.mul(mean)).at_least(L::splat(0.0));
        (mean, variance)
    }

    #[inline(always)]
    fn direction<L: Lanes>(self, grad: L, variance: L) -> L {
        grad.div(variance.sqrt().add(L::splat(self.eps)))
    }

    #[inline(always)]
    fn step<L: Lanes>(self, param: L, direction: L) -> L {
        direction.mul_add(L::splat(-self.lr), param)
    }
}

impl Elementwise<2> for RmsProp {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, square]: [L; 2], grad: L) -> [L; 2] {
        let (grad, square) = self.square(param, square, grad);
        [self.step(param, self.direction(grad, square)), square]
    }
}

#[derive(Clone, Copy)]
struct CentredRmsProp(RmsProp);

impl Elementwise<3> for CentredRmsProp {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, square, mean]: [L; 3], grad: L) -> [L; 3] {
        let (grad, square) = self.0.square(param, square, grad);
        let (mean, variance) = self.0.centre(mean, square, grad);
        let direction = self.0.direction(grad, variance);
        [self.0.step(param, direction), square, mean]
    }
}

#[derive(Clone, Copy)]
struct MomentumRmsProp {
    rule: RmsProp,
    momentum: f32,
}

impl Elementwise<3> for MomentumRmsProp {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, square, buffer]: [L; 3], grad: L) -> [L; 3] {
        let (grad, square) = self.rule.square(param, square, grad);
        let direction = self.rule.direction(grad, square);
        let buffer = buffer.mul_add(L::splat(self.momentum), direction);
        [self.rule.step(param, buffer), square, buffer]
    }
}

#[derive(Clone, Copy)]
struct CentredMomentumRmsProp {
    rule: RmsProp,
    momentum: f32,
}

impl Elementwise<4> for CentredMomentumRmsProp {
    #[inline(always)]
    fn apply<L: Lanes>(self, [param, square, mean, buffer]: [L; 4], grad: L) -> [L; 4] {
        let (grad, square) = self.rule.square(param, square, grad);
        let (mean, variance) = self.rule.centre(mean, square, grad);
        let direction = self.rule.direction(grad, variance);
        let buffer = buffer.mul_add(L::splat(self.momentum), direction);
        [self.rule.step(param, buffer), square, mean, buffer]
    }
}

pub(super) fn rmsprop<B: Backend, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    state: RmsPropState<B, D>,
    hyper: &RmsPropHyper,
) -> (Tensor<B, D>, RmsPropState<B, D>) {
    on_plain::<B, _>(RmsPropCall { param, grad, state, hyper })
}

struct RmsPropCall<'a, B: Backend, const D: usize> {
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    state: RmsPropState<B, D>,
    hyper: &'a RmsPropHyper,
}

impl<B: Backend, const D: usize> OnCpu for RmsPropCall<'_, B, D> {
    type Output = (Tensor<B, D>, RmsPropState<B, D>);

    fn plain<C: CpuBackend>(self) -> Self::Output {
        let Self { param, grad, mut state, hyper } = self;
        let rule = RmsProp::new(hyper);
        let momentum = hyper.momentum as f32;
        let mut mean = state.gradient_average.take().or_else(|| hyper.centered.then(|| param.zeros_like()));
        let mut buffer = state.momentum_buffer.take().or_else(|| (momentum > 0.0).then(|| param.zeros_like()));
        // A buffer that the options do not ask for is handed back as it is.
        let used_mean = hyper.centered.then(|| mean.take()).flatten();
        let used_buffer = (momentum > 0.0).then(|| buffer.take()).flatten();
        let square = state.square_average;
        let (param, square) = match (used_mean, used_buffer) {
            (None, None) => {
                let [param, square] = update_2::<B, C, D>(rule, [param, square], grad);
                (param, square)
            }
            (Some(used), None) => {
                let [param, square, used] = update_3::<B, C, D>(CentredRmsProp(rule), [param, square, used], grad);
                mean = Some(used);
                (param, square)
            }
            (None, Some(used)) => {
                let update = MomentumRmsProp { rule, momentum };
                let [param, square, used] = update_3::<B, C, D>(update, [param, square, used], grad);
                buffer = Some(used);
                (param, square)
            }
            (Some(used_mean), Some(used_buffer)) => {
                let update = CentredMomentumRmsProp { rule, momentum };
                let [param, square, used_mean, used_buffer] =
                    update_4::<B, C, D>(update, [param, square, used_mean, used_buffer], grad);
                (mean, buffer) = (Some(used_mean), Some(used_buffer));
                (param, square)
            }
        };
        let state = RmsPropState { square_average: square, gradient_average: mean, momentum_buffer: buffer };
        (param, state)
    }

    fn tracked<C: CpuBackend>(self) -> Self::Output {
        portable::rmsprop(self.param, self.grad, self.state, self.hyper)
    }
}

#[derive(Clone, Copy)]
struct Lerp {
    keep: f32,
    enter: f32,
}

impl Elementwise<1> for Lerp {
    #[inline(always)]
    fn apply<L: Lanes>(self, [ema]: [L; 1], weight: L) -> [L; 1] {
        [ema.mul_add(L::splat(self.keep), weight.mul(L::splat(self.enter)))]
    }
}

pub(super) fn lerp_<B: Backend, const D: usize>(ema: Tensor<B, D>, weight: Tensor<B, D>, decay: f64) -> Tensor<B, D> {
    on_plain::<B, _>(LerpCall { ema, weight, decay })
}

struct LerpCall<B: Backend, const D: usize> {
    ema: Tensor<B, D>,
    weight: Tensor<B, D>,
    decay: f64,
}

impl<B: Backend, const D: usize> OnCpu for LerpCall<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let update = Lerp { keep: self.decay as f32, enter: (1.0 - self.decay) as f32 };
        let [ema] = update_1::<B, C, D>(update, [self.ema], self.weight);
        ema
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        portable::lerp_(self.ema, self.weight, self.decay)
    }
}

pub(super) fn scale_by<B: Backend, const D: usize>(grad: Tensor<B, D>, factor: Tensor<B, 1>) -> Tensor<B, D> {
    on_plain::<B, _>(ScaleCall { grad, factor })
}

struct ScaleCall<B: Backend, const D: usize> {
    grad: Tensor<B, D>,
    factor: Tensor<B, 1>,
}

impl<B: Backend, const D: usize> OnCpu for ScaleCall<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let factor = C::buffer(into_plain::<B, C, 1>(self.factor))[0];
        // Clipping mostly leaves the gradient alone.
        if factor == 1.0 {
            return self.grad;
        }
        let grad = C::update(into_plain::<B, C, D>(self.grad), |values| {
            threads::split_rows(values, 1, GRAIN, |_, values| {
                values.iter_mut().for_each(|value| *value *= factor);
            });
        });
        from_plain::<B, C, D>(grad)
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        portable::scale_by(self.grad, self.factor)
    }
}

pub(super) fn sum_squares<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    on_plain::<B, _>(SumSquaresCall(tensor))
}

struct SumSquaresCall<B: Backend, const D: usize>(Tensor<B, D>);

impl<B: Backend, const D: usize> OnCpu for SumSquaresCall<B, D> {
    type Output = Tensor<B, 1>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 1> {
        /// Summed on its own; the same blocks whatever the number of threads.
        const BLOCK: usize = 1 << 12;
        let values = C::buffer(into_plain::<B, C, D>(self.0));
        let mut partial = vec![0.0; values.len().div_ceil(BLOCK)];
        threads::split_rows(&mut partial, 1, 2 * GRAIN / BLOCK, |first, partial| {
            let blocks = values[first * BLOCK..].chunks(BLOCK);
            for (sum, block) in partial.iter_mut().zip(blocks) {
                *sum = lanes::dispatch(SquaresOf(block));
            }
        });
        let sum: f64 = partial.iter().map(|&sum| f64::from(sum)).sum();
        from_plain::<B, C, 1>(C::tensor(vec![sum as f32], [1]))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 1> {
        portable::sum_squares(self.0)
    }
}

struct SquaresOf<'a>(&'a [f32]);

impl WithLanes for SquaresOf<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f32 {
        // Four sums, because each waits for its previous addition.
        let mut sums = [L::splat(0.0); 4];
        let chunks = self.0.chunks_exact(4 * WIDTH);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (index, sum) in sums.iter_mut().enumerate() {
                let values = L::load(&chunk[index * WIDTH..]);
                *sum = values.mul_add(values, *sum);
            }
        }
        for (chunk, sum) in rest.chunks(WIDTH).zip(&mut sums) {
            let values = L::load_partly(chunk);
            *sum = values.mul_add(values, *sum);
        }
        let [a, b, c, d] = sums;
        a.add(b).add(c.add(d)).sum()
    }
}

/// Runs what the caller knows to have a kernel.
fn on_plain<B: Backend, F: OnCpu>(call: F) -> F::Output {
    match crate::cpu::on_cpu::<B, _>(call) {
        Ok(output) => output,
        Err(_) => unreachable!("the caller asked whether the backend has a kernel"),
    }
}

// One tensor borrows its numbers for as long as a closure runs, hence a function for each count.

fn update_1<B: Backend, C: CpuBackend, const D: usize>(
    update: impl Elementwise<1>,
    [a]: [Tensor<B, D>; 1],
    read: Tensor<B, D>,
) -> [Tensor<B, D>; 1] {
    let read = C::buffer(into_plain::<B, C, D>(read));
    let a = C::update(into_plain::<B, C, D>(a), |a| run(update, [a], &read));
    [from_plain::<B, C, D>(a)]
}

fn update_2<B: Backend, C: CpuBackend, const D: usize>(
    update: impl Elementwise<2>,
    [a, b]: [Tensor<B, D>; 2],
    read: Tensor<B, D>,
) -> [Tensor<B, D>; 2] {
    let read = C::buffer(into_plain::<B, C, D>(read));
    let (a, b) = (into_plain::<B, C, D>(a), into_plain::<B, C, D>(b));
    let (a, b) = nested::<C, _>(a, |a| C::update(b, |b| run(update, [a, b], &read)));
    [from_plain::<B, C, D>(a), from_plain::<B, C, D>(b)]
}

fn update_3<B: Backend, C: CpuBackend, const D: usize>(
    update: impl Elementwise<3>,
    tensors: [Tensor<B, D>; 3],
    read: Tensor<B, D>,
) -> [Tensor<B, D>; 3] {
    let read = C::buffer(into_plain::<B, C, D>(read));
    let [a, b, c] = tensors.map(into_plain::<B, C, D>);
    let (a, (b, c)) = nested::<C, _>(a, |a| nested::<C, _>(b, |b| C::update(c, |c| run(update, [a, b, c], &read))));
    [a, b, c].map(from_plain::<B, C, D>)
}

fn update_4<B: Backend, C: CpuBackend, const D: usize>(
    update: impl Elementwise<4>,
    tensors: [Tensor<B, D>; 4],
    read: Tensor<B, D>,
) -> [Tensor<B, D>; 4] {
    let read = C::buffer(into_plain::<B, C, D>(read));
    let [a, b, c, d] = tensors.map(into_plain::<B, C, D>);
    let (a, (b, (c, d))) = nested::<C, _>(a, |a| {
        nested::<C, _>(b, |b| nested::<C, _>(c, |c| C::update(d, |d| run(update, [a, b, c, d], &read))))
    });
    [a, b, c, d].map(from_plain::<B, C, D>)
}

/// [`CpuBackend::update`] that also returns what `change` does.
fn nested<C: CpuBackend, R>(
    tensor: C::FloatTensorPrimitive,
    change: impl FnOnce(&mut [f32]) -> R,
) -> (C::FloatTensorPrimitive, R) {
    let mut result = None;
    let tensor = C::update(tensor, |values| result = Some(change(values)));
    (tensor, result.expect("`update` calls its closure once"))
}
