//! Batches of windows over a row of tokens, for next-token prediction.
//!
//! A batch is a pure function of the windows' own settings, the epoch and the index: any number of workers may ask for any
//! batch in any order and get the same. Tokens are shared, never copied and never tokenised again.

use crate::{DataError, SplitMix64, stream_seed};
use std::sync::Arc;

/// The target at a padded place: it takes no part in loss or counts (the value that PyTorch's `ignore_index` has by default).
pub const IGNORE_TARGET: i32 = -100;

/// One batch for next-token prediction.
///
/// # Shapes
/// `inputs` and `targets` are row-major `[batch_size, seq_len]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextBatch {
    /// Tokens that the model reads. A padded place holds token 0.
    pub inputs: Vec<i32>,
    /// The token that follows each input, or [`IGNORE_TARGET`] at a padded place.
    pub targets: Vec<i32>,
    /// Rows.
    pub batch_size: usize,
    /// Tokens a row; the last batch of a validation pass may have fewer than the others.
    pub seq_len: usize,
    /// Whether a recurrent model starts from a fresh state here; otherwise row `r` goes on where row `r` of the batch before
    /// ended.
    pub reset_state: bool,
}

impl TextBatch {
    /// How many targets count, that is, are not padding.
    pub fn num_targets(&self) -> usize {
        self.targets.iter().filter(|target| **target != IGNORE_TARGET).count()
    }

    /// To which document each input belongs, so that attention can be kept within it: `[batch_size, seq_len]` numbers that count from 0
    /// in each row and go up after each `separator`, the token for the end of a document
    /// ([`TextData::separator`](super::TextData::separator)). The separator belongs to the document that it ends.
    pub fn documents(&self, separator: u32) -> Vec<i32> {
        let mut documents = Vec::with_capacity(self.inputs.len());
        for row in self.inputs.chunks(self.seq_len.max(1)) {
            let mut document = 0;
            for token in row {
                documents.push(document);
                document += i32::from(*token == separator as i32);
            }
        }
        documents
    }

    /// The same batch with the first `seq_len` tokens of each row, where it has more.
    pub(super) fn cut(self, seq_len: usize) -> Self {
        if seq_len >= self.seq_len {
            return self;
        }
        let heads = |tokens: &[i32]| tokens.chunks(self.seq_len).flat_map(|row| &row[..seq_len]).copied().collect();
        Self { inputs: heads(&self.inputs), targets: heads(&self.targets), seq_len, ..self }
    }
}

/// Something that deals batches by number.
pub trait TextBatches: Send + Sync {
    /// Batches in an epoch, the same in each; at least 1.
    fn num_batches(&self) -> usize;

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0).
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    fn batch(&self, epoch: u64, index: usize) -> TextBatch;

    /// Targets that count, summed over an epoch: what a mean loss divides by.
    fn num_targets(&self) -> usize;
}

/// Parallel streams over the tokens: row `r` of batch `i + 1` goes on where row `r` of batch `i` ended, so that a recurrent
/// state carries over. The first batch of an epoch asks for a fresh state.
#[derive(Debug, Clone)]
pub struct ContiguousWindows {
    tokens: Arc<[u32]>,
    batch_size: usize,
    seq_len: usize,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    /// Full windows only. With a seed, each epoch starts at a random place and the text is read as a ring.
    Training { num_windows: usize, seed: Option<u64> },
    /// Every target exactly once; the last window is short and short streams are padded.
    Coverage,
}

