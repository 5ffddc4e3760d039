//! Batches of windows over scaled rows.
//!
//! A batch is a pure function of the windows' own settings, the epoch and the index: any number of workers may ask for
//! any batch in any order and get the same. The rows are shared; a batch copies its own.

use crate::dealing::Dealer;
use std::ops::Range;
use std::sync::Arc;

/// One batch for forecasting. All values are scaled.
///
/// # Shapes
/// `inputs` is row-major `[batch_size, input_len, num_inputs]`, `targets` is `[batch_size, horizon, num_targets]`, and
/// `starts` is `[batch_size]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesBatch {
    /// What the model reads: the targets' columns, then the covariates'.
    pub inputs: Vec<f32>,
    /// The rows that follow, of the targets' columns.
    pub targets: Vec<f32>,
    /// The row of the whole series, from 0, in which each window's forecast begins.
    pub starts: Vec<usize>,
    /// Windows; the last batch of an epoch may have fewer than the others.
    pub batch_size: usize,
    /// Rows that the model reads.
    pub input_len: usize,
    /// Rows that it forecasts.
    pub horizon: usize,
    /// Columns that the model reads.
    pub num_inputs: usize,
    /// Columns that it forecasts.
    pub num_targets: usize,
}

/// Scaled rows of the whole series.
#[derive(Debug)]
pub(super) struct ScaledRows {
    /// Row-major `[rows, columns]`, targets first.
    pub values: Vec<f32>,
    pub num_columns: usize,
    pub num_targets: usize,
}

/// Rows that a window covers, and windows in a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub input_len: usize,
    pub horizon: usize,
    pub batch_size: usize,
}

/// Deals the windows of one part of a series by number, each once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SeriesBatches {
    rows: Arc<ScaledRows>,
    sizes: Sizes,
    /// Deals the rows in which the windows' forecasts begin.
    dealer: Dealer,
}

impl SeriesBatches {
    /// Windows `stride` rows apart whose inputs and targets lie in `part`, in an order that follows from
    /// `stream_seed(seed, epoch, 0)`. The part has at least `input_len + horizon` rows.
    pub(super) fn training(rows: Arc<ScaledRows>, part: Range<usize>, stride: usize, sizes: Sizes, seed: u64) -> Self {
        let starts = (part.start + sizes.input_len..=part.end - sizes.horizon).step_by(stride);
        Self { rows, sizes, dealer: Dealer::shuffled(starts.collect(), sizes.batch_size, seed) }
    }

    /// All windows whose targets lie in `part`, in the order of time; the inputs of the first ones lie before it. The
    /// part has at least `horizon` rows, and `input_len` rows come before it.
    pub(super) fn scoring(rows: Arc<ScaledRows>, part: Range<usize>, sizes: Sizes) -> Self {
        let starts = part.start..=part.end - sizes.horizon;
        Self { rows, sizes, dealer: Dealer::fixed(starts.collect(), sizes.batch_size) }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Windows in an epoch, the same in each.
    pub fn num_windows(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0).
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> SeriesBatch {
        self.rows.batch(self.dealer.batch(epoch, index), self.sizes)
    }
}

impl ScaledRows {
    /// The windows whose forecasts begin at `starts`.
    fn batch(&self, starts: Vec<usize>, sizes: Sizes) -> SeriesBatch {
        let Sizes { input_len, horizon, .. } = sizes;
        let mut inputs = Vec::with_capacity(starts.len() * input_len * self.num_columns);
        let mut targets = Vec::with_capacity(starts.len() * horizon * self.num_targets);
        for start in &starts {
            inputs.extend_from_slice(self.rows(start - input_len..*start));
            for row in self.rows(*start..start + horizon).chunks_exact(self.num_columns) {
                targets.extend_from_slice(&row[..self.num_targets]);
            }
        }
        SeriesBatch {
            inputs,
            targets,
            batch_size: starts.len(),
            starts,
            input_len,
            horizon,
            num_inputs: self.num_columns,
            num_targets: self.num_targets,
        }
    }

