//! The loss on the CPU: forward and backward recursion of a sequence in one visit, sequences in parallel.
//!
//! The gradient by the logits is `softmax - share of the alignments in the class` (equation 16 of the paper). It needs nothing that
//! the forward pass does not have at hand, so that is where it is made; the backward pass only multiplies it by what comes in.

use super::{Problem, may_skip};
use crate::cpu::{
    CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, on_cpu,
    threads::{self, SharedSlice},
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reduction {
    Mean,
    None,
}

pub(super) fn ctc_loss<B: Backend>(logits: Tensor<B, 3>, problem: Problem, reduction: Reduction) -> Tensor<B, 1> {
    match on_cpu::<B, _>(Call { logits, problem, reduction }) {
        Ok(loss) => loss,
        Err(_) => unreachable!("the caller asked whether the backend has a kernel"),
    }
}

struct Call<B: Backend> {
    logits: Tensor<B, 3>,
    problem: Problem,
    reduction: Reduction,
}

impl Problem {
    /// The loss, `[1]` or `[batch]`, and on demand the gradient of its sum by the logits, `[batch, time, classes]`.
    fn solve(
        &self,
        logits: &[f32],
        [batch, time, classes]: [usize; 3],
        reduction: Reduction,
        with_gradient: bool,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let weight = |sequence| match reduction {
            Reduction::Mean => self.mean_weight(sequence),
            Reduction::None => 1.0,
        };
        let mut losses = vec![0.0; batch];
        let mut gradient = with_gradient.then(|| vec![0.0; logits.len()]);
        {
            let losses = SharedSlice::new(&mut losses);
            let gradient = gradient.as_mut().map(|gradient| SharedSlice::new(gradient));
            threads::split(batch, 1, |sequences| {
                for sequence in sequences {
                    let first = sequence * time * classes;
                    let frames = first..first + self.input_lengths[sequence] * classes;
                    let gradient = gradient.as_ref().map(|gradient| {
                        // SAFETY: sequences do not overlap, and each is visited once.
                        unsafe { gradient.slice_mut(frames.clone()) }
                    });
                    // SAFETY: as above.
                    let loss = unsafe { losses.slice_mut(sequence..sequence + 1) };
                    let found = Sequence::new(&logits[frames], classes, self.states(sequence));
                    loss[0] = self.solve_sequence(sequence, &found, gradient, weight(sequence));
                }
            });
        }
        let losses = match reduction {
            Reduction::None => losses,
            Reduction::Mean => {
                // One after the other: the threads have no say in the rounding.
                let weighted = losses.iter().enumerate().map(|(sequence, loss)| f64::from(*loss) * weight(sequence));
                vec![weighted.sum::<f64>() as f32]
            }
        };
        (losses, gradient)
    }

    /// The loss of one sequence; its gradient, times `weight`, is written to zeros.
    fn solve_sequence(&self, sequence: usize, frames: &Sequence<'_>, gradient: Option<&mut [f32]>, weight: f64) -> f32 {
        if !self.fits[sequence] {
            return self.loss_of_misfit();
        }
        let forward = frames.forward();
        let log_probability = frames.log_probability(&forward);
        if log_probability == f64::NEG_INFINITY {
            return self.loss_of_misfit(); // a class that it needs is masked with -∞
        }
        if let Some(gradient) = gradient {
            frames.gradient(&forward, log_probability, weight, gradient);
        }
        -log_probability as f32
    }
}

/// One sequence without its padding, and the states that its alignments go through.
struct Sequence<'a> {
    /// `[frames, classes]`
    logits: &'a [f32],
    classes: usize,
    /// Class of each state.
    states: Vec<usize>,
    /// Whether each state may be reached from the one two before.
    skips: Vec<bool>,
    /// The logarithm of the sum of the exponentials of each frame.
    log_sums: Vec<f64>,
}

impl<'a> Sequence<'a> {
    fn new(logits: &'a [f32], classes: usize, states: Vec<usize>) -> Self {
        let log_sum = |frame: &[f32]| {
            let largest = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = frame.iter().map(|logit| (logit - largest).exp()).sum();
            f64::from(largest) + f64::from(sum).ln()
        };
        Self {
            log_sums: logits.chunks_exact(classes).map(log_sum).collect(),
            skips: (0..states.len()).map(|state| may_skip(&states, state)).collect(),
            logits,
            classes,
            states,
        }
    }

    fn frames(&self) -> usize {
        self.log_sums.len()
    }

    /// The logarithm of the probability of a state's class in a frame.
    fn emission(&self, frame: usize, state: usize) -> f64 {
        f64::from(self.logits[frame * self.classes + self.states[state]]) - self.log_sums[frame]
    }

    /// The states in which an alignment can be in a frame: no further than it has come, and near enough to the end.
    fn reachable(&self, frame: usize) -> Range<usize> {
        let states = self.states.len();
        states.saturating_sub(2 * (self.frames() - frame))..states.min(2 * frame + 2)
    }

