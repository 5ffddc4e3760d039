//! The loss in plain tensor operations: the path of every backend and float type without a kernel, and the one that can be
//! differentiated more than once.

use super::{Ctc, Problem, may_skip};
use crate::recurrent::steps;
use burn::tensor::{Bool, Int, Tensor, TensorData, activation::log_softmax, backend::Backend};

/// Stands for the logarithm of 0: infinities would make gradients NaN.
const NEVER: f32 = -1e30;

/// [`ctc_loss`](super::ctc_loss) in plain tensor operations.
///
/// # Shapes
/// - logits: `[batch, time, classes]`
/// - output: `[1]`
pub fn ctc_loss<B: Backend>(
    logits: Tensor<B, 3>,
    input_lengths: &[usize],
    targets: &[impl AsRef<[i32]>],
    options: &Ctc,
) -> Tensor<B, 1> {
    let problem = Problem::new(logits.dims(), input_lengths, targets, options);
    mean(logits, &problem)
}

/// [`ctc_per_sequence`](super::ctc_per_sequence) in plain tensor operations.
///
/// # Shapes
/// - logits: `[batch, time, classes]`
/// - output: `[batch]`
pub fn ctc_per_sequence<B: Backend>(
    logits: Tensor<B, 3>,
    input_lengths: &[usize],
    targets: &[impl AsRef<[i32]>],
    options: &Ctc,
) -> Tensor<B, 1> {
    let problem = Problem::new(logits.dims(), input_lengths, targets, options);
    per_sequence(logits, &problem)
}

pub(super) fn mean<B: Backend>(logits: Tensor<B, 3>, problem: &Problem) -> Tensor<B, 1> {
    let batch = problem.targets.len();
    let weights: Vec<f32> = (0..batch).map(|sequence| problem.mean_weight(sequence) as f32).collect();
    let weights = Tensor::from_data(TensorData::new(weights, [batch]), (&logits.device(), logits.dtype()));
    (per_sequence(logits, problem) * weights).sum()
}

pub(super) fn per_sequence<B: Backend>(logits: Tensor<B, 3>, problem: &Problem) -> Tensor<B, 1> {
    let [batch, time, _] = logits.dims();
    let lattice = Lattice::<B>::new(problem, &logits);
    let [_, states] = lattice.labels.dims();
    let labels = lattice.labels.unsqueeze_dim::<3>(1).expand([batch, time, states]);
    let emissions = steps(log_softmax(logits, 2).gather(2, labels)); // time times [batch, states]

    // The logarithm of the probability of all beginnings of alignments that are in a state: equation 6 of the paper.
    let mut forward = emissions[0].clone() + lattice.start;
    for (step, emission) in emissions.into_iter().enumerate().skip(1) {
        let before = Tensor::cat(vec![lattice.never.clone(), forward.clone()], 1); // [batch, 2 + states]
        let from_previous = before.clone().slice([0..batch, 1..states + 1]);
        let over_blank = before.slice([0..batch, 0..states]) + lattice.skip.clone();
        let next = log_sum_exp([forward.clone(), from_previous, over_blank]) + emission;
        forward = match &lattice.has_ended {
            Some(has_ended) => {
                let has_ended = has_ended.clone().slice([0..batch, step..step + 1]).expand([batch, states]);
                next.mask_where(has_ended, forward)
            }
            None => next,
        };
    }
    let ends = forward + lattice.end;
    let largest = ends.clone().detach().max_dim(1); // [batch, 1]
    let log_probabilities = (ends - largest.clone()).exp().sum_dim(1).log() + largest;
    let losses = log_probabilities.neg().reshape([batch]);
    match lattice.misfits {
        Some(misfits) => losses.mask_fill(misfits, problem.loss_of_misfit()),
        None => losses,
    }
}

/// `ln(e^a + e^b + e^c)`. The largest is no more than a scale, so nothing is differentiated through it.
fn log_sum_exp<B: Backend>([a, b, c]: [Tensor<B, 2>; 3]) -> Tensor<B, 2> {
    let largest = a.clone().max_pair(b.clone()).max_pair(c.clone()).detach();
    let sum = (a - largest.clone()).exp() + (b - largest.clone()).exp() + (c - largest.clone()).exp();
    sum.log() + largest
}

/// Which states and ways between them there are, as numbers to add: 0 where there is one and [`NEVER`] where not.
///
/// Sequences with fewer states than others have states behind their last. No way leads back from there, so those need no mask.
struct Lattice<B: Backend> {
    /// `[batch, states]`: the class of each state.
    labels: Tensor<B, 2, Int>,
    /// `[batch, states]`: where alignments begin.
    start: Tensor<B, 2>,
    /// `[batch, states]`: where one may come from two states before.
    skip: Tensor<B, 2>,
    /// `[batch, states]`: where alignments end.
    end: Tensor<B, 2>,
    /// `[batch, 2]`: the states before the first.
    never: Tensor<B, 2>,
    /// `[batch, time]`: whether a frame is padding; none where no frame is.
    has_ended: Option<Tensor<B, 2, Bool>>,
    /// `[batch]`: targets that do not fit; none where all do.
    misfits: Option<Tensor<B, 1, Bool>>,
}

impl<B: Backend> Lattice<B> {
    fn new(problem: &Problem, logits: &Tensor<B, 3>) -> Self {
        let [batch, time, _] = logits.dims();
        let (device, dtype) = (logits.device(), logits.dtype());
        let sequences: Vec<Vec<usize>> = (0..batch).map(|sequence| problem.states(sequence)).collect();
        let states = sequences.iter().map(Vec::len).max().unwrap_or(1);
        let mask = |allowed: &dyn Fn(&[usize], usize) -> bool| {
            let allowed = &allowed;
            let values = sequences.iter().flat_map(|sequence| {
                (0..states).map(
                    move |state| {
                        if state < sequence.len() && allowed(sequence, state) { 0.0 } else { NEVER }
                    },
                )
            });
            let data = TensorData::new(values.collect::<Vec<f32>>(), [batch, states]);
            Tensor::<B, 2>::from_data(data, (&device, dtype))
        };
        let labels = sequences.iter().flat_map(|sequence| {
            let padding = std::iter::repeat_n(problem.options.blank, states - sequence.len());
            sequence.iter().copied().chain(padding).map(|label| label as i32)
        });
        let labels = TensorData::new(labels.collect::<Vec<i32>>(), [batch, states]);
        let has_ended = problem.input_lengths.iter().any(|length| *length < time).then(|| {
            let values = problem.input_lengths.iter().flat_map(|length| (0..time).map(move |step| step >= *length));
            Tensor::from_data(TensorData::new(values.collect::<Vec<bool>>(), [batch, time]), &device)
        });
        let misfits = problem.fits.iter().any(|fits| !fits).then(|| {
            let values: Vec<bool> = problem.fits.iter().map(|fits| !fits).collect();
            Tensor::from_data(TensorData::new(values, [batch]), &device)
        });
        Self {
            labels: Tensor::from_data(labels, &device),
            start: mask(&|_, state| state < 2),
            skip: mask(&may_skip),
            end: mask(&|sequence, state| state + 2 >= sequence.len()),
            never: Tensor::full([batch, 2], NEVER, (&device, dtype)),
            has_ended,
            misfits,
        }
    }
}
