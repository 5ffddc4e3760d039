//! Matrix products on slices.

use super::{
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    scratch::Scratch,
    threads,
    tile::{DEEP, HIGH, Tile, WIDE},
};
use gemm::Parallelism;
use std::ops::Range;

/// A matrix that is read: element `(row, column)` lies at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major `[rows, columns]` matrix at the start of `values`.
    ///
    /// # Panics
    /// When `values` is too short.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// The matrix whose rows start `row_stride` apart and are contiguous themselves.
    ///
    /// # Panics
    /// When `values` is too short.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= values.len(),
            "{} values hold no {rows} rows of {columns}, {row_stride} apart",
            values.len()
        );
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transposed matrix, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `output = left · right`, or `output += left · right` with `accumulate`, on all threads. `output` is row-major.
///
/// The sums run in the same order on any number of threads.
///
/// # Panics
/// When the shapes disagree.
pub fn product(output: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, accumulate: bool) {
    product_strided(output, right.columns, left, right, accumulate);
}

/// [`product`] into a matrix whose rows start `row_stride` apart.
///
/// # Panics
/// When the shapes disagree.
pub fn product_strided(output: &mut [f32], row_stride: usize, left: Matrix<'_>, right: Matrix<'_>, accumulate: bool) {
    let (rows, columns) = (left.rows, right.columns);
    assert_eq!(left.columns, right.rows, "inner dimensions of a product");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        row_stride >= columns && (rows - 1) * row_stride + columns <= output.len(),
        "{} values hold no {rows} rows of {columns}, {row_stride} apart",
        output.len()
    );
    if left.columns == 0 {
        if !accumulate {
            for row in output.chunks_mut(row_stride) {
                let length = columns.min(row.len());
                row[..length].fill(0.0);
            }
        }
        return;
    }
    let output = Output { start: output.as_mut_ptr(), row_stride, accumulate };
    if rows >= FEW && columns >= FEW && rows * columns * left.columns >= SMALL {
        multiply_packed(output, left, right);
    } else if rows < FEW && left.column_stride == 1 && right.row_stride == 1 {
        multiply_dots(output, left, right);
    } else {
        multiply_unpacked(output, left, right);
    }
}

/// Products with fewer rows or columns than this, or fewer multiplications, are not worth packing.
const FEW: usize = 4;
const SMALL: usize = 32 * 32 * 32;

/// Rows of the left operand that are packed at a time: 96 KiB, a part of a usual L2 cache.
const PACKED_TILES: usize = 8;

/// Where a product goes. Its rows lie inside of one mutable slice and do not overlap.
#[derive(Clone, Copy)]
struct Output {
    start: *mut f32,
    row_stride: usize,
    accumulate: bool,
}

// SAFETY: the threads of a product write different elements, see `multiply_packed`.
unsafe impl Sync for Output {}

/// Both operands are copied into the order in which they are read, the right one as a whole. On several threads each
/// takes its part of the rows or, of a wide product, of the columns.
fn multiply_packed(output: Output, left: Matrix<'_>, right: Matrix<'_>) {
    let depth = left.columns;
    let panels = right.columns.div_ceil(WIDE);
    let mut packed = Scratch::any(panels * depth * WIDE);
    threads::split_rows(&mut packed, depth * WIDE, 1, |first, values| {
        for (index, panel) in values.chunks_exact_mut(depth * WIDE).enumerate() {
            right.pack_panel(first + index, panel);
        }
    });
    let packed: &[f32] = &packed;
    let tiles = left.rows.div_ceil(HIGH);
    let by_rows = tiles >= panels;
    threads::split(if by_rows { tiles } else { panels }, 1, |part| {
        dispatch(PackedPart {
            output,
            left,
            panels: packed,
            columns: right.columns,
            rows_of_tiles: if by_rows { part.clone() } else { 0..tiles },
            columns_of_panels: if by_rows { 0..panels } else { part },
        });
    });
}

/// The part of a product that one thread computes.
struct PackedPart<'a> {
    output: Output,
    left: Matrix<'a>,
    /// All panels of the right operand.
    panels: &'a [f32],
    columns: usize,
    rows_of_tiles: Range<usize>,
    columns_of_panels: Range<usize>,
}