    /// `[frames, states]`: the logarithm of the probability of all beginnings of alignments that are in a state in a frame.
    fn forward(&self) -> Vec<f64> {
        let states = self.states.len();
        let mut all = vec![f64::NEG_INFINITY; self.frames() * states];
        for state in self.reachable(0) {
            all[state] = self.emission(0, state);
        }
        for frame in 1..self.frames() {
            let (before, now) = all.split_at_mut(frame * states);
            let before = &before[(frame - 1) * states..];
            for state in self.reachable(frame) {
                let stay = before[state];
                let step = if state > 0 { before[state - 1] } else { f64::NEG_INFINITY };
                let skip = if self.skips[state] { before[state - 2] } else { f64::NEG_INFINITY };
                now[state] = log_sum_exp(stay, step, skip) + self.emission(frame, state);
            }
        }
        all
    }

    /// Of all alignments: they end in the last label or the blank behind it.
    fn log_probability(&self, forward: &[f64]) -> f64 {
        let last = forward[forward.len() - 1];
        let of_label = if self.states.len() > 1 { forward[forward.len() - 2] } else { f64::NEG_INFINITY };
        log_sum_exp(last, of_label, f64::NEG_INFINITY)
    }

    /// Adds `weight * (softmax - share of the alignments in the class)` to `gradient`, `[frames, classes]`, from the last frame to
    /// the first.
    fn gradient(&self, forward: &[f64], log_probability: f64, weight: f64, gradient: &mut [f32]) {
        let states = self.states.len();
        // The logarithm of the probability of all continuations of alignments that are in a state in the frame.
        let mut backward = vec![f64::NEG_INFINITY; states];
        backward[states - 1] = 0.0;
        if states > 1 {
            backward[states - 2] = 0.0;
        }
        let mut after = backward.clone();
        for frame in (0..self.frames()).rev() {
            let row = frame * self.classes..(frame + 1) * self.classes;
            let gradient = &mut gradient[row.clone()];
            for (value, logit) in gradient.iter_mut().zip(&self.logits[row]) {
                *value = (weight * (f64::from(*logit) - self.log_sums[frame]).exp()) as f32;
            }
            if frame + 1 < self.frames() {
                std::mem::swap(&mut backward, &mut after);
                backward.fill(f64::NEG_INFINITY);
                for state in self.reachable(frame) {
                    let to = |next: usize, allowed: bool| {
                        if allowed { after[next] + self.emission(frame + 1, next) } else { f64::NEG_INFINITY }
                    };
                    let skip = self.skips.get(state + 2).is_some_and(|allowed| *allowed);
                    backward[state] =
                        log_sum_exp(to(state, true), to(state + 1, state + 1 < states), to(state + 2, skip));
                }
            }
            for state in self.reachable(frame) {
                let share = (forward[frame * states + state] + backward[state] - log_probability).exp();
                gradient[self.states[state]] -= (weight * share) as f32;
            }
        }
    }
}

/// `ln(e^a + e^b + e^c)`; a NaN stays one.
fn log_sum_exp(a: f64, b: f64, c: f64) -> f64 {
    let largest = a.max(b).max(c);
    if largest == f64::NEG_INFINITY {
        return a + b + c;
    }
    largest + ((a - largest).exp() + (b - largest).exp() + (c - largest).exp()).ln()
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 1>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 1> {
        let shape = self.logits.dims();
        let logits = C::buffer(into_plain::<B, C, 3>(self.logits));
        let (loss, _) = self.problem.solve(&logits, shape, self.reduction, false);
        let length = loss.len();
        from_plain::<B, C, 1>(C::tensor(loss, [length]))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 1> {
        let shape = self.logits.dims();
        let logits = into_tracked::<B, C, 3>(self.logits);
        let wanted = logits.is_tracked();
        let (loss, gradient) = self.problem.solve(&C::buffer(logits.primitive), shape, self.reduction, wanted);
        let length = loss.len();
        let loss = C::tensor(loss, [length]);
        let loss = match CtcBackward.prepare::<NoCheckpointing>([logits.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let saved = Saved { gradient: gradient.unwrap_or_default(), shape, reduction: self.reduction };
                prep.finish(saved, loss)
            }
            OpsKind::UnTracked(prep) => prep.finish(loss),
        };
        from_tracked::<B, C, 1>(loss)
    }
}

#[derive(Debug)]
struct CtcBackward;

#[derive(Clone, Debug)]
struct Saved {
    /// Of the sum of the outputs.
    gradient: Vec<f32>,
    /// `[batch, time, classes]`
    shape: [usize; 3],
    reduction: Reduction,
}

impl<C: CpuBackend> Backward<C, 1> for CtcBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { mut gradient, shape, reduction } = ops.state;
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let [parent] = ops.parents;
        let Some(node) = parent else { return };
        let [_, time, classes] = shape;
        for (sequence, values) in gradient.chunks_mut((time * classes).max(1)).enumerate() {
            let factor = match reduction {
                Reduction::Mean => incoming[0],
                Reduction::None => incoming[sequence],
            };
            // A loss that is differentiated itself comes with 1, and there is nothing to do.
            if factor != 1.0 {
                values.iter_mut().for_each(|value| *value *= factor);
            }
        }
        add_gradient::<C>(grads, node.id, C::tensor(gradient, shape));
    }
}
