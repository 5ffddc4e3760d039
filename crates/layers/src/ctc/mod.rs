//! Connectionist temporal classification (Graves et al. 2006, <https://www.cs.toronto.edu/~graves/icml_2006.pdf>): the loss of
//! label sequences that are shorter than their input and not aligned with it, and the decoding of what was learned so.

pub mod decode;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Options of [`ctc_loss`], with the meaning of
/// [`torch.nn.functional.ctc_loss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ctc {
    /// The class that stands for no label. Default: 0.
    pub blank: usize,
    /// A target that does not fit into its input (see [`frames_needed`]) has an infinite loss; this makes it 0, so that it adds
    /// nothing. Its gradient is 0 either way. Default: false.
    pub zero_infinity: bool,
}

/// The mean over the batch of each sequence's loss divided by the length of its target, as PyTorch reduces it; an empty target
/// counts as one of length 1.
///
/// Unlike PyTorch's function it takes logits and normalises them itself.
///
/// # Shapes
/// - logits: `[batch, time, classes]`; finite, of 32 or 64 bits; frames at and behind a sequence's length do not matter
/// - input_lengths: `batch` numbers in `1..=time`
/// - targets: `batch` sequences of classes, without the blank
/// - output: `[1]`
///
/// # Panics
/// When the counts disagree, a length is out of range or a target is not a class or the blank.
pub fn ctc_loss<B: Backend>(
    logits: Tensor<B, 3>,
    input_lengths: &[usize],
    targets: &[impl AsRef<[i32]>],
    options: &Ctc,
) -> Tensor<B, 1> {
    let problem = Problem::new(logits.dims(), input_lengths, targets, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if crate::cpu::is_cpu::<B>() && crate::cpu::is_f32(&logits) {
        return kernel::ctc_loss(logits, problem, kernel::Reduction::Mean);
    }
    portable::mean(logits, &problem)
}

/// The loss of each sequence on its own, the negative logarithm of its target's probability: `ctc_loss(.., reduction="none")` in
/// PyTorch.
///
/// # Shapes
/// - as [`ctc_loss`]
/// - output: `[batch]`
///
/// # Panics
/// As [`ctc_loss`].
pub fn ctc_per_sequence<B: Backend>(
    logits: Tensor<B, 3>,
    input_lengths: &[usize],
    targets: &[impl AsRef<[i32]>],
    options: &Ctc,
) -> Tensor<B, 1> {
    let problem = Problem::new(logits.dims(), input_lengths, targets, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if crate::cpu::is_cpu::<B>() && crate::cpu::is_f32(&logits) {
        return kernel::ctc_loss(logits, problem, kernel::Reduction::None);
    }
    portable::per_sequence(logits, &problem)
}

/// How many frames a target needs at least: one a label, and a blank between two that are equal.
pub fn frames_needed(target: &[i32]) -> usize {
    target.len() + target.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// Everything but the logits.
#[derive(Clone, Debug)]
struct Problem {
    input_lengths: Vec<usize>,
    targets: Vec<Vec<usize>>,
    /// Whether each target fits into its input.
    fits: Vec<bool>,
    options: Ctc,
}

impl Problem {
    fn new(
        [batch, time, classes]: [usize; 3],
        input_lengths: &[usize],
        targets: &[impl AsRef<[i32]>],
        options: &Ctc,
    ) -> Self {
        assert_eq!(batch, input_lengths.len(), "ctc: {batch} sequences but {} lengths", input_lengths.len());
        assert_eq!(batch, targets.len(), "ctc: {batch} sequences but {} targets", targets.len());
        let blank = options.blank;
        assert!(blank < classes, "ctc: the blank, {blank}, is not one of {classes} classes");
        if let Some(length) = input_lengths.iter().find(|length| !(1..=time).contains(*length)) {
            panic!("ctc: a length of {length} where there are {time} frames");
        }
        let class = |label: &i32| match usize::try_from(*label) {
            Ok(label) if label < classes && label != blank => label,
            _ => panic!("ctc: label {label} is not one of {classes} classes without the blank, {blank}"),
        };
        let fits = targets.iter().zip(input_lengths).map(|(target, frames)| frames_needed(target.as_ref()) <= *frames);
        Self {
            input_lengths: input_lengths.to_vec(),
            fits: fits.collect(),
            targets: targets.iter().map(|target| target.as_ref().iter().map(class).collect()).collect(),
            options: options.clone(),
        }
    }

    /// What each sequence's loss is multiplied by in the mean.
    fn mean_weight(&self, sequence: usize) -> f64 {
        1.0 / (self.targets[sequence].len().max(1) * self.targets.len()) as f64
    }

    /// The loss of a target that does not fit.
    fn loss_of_misfit(&self) -> f32 {
        if self.options.zero_infinity { 0.0 } else { f32::INFINITY }
    }

    /// The states that an alignment goes through: blank, first label, blank, second label, …, blank.
    fn states(&self, sequence: usize) -> Vec<usize> {
        let blank = self.options.blank;
        let pairs = self.targets[sequence].iter().flat_map(|label| [blank, *label]);
        pairs.chain([blank]).collect()
    }
}

/// Whether an alignment may go from state `to - 2` to state `to`: over a blank, from one label to a different one.
fn may_skip(states: &[usize], to: usize) -> bool {
    to % 2 == 1 && to >= 3 && states[to] != states[to - 2]
}
