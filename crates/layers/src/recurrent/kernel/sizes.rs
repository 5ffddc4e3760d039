//! Sizes, strides and the order of steps.

use super::panels::WIDE;
use crate::{cpu::threads, recurrent::Cell};
use std::ops::Range;

/// Below this many steps packing the weight costs more than it saves.
const STEPS_WORTH_PACKING: usize = 4;

/// Rows whose bias gradients are added up together. Threads get whole groups, so the sums do not depend on their number.
pub const GROUP: usize = 4;

/// Rows that one thread takes through all steps at a time, at most: what they need has to stay in the cache.
const MOST_ROWS: usize = 32;

/// The sizes of one layer's work on one batch.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub cell: Cell,
    /// Whether the last step comes first.
    pub reverse: bool,
    pub batch: usize,
    pub time: usize,
    pub input: usize,
    pub hidden: usize,
}

impl Sizes {
    /// Rows of the weights.
    pub fn gates(&self) -> usize {
        self.cell.gates() * self.hidden
    }

    /// From the gates of one step to those of the next. Not a power of two for the usual sizes, which would put the
    /// same gate of all sequences into the same few lines of the cache.
    pub fn gates_stride(&self) -> usize {
        self.gates() + WIDE
    }

    /// `hidden` up to whole panels.
    pub fn padded(&self) -> usize {
        self.hidden.next_multiple_of(WIDE)
    }

    /// From one row to the next of working memory with `padded` columns; as for `gates_stride`.
    pub fn padded_stride(&self) -> usize {
        self.padded() + WIDE
    }

    /// Steps of all sequences.
    pub fn steps(&self) -> usize {
        self.batch * self.time
    }

    /// Which step comes at `turn`.
    pub fn step(&self, turn: usize) -> usize {
        if self.reverse { self.time - 1 - turn } else { turn }
    }

    /// Whether the recurrent weight is to be packed.
    pub fn packs(&self) -> bool {
        self.time >= STEPS_WORTH_PACKING
    }

    /// The rows of the batch that are taken through all steps together.
    pub fn chunks(&self) -> Vec<Range<usize>> {
        let rows = if self.packs() {
            let threads = threads::count();
            let rounds = self.batch.div_ceil(threads * MOST_ROWS);
            self.batch.div_ceil(threads * rounds).next_multiple_of(GROUP)
        } else {
            // The product itself is spread over the threads.
            self.batch
        };
        (0..self.batch).step_by(rows).map(|start| start..self.batch.min(start + rows)).collect()
    }
}