    fn rows(&self, rows: Range<usize>) -> &[f32] {
        &self.values[rows.start * self.num_columns..rows.end * self.num_columns]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Row `r` holds `r` in its only target and `-r` in its only covariate.
    fn rows(count: usize) -> Arc<ScaledRows> {
        let values = (0..count).flat_map(|row| [row as f32, -(row as f32)]).collect();
        Arc::new(ScaledRows { values, num_columns: 2, num_targets: 1 })
    }

    fn sizes(input_len: usize, horizon: usize, batch_size: usize) -> Sizes {
        Sizes { input_len, horizon, batch_size }
    }

    fn assert_consistent(batch: &SeriesBatch, sizes: Sizes) {
        assert_eq!((batch.input_len, batch.horizon), (sizes.input_len, sizes.horizon));
        assert_eq!(batch.starts.len(), batch.batch_size);
        for (index, start) in batch.starts.iter().enumerate() {
            let inputs: Vec<f32> = (start - sizes.input_len..*start).flat_map(|r| [r as f32, -(r as f32)]).collect();
            let targets: Vec<f32> = (*start..start + sizes.horizon).map(|row| row as f32).collect();
            assert_eq!(batch.inputs[index * inputs.len()..][..inputs.len()], inputs);
            assert_eq!(batch.targets[index * targets.len()..][..targets.len()], targets);
        }
        assert_eq!(batch.inputs.len(), batch.batch_size * sizes.input_len * batch.num_inputs);
        assert_eq!(batch.targets.len(), batch.batch_size * sizes.horizon * batch.num_targets);
    }

    #[test]
    fn scoring_by_hand() {
        // Rows 5 to 8 are the part: forecasts of 2 rows begin at 5, 6 and 7; each reads the 3 rows before.
        let batches = SeriesBatches::scoring(rows(12), 5..9, sizes(3, 2, 2));
        assert_eq!((batches.num_windows(), batches.num_batches()), (3, 2));
        let first = batches.batch(0, 0);
        assert_eq!(first.starts, [5, 6]);
        assert_eq!(first.inputs, [2.0, -2.0, 3.0, -3.0, 4.0, -4.0, 3.0, -3.0, 4.0, -4.0, 5.0, -5.0]);
        assert_eq!(first.targets, [5.0, 6.0, 6.0, 7.0]);
        assert_eq!(batches.batch(3, 0), first);
        assert_eq!((batches.batch(0, 1).starts, batches.batch(0, 1).batch_size), (vec![7], 1));
    }

    #[test]
    fn epochs_and_seeds_have_their_own_order() {
        let deal = |seed, epoch| {
            let batches = SeriesBatches::training(rows(200), 0..200, 1, sizes(4, 2, 200), seed);
            batches.batch(epoch, 0).starts
        };
        assert_eq!(deal(1, 0), deal(1, 0));
        assert_ne!(deal(1, 0), deal(1, 1));
        assert_ne!(deal(1, 0), deal(2, 0));
        assert!(!deal(1, 0).is_sorted());
    }

    proptest! {
        #[test]
        fn every_window_comes_once_an_epoch(
            extra in 0usize..80, input_len in 1usize..9, horizon in 1usize..9, stride in 1usize..5,
            batch_size in 1usize..9, seed in any::<u64>(), epoch in any::<u64>(),
        ) {
            let (count, sizes) = (input_len + horizon + extra, sizes(input_len, horizon, batch_size));
            let batches = SeriesBatches::training(rows(count), 0..count, stride, sizes, seed);
            let dealt: Vec<_> = (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect();
            dealt.iter().for_each(|batch| assert_consistent(batch, sizes));
            let mut starts: Vec<usize> = dealt.iter().flat_map(|batch| batch.starts.clone()).collect();
            starts.sort_unstable();
            let expected: Vec<usize> = (input_len..=count - horizon).step_by(stride).collect();
            prop_assert_eq!(starts, expected);
            // Other epochs between, another order and a clone change nothing.
            for other in 0..3 {
                batches.batch(other, 0);
            }
            for index in (0..batches.num_batches()).rev() {
                prop_assert_eq!(&batches.clone().batch(epoch, index), &dealt[index]);
            }
        }
    }
}
