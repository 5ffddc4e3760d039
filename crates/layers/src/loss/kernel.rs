//! Cross entropy on the CPU: loss and gradient of a row in one visit, while the row is in the cache.
//!
//! The gradient needs nothing that the forward pass does not have at hand, so that is where it is made; the backward pass
//! only multiplies it by what comes in. What is kept is thus the gradient instead of the logits' softmax, as large.

use super::CrossEntropy;
use crate::cpu::{
    CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked,
    lanes::{self, Lanes, WIDTH, WithLanes},
    math, on_cpu,
    threads::{self, SharedSlice},
};
use crate::indices;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Int, Tensor, backend::Backend};

/// Roughly how many logits make a task of their own.
const GRAIN: usize = 1 << 13;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reduction {
    Mean,
    None,
}

pub(super) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    options: &CrossEntropy,
    reduction: Reduction,
) -> Tensor<B, 1> {
    let [rows, classes] = logits.dims();
    let call = Call { problem: Problem::new(rows, classes, targets, options, reduction), logits };
    match on_cpu::<B, _>(call) {
        Ok(loss) => loss,
        Err(_) => unreachable!("the caller asked whether the backend has a kernel"),
    }
}

struct Call<B: Backend> {
    logits: Tensor<B, 2>,
    problem: Problem,
}

/// Everything but the logits.
struct Problem {
    classes: usize,
    /// `[rows]`: the class, or `classes` where the row is ignored.
    targets: Vec<usize>,
    /// `[classes]`
    weights: Vec<f32>,
    weight_sum: f32,
    smoothing: f32,
    /// What the losses of the rows are divided by in the end.
    divisor: f64,
    reduction: Reduction,
}

impl Problem {
    fn new<B: Backend>(
        rows: usize,
        classes: usize,
        targets: Tensor<B, 1, Int>,
        options: &CrossEntropy,
        reduction: Reduction,
    ) -> Self {
        let targets = indices::checked(targets.into_data(), |target| {
            if options.ignore_index == Some(target) {
                return classes;
            }
            usize::try_from(target)
                .ok()
                .filter(|&class| class < classes)
                .unwrap_or_else(|| panic!("cross entropy: target {target} is not one of {classes} classes"))
        });
        debug_assert_eq!(targets.len(), rows);
        let weights = match &options.class_weights {
            Some(weights) => weights.clone(),
            None => vec![1.0; classes],
        };
        let counted = targets.iter().filter_map(|&target| weights.get(target));
        let total: f64 = counted.map(|&weight| f64::from(weight)).sum();
        let divisor = match reduction {
            Reduction::Mean if total != 0.0 => total,
            _ => 1.0,
        };
        Self {
            classes,
            targets,
            weight_sum: weights.iter().map(|&weight| f64::from(weight)).sum::<f64>() as f32,
            weights,
            smoothing: options.label_smoothing,
            divisor,
            reduction,
        }
    }

    /// The loss, `[1]` or `[rows]`, and on demand its gradient by the logits, `[rows, classes]`.
    fn solve(&self, logits: &[f32], with_gradient: bool) -> (Vec<f32>, Option<Vec<f32>>) {
        let rows = self.targets.len();
        let mut losses = vec![0.0; rows];
        let mut gradient = with_gradient.then(|| vec![0.0; logits.len()]);
        {
            let losses = SharedSlice::new(&mut losses);
            let gradient = gradient.as_mut().map(|gradient| SharedSlice::new(gradient));
            let grain = (GRAIN / self.classes.max(1)).max(1);
            threads::split(rows, grain, |range| {
                let elements = range.start * self.classes..range.end * self.classes;
                // SAFETY: ranges of rows do not overlap, so neither do their losses and gradients.
                let losses = unsafe { losses.slice_mut(range.clone()) };
                let gradient = gradient.as_ref().map(|gradient| {
                    // SAFETY: as above.
                    unsafe { gradient.slice_mut(elements.clone()) }
                });
                lanes::dispatch(Rows {
                    problem: self,
                    logits: &logits[elements],
                    targets: &self.targets[range],
                    losses,
                    gradient,
                });
            });
        }
        let losses = match self.reduction {
            Reduction::None => losses,
            Reduction::Mean => {
                // One after the other: the threads have no say in the rounding.
                let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
                vec![(sum / self.divisor) as f32]
            }
        };
        (losses, gradient)
    }
}