impl WithLanes for PackedPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let depth = self.left.columns;
        let mut packed = Scratch::any(PACKED_TILES.min(self.rows_of_tiles.len()) * HIGH * DEEP.min(depth));
        for start in (0..depth).step_by(DEEP) {
            let deep = start..depth.min(start + DEEP);
            for first in self.rows_of_tiles.clone().step_by(PACKED_TILES) {
                let tiles = first..self.rows_of_tiles.end.min(first + PACKED_TILES);
                let length = deep.len() * HIGH;
                for (tile, packed) in tiles.clone().zip(packed.chunks_exact_mut(length)) {
                    self.left.pack_tile(tile, deep.clone(), packed);
                }
                for panel in self.columns_of_panels.clone() {
                    for tile in tiles.clone() {
                        let packed = &packed[(tile - first) * length..][..length];
                        self.multiply::<L>(tile, panel, deep.clone(), packed);
                    }
                }
            }
        }
    }
}

impl PackedPart<'_> {
    #[inline(always)]
    fn multiply<L: Lanes>(&self, tile: usize, panel: usize, deep: Range<usize>, left: &[f32]) {
        let depth = self.left.columns;
        let rows = HIGH.min(self.left.rows - tile * HIGH);
        let columns = WIDE.min(self.columns - panel * WIDE);
        let right = &self.panels[(panel * depth + deep.start) * WIDE..][..deep.len() * WIDE];
        let accumulate = self.output.accumulate || deep.start > 0;
        let at = tile * HIGH * self.output.row_stride + panel * WIDE;
        let product = Tile {
            depth: deep.len(),
            left: left.as_ptr(),
            left_row: 1,
            left_step: HIGH,
            panel: right.as_ptr(),
            // SAFETY: tile and panel are inside of the output, whose size `product_strided` has checked.
            output: unsafe { self.output.start.add(at) },
            output_row: self.output.row_stride,
            accumulate,
        };
        // SAFETY: the packed operands have just been sliced to this depth. Of the output these rows and columns are there
        // as said above, and no other thread has this tile of this panel.
        unsafe { product.multiply_columns::<L>(rows, columns) };
    }
}

impl Matrix<'_> {
    /// Copies [`WIDE`] columns, with zeros behind the last one, as `[rows, WIDE]`.
    fn pack_panel(&self, index: usize, panel: &mut [f32]) {
        let first = index * WIDE;
        let columns = WIDE.min(self.columns - first);
        if columns < WIDE {
            panel.fill(0.0);
        }
        if self.column_stride == 1 {
            for (row, target) in panel.chunks_exact_mut(WIDE).enumerate() {
                let source = &self.values[row * self.row_stride + first..][..columns];
                if let (Ok(target), Ok(source)) =
                    (<&mut [f32; WIDE]>::try_from(&mut *target), <&[f32; WIDE]>::try_from(source))
                {
                    *target = *source; // a copy of known size
                } else {
                    target[..columns].copy_from_slice(source);
                }
            }
            return;
        }
        for column in 0..columns {
            let source = &self.values[(first + column) * self.column_stride..];
            let source = source.iter().step_by(self.row_stride);
            for (target, &value) in panel.chunks_exact_mut(WIDE).zip(source) {
                target[column] = value;
            }
        }
    }

    /// Copies [`HIGH`] rows of the columns `deep` as `[columns, HIGH]`. Behind the last row the target is left as it is.
    #[inline(always)]
    fn pack_tile(&self, index: usize, deep: Range<usize>, target: &mut [f32]) {
        let first = index * HIGH;
        let rows = HIGH.min(self.rows - first);
        if self.row_stride == 1 {
            for (column, target) in deep.zip(target.chunks_exact_mut(HIGH)) {
                let source = &self.values[column * self.column_stride + first..][..rows];
                if let (Ok(target), Ok(source)) =
                    (<&mut [f32; HIGH]>::try_from(&mut *target), <&[f32; HIGH]>::try_from(source))
                {
                    *target = *source; // a copy of known size
                } else {
                    target[..rows].copy_from_slice(source);
                }
            }
            return;
        }
        for row in 0..rows {
            let start = (first + row) * self.row_stride + deep.start * self.column_stride;
            let source = self.values[start..].iter().step_by(self.column_stride);
            for (target, &value) in target.chunks_exact_mut(HIGH).zip(source) {
                target[row] = value;
            }
        }
    }
}