impl ContiguousWindows {
    /// Streams for training: each epoch is `(tokens - 1) / (batch_size * seq_len)` batches of full windows.
    ///
    /// With `offset_seed`, each epoch starts at a random token, from `stream_seed(offset_seed, epoch, 0)`, and reads the text as a
    /// ring: after the last token comes the first. So windows differ between epochs, and what one epoch leaves out (less than
    /// one window a stream) others read. Without it every epoch starts at the first token and leaves out the tail.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] below `batch_size * seq_len + 1` tokens; [`DataError::Config`] for a size of 0.
    pub fn training(
        tokens: Arc<[u32]>,
        batch_size: usize,
        seq_len: usize,
        offset_seed: Option<u64>,
    ) -> Result<Self, DataError> {
        check_sizes(batch_size, seq_len)?;
        let num_windows = tokens.len().saturating_sub(1) / batch_size.saturating_mul(seq_len);
        if num_windows == 0 {
            return Err(DataError::TooFewTokens {
                part: "training",
                have: tokens.len(),
                need: batch_size.saturating_mul(seq_len).saturating_add(1),
                batch_size,
                seq_len,
            });
        }
        Ok(Self { tokens, batch_size, seq_len, plan: Plan::Training { num_windows, seed: offset_seed } })
    }

    /// Streams for validation, the same in each epoch: every token but the first is a target exactly once. Where the tokens do
    /// not fill the last batch it has fewer than `seq_len` columns, and streams one token shorter than others are padded with
    /// [`IGNORE_TARGET`]. With fewer targets than `batch_size` there are fewer rows.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] below 2 tokens; [`DataError::Config`] for a size of 0.
    pub fn validation(tokens: Arc<[u32]>, batch_size: usize, seq_len: usize) -> Result<Self, DataError> {
        check_sizes(batch_size, seq_len)?;
        if tokens.len() < 2 {
            return Err(DataError::TooFewTokens {
                part: "validation",
                have: tokens.len(),
                need: 2,
                batch_size: 1,
                seq_len: 1,
            });
        }
        Ok(Self { batch_size: batch_size.min(tokens.len() - 1), tokens, seq_len, plan: Plan::Coverage })
    }

    /// The first target of a row and how many it has, when all targets are dealt to the rows as evenly as can be.
    fn coverage_row(&self, row: usize) -> (usize, usize) {
        let targets = self.tokens.len() - 1;
        let (each, longer) = (targets / self.batch_size, targets % self.batch_size);
        (row * each + row.min(longer), each + usize::from(row < longer))
    }

    fn training_batch(&self, num_windows: usize, seed: Option<u64>, epoch: u64, index: usize) -> TextBatch {
        let start = match seed {
            Some(seed) => SplitMix64::new(stream_seed(seed, epoch, 0)).below(self.tokens.len()),
            None => 0,
        };
        let mut batch = TextBatch::empty(self.batch_size, self.seq_len, index == 0);
        for row in 0..self.batch_size {
            let first = start + (row * num_windows + index) * self.seq_len;
            batch.push_window(&self.tokens, first, self.seq_len);
        }
        batch
    }

    fn coverage_batch(&self, index: usize) -> TextBatch {
        let begin = index * self.seq_len;
        // Row 0 is never shorter than another.
        let columns = (self.coverage_row(0).1 - begin).min(self.seq_len);
        let mut batch = TextBatch::empty(self.batch_size, columns, index == 0);
        for row in 0..self.batch_size {
            let (first, length) = self.coverage_row(row);
            let real = (length - begin).min(columns);
            batch.push_window(&self.tokens, first + begin, real);
            batch.inputs.resize((row + 1) * columns, 0);
            batch.targets.resize((row + 1) * columns, IGNORE_TARGET);
        }
        batch
    }
}

impl TextBatches for ContiguousWindows {
    fn num_batches(&self) -> usize {
        match self.plan {
            Plan::Training { num_windows, .. } => num_windows,
            Plan::Coverage => self.coverage_row(0).1.div_ceil(self.seq_len),
        }
    }

    fn batch(&self, epoch: u64, index: usize) -> TextBatch {
        assert!(index < self.num_batches(), "batch {index} of {}", self.num_batches());
        match self.plan {
            Plan::Training { num_windows, seed } => self.training_batch(num_windows, seed, epoch, index),
            Plan::Coverage => self.coverage_batch(index),
        }
    }

    fn num_targets(&self) -> usize {
        match self.plan {
            Plan::Training { num_windows, .. } => num_windows * self.batch_size * self.seq_len,
            Plan::Coverage => self.tokens.len() - 1,
        }
    }
}

