//! Padded batches of tagged sentences.

use super::input::TaggedInput;
use crate::dealing::Dealer;
use crate::text::windows::IGNORE_TARGET;
use std::sync::Arc;

/// One batch of tagged sentences, padded at the end to its longest.
///
/// # Shapes
/// `tokens` and `targets` are row-major `[batch_size, seq_len]`; `firsts`, `lengths` and `indices` are `[batch_size]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedBatch {
    /// Tokens. Places at and after a row's length hold the tokenizer's padding token, or 0 where it has none.
    pub tokens: Vec<i32>,
    /// The tag of each word at its first token, by place in [`TaggedData::tags`](super::TaggedData::tags), and
    /// [`IGNORE_TARGET`](crate::text::windows::IGNORE_TARGET) everywhere else.
    pub targets: Vec<i32>,
    /// Of each row, the places in it where its words begin, in their order. Words at the end that were cut are missing.
    pub firsts: Vec<Vec<usize>>,
    /// Tokens of each row that are no padding: from 1 to `seq_len`.
    pub lengths: Vec<i32>,
    /// The place of each row's sentence in the source, for [`TaggedData::words`](super::TaggedData::words).
    pub indices: Vec<usize>,
    /// Rows.
    pub batch_size: usize,
    /// Tokens a row: the length of the longest.
    pub seq_len: usize,
}

impl TaggedBatch {
    /// What belongs to each word of each row, out of what belongs to tokens: of `[batch_size, seq_len]` items, those at the first
    /// token of each word. A row has fewer than its sentence has words where that was cut.
    ///
    /// # Panics
    /// If there are fewer items: that is an error of the calling code.
    pub fn by_word<T: Copy>(&self, of_tokens: &[T]) -> Vec<Vec<T>> {
        let row = |(row, firsts): (usize, &Vec<usize>)| {
            firsts.iter().map(|first| of_tokens[row * self.seq_len + first]).collect()
        };
        self.firsts.iter().enumerate().map(row).collect()
    }

    /// How many words have a target.
    pub fn num_targets(&self) -> usize {
        self.firsts.iter().map(Vec::len).sum()
    }
}

/// The tokens and tags of all sentences of a source.
#[derive(Debug)]
pub(super) struct Rows {
    pub inputs: Vec<TaggedInput>,
    /// The tag of each word.
    pub tags: Vec<Box<[i32]>>,
    /// What fills a row after its sentence.
    pub padding: i32,
}

/// Deals the batches of one part of the sentences, each sentence once an epoch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct TaggedBatches {
    rows: Arc<Rows>,
    dealer: Dealer,
}

impl TaggedBatches {
    pub(super) fn new(rows: Arc<Rows>, dealer: Dealer) -> Self {
        Self { rows, dealer }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Sentences in an epoch, the same in each.
    pub fn num_sentences(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). One batch of an epoch may have
    /// fewer than `batch_size` rows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> TaggedBatch {
        self.rows.batch(self.dealer.batch(epoch, index))
    }
}

impl Rows {
    fn batch(&self, indices: Vec<usize>) -> TaggedBatch {
        let length = |index: &usize| self.inputs[*index].tokens.len();
        let seq_len = indices.iter().map(length).max().unwrap_or(0);
        let mut tokens = Vec::with_capacity(indices.len() * seq_len);
        let mut targets = vec![IGNORE_TARGET; indices.len() * seq_len];
        for (row, index) in indices.iter().enumerate() {
            let input = &self.inputs[*index];
            tokens.extend(input.tokens.iter().map(|token| *token as i32));
            tokens.resize((row + 1) * seq_len, self.padding);
            for (first, tag) in input.firsts.iter().zip(&self.tags[*index]) {
                targets[row * seq_len + first] = *tag;
            }
        }
        TaggedBatch {
            tokens,
            targets,
            firsts: indices.iter().map(|index| self.inputs[*index].firsts.clone()).collect(),
            lengths: indices.iter().map(|index| length(index) as i32).collect(),
            batch_size: indices.len(),
            indices,
            seq_len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_at_the_first_token_of_a_word() {
        let input = |tokens: &[u32], firsts: &[usize]| TaggedInput { tokens: tokens.into(), firsts: firsts.into() };
        let rows = Rows {
            // The second word of the second sentence was cut.
            inputs: vec![input(&[2, 10, 11, 12, 3], &[1, 3]), input(&[2, 13, 3], &[1])],
            tags: vec![[4, 5].into(), [6, 7].into()],
            padding: 0,
        };
        let batch = TaggedBatches::new(rows.into(), Dealer::fixed([0, 1].into(), 2)).batch(0, 0);
        assert_eq!(batch.tokens, [2, 10, 11, 12, 3, 2, 13, 3, 0, 0]);
        let none = IGNORE_TARGET;
        assert_eq!(batch.targets, [none, 4, none, 5, none, none, 6, none, none, none]);
        assert_eq!((batch.lengths.as_slice(), batch.num_targets()), ([5, 3].as_slice(), 3));
        let predictions: Vec<usize> = (0..10).collect();
        assert_eq!(batch.by_word(&predictions), [vec![1, 3], vec![6]]);
    }
}
