//! Padded batches of labelled texts.

use crate::dealing::Dealer;
use std::sync::Arc;

/// One batch of labelled texts, padded at the end to its longest.
///
/// # Shapes
/// `tokens` and `segments` are row-major `[batch_size, seq_len]`; `lengths`, `labels` and `indices` are `[batch_size]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledBatch {
    /// Tokens. Places at and after a row's length hold the tokenizer's padding token, or 0 where it has none.
    pub tokens: Vec<i32>,
    /// 1 where the token belongs to the second text of a pair or to its end, else 0 (BERT's `token_type_ids`).
    pub segments: Vec<i32>,
    /// Tokens of each row that are no padding: from 1 to `seq_len`.
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
    /// The place in those tokens where the second text of a pair begins; their number where there is none.
    pub seconds: Vec<usize>,
    /// The class of each text.
    pub labels: Vec<i32>,
    /// What fills a row after its text.
    pub padding: i32,
}

/// Deals the batches of one part of the texts, each text once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct LabelledBatches {
    rows: Arc<Rows>,
    dealer: Dealer,
}

impl LabelledBatches {
    pub(super) fn new(rows: Arc<Rows>, dealer: Dealer) -> Self {
        Self { rows, dealer }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Texts in an epoch, the same in each.
    pub fn num_texts(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have
    /// fewer than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> LabelledBatch {
        self.rows.batch(self.dealer.batch(epoch, index))
    }
}

impl Rows {
    /// The texts at `indices`, as one batch.
    fn batch(&self, indices: Vec<usize>) -> LabelledBatch {
        let seq_len = indices.iter().map(|index| self.tokens[*index].len()).max().unwrap_or(0);
        let mut tokens = Vec::with_capacity(indices.len() * seq_len);
        let mut segments = vec![0; indices.len() * seq_len];
        for (row, index) in indices.iter().enumerate() {
            let text = &self.tokens[*index];
            tokens.extend_from_slice(text);
            tokens.resize((row + 1) * seq_len, self.padding);
            segments[row * seq_len + self.seconds[*index]..row * seq_len + text.len()].fill(1);
        }
        LabelledBatch {
            tokens,
            segments,
            lengths: indices.iter().map(|index| self.tokens[*index].len() as i32).collect(),
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
            batch_size: indices.len(),
            indices,
            seq_len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_holds_its_texts_and_padding(
            lengths in proptest::collection::vec(1usize..30, 1..100), batch_size in 1usize..9, seed in any::<u64>(),
        ) {
            // Text `i` has `lengths[i]` tokens, all `i + 1`, and class `i % 2`.
            let tokens = (1..).zip(&lengths).map(|(token, length)| vec![token; *length].into()).collect();
            // Of each second text, the last token belongs to a second segment.
            let seconds: Vec<usize> = lengths.iter().enumerate().map(|(index, length)| length - index % 2).collect();
            let labels = (0..lengths.len() as i32).map(|index| index % 2).collect();
            let rows = Arc::new(Rows { tokens, seconds: seconds.clone(), labels, padding: 0 });
            let dealer = Dealer::shuffled((0..lengths.len()).collect(), batch_size, seed);
            let batches = LabelledBatches::new(rows.clone(), dealer);
            for batch in (0..batches.num_batches()).map(|index| batches.batch(0, index)) {
                prop_assert_eq!(batch.tokens.len(), batch.batch_size * batch.seq_len);
                prop_assert_eq!(batch.lengths.iter().max().copied(), Some(batch.seq_len as i32));
                for (row, index) in batch.indices.iter().enumerate() {
                    let tokens = &batch.tokens[row * batch.seq_len..][..batch.seq_len];
                    let (text, padding) = tokens.split_at(batch.lengths[row] as usize);
                    prop_assert_eq!(text, &*rows.tokens[*index]);
                    prop_assert!(padding.iter().all(|token| *token == 0));
                    prop_assert_eq!(batch.labels[row], rows.labels[*index]);
                    for (place, segment) in batch.segments[row * batch.seq_len..][..batch.seq_len].iter().enumerate() {
                        prop_assert_eq!(*segment == 1, place >= seconds[*index] && place < lengths[*index]);
                    }
                }
            }
        }
    }
}
