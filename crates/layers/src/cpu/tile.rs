//! The inner loop of every product: some rows of a left operand times a panel of the right one.

use super::lanes::{Lanes, WIDTH, Wide};

/// Columns of a panel: one [`Wide`].
pub const WIDE: usize = 2 * WIDTH;

/// Rows of a tile at most: a multiple of the [`Wide::SUMS`] of every CPU.
pub const HIGH: usize = 12;

/// Rows of a panel that are used on many rows of the left operand before the next: 16 KiB, half of a usual L1 cache.
pub const DEEP: usize = 256;

/// A product of up to [`HIGH`] rows with a panel.
#[derive(Clone, Copy)]
pub struct Tile {
    /// Columns of the left operand and rows of the panel.
    pub depth: usize,
    /// Element `(row, k)` lies at `row * left_row + k * left_step`.
    pub left: *const f32,
    /// See [`left`](Self::left).
    pub left_row: usize,
    /// See [`left`](Self::left).
    pub left_step: usize,
    /// `[depth, WIDE]`
    pub panel: *const f32,
    /// Rows of [`WIDE`], `output_row` apart.
    pub output: *mut f32,
    /// See [`output`](Self::output).
    pub output_row: usize,
    /// Whether the product is added to what is there.
    pub accumulate: bool,
}

impl Tile {
    /// Multiplies the first `rows` rows. Each sum runs over the depth in order, however many rows there are.
    ///
    /// # Safety
    /// Both operands and the output have to be as large as the fields say, for `rows` rows, which are at most [`HIGH`].
    #[inline(always)]
    pub unsafe fn multiply<L: Lanes>(&self, rows: usize) {
        for first in (0..rows).step_by(L::Wide::SUMS) {
            // SAFETY: the caller's promise, for the rows from `first` on.
            unsafe {
                let part = Self {
                    left: self.left.add(first * self.left_row),
                    output: self.output.add(first * self.output_row),
                    ..*self
                };
                match L::Wide::SUMS.min(rows - first) {
                    1 => part.multiply_rows::<L::Wide, 1>(),
                    2 => part.multiply_rows::<L::Wide, 2>(),
                    3 => part.multiply_rows::<L::Wide, 3>(),
                    4 => part.multiply_rows::<L::Wide, 4>(),
                    5 => part.multiply_rows::<L::Wide, 5>(),
                    6 => part.multiply_rows::<L::Wide, 6>(),
                    7 => part.multiply_rows::<L::Wide, 7>(),
                    8 => part.multiply_rows::<L::Wide, 8>(),
                    9 => part.multiply_rows::<L::Wide, 9>(),
                    10 => part.multiply_rows::<L::Wide, 10>(),
                    11 => part.multiply_rows::<L::Wide, 11>(),
                    _ => part.multiply_rows::<L::Wide, HIGH>(),
                }
            }
        }
    }

    /// [`multiply`](Self::multiply) of the first `columns` of the panel, behind which the output may end.
    ///
    /// # Safety
    /// As for [`multiply`](Self::multiply), but the output only needs these columns.
    #[inline(always)]
    pub unsafe fn multiply_columns<L: Lanes>(&self, rows: usize, columns: usize) {
        if columns >= WIDE {
            // SAFETY: the caller's promise.
            unsafe { self.multiply::<L>(rows) };
            return;
        }
        // By way of a buffer that has all columns.
        let mut buffer = [0.0; HIGH * WIDE];
        let whole = Self { output: buffer.as_mut_ptr(), output_row: WIDE, ..*self };
        // SAFETY: as above; the buffer has room for all rows that a tile may have.
        unsafe {
            for row in 0..if self.accumulate { rows } else { 0 } {
                let target = self.output.add(row * self.output_row);
                target.copy_to_nonoverlapping(whole.output.add(row * WIDE), columns);
            }
            whole.multiply::<L>(rows);
            for row in 0..rows {
                let target = self.output.add(row * self.output_row);
                target.copy_from_nonoverlapping(whole.output.add(row * WIDE), columns);
            }
        }
    }

    /// # Safety
    /// As for [`multiply`](Self::multiply).
    #[inline(always)]
    unsafe fn multiply_rows<W: Wide, const ROWS: usize>(&self) {
        // SAFETY: all offsets are inside of what the caller promises.
        unsafe {
            let mut sums = [W::zeros(); ROWS];
            if self.accumulate {
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = W::read(self.output.add(row * self.output_row));
                }
            }
            let (mut panel, mut left) = (self.panel, self.left);
            for _ in 0..self.depth {
                let columns = W::read(panel);
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add_scaled(*left.add(row * self.left_row), columns);
                }
                // Behind the last row nothing is read.
                panel = panel.wrapping_add(WIDE);
                left = left.wrapping_add(self.left_step);
            }
            for (row, sum) in sums.iter().enumerate() {
                sum.write(self.output.add(row * self.output_row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::{WithLanes, dispatch, dispatch_portable, dispatch_without_avx512};

    const DEPTH: usize = 37;

    /// A product of some rows, added to ones.
    struct Product<'a> {
        rows: usize,
        left: &'a [f32],
        panel: &'a [f32],
    }

    impl WithLanes for Product<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<f32> {
            assert!(self.left.len() >= self.rows * DEPTH && self.panel.len() == DEPTH * WIDE);
            let mut output = vec![1.0; self.rows * WIDE];
            let tile = Tile {
                depth: DEPTH,
                left: self.left.as_ptr(),
                left_row: DEPTH,
                left_step: 1,
                panel: self.panel.as_ptr(),
                output: output.as_mut_ptr(),
                output_row: WIDE,
                accumulate: true,
            };
            // SAFETY: the operands have just been measured, and the output is made for these rows.
            unsafe { tile.multiply::<L>(self.rows) };
            output
        }
    }

    #[test]
    fn every_number_of_rows_is_right_on_every_kind_of_lanes() {
        let numbers = |count: usize| (0..count).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
        let (left, panel) = (numbers(HIGH * DEPTH), numbers(DEPTH * WIDE));
        for rows in 0..=HIGH {
            let product = || Product { rows, left: &left, panel: &panel };
            for output in [dispatch(product()), dispatch_without_avx512(product()), dispatch_portable(product())] {
                assert_eq!(output.len(), rows * WIDE);
                for (at, found) in output.iter().enumerate() {
                    let (row, column) = (at / WIDE, at % WIDE);
                    let terms = (0..DEPTH).map(|k| left[row * DEPTH + k] * panel[k * WIDE + column]);
                    let expected = 1.0 + terms.map(f64::from).sum::<f64>();
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{rows} rows, at {row}, {column}");
                }
            }
        }
    }
}