/// Independent windows that start anywhere, each equally likely; every batch asks for a fresh state.
#[derive(Debug, Clone)]
pub struct RandomWindows {
    tokens: Arc<[u32]>,
    batch_size: usize,
    seq_len: usize,
    num_batches: usize,
    seed: u64,
}

impl RandomWindows {
    /// Windows of `seq_len` inputs, whose starts in batch `index` of `epoch` follow from `stream_seed(seed, epoch, index)` alone.
    /// An epoch has `batches_per_epoch` batches; with `None`, `tokens / (batch_size * seq_len)` of them, at least 1.
    ///
    /// # Errors
    /// [`DataError::TooFewTokens`] below `seq_len + 1` tokens; [`DataError::Config`] for a size of 0.
    pub fn new(
        tokens: Arc<[u32]>,
        batch_size: usize,
        seq_len: usize,
        batches_per_epoch: Option<usize>,
        seed: u64,
    ) -> Result<Self, DataError> {
        check_sizes(batch_size, seq_len)?;
        if tokens.len() <= seq_len {
            return Err(DataError::TooFewTokens {
                part: "training",
                have: tokens.len(),
                need: seq_len.saturating_add(1),
                batch_size,
                seq_len,
            });
        }
        let num_batches = batches_per_epoch.unwrap_or(tokens.len() / batch_size.saturating_mul(seq_len)).max(1);
        Ok(Self { tokens, batch_size, seq_len, num_batches, seed })
    }
}

impl TextBatches for RandomWindows {
    fn num_batches(&self) -> usize {
        self.num_batches
    }

    fn batch(&self, epoch: u64, index: usize) -> TextBatch {
        assert!(index < self.num_batches, "batch {index} of {}", self.num_batches);
        let mut rng = SplitMix64::new(stream_seed(self.seed, epoch, index as u64));
        let mut batch = TextBatch::empty(self.batch_size, self.seq_len, true);
        for _ in 0..self.batch_size {
            let first = rng.below(self.tokens.len() - self.seq_len);
            batch.push_window(&self.tokens, first, self.seq_len);
        }
        batch
    }

    fn num_targets(&self) -> usize {
        self.num_batches * self.batch_size * self.seq_len
    }
}

impl TextBatch {
    pub(super) fn empty(batch_size: usize, seq_len: usize, reset_state: bool) -> Self {
        Self {
            inputs: Vec::with_capacity(batch_size * seq_len),
            targets: Vec::with_capacity(batch_size * seq_len),
            batch_size,
            seq_len,
            reset_state,
        }
    }

    /// Appends `length` inputs from token `first` on, and their successors as targets, over `tokens` as a ring.
    pub(super) fn push_window(&mut self, tokens: &[u32], first: usize, length: usize) {
        push_ring(&mut self.inputs, tokens, first, length);
        push_ring(&mut self.targets, tokens, first + 1, length);
    }
}

fn push_ring(row: &mut Vec<i32>, tokens: &[u32], first: usize, mut length: usize) {
    let mut first = first % tokens.len();
    while length > 0 {
        let piece = &tokens[first..tokens.len().min(first + length)];
        row.extend(piece.iter().map(|token| *token as i32));
        length -= piece.len();
        first = 0;
    }
}