/// Columns of the output that a thread of [`multiply_dots`] takes at least.
const DOTS: usize = 256;

/// Few rows times a transposed matrix: each element is the dot product of two slices, and the matrix is read once.
fn multiply_dots(output: Output, left: Matrix<'_>, right: Matrix<'_>) {
    threads::split(right.columns, DOTS, |columns| {
        dispatch(Dots { output, left, right, columns });
    });
}

/// The columns of the output that one thread computes.
struct Dots<'a> {
    output: Output,
    left: Matrix<'a>,
    right: Matrix<'a>,
    columns: Range<usize>,
}

impl WithLanes for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { left, right, .. } = self;
        for column in self.columns {
            let right = &right.values[column * right.column_stride..][..left.columns];
            for row in 0..left.rows {
                let left = &left.values[row * left.row_stride..][..left.columns];
                let product = dot::<L>(left, right);
                let at = row * self.output.row_stride + column;
                // SAFETY: inside of the output, whose size `product_strided` has checked, and in columns that no other
                // thread has.
                unsafe {
                    let target = self.output.start.add(at);
                    *target = product + if self.output.accumulate { *target } else { 0.0 };
                }
            }
        }
    }
}

/// The dot product of two slices of one length.
#[inline(always)]
fn dot<L: Lanes>(left: &[f32], right: &[f32]) -> f32 {
    const STRIDE: usize = 4 * WIDTH;
    let (left_blocks, left_rest) = left.as_chunks::<STRIDE>();
    let (right_blocks, right_rest) = right.as_chunks::<STRIDE>();
    // Four sums, because each addition to one has to wait for the one before.
    let mut sums = [L::splat(0.0); 4];
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for (index, sum) in sums.iter_mut().enumerate() {
            let at = index * WIDTH;
            *sum = L::load(&left[at..]).mul_add(L::load(&right[at..]), *sum);
        }
    }
    for (left, right) in left_rest.chunks(WIDTH).zip(right_rest.chunks(WIDTH)) {
        sums[0] = L::load_partly(left).mul_add(L::load_partly(right), sums[0]);
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
}

/// Products with a vector, and small ones.
fn multiply_unpacked(output: Output, left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: every operand is as large as its shape and strides say: asserted in `product_strided` for the output and
    // in `Matrix::strided` for the others, and a transposed matrix reaches the same elements. The output is borrowed
    // exclusively and its rows do not overlap.
    unsafe {
        gemm::gemm::<f32>(
            left.rows,
            right.columns,
            left.columns,
            output.start,
            1,
            output.row_stride as isize,
            output.accumulate,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(threads::count()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same each time.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn products_of_all_layouts_and_sizes_are_right() {
        for (rows, depth, columns) in [
            (1, 1, 1),
            (1, 300, 70),
            (5, 600, 33),
            (7, 31, 200),
            (64, 64, 64),
            (100, 257, 49),
            (203, 40, 15),
            (4, 2000, 1000),
        ] {
            for layout in 0..8 {
                let (accumulate, left_turned, right_turned) = (layout & 1 > 0, layout & 2 > 0, layout & 4 > 0);
                let (left, right) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
                let left = if left_turned {
                    Matrix::new(&left, depth, rows).transposed()
                } else {
                    Matrix::new(&left, rows, depth)
                };
                let right = if right_turned {
                    Matrix::new(&right, columns, depth).transposed()
                } else {
                    Matrix::new(&right, depth, columns)
                };
                let row_stride = columns + 3;
                let before = numbers(rows * row_stride, 3);
                let mut output = before.clone();
                product_strided(&mut output, row_stride, left, right, accumulate);
                for (at, &found) in output.iter().enumerate() {
                    let (row, column) = (at / row_stride, at % row_stride);
                    if column >= columns {
                        assert_eq!(found, before[at], "outside of the product");
                        continue;
                    }
                    let mut expected = if accumulate { f64::from(before[at]) } else { 0.0 };
                    for k in 0..depth {
                        let left = left.values[row * left.row_stride + k * left.column_stride];
                        let right = right.values[k * right.row_stride + column * right.column_stride];
                        expected += f64::from(left) * f64::from(right);
                    }
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-4 * (depth as f64).sqrt(),
                        "{rows}x{depth}x{columns}, layout {layout}, at {row}, {column}: {found}, {expected}"
                    );
                }
            }
        }
    }
}
