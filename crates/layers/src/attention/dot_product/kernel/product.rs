//! The small products that attention is made of: a block of rows times packed panels.

use crate::cpu::{
    lanes::Lanes,
    tile::{HIGH, Tile, WIDE},
};
use std::ops::Range;

/// A left operand: element `(row, k)` is `values[row * row_stride + k * step]`.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub values: &'a [f32],
    pub row_stride: usize,
    pub step: usize,
}

impl<'a> Left<'a> {
    /// Rows that are contiguous themselves.
    pub fn rows(values: &'a [f32], row_stride: usize) -> Self {
        Self { values, row_stride, step: 1 }
    }

    /// The transposed of such rows.
    pub fn columns(values: &'a [f32], row_stride: usize) -> Self {
        Self { values, row_stride: 1, step: row_stride }
    }
}

/// Where a product goes: rows of `columns` numbers, `row_stride` apart, of which nobody else writes or reads any.
#[derive(Clone, Copy)]
pub struct Target {
    pub start: *mut f32,
    pub row_stride: usize,
    pub columns: usize,
}

/// Right operands beside each other, each `[depth, WIDE]`.
#[derive(Clone, Copy)]
pub struct Panels<'a> {
    pub values: &'a [f32],
    pub depth: usize,
}

impl<'a> Panels<'a> {
    /// As many as this many columns need, at the start of `values`.
    pub fn new(values: &'a [f32], columns: usize, depth: usize) -> Self {
        Self { values: &values[..columns.next_multiple_of(WIDE) * depth], depth }
    }
}

/// `target = left · panels`, or `target += left · panels` with `accumulate`, of which each tile of [`HIGH`] rows takes only
/// the part of the depth that `deep` gives for these rows.
///
/// # Safety
/// The target has to have these rows.
#[inline(always)]
pub unsafe fn multiply<L: Lanes>(
    target: Target,
    rows: usize,
    left: Left<'_>,
    panels: Panels<'_>,
    accumulate: bool,
    deep: impl Fn(Range<usize>) -> Range<usize>,
) {
    for (index, panel) in panels.values.chunks_exact(panels.depth * WIDE).enumerate() {
        let columns = WIDE.min(target.columns - index * WIDE);
        for first in (0..rows).step_by(HIGH) {
            let tile = first..rows.min(first + HIGH);
            let deep = deep(tile.clone());
            // SAFETY: the caller's promise for the rows of the tile; the panel starts inside of the target's columns.
            unsafe {
                let output = target.start.add(first * target.row_stride + index * WIDE);
                multiply_tile::<L>(output, target.row_stride, tile, columns, left, panel, accumulate, deep);
            }
        }
    }
}

/// `target = left · panels` where each tile of [`HIGH`] rows needs only as many columns as `wide` says for these rows, or
/// a few more. The target has room for whole panels.
///
/// # Safety
/// As for [`multiply`].
#[inline(always)]
pub unsafe fn multiply_seen<L: Lanes>(
    target: Target,
    rows: usize,
    left: Left<'_>,
    panels: Panels<'_>,
    wide: impl Fn(Range<usize>) -> usize,
) {
    for (index, panel) in panels.values.chunks_exact(panels.depth * WIDE).enumerate() {
        for first in (0..rows).step_by(HIGH) {
            let tile = first..rows.min(first + HIGH);
            if wide(tile.clone()) <= index * WIDE {
                continue;
            }
            // SAFETY: the caller's promise for the rows of the tile; the target has whole panels.
            unsafe {
                let output = target.start.add(first * target.row_stride + index * WIDE);
                multiply_tile::<L>(output, target.row_stride, tile, WIDE, left, panel, false, 0..panels.depth);
            }
        }
    }
}

/// One tile of rows times one panel.
///
/// # Safety
/// The output has to have these rows and columns.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // operands and their sizes
unsafe fn multiply_tile<L: Lanes>(
    output: *mut f32,
    output_row: usize,
    rows: Range<usize>,
    columns: usize,
    left: Left<'_>,
    panel: &[f32],
    accumulate: bool,
    deep: Range<usize>,
) {
    if deep.is_empty() && accumulate {
        return;
    }
    let at = rows.start * left.row_stride + deep.start * left.step;
    let last = (rows.end - 1) * left.row_stride + deep.end.max(1) * left.step - left.step;
    assert!(last < left.values.len() && deep.end * WIDE <= panel.len() && deep.start <= deep.end);
    let tile = Tile {
        depth: deep.len(),
        left: left.values[at..].as_ptr(),
        left_row: left.row_stride,
        left_step: left.step,
        panel: panel[deep.start * WIDE..].as_ptr(),
        output,
        output_row,
        accumulate,
    };
    // SAFETY: both operands are as long as has just been asserted; of the output the caller says so.
    unsafe { tile.multiply_columns::<L>(rows.len(), columns) };
}
