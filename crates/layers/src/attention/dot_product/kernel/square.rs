//! A block of queries with a tile of keys: a square of the scores of one head.

use super::{
    product::{Left, Panels, Target, multiply, multiply_seen},
    sizes::{Problem, padded},
};
use crate::cpu::{lanes::Lanes, tile::WIDE};
use std::ops::Range;

pub struct Square<'a> {
    pub problem: &'a Problem,
    pub entry: usize,
    pub head: usize,
    pub queries: Range<usize>,
    pub keys: Range<usize>,
}

impl Square<'_> {
    /// How many of the keys a query of the block sees.
    #[inline(always)]
    pub fn seen(&self, row: usize) -> usize {
        self.problem.seen_of(&self.keys, self.entry, self.queries.start + row)
    }

    /// Whether no query sees a key.
    pub fn is_hidden(&self) -> bool {
        self.seen(self.queries.len() - 1) == 0
    }

    /// How long a row of scores is.
    pub fn row_stride(&self) -> usize {
        self.keys.len().next_multiple_of(WIDE)
    }

    /// Products of rows of the queries with each key that is seen: `[queries, row_stride]`. What is not seen is not
    /// written.
    #[inline(always)]
    pub fn products<L: Lanes>(&self, rows: Left<'_>, keys: Panels<'_>, target: &mut [f32]) {
        let row_stride = self.row_stride();
        assert!(target.len() >= self.queries.len() * row_stride && keys.values.len() <= row_stride * keys.depth);
        let target = Target { start: target.as_mut_ptr(), row_stride, columns: row_stride };
        // SAFETY: the target has just been measured.
        unsafe { multiply_seen::<L>(target, self.queries.len(), rows, keys, |tile| self.seen(tile.end - 1)) };
    }

    /// The scores of a row, with all that is added, in whole vectors; minus infinity where hidden.
    #[inline(always)]
    pub fn scores<'b, L: Lanes>(&self, row: usize, scores: &'b mut [f32], seen: usize) -> &'b mut [f32] {
        self.problem.bias(self.entry, self.head, self.queries.start + row, self.keys.start).apply::<L>(scores, seen);
        &mut scores[..padded(seen)]
    }

    /// What the weights of a row are multiplied with, where there is dropout.
    #[inline(always)]
    pub fn kept<'b>(&self, row: usize, seen: usize, room: &'b mut [f32]) -> Option<&'b [f32]> {
        let dropout = self.problem.dropout?;
        let row = self.problem.sizes.row(self.entry, self.head, self.queries.start + row);
        let factors = &mut room[..padded(seen)];
        dropout.factors(row, self.keys.start, factors);
        Some(factors)
    }

    /// Adds weights of the square times rows of the keys to rows of the queries.
    ///
    /// # Safety
    /// The target has to have these rows.
    #[inline(always)]
    pub unsafe fn gather<L: Lanes>(&self, weights: &[f32], of_keys: Panels<'_>, target: Target) {
        let left = Left::rows(weights, self.row_stride());
        // SAFETY: the caller's promise.
        unsafe { multiply::<L>(target, self.queries.len(), left, of_keys, true, |tile| 0..self.seen(tile.end - 1)) };
    }

    /// Adds transposed weights of the square times rows of the queries to rows of the keys.
    ///
    /// # Safety
    /// The target has to have these rows.
    #[inline(always)]
    pub unsafe fn scatter<L: Lanes>(&self, weights: &[f32], of_queries: Panels<'_>, target: Target) {
        let left = Left::columns(weights, self.row_stride());
        let rows = self.queries.len();
        let first = |key: usize| (0..rows).find(|&row| self.seen(row) > key).unwrap_or(rows);
        // SAFETY: the caller's promise.
        unsafe { multiply::<L>(target, self.keys.len(), left, of_queries, true, |tile| first(tile.start)..rows) };
    }
}
