//! The inner loop of all three products: a few rows of one operand times one or two panels of the other.
//!
//! It differs from [`cpu::tile`](crate::cpu::tile) in that both operands may be walked through in pieces, as the patches are
//! laid out, and that two panels share what is read of the left operand.

use crate::cpu::lanes::{Lanes, Wide};

/// Columns of a panel: one [`Wide`].
pub(super) const WIDE: usize = crate::cpu::tile::WIDE;

/// Rows of a tile at most: they divide the usual numbers of channels.
pub(super) const HIGH: usize = 8;

/// A tile of a product, of `ROW` and `STEP` numbers from one row and one step of the left operand to the next.
pub(super) struct Tile<const ROW: usize, const STEP: usize> {
    pub left: *const f32,
    /// Steps to be taken, in runs of `run`; from the start of a run of the left operand to the next are `run_stride` numbers.
    pub depth: usize,
    pub run: usize,
    pub run_stride: usize,
    /// `[depth, WIDE]`, and the same of another panel `right_panel` numbers further.
    pub right: *const f32,
    pub right_panel: usize,
    /// Rows of [`WIDE`] numbers a panel, `output_row` apart.
    pub output: *mut f32,
    pub output_row: usize,
    /// Whether the product is added to what is there.
    pub accumulate: bool,
}

/// As many rows as [`Tile::multiply`] really computes of `rows`.
pub(super) fn padded(rows: usize) -> usize {
    if rows > HIGH { rows.next_multiple_of(HIGH) } else { rows.next_power_of_two() }
}

impl<const ROW: usize, const STEP: usize> Tile<ROW, STEP> {
    /// Multiplies the first `rows` rows, one of 1, 2, 4, 8, with one or two panels.
    ///
    /// # Safety
    /// Both operands and the output have to be as large as the fields say.
    #[inline(always)]
    pub unsafe fn multiply<L: Lanes>(&self, rows: usize, panels: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            // 32 registers hold the sums of eight rows of two panels, 16 half as many rows of one.
            if L::Wide::SUMS >= HIGH && panels == 2 {
                match rows {
                    1 => self.sum::<L::Wide, 1, 2>(0, 0),
                    2 => self.sum::<L::Wide, 2, 2>(0, 0),
                    4 => self.sum::<L::Wide, 4, 2>(0, 0),
                    _ => self.sum::<L::Wide, HIGH, 2>(0, 0),
                }
                return;
            }
            for panel in 0..panels {
                match rows {
                    1 => self.sum::<L::Wide, 1, 1>(0, panel),
                    2 => self.sum::<L::Wide, 2, 1>(0, panel),
                    4 => self.sum::<L::Wide, 4, 1>(0, panel),
                    _ if L::Wide::SUMS >= HIGH => self.sum::<L::Wide, HIGH, 1>(0, panel),
                    _ => {
                        self.sum::<L::Wide, 4, 1>(0, panel);
                        self.sum::<L::Wide, 4, 1>(4, panel);
                    }
                }
            }
        }
    }

    /// # Safety
    /// As for [`multiply`](Self::multiply), of the rows and panels from the given ones on.
    #[inline(always)]
    unsafe fn sum<W: Wide, const ROWS: usize, const PANELS: usize>(&self, row: usize, panel: usize) {
        // SAFETY: all offsets are inside of what the caller promises.
        unsafe {
            let output = self.output.add(row * self.output_row + panel * WIDE);
            let mut sums = [[W::zeros(); PANELS]; ROWS];
            if self.accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (panel, sum) in sums.iter_mut().enumerate() {
                        *sum = W::read(output.add(row * self.output_row + panel * WIDE));
                    }
                }
            }
            let mut left = self.left.add(row * ROW);
            let mut right = self.right.add(panel * self.right_panel);
            let mut depth = self.depth;
            while depth > 0 {
                let run = depth.min(self.run);
                let mut left_step = left;
                for _ in 0..run {
                    // Not by a closure: that would be compiled without the CPU's instructions.
                    let mut columns = [W::zeros(); PANELS];
                    for (panel, columns) in columns.iter_mut().enumerate() {
                        *columns = W::read(right.add(panel * self.right_panel));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let factor = *left_step.add(row * ROW);
                        for (sum, columns) in sums.iter_mut().zip(columns) {
                            *sum = sum.add_scaled(factor, columns);
                        }
                    }
                    // Behind the last step nothing is read.
                    left_step = left_step.wrapping_add(STEP);
                    right = right.wrapping_add(WIDE);
                }
                left = left.wrapping_add(self.run_stride);
                depth -= run;
            }
            for (row, sums) in sums.iter().enumerate() {
                for (panel, sum) in sums.iter().enumerate() {
                    sum.write(output.add(row * self.output_row + panel * WIDE));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::{WithLanes, dispatch, dispatch_portable, dispatch_without_avx512};

    const DEPTH: usize = 37;
    const RUN: usize = 10;
    const RUN_STRIDE: usize = 21;

    /// A product of some rows, whose steps lie one apart, with some panels, added to ones.
    struct Product<'a> {
        rows: usize,
        panels: usize,
        left: &'a [f32],
        right: &'a [f32],
    }

    impl WithLanes for Product<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<f32> {
            let mut output = vec![1.0; self.rows * 2 * WIDE];
            assert!(self.left.len() >= self.rows * 100 + DEPTH.div_ceil(RUN) * RUN_STRIDE);
            assert!(self.right.len() == 2 * DEPTH * WIDE);
            let tile = Tile::<100, 1> {
                left: self.left.as_ptr(),
                depth: DEPTH,
                run: RUN,
                run_stride: RUN_STRIDE,
                right: self.right.as_ptr(),
                right_panel: DEPTH * WIDE,
                output: output.as_mut_ptr(),
                output_row: 2 * WIDE,
                accumulate: true,
            };
            // SAFETY: the operands have just been measured, and the output is made for these rows.
            unsafe { tile.multiply::<L>(self.rows, self.panels) };
            output
        }
    }

    #[test]
    fn every_number_of_rows_and_panels_is_right_on_every_kind_of_lanes() {
        let numbers = |count: usize| (0..count).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
        let (left, right) = (numbers(1000), numbers(2 * DEPTH * WIDE));
        for (rows, panels) in [1, 2, 4, 8].into_iter().flat_map(|rows| [(rows, 1), (rows, 2)]) {
            let product = || Product { rows, panels, left: &left, right: &right };
            for output in [dispatch(product()), dispatch_without_avx512(product()), dispatch_portable(product())] {
                for (at, found) in output.iter().enumerate() {
                    let (row, panel, column) = (at / (2 * WIDE), at / WIDE % 2, at % WIDE);
                    let terms = (0..if panel < panels { DEPTH } else { 0 }).map(|k| {
                        let left = left[row * 100 + k / RUN * RUN_STRIDE + k % RUN];
                        f64::from(left) * f64::from(right[(panel * DEPTH + k) * WIDE + column])
                    });
                    let expected = 1.0 + terms.sum::<f64>();
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{rows} rows, {panels} panels, at {at}");
                }
            }
        }
    }
}
