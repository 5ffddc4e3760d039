//! Padded batches of labelled texts.

use crate::{SplitMix64, stream_seed};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts of similar length are gathered among this many batches, drawn at random.
const BUCKET: usize = 50;

/// Epochs whose order is kept: workers that prepare batches ahead reach into the next epoch.
const KEPT_EPOCHS: usize = 2;

/// One batch of labelled texts, padded at the end to its longest.
///
/// # Shapes
/// `tokens` is row-major `[batch_size, seq_len]`; `lengths`, `labels` and `indices` are `[batch_size]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledBatch {
    /// Tokens. Places at and after a row's length hold the tokenizer's padding token, or 0 where it has none.
    pub tokens: Vec<i32>,
    /// Tokens of each row that are text: from 1 to `seq_len`.
    pub lengths: Vec<i32>,
    /// The class of each row, by its place in [`LabelledData::classes`](super::LabelledData::classes).
    pub labels: Vec<i32>,
    /// The place of each row's text in the source, for [`LabelledData::text`](super::LabelledData::text).
    pub indices: Vec<usize>,
    /// Rows.
    pub batch_size: usize,
    /// Tokens a row: the length of the longest.
    pub seq_len: usize,
}

/// The tokens and classes of all texts of a source.
#[derive(Debug)]
pub(super) struct Rows {
    /// Tokens of each text, cut and never empty.
    pub tokens: Vec<Box<[i32]>>,
    /// The class of each text.
    pub labels: Vec<i32>,
    /// What fills a row after its text.
    pub padding: i32,
}

/// Deals the batches of one part of the texts, each text once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct LabelledBatches {
    rows: Arc<Rows>,
    part: Arc<[usize]>,
    batch_size: usize,
    order: Order,
    by_length: bool,
    plans: Arc<Mutex<Plans>>,
}

/// The plans of the last few epochs asked for, by epoch, the latest first.
type Plans = VecDeque<(u64, Arc<Plan>)>;

/// In which order the texts of a part come.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The same in every epoch.
    Fixed,
    /// Another in each epoch.
    Shuffled { seed: u64 },
}

/// One epoch: texts in order, and where each batch begins and ends among them.
#[derive(Debug)]
struct Plan {
    texts: Vec<usize>,
    batches: Vec<Range<usize>>,
}

impl LabelledBatches {
    /// Batches in random order, which follows from `stream_seed(seed, epoch, 0)`; with `by_length`, of texts of similar
    /// length.
    pub(super) fn shuffled(rows: Arc<Rows>, part: Arc<[usize]>, batch_size: usize, by_length: bool, seed: u64) -> Self {
        Self::new(rows, part, batch_size, by_length, Order::Shuffled { seed })
    }

    /// Batches in the order of the source or, with `by_length`, from the shortest text to the longest.
    pub(super) fn fixed(rows: Arc<Rows>, part: Arc<[usize]>, batch_size: usize, by_length: bool) -> Self {
        Self::new(rows, part, batch_size, by_length, Order::Fixed)
    }

    fn new(rows: Arc<Rows>, part: Arc<[usize]>, batch_size: usize, by_length: bool, order: Order) -> Self {
        Self { rows, part, batch_size, order, by_length, plans: Arc::default() }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.part.len().div_ceil(self.batch_size)
    }

    /// Texts in an epoch, the same in each.
    pub fn num_texts(&self) -> usize {
        self.part.len()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have
    /// fewer than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> LabelledBatch {
        assert!(index < self.num_batches(), "batch {index} of {}", self.num_batches());
        let plan = self.plan(epoch);
        self.rows.batch(&plan.texts[plan.batches[index].clone()])
    }

    fn plan(&self, epoch: u64) -> Arc<Plan> {
        let epoch = match self.order {
            Order::Fixed => 0,
            Order::Shuffled { .. } => epoch,
        };
        // A panic elsewhere leaves whole plans behind, so a poisoned lock is as good as any.
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(planned, _)| *planned == epoch) {
            return plan.clone();
        }
        let plan = Arc::new(match self.order {
            Order::Fixed => self.fixed_plan(),
            Order::Shuffled { seed } => self.shuffled_plan(seed, epoch),
        });
        plans.truncate(KEPT_EPOCHS - 1);
        plans.push_front((epoch, plan.clone()));
        plan
    }

    fn fixed_plan(&self) -> Plan {
        let mut texts = self.part.to_vec();
        if self.by_length {
            texts.sort_by_key(|index| self.rows.tokens[*index].len());
        }
        Plan { batches: self.ranges(), texts }
    }

    fn shuffled_plan(&self, seed: u64, epoch: u64) -> Plan {
        let mut rng = SplitMix64::new(stream_seed(seed, epoch, 0));
        let mut texts = self.part.to_vec();
        shuffle(&mut texts, &mut rng);
        let mut batches = self.ranges();
        if self.by_length {
            for bucket in texts.chunks_mut(BUCKET.saturating_mul(self.batch_size)) {
                bucket.sort_by_key(|index| self.rows.tokens[*index].len());
            }
            shuffle(&mut batches, &mut rng);
        }
        Plan { texts, batches }
    }

    fn ranges(&self) -> Vec<Range<usize>> {
        let end = |start: usize| (start + self.batch_size).min(self.part.len());
        (0..self.part.len()).step_by(self.batch_size).map(|start| start..end(start)).collect()
    }
}