struct Rows<'a> {
    problem: &'a Problem,
    logits: &'a [f32],
    targets: &'a [usize],
    losses: &'a mut [f32],
    gradient: Option<&'a mut [f32]>,
}

impl WithLanes for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let classes = self.problem.classes;
        for (index, &target) in self.targets.iter().enumerate() {
            if target >= classes {
                continue; // ignored: loss and gradient stay 0
            }
            let elements = index * classes..(index + 1) * classes;
            let logits = &self.logits[elements.clone()];
            let largest = maximum::<L>(logits);
            let gradient = match &mut self.gradient {
                Some(gradient) => &mut gradient[elements],
                None => &mut [],
            };
            // Where nobody wants the gradient the exponentials are not kept.
            let sum = if gradient.is_empty() {
                exponentials::<L, false>(logits, largest, gradient)
            } else {
                exponentials::<L, true>(logits, largest, gradient)
            };
            self.losses[index] = self.problem.loss::<L>(logits, target, largest, f64::from(sum).ln() as f32);
            if !gradient.is_empty() {
                self.problem.finish_gradient::<L>(gradient, target, sum);
            }
        }
    }
}

impl Problem {
    #[inline(always)]
    fn loss<L: Lanes>(&self, logits: &[f32], target: usize, largest: f32, log_sum: f32) -> f32 {
        let of_target = (log_sum - (logits[target] - largest)) * self.weights[target];
        if self.smoothing == 0.0 {
            return of_target;
        }
        // Σ weight · (logit - largest), then the logarithm of the sum that every class has in common.
        let weighted = weighted_sum::<L>(logits, &self.weights, largest);
        let of_all = log_sum * self.weight_sum - weighted;
        of_target * (1.0 - self.smoothing) + of_all * (self.smoothing / self.classes as f32)
    }

    /// Turns `e^(logit - largest)`, whose sum is `sum`, into the gradient.
    #[inline(always)]
    fn finish_gradient<L: Lanes>(&self, gradient: &mut [f32], target: usize, sum: f32) {
        let scale = (1.0 / self.divisor) as f32;
        let target_share = (1.0 - self.smoothing) * self.weights[target] * scale;
        let class_share = self.smoothing / self.classes as f32 * scale;
        let factor = L::splat((target_share + class_share * self.weight_sum) / sum);
        let less = L::splat(-class_share);
        let mut chunks = gradient.chunks_exact_mut(WIDTH);
        let weights = self.weights.chunks_exact(WIDTH);
        let last_weights = weights.remainder();
        for (gradient, weights) in (&mut chunks).zip(weights) {
            spread(gradient, weights, factor, less);
        }
        spread(chunks.into_remainder(), last_weights, factor, less);
        gradient[target] -= target_share;
    }
}

/// `gradient * factor + weights * less`, of up to eight.
#[inline(always)]
fn spread<L: Lanes>(gradient: &mut [f32], weights: &[f32], factor: L, less: L) {
    let softmax = L::load_partly(gradient).mul(factor);
    L::load_partly(weights).mul_add(less, softmax).store_partly(gradient);
}

/// The first eight of `values`, or all of them and `filler` behind.
#[inline(always)]
fn load_filled<L: Lanes>(values: &[f32], filler: f32) -> L {
    let mut array = [filler; WIDTH];
    array[..values.len()].copy_from_slice(values);
    L::load(&array)
}