pub(super) fn check_sizes(batch_size: usize, seq_len: usize) -> Result<(), DataError> {
    for (key, size) in [("batch_size", batch_size), ("seq_len", seq_len)] {
        if size == 0 {
            let message = "is 0; it must be at least 1".to_owned();
            return Err(DataError::Config { key, message });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tokens that are their own position, so that a batch shows where it came from.
    fn positions(count: usize) -> Arc<[u32]> {
        (0..count as u32).collect()
    }

    fn row(batch: &TextBatch, row: usize) -> (&[i32], &[i32]) {
        let range = row * batch.seq_len..(row + 1) * batch.seq_len;
        (&batch.inputs[range.clone()], &batch.targets[range])
    }

    fn assert_shapes(batch: &TextBatch) {
        assert_eq!(batch.inputs.len(), batch.batch_size * batch.seq_len);
        assert_eq!(batch.targets.len(), batch.batch_size * batch.seq_len);
    }

    #[test]
    fn training_by_hand() {
        // 14 tokens, 2 streams, windows of 3: (14 - 1) / 6 = 2 batches; stream 1 starts at 2 * 3 = 6; token 13 is left out.
        let windows = ContiguousWindows::training(positions(14), 2, 3, None).unwrap();
        assert_eq!(windows.num_batches(), 2);
        assert_eq!(windows.num_targets(), 12);
        let first = windows.batch(0, 0);
        assert_eq!(first.inputs, [0, 1, 2, 6, 7, 8]);
        assert_eq!(first.targets, [1, 2, 3, 7, 8, 9]);
        assert!(first.reset_state);
        let second = windows.batch(0, 1);
        assert_eq!(second.inputs, [3, 4, 5, 9, 10, 11]);
        assert_eq!(second.targets, [4, 5, 6, 10, 11, 12]);
        assert!(!second.reset_state);
        assert_eq!(windows.batch(5, 1), second);
    }

    #[test]
    fn validation_by_hand() {
        // 8 targets (tokens 1 to 8) over 3 streams: 3, 3 and 2 of them; windows of 2: one full batch and one of width 1.
        let windows = ContiguousWindows::validation(positions(9), 3, 2).unwrap();
        assert_eq!(windows.num_batches(), 2);
        let first = windows.batch(0, 0);
        assert_eq!(first.inputs, [0, 1, 3, 4, 6, 7]);
        assert_eq!(first.targets, [1, 2, 4, 5, 7, 8]);
        let last = windows.batch(0, 1);
        assert_eq!((last.batch_size, last.seq_len), (3, 1));
        assert_eq!(last.inputs, [2, 5, 0]);
        assert_eq!(last.targets, [3, 6, IGNORE_TARGET]);
        assert_eq!(first.num_targets() + last.num_targets(), windows.num_targets());
    }

    #[test]
    fn offsets_differ_between_epochs_and_follow_the_seed() {
        let windows = ContiguousWindows::training(positions(1000), 4, 8, Some(1)).unwrap();
        assert_ne!(windows.batch(0, 0), windows.batch(1, 0));
        assert_eq!(windows.batch(3, 2), windows.clone().batch(3, 2));
        let other = ContiguousWindows::training(positions(1000), 4, 8, Some(2)).unwrap();
        assert_ne!(windows.batch(0, 0), other.batch(0, 0));
    }

    #[test]
    fn documents_are_numbered_by_row_and_rows_can_be_cut() {
        let batch = TextBatch {
            inputs: vec![5, 9, 6, 7, 9, 9, 8, 8],
            targets: vec![9, 6, 7, 9, 9, 8, 8, 8],
            batch_size: 2,
            seq_len: 4,
            reset_state: true,
        };
        assert_eq!(batch.documents(9), [0, 0, 1, 1, 0, 1, 2, 2]);
        let cut = batch.clone().cut(3);
        assert_eq!(
            (cut.inputs.as_slice(), cut.targets.as_slice()),
            ([5, 9, 6, 9, 9, 8].as_slice(), [9, 6, 7, 9, 8, 8].as_slice())
        );
        assert_eq!((cut.batch_size, cut.seq_len), (2, 3));
        assert_eq!(batch.clone().cut(7), batch);
    }

    #[test]
    fn too_few_tokens_is_said() {
        let message = ContiguousWindows::training(positions(12), 3, 4, None).unwrap_err().to_string();
        for part in ["training part has 12 tokens", "needs 13", "batch_size", "seq_len"] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(ContiguousWindows::training(positions(13), 3, 4, None).is_ok());
        assert!(ContiguousWindows::validation(positions(1), 3, 4).is_err());
        assert!(RandomWindows::new(positions(4), 3, 4, None, 0).is_err());
        assert!(RandomWindows::new(positions(5), 3, 4, None, 0).is_ok());
        assert!(ContiguousWindows::training(positions(5), usize::MAX, 4, None).is_err());
        assert!(RandomWindows::new(positions(5), 0, 4, None, 0).is_err());
    }

    proptest! {
        #[test]
        fn training_streams_go_on_and_targets_are_the_next_input(
            count in 2usize..400, batch_size in 1usize..6, seq_len in 1usize..12, seed in proptest::option::of(any::<u64>()), epoch in 0u64..4,
        ) {
            let Ok(windows) = ContiguousWindows::training(positions(count), batch_size, seq_len, seed) else {
                prop_assert!(count <= batch_size * seq_len);
                return Ok(());
            };
            let mut seen = vec![0; count];
            for r in 0..batch_size {
                let mut stream = Vec::new();
                for index in 0..windows.num_batches() {
                    let batch = windows.batch(epoch, index);
                    assert_shapes(&batch);
                    prop_assert_eq!(batch.reset_state, index == 0);
                    let (inputs, targets) = row(&batch, r);
                    stream.extend_from_slice(inputs);
                    for (input, target) in inputs.iter().zip(targets) {
                        prop_assert_eq!((input + 1) % count as i32, *target);
                        seen[*target as usize] += 1;
                    }
                }
                for pair in stream.windows(2) {
                    prop_assert_eq!((pair[0] + 1) % count as i32, pair[1]);
                }
            }
            // Nothing twice, and less than one window a stream left out (the very first target has no input without a ring).
            prop_assert!(seen.iter().all(|times| *times <= 1));
            let dropped = count - seen.iter().sum::<usize>();
            prop_assert!(dropped <= batch_size * seq_len);
        }

        #[test]
        fn validation_counts_every_target_once(count in 2usize..400, batch_size in 1usize..9, seq_len in 1usize..12) {
            let windows = ContiguousWindows::validation(positions(count), batch_size, seq_len).unwrap();
            let mut seen = vec![0; count];
            let mut last_of_row = vec![None; batch_size];
            for index in 0..windows.num_batches() {
                let batch = windows.batch(0, index);
                assert_shapes(&batch);
                prop_assert!(batch.num_targets() > 0);
                prop_assert!(batch.seq_len == seq_len || index + 1 == windows.num_batches());
                for (r, last) in last_of_row.iter_mut().enumerate().take(batch.batch_size) {
                    let (inputs, targets) = row(&batch, r);
                    for (input, target) in inputs.iter().zip(targets).filter(|(_, target)| **target != IGNORE_TARGET) {
                        prop_assert_eq!(input + 1, *target);
                        prop_assert!(last.is_none_or(|last| last == *input));
                        *last = Some(*target);
                        seen[*target as usize] += 1;
                    }
                }
            }
            prop_assert_eq!(seen[0], 0);
            prop_assert!(seen[1..].iter().all(|times| *times == 1));
            prop_assert_eq!(windows.num_targets(), count - 1);
        }

        #[test]
        fn random_batches_are_pure(count in 13usize..400, seed in any::<u64>(), epoch in any::<u64>()) {
            let windows = RandomWindows::new(positions(count), 3, 12, Some(5), seed).unwrap();
            let forwards: Vec<_> = (0..5).map(|index| windows.batch(epoch, index)).collect();
            for index in (0..5).rev() {
                prop_assert_eq!(&windows.clone().batch(epoch, index), &forwards[index]);
            }
            for batch in &forwards {
                assert_shapes(batch);
                prop_assert!(batch.reset_state);
                // No window crosses the end of the text.
                prop_assert!(batch.inputs.iter().zip(&batch.targets).all(|(input, target)| input + 1 == *target));
            }
        }
    }

    #[test]
    fn random_windows_start_anywhere() {
        let windows = RandomWindows::new(positions(6), 64, 4, Some(1), 0).unwrap();
        let batch = windows.batch(0, 0);
        let starts: std::collections::BTreeSet<i32> = (0..64).map(|r| row(&batch, r).0[0]).collect();
        assert_eq!(starts.into_iter().collect::<Vec<_>>(), [0, 1]);
    }
}
