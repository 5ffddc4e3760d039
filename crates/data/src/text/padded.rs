use crate::DataError;
use crate::dealing::Dealer;
use crate::text::windows::{IGNORE_TARGET, TextBatch, TextBatches};
use std::ops::Range;
use std::sync::Arc;

/// Windows of one document each, padded at the end: short documents whole, and longer ones in parts. Every target comes once an
/// epoch, and every batch asks for a fresh state.
#[derive(Debug, Clone)]
pub struct DocumentWindows {
    tokens: Arc<[u32]>,
    /// The inputs of each window; their targets are one further.
    windows: Arc<[Range<usize>]>,
    dealer: Dealer,
}

impl DocumentWindows {
    /// Windows over `tokens`, which are a `separator`, and documents that end with one each: the separator before a document is its
    /// first input, and the one after it its last target. Windows of similar length share a batch; with `seed` the batches come in
    /// an order that follows from it and the epoch, without it from the shortest to the longest.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] below 2 tokens; [`DataError::Config`] for a size of 0.
    pub fn new(
        tokens: Arc<[u32]>,
        separator: u32,
        batch_size: usize,
        seq_len: usize,
        seed: Option<u64>,
    ) -> Result<Self, DataError> {
        super::windows::check_sizes(batch_size, seq_len)?;
        let windows = windows(&tokens, separator, seq_len);
        if windows.is_empty() {
            let part = if seed.is_some() { "training" } else { "validation" };
            return Err(DataError::TooFewTokens { part, have: tokens.len(), need: 2, batch_size: 1, seq_len: 1 });
        }
        let part = (0..windows.len()).collect();
        let dealer = match seed {
            Some(seed) => Dealer::shuffled(part, batch_size, seed),
            None => Dealer::fixed(part, batch_size),
        };
        let lengths = windows.iter().map(Range::len).collect();
        Ok(Self { tokens, windows: windows.into(), dealer: dealer.by_length(lengths) })
    }
}

/// The inputs of each window.
fn windows(tokens: &[u32], separator: u32, seq_len: usize) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let mut start = 0;
    for end in 1..tokens.len() {
        if tokens[end] == separator || end + 1 == tokens.len() {
            windows.extend((start..end).step_by(seq_len).map(|first| first..end.min(first.saturating_add(seq_len))));
            start = end;
        }
    }
    windows
}

impl TextBatches for DocumentWindows {
    fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    fn batch(&self, epoch: u64, index: usize) -> TextBatch {
        let windows = self.dealer.batch(epoch, index);
        let seq_len = windows.iter().map(|window| self.windows[*window].len()).max().unwrap_or(0);
        let mut batch = TextBatch::empty(windows.len(), seq_len, true);
        for (row, window) in (1..).zip(windows) {
            let window = &self.windows[window];
            batch.push_window(&self.tokens, window.start, window.len());
            batch.inputs.resize(row * seq_len, 0);
            batch.targets.resize(row * seq_len, IGNORE_TARGET);
        }
        batch
    }

    fn num_targets(&self) -> usize {
        self.tokens.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_by_hand() {
        // Documents 1 2, 3 4 5 6, and 7, ended by 0; windows of 3.
        let tokens: Arc<[u32]> = [0, 1, 2, 0, 3, 4, 5, 6, 0, 7, 0].into();
        let windows = DocumentWindows::new(tokens, 0, 10, 3, None).unwrap();
        let batch = windows.batch(0, 0);
        assert_eq!((batch.batch_size, batch.seq_len, batch.reset_state), (4, 3, true));
        let none = IGNORE_TARGET;
        assert_eq!(batch.inputs, [5, 6, 0, 0, 7, 0, 0, 1, 2, 0, 3, 4]);
        assert_eq!(batch.targets, [6, 0, none, 7, 0, none, 1, 2, 0, 3, 4, 5]);
        assert_eq!((batch.num_targets(), windows.num_targets()), (10, 10));
        assert!(DocumentWindows::new([0].into(), 0, 1, 3, None).is_err());
        assert!(DocumentWindows::new([0, 1].into(), 0, 1, 0, None).is_err());
    }

    proptest! {
        #[test]
        fn every_target_comes_once_after_its_own_document(
            mut tokens in proptest::collection::vec(0u32..4, 1..80), batch_size in 1usize..5, seq_len in 1usize..9,
            seed in proptest::option::of(any::<u64>()), epoch in 0u64..3,
        ) {
            tokens.insert(0, 0);
            tokens.push(0);
            let windows = DocumentWindows::new(tokens.clone().into(), 0, batch_size, seq_len, seed).unwrap();
            let mut count = 0;
            for index in 0..windows.num_batches() {
                let batch = windows.batch(epoch, index);
                prop_assert_eq!(&windows.clone().batch(epoch, index), &batch);
                prop_assert!(batch.seq_len <= seq_len && batch.batch_size <= batch_size);
                for row in 0..batch.batch_size {
                    let range = row * batch.seq_len..(row + 1) * batch.seq_len;
                    let targets: Vec<i32> =
                        batch.targets[range.clone()].iter().copied().filter(|target| *target != IGNORE_TARGET).collect();
                    let inputs = &batch.inputs[range][..targets.len()];
                    prop_assert_eq!(&inputs[1..], &targets[..targets.len() - 1]);
                    // A separator is the first input or the last target.
                    prop_assert!(inputs[1..].iter().all(|token| *token != 0));
                    count += targets.len();
                }
            }
            prop_assert_eq!(count, windows.num_targets());
        }
    }
}
