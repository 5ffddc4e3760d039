use crate::text::windows::{TextBatch, TextBatches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Lengths on the way are multiples of this, which suits matrix products and keeps the number of shapes small.
const MULTIPLE: usize = 8;

/// Windows that are short at first and grow evenly (Li et al. 2022, "The stability-efficiency dilemma: sequence length warmup for
/// training GPT models"): early steps cost less, and training is steadier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeqLenWarmup {
    /// Tokens in the windows of the first batch: at least 1, and at most `seq_len`.
    pub start: usize,
    /// Batches after which windows have `seq_len` tokens, counted from the first of the first epoch.
    pub steps: u64,
}

impl Default for SeqLenWarmup {
    fn default() -> Self {
        Self { start: 16, steps: 500 }
    }
}

impl SeqLenWarmup {
    /// Values that can never work, as for [`TextConfig::validate`](crate::text::TextConfig::validate).
    pub(super) fn validate(&self, seq_len: usize) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(1..=seq_len.max(1)).contains(&self.start) {
            let message = format!("is {}; it must be at least 1 and at most `seq_len`, {seq_len}", self.start);
            wrong.push(("seq_len_warmup.start", message));
        }
        if self.steps == 0 {
            wrong.push(("seq_len_warmup.steps", "is 0; it must be at least 1".to_owned()));
        }
        wrong
    }

    /// Tokens in a window of batch `step` (from 0): from `start`, evenly up to `seq_len`, on the way a multiple of 8 wherever that is
    /// not less than `start`.
    pub fn length(&self, step: u64, seq_len: usize) -> usize {
        if step >= self.steps {
            return seq_len;
        }
        let grown = u128::from(step) * seq_len.saturating_sub(self.start) as u128 / u128::from(self.steps);
        let length = self.start + grown as usize;
        (length / MULTIPLE * MULTIPLE).max(self.start).min(seq_len)
    }
}

/// The batches of others with their rows cut to a length that grows. A batch stays a pure function of (epoch, index), whose place among
/// all batches is the step. A batch that is cut, or comes after one that was, asks for a fresh state.
#[derive(Clone)]
pub struct GrowingWindows {
    batches: Arc<dyn TextBatches>,
    warmup: SeqLenWarmup,
    seq_len: usize,
}

impl GrowingWindows {
    /// Cuts `batches`, whose windows have `seq_len` tokens.
    pub fn new(batches: Arc<dyn TextBatches>, warmup: SeqLenWarmup, seq_len: usize) -> Self {
        Self { batches, warmup, seq_len }
    }
}

impl TextBatches for GrowingWindows {
    fn num_batches(&self) -> usize {
        self.batches.num_batches()
    }

    fn batch(&self, epoch: u64, index: usize) -> TextBatch {
        let batch = self.batches.batch(epoch, index);
        let step = epoch.saturating_mul(self.num_batches() as u64).saturating_add(index as u64);
        let length = |step: u64| self.warmup.length(step, self.seq_len);
        let was_cut = length(step.saturating_sub(1)).min(length(step)) < self.seq_len;
        TextBatch { reset_state: batch.reset_state || was_cut, ..batch.cut(length(step)) }
    }

    /// As many as without the growth: what an epoch after it has.
    fn num_targets(&self) -> usize {
        self.batches.num_targets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::windows::ContiguousWindows;
    use proptest::prelude::*;

    #[test]
    fn windows_grow_over_epochs_and_stay_in_place() {
        // 4 batches of windows of 32 an epoch; full length from batch 8 on, which is the first of epoch 2.
        let tokens: Arc<[u32]> = (0..2 * 4 * 32 + 1).collect();
        let whole = Arc::new(ContiguousWindows::training(tokens, 2, 32, None).unwrap());
        let growing = GrowingWindows::new(whole.clone(), SeqLenWarmup { start: 4, steps: 8 }, 32);
        assert_eq!((growing.num_batches(), growing.num_targets()), (4, whole.num_targets()));
        let lengths: Vec<usize> = (0..3)
            .flat_map(|epoch| (0..4).map(move |index| (epoch, index)))
            .map(|(e, i)| growing.batch(e, i).seq_len)
            .collect();
        // 4 + 28 * step / 8, down to a multiple of 8.
        assert_eq!(lengths, [4, 4, 8, 8, 16, 16, 24, 24, 32, 32, 32, 32]);
        let cut = growing.batch(0, 2);
        assert_eq!((cut.inputs[0], cut.inputs[8], cut.targets[7]), (64, 128 + 64, 72));
        assert!(cut.reset_state && growing.batch(2, 0).reset_state && !growing.batch(2, 1).reset_state);
        assert_eq!(growing.batch(2, 1), whole.batch(2, 1));
    }

    proptest! {
        #[test]
        fn lengths_rise_from_start_to_full(start in 1usize..100, more in 0usize..200, steps in 1u64..300) {
            let (warmup, seq_len) = (SeqLenWarmup { start, steps }, start + more);
            prop_assert!(warmup.validate(seq_len).is_empty());
            prop_assert_eq!(warmup.length(0, seq_len), start);
            prop_assert_eq!(warmup.length(steps, seq_len), seq_len);
            for step in 0..steps {
                let (now, next) = (warmup.length(step, seq_len), warmup.length(step + 1, seq_len));
                prop_assert!(start <= now && now <= next && next <= seq_len);
            }
        }
    }
}
