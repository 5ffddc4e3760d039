//! The inner loop of every product: some rows of a left operand times a panel of the right one.

use super::lanes::{Lanes, WIDTH};

/// Columns of a panel: two vectors.
pub const WIDE: usize = 2 * WIDTH;

/// Rows of a tile at most. With two vectors a row that is twelve sums, which with the two vectors of the panel and one
/// of the left operand fills the sixteen registers of AVX2.
pub const HIGH: usize = 6;

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
        // SAFETY: the caller's promise.
        unsafe {
            match rows {
                0 => {}
                1 => self.multiply_rows::<L, 1>(),
                2 => self.multiply_rows::<L, 2>(),
                3 => self.multiply_rows::<L, 3>(),
                4 => self.multiply_rows::<L, 4>(),
                5 => self.multiply_rows::<L, 5>(),
                _ => self.multiply_rows::<L, HIGH>(),
            }
        }
    }

    /// # Safety
    /// As for [`multiply`](Self::multiply).
    #[inline(always)]
    unsafe fn multiply_rows<L: Lanes, const ROWS: usize>(&self) {
        // SAFETY: all offsets are inside of what the caller promises.
        unsafe {
            let mut sums = [[L::splat(0.0); 2]; ROWS];
            if self.accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    let output = self.output.add(row * self.output_row);
                    *sums = [L::read(output), L::read(output.add(WIDTH))];
                }
            }
            let (mut panel, mut left) = (self.panel, self.left);
            for _ in 0..self.depth {
                let (first, second) = (L::read(panel), L::read(panel.add(WIDTH)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let value = L::splat(*left.add(row * self.left_row));
                    sums[0] = value.mul_add(first, sums[0]);
                    sums[1] = value.mul_add(second, sums[1]);
                }
                // Behind the last row nothing is read.
                panel = panel.wrapping_add(WIDE);
                left = left.wrapping_add(self.left_step);
            }
            for (row, sums) in sums.iter().enumerate() {
                let output = self.output.add(row * self.output_row);
                sums[0].write(output);
                sums[1].write(output.add(WIDTH));
            }
        }
    }
}