#[inline(always)]
fn maximum<L: Lanes>(values: &[f32]) -> f32 {
    let chunks = values.chunks_exact(WIDTH);
    let mut largest = load_filled::<L>(chunks.remainder(), f32::NEG_INFINITY);
    for chunk in chunks {
        largest = L::load(chunk).at_least(largest);
    }
    largest.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// The sum of `e^(value - largest)`; each of them goes to `output` if they are to be kept.
#[inline(always)]
fn exponentials<L: Lanes, const KEEP: bool>(values: &[f32], largest: f32, output: &mut [f32]) -> f32 {
    let largest = L::splat(largest);
    let chunks = values.chunks_exact(WIDTH);
    let rest = chunks.remainder();
    let whole = values.len() - rest.len();
    let mut sum = L::splat(0.0);
    for (index, chunk) in chunks.enumerate() {
        let term = exp_or_zero(L::load(chunk).sub(largest));
        if KEEP {
            term.store(&mut output[index * WIDTH..(index + 1) * WIDTH]);
        }
        sum = sum.add(term);
    }
    if !rest.is_empty() {
        let term = exp_or_zero(load_filled::<L>(rest, f32::NEG_INFINITY).sub(largest));
        if KEEP {
            term.store_partly(&mut output[whole..]);
        }
        sum = sum.add(term);
    }
    sum.sum()
}

/// `e^x` that vanishes, so that a class masked with -∞ gets nothing.
#[inline(always)]
fn exp_or_zero<L: Lanes>(x: L) -> L {
    x.if_less(L::splat(-87.3), L::splat(0.0), math::exp(x))
}

/// Σ weight · (value - largest)
#[inline(always)]
fn weighted_sum<L: Lanes>(values: &[f32], weights: &[f32], largest: f32) -> f32 {
    let values = values.chunks_exact(WIDTH);
    let weights = weights.chunks_exact(WIDTH);
    let last_weights = load_filled::<L>(weights.remainder(), 0.0);
    // Filled with the largest, so that the filler's difference is 0.
    let last_values = load_filled::<L>(values.remainder(), largest);
    let largest = L::splat(largest);
    let mut sum = last_values.sub(largest).mul(last_weights);
    for (value, weight) in values.zip(weights) {
        sum = L::load(value).sub(largest).mul_add(L::load(weight), sum);
    }
    sum.sum()
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 1>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 1> {
        let logits = C::buffer(into_plain::<B, C, 2>(self.logits));
        let (loss, _) = self.problem.solve(&logits, false);
        let shape = [loss.len()];
        from_plain::<B, C, 1>(C::tensor(loss, shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 1> {
        let shape = self.logits.dims();
        let logits = into_tracked::<B, C, 2>(self.logits);
        let wanted = logits.is_tracked();
        let (loss, gradient) = self.problem.solve(&C::buffer(logits.primitive), wanted);
        let output_shape = [loss.len()];
        let loss = C::tensor(loss, output_shape);
        let loss = match CrossEntropyBackward.prepare::<NoCheckpointing>([logits.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let saved = Saved { gradient: gradient.unwrap_or_default(), shape, reduction: self.problem.reduction };
                prep.finish(saved, loss)
            }
            OpsKind::UnTracked(prep) => prep.finish(loss),
        };
        from_tracked::<B, C, 1>(loss)
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

#[derive(Clone, Debug)]
struct Saved {
    /// Of the sum of the outputs.
    gradient: Vec<f32>,
    /// `[rows, classes]`
    shape: [usize; 2],
    reduction: Reduction,
}

impl<C: CpuBackend> Backward<C, 1> for CrossEntropyBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { mut gradient, shape: [rows, classes], reduction } = ops.state;
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let [parent] = ops.parents;
        let Some(node) = parent else { return };
        // A loss that is differentiated itself comes with 1, and there is nothing to do.
        if incoming.iter().any(|&factor| factor != 1.0) && classes > 0 {
            let grain = (GRAIN / classes).max(1);
            threads::split_rows(&mut gradient, classes, grain, |first, part| {
                for (index, row) in part.chunks_mut(classes).enumerate() {
                    let factor = match reduction {
                        Reduction::Mean => incoming[0],
                        Reduction::None => incoming[first + index],
                    };
                    row.iter_mut().for_each(|value| *value *= factor);
                }
            });
        }
        add_gradient::<C>(grads, node.id, C::tensor(gradient, [rows, classes]));
    }
}