impl Rows {
    /// The texts at `indices`, as one batch.
    fn batch(&self, indices: &[usize]) -> LabelledBatch {
        let seq_len = indices.iter().map(|index| self.tokens[*index].len()).max().unwrap_or(0);
        let mut tokens = Vec::with_capacity(indices.len() * seq_len);
        for (row, index) in (1..).zip(indices) {
            tokens.extend_from_slice(&self.tokens[*index]);
            tokens.resize(row * seq_len, self.padding);
        }
        LabelledBatch {
            tokens,
            lengths: indices.iter().map(|index| self.tokens[*index].len() as i32).collect(),
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
            indices: indices.to_vec(),
            batch_size: indices.len(),
            seq_len,
        }
    }
}

/// Fisher and Yates' shuffle.
fn shuffle<T>(items: &mut [T], rng: &mut SplitMix64) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Text `i` has `lengths[i]` tokens, all `i + 1`, and class `i % 2`.
    fn rows(lengths: &[usize]) -> Arc<Rows> {
        let tokens = (1..).zip(lengths).map(|(token, length)| vec![token; *length].into()).collect();
        Arc::new(Rows { tokens, labels: (0..lengths.len() as i32).map(|index| index % 2).collect(), padding: 0 })
    }

    fn whole(lengths: &[usize]) -> Arc<[usize]> {
        (0..lengths.len()).collect()
    }

    fn assert_consistent(batch: &LabelledBatch, rows: &Rows) {
        assert_eq!(batch.tokens.len(), batch.batch_size * batch.seq_len);
        assert_eq!(batch.lengths.iter().max().copied(), Some(batch.seq_len as i32));
        for (row, index) in batch.indices.iter().enumerate() {
            let tokens = &batch.tokens[row * batch.seq_len..][..batch.seq_len];
            let (text, padding) = tokens.split_at(batch.lengths[row] as usize);
            assert_eq!(text, &*rows.tokens[*index]);
            assert!(padding.iter().all(|token| *token == 0));
            assert_eq!(batch.labels[row], rows.labels[*index]);
        }
    }

    #[test]
    fn length_buckets_leave_little_padding() {
        let mut rng = SplitMix64::new(0);
        let lengths: Vec<usize> = (0..4000).map(|_| 1 + rng.below(100)).collect();
        let rows = rows(&lengths);
        let padded = |by_length| {
            let batches = LabelledBatches::shuffled(rows.clone(), whole(&lengths), 32, by_length, 1);
            (0..batches.num_batches()).map(|index| batches.batch(0, index).tokens.len()).sum::<usize>()
        };
        let text: usize = lengths.iter().sum();
        assert!(padded(true) < text * 106 / 100, "{} for {text}", padded(true));
        assert!(padded(false) > text * 180 / 100, "{} for {text}", padded(false));
    }

    #[test]
    fn batches_come_in_no_order_of_length_and_change_with_epoch_and_seed() {
        let lengths: Vec<usize> = (1..=400).collect();
        let deal = |seed, epoch| {
            let batches = LabelledBatches::shuffled(rows(&lengths), whole(&lengths), 10, true, seed);
            (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect::<Vec<_>>()
        };
        let first = deal(1, 0);
        assert!(!first.is_sorted_by_key(|batch| batch.seq_len));
        assert_eq!(first, deal(1, 0));
        assert_ne!(first, deal(1, 1));
        assert_ne!(first, deal(2, 0));
    }

    proptest! {
        #[test]
        fn every_text_comes_once_an_epoch(
            lengths in proptest::collection::vec(1usize..30, 1..300), batch_size in 1usize..9, by_length in any::<bool>(),
            seed in any::<u64>(), epoch in any::<u64>(),
        ) {
            let rows = rows(&lengths);
            let shuffled = LabelledBatches::shuffled(rows.clone(), whole(&lengths), batch_size, by_length, seed);
            let fixed = LabelledBatches::fixed(rows.clone(), whole(&lengths), batch_size, by_length);
            for batches in [&shuffled, &fixed] {
                let dealt: Vec<_> = (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect();
                dealt.iter().for_each(|batch| assert_consistent(batch, &rows));
                let mut seen: Vec<usize> = dealt.iter().flat_map(|batch| batch.indices.clone()).collect();
                seen.sort_unstable();
                prop_assert_eq!(&*seen, &*whole(&lengths));
                // Other epochs between, and a clone, change nothing.
                for other in 0..3 {
                    batches.batch(other, 0);
                }
                for index in (0..batches.num_batches()).rev() {
                    prop_assert_eq!(&batches.clone().batch(epoch, index), &dealt[index]);
                }
            }
            prop_assert_eq!(fixed.batch(0, 0), fixed.batch(epoch, 0));
        }
    }
}
