//! Padded batches of pairs.

use crate::dealing::Dealer;
use crate::text::windows::IGNORE_TARGET;
use std::sync::Arc;

/// One batch of pairs, padded at the end to the longest of each side.
///
/// # Shapes
/// `source` is row-major `[batch_size, source_len]`; `inputs` and `targets` are `[batch_size, target_len]`; `source_lengths` and
/// `indices` are `[batch_size]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParallelBatch {
    /// Tokens of the sources, each ended by the boundary and then padded with it.
    pub source: Vec<i32>,
    /// Tokens of each source, its boundary included.
    pub source_lengths: Vec<usize>,
    /// What a decoder reads: the boundary and the tokens of the target, padded with the boundary.
    pub inputs: Vec<i32>,
    /// What it should write: the tokens of the target and the boundary, padded with
    /// [`IGNORE_TARGET`](crate::text::windows::IGNORE_TARGET).
    pub targets: Vec<i32>,
    /// The place of each pair in the data, for [`ParallelData::source_text`](super::ParallelData::source_text).
    pub indices: Vec<usize>,
    /// Rows.
    pub batch_size: usize,
    /// Tokens a row of the sources.
    pub source_len: usize,
    /// Tokens a row of the targets.
    pub target_len: usize,
}

impl ParallelBatch {
    /// How many tokens the decoder should write: those of the targets and a boundary each.
    pub fn num_targets(&self) -> usize {
        self.targets.iter().filter(|target| **target != IGNORE_TARGET).count()
    }
}

/// The tokens of all pairs.
#[derive(Debug)]
pub(super) struct Rows {
    /// Tokens of each source with its boundary, so never empty.
    pub sources: Vec<Box<[i32]>>,
    /// Tokens of each target, without boundary.
    pub targets: Vec<Box<[i32]>>,
    /// The boundary of the sources.
    pub source_boundary: i32,
    /// The boundary of the targets.
    pub target_boundary: i32,
}

/// Deals the batches of one part of the pairs, each pair once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ParallelBatches {
    rows: Arc<Rows>,
    dealer: Dealer,
}

impl ParallelBatches {
    pub(super) fn new(rows: Arc<Rows>, dealer: Dealer) -> Self {
        Self { rows, dealer }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Pairs in an epoch, the same in each.
    pub fn num_pairs(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have fewer
    /// than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> ParallelBatch {
        self.rows.batch(self.dealer.batch(epoch, index))
    }
}

/// More tokens than a text has.
const LONGEST: usize = 1 << 20;

/// Tokens of the longer side of a pair, boundaries included, by its [`Rows::length`].
pub(super) fn longer_side(length: usize) -> usize {
    (length / LONGEST + 1).max(length % LONGEST)
}

impl Rows {
    /// A number by which pairs of similar length stand together: first by target, the costlier side, then by source.
    pub fn length(&self, index: usize) -> usize {
        self.targets[index].len() * LONGEST + self.sources[index].len().min(LONGEST - 1)
    }

    fn batch(&self, indices: Vec<usize>) -> ParallelBatch {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let source_len = longest(&mut indices.iter().map(|index| self.sources[*index].len()));
        let target_len = longest(&mut indices.iter().map(|index| self.targets[*index].len() + 1));
        let mut batch = ParallelBatch {
            source: Vec::with_capacity(indices.len() * source_len),
            source_lengths: Vec::with_capacity(indices.len()),
            inputs: Vec::with_capacity(indices.len() * target_len),
            targets: Vec::with_capacity(indices.len() * target_len),
            batch_size: indices.len(),
            indices,
            source_len,
            target_len,
        };
        for (row, index) in (1..).zip(&batch.indices) {
            let (source, target) = (&self.sources[*index], &self.targets[*index]);
            batch.source.extend_from_slice(source);
            batch.source.resize(row * source_len, self.source_boundary);
            batch.source_lengths.push(source.len());
            batch.inputs.push(self.target_boundary);
            batch.inputs.extend_from_slice(target);
            batch.inputs.resize(row * target_len, self.target_boundary);
            batch.targets.extend_from_slice(target);
            batch.targets.push(self.target_boundary);
            batch.targets.resize(row * target_len, IGNORE_TARGET);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_padded_behind_each_side() {
        let row = |tokens: &[i32]| tokens.to_vec().into_boxed_slice();
        let rows = Rows {
            sources: vec![row(&[1, 2, 9]), row(&[3, 9])],
            targets: vec![row(&[5]), row(&[6, 7])],
            source_boundary: 9,
            target_boundary: 8,
        };
        // The first has three tokens of source; the second two of target, and a boundary.
        assert_eq!([0, 1].map(|index| longer_side(rows.length(index))), [3, 3]);
        let batches = ParallelBatches::new(rows.into(), Dealer::fixed([0, 1].into(), 2));
        let batch = batches.batch(0, 0);
        assert_eq!(batch.source, [1, 2, 9, 3, 9, 9]);
        assert_eq!(batch.source_lengths, [3, 2]);
        assert_eq!(batch.inputs, [8, 5, 8, 8, 6, 7]);
        assert_eq!(batch.targets, [5, 8, IGNORE_TARGET, 6, 7, 8]);
        assert_eq!(batch.num_targets(), 5);
        assert_eq!((batch.batch_size, batch.source_len, batch.target_len), (2, 3, 3));
    }
}
