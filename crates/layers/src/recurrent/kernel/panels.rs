//! Products of a few rows with a weight that stays the same over all steps, and is therefore packed once.
//!
//! A weight is cut into panels of [`WIDE`] columns, each stored row by row without gaps, so that the inner loop reads
//! memory in order whatever the layout was.

pub use crate::cpu::tile::WIDE;
use crate::cpu::{
    lanes::{Lanes, Wide},
    scratch::Scratch,
    threads,
    tile::{DEEP, Tile},
};

/// A packed weight.
#[derive(Debug)]
pub struct Panels {
    values: Scratch,
    depth: usize,
}

impl Panels {
    /// Of `weightᵀ`, where `weight` is `[gates * hidden, hidden]`: for the gates of a step. Panel `block * gates + gate`
    /// yields the units `block * WIDE..` of a gate; behind the last unit it yields 0.
    pub fn of_gates(weight: &[f32], gates: usize, hidden: usize) -> Self {
        let blocks = hidden.div_ceil(WIDE);
        Self::fill(blocks * gates, hidden, |index, panel| {
            let (block, gate) = (index / gates, index % gates);
            for unit in 0..WIDE {
                let column = block * WIDE + unit;
                if column < hidden {
                    let source = &weight[(gate * hidden + column) * hidden..][..hidden];
                    for (row, &value) in panel.chunks_exact_mut(WIDE).zip(source) {
                        row[unit] = value;
                    }
                } else {
                    panel.chunks_exact_mut(WIDE).for_each(|row| row[unit] = 0.0);
                }
            }
        })
    }

    /// Of `weight` itself, `[depth, columns]`: for the gradient of a step. Behind the last column it yields 0.
    pub fn of_columns(weight: &[f32], depth: usize, columns: usize) -> Self {
        Self::fill(columns.div_ceil(WIDE), depth, |index, panel| {
            let columns_here = WIDE.min(columns - index * WIDE);
            for (row, source) in panel.chunks_exact_mut(WIDE).zip(weight.chunks_exact(columns)) {
                let source = &source[index * WIDE..][..columns_here];
                row[..columns_here].copy_from_slice(source);
                row[columns_here..].fill(0.0);
            }
        })
    }

    fn fill(count: usize, depth: usize, pack: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let mut values = Scratch::any(count * depth * WIDE);
        let length = depth * WIDE;
        threads::split_rows(&mut values, length, 1, |first, panels| {
            for (index, panel) in panels.chunks_exact_mut(length).enumerate() {
                pack(first + index, panel);
            }
        });
        Self { values, depth }
    }

    /// The rows `start..end` of a panel.
    #[inline(always)]
    fn rows(&self, index: usize, start: usize, end: usize) -> &[f32] {
        &self.values[(index * self.depth + start) * WIDE..(index * self.depth + end) * WIDE]
    }

    /// `output = left · panel` for one panel. The rows of `output` are `output_stride` apart, those of `left` (of which
    /// there are `rows`, as long as the panel is deep) `left_stride`.
    #[inline(always)]
    pub fn multiply<L: Lanes>(
        &self,
        index: usize,
        rows: usize,
        left: &[f32],
        left_stride: usize,
        output: &mut [f32],
        output_stride: usize,
    ) {
        for start in (0..self.depth).step_by(DEEP) {
            let end = self.depth.min(start + DEEP);
            let left = Rows::new(&left[start..], rows, end - start, left_stride);
            let panel = self.rows(index, start, end);
            multiply_block::<L>(left, panel, output, output_stride, start > 0);
        }
    }

    /// `output = left · panels` for all panels next to each other.
    #[inline(always)]
    pub fn multiply_all<L: Lanes>(
        &self,
        rows: usize,
        left: &[f32],
        left_stride: usize,
        output: &mut [f32],
        output_stride: usize,
    ) {
        let count = self.values.len() / (self.depth * WIDE);
        // The part of `left` that belongs to a block stays in the cache over all panels.
        for start in (0..self.depth).step_by(DEEP) {
            let end = self.depth.min(start + DEEP);
            let left = Rows::new(&left[start..], rows, end - start, left_stride);
            for index in 0..count {
                let panel = self.rows(index, start, end);
                let output = &mut output[index * WIDE..];
                multiply_block::<L>(left, panel, output, output_stride, start > 0);
            }
        }
    }
}

/// The left operand of a product.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn new(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(rows > 0 && (rows - 1) * stride + columns <= values.len());
        Self { values, rows, columns, stride }
    }
}

/// Splits the rows into tiles as even as possible: one of all sums is the fastest, one of a single row the slowest.
#[inline(always)]
fn multiply_block<L: Lanes>(left: Rows<'_>, panel: &[f32], output: &mut [f32], output_stride: usize, accumulate: bool) {
    assert!(panel.len() == left.columns * WIDE);
    assert!((left.rows - 1) * output_stride + WIDE <= output.len());
    let tiles = left.rows.div_ceil(L::Wide::SUMS);
    for tile in 0..tiles {
        let start = left.rows * tile / tiles;
        let end = left.rows * (tile + 1) / tiles;
        // SAFETY: both operands and the output hold what is asked of them, as asserted above and in `Rows::new`.
        unsafe {
            let product = Tile {
                depth: left.columns,
                left: left.values.as_ptr().add(start * left.stride),
                left_row: left.stride,
                left_step: 1,
                panel: panel.as_ptr(),
                output: output.as_mut_ptr().add(start * output_stride),
                output_row: output_stride,
                accumulate,
            };
            product.multiply::<L>(end - start);
        }
    }
}
