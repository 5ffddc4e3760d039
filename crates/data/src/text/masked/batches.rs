//! Padded batches of masked windows.

use super::masking::Masking;
use crate::dealing::Dealer;
use crate::text::framing::Frame;
use crate::text::windows::IGNORE_TARGET;
use crate::{DataError, SplitMix64, stream_seed};
use std::ops::Range;
use std::sync::Arc;

/// The seed of the validation part's mask, in every run.
const FIXED_SEED: u64 = 0;

/// Streams of random numbers of an epoch; 0 is the order of the windows.
const OFFSET_STREAM: u64 = 1;
const MASK_STREAM: u64 = 2;

/// One batch of windows with hidden tokens, padded at the end to its longest.
///
/// # Shapes
/// `inputs` and `targets` are row-major `[batch_size, seq_len]`; `lengths` is `[batch_size]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBatch {
    /// Tokens that the model reads, framed and with some of them hidden. Places at and after a row's length hold the
    /// tokenizer's padding token, or 0 where it has none.
    pub inputs: Vec<i32>,
    /// The token that stood at each place that is to be guessed, and
    /// [`IGNORE_TARGET`](crate::text::windows::IGNORE_TARGET) everywhere else.
    pub targets: Vec<i32>,
    /// Tokens of each row that are no padding: from 1 to `seq_len`.
    pub lengths: Vec<i32>,
    /// Rows.
    pub batch_size: usize,
    /// Tokens a row: the length of the longest.
    pub seq_len: usize,
}

impl MaskedBatch {
    /// How many tokens are to be guessed.
    pub fn num_targets(&self) -> usize {
        self.targets.iter().filter(|target| **target != IGNORE_TARGET).count()
    }
}

/// Deals batches of masked windows over one part of a text. A batch is a pure function of (seed, epoch, index). Cloning is cheap.
#[derive(Debug, Clone)]
pub struct MaskedBatches {
    tokens: Arc<[u32]>,
    documents: Option<Arc<[Range<usize>]>>,
    masking: Arc<Masking>,
    frame: Frame,
    padding: u32,
    /// Tokens of the text in a window.
    content: usize,
    order: Order,
    dealer: Dealer,
}

/// Which windows come, and with which mask.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Full windows over the text as a ring, from another place and with another mask in each epoch.
    Dynamic { seed: u64 },
    /// Every token in one window, with one mask for ever; the last window may be short.
    Fixed,
}

impl MaskedBatches {
    /// As [`MaskedData::train_batches`](super::MaskedData::train_batches) has them; `content` is at least 1.
    pub(super) fn training(part: Part, batch_size: usize, seed: u64) -> Result<Self, DataError> {
        let windows = part.documents.as_ref().map_or(part.tokens.len() / part.content, |documents| documents.len());
        let dealer = Dealer::shuffled((0..windows).collect(), batch_size, seed);
        part.dealt("training", windows, dealer, Order::Dynamic { seed })
    }

    /// As [`MaskedData::validation_batches`](super::MaskedData::validation_batches) has them.
    pub(super) fn validation(part: Part, batch_size: usize) -> Result<Self, DataError> {
        let whole = part.tokens.len().div_ceil(part.content);
        let windows = part.documents.as_ref().map_or(whole, |documents| documents.len());
        let dealer = Dealer::fixed((0..windows).collect(), batch_size);
        part.dealt("validation", windows, dealer, Order::Fixed)
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
    pub fn batch(&self, epoch: u64, index: usize) -> MaskedBatch {
        let rows: Vec<(Vec<u32>, Vec<i32>)> =
            self.dealer.batch(epoch, index).into_iter().map(|window| self.row(epoch, window)).collect();
        let seq_len = rows.iter().map(|(inputs, _)| inputs.len()).max().unwrap_or(0);
        let mut batch = MaskedBatch {
            inputs: Vec::with_capacity(rows.len() * seq_len),
            targets: Vec::with_capacity(rows.len() * seq_len),
            lengths: rows.iter().map(|(inputs, _)| inputs.len() as i32).collect(),
            batch_size: rows.len(),
            seq_len,
        };
        for (row, (inputs, targets)) in (1..).zip(rows) {
            batch.inputs.extend(inputs.into_iter().map(|token| token as i32));
            batch.inputs.resize(row * seq_len, self.padding as i32);
            batch.targets.extend(targets);
            batch.targets.resize(row * seq_len, IGNORE_TARGET);
        }
        batch
    }

    /// The tokens of a window and what is to be guessed.
    fn row(&self, epoch: u64, window: usize) -> (Vec<u32>, Vec<i32>) {
        let (seed, epoch) = match self.order {
            Order::Dynamic { seed } => (seed, epoch),
            Order::Fixed => (FIXED_SEED, 0),
        };
        let text: Vec<u32> = match (&self.documents, self.order) {
            (Some(documents), _) => self.tokens[documents[window].clone()].to_vec(),
            (None, Order::Dynamic { .. }) => {
                let offset = SplitMix64::new(stream_seed(seed, epoch, OFFSET_STREAM)).below(self.tokens.len());
                let first = offset + window * self.content;
                (first..first + self.content).map(|place| self.tokens[place % self.tokens.len()]).collect()
            }
            (None, Order::Fixed) => {
                let first = window * self.content;
                self.tokens[first..self.tokens.len().min(first + self.content)].to_vec()
            }
        };
        let mut tokens = self.frame.one(text, usize::MAX).tokens;
        let mut rng = SplitMix64::new(stream_seed(stream_seed(seed, epoch, MASK_STREAM), 0, window as u64));
        let targets = self.masking.hide(&mut tokens, &mut rng);
        (tokens, targets)
    }
}

/// What the batches of both parts need.
pub(super) struct Part {
    pub tokens: Arc<[u32]>,
    /// Where each window holds one document, or a part of one: their places.
    pub documents: Option<Arc<[Range<usize>]>>,
    pub masking: Arc<Masking>,
    pub frame: Frame,
    pub padding: u32,
    /// Tokens of the text in a window, at least 1.
    pub content: usize,
}

impl Part {
    fn dealt(
        self,
        part: &'static str,
        windows: usize,
        dealer: Dealer,
        order: Order,
    ) -> Result<MaskedBatches, DataError> {
        let Self { tokens, documents, masking, frame, padding, content } = self;
        let dealer = match &documents {
            Some(documents) => dealer.by_length(documents.iter().map(Range::len).collect()),
            None => dealer,
        };
        if windows == 0 {
            let need = if matches!(order, Order::Fixed) { 1 } else { content };
            return Err(DataError::TooFewTokens { part, have: tokens.len(), need, batch_size: 1, seq_len: content });
        }
        Ok(MaskedBatches { tokens, documents, masking, frame, padding, content, order, dealer })
    }
}
