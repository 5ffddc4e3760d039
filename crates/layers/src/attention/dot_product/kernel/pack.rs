//! Rows of a head in the orders in which products read them.

use super::sizes::Rows;
use crate::cpu::{
    lanes::{Lanes, WIDTH},
    tile::WIDE,
};
use std::ops::Range;

/// How many numbers [`panels`] writes.
pub fn panels_length(rows: usize, size: usize) -> usize {
    size.next_multiple_of(WIDE) * rows
}

/// How many numbers [`turned`] writes.
pub fn turned_length(rows: usize, size: usize) -> usize {
    rows.next_multiple_of(WIDE) * size
}

/// Copies rows, times a factor, as `[rows, size]`.
#[inline(always)]
pub fn copied<L: Lanes>(source: Rows<'_>, rows: Range<usize>, factor: f32, target: &mut [f32]) {
    let factor = L::splat(factor);
    for (row, target) in rows.zip(target.chunks_exact_mut(source.size)) {
        for (source, target) in source.get(row).chunks(WIDTH).zip(target.chunks_mut(WIDTH)) {
            L::load_partly(source).mul(factor).store_partly(target);
        }
    }
}

/// Packs rows, times a factor, as the right operand of a product over these rows: for each [`WIDE`] features
/// `[rows, WIDE]`, with zeros behind the last feature.
#[inline(always)]
pub fn panels<L: Lanes>(source: Rows<'_>, rows: Range<usize>, factor: f32, target: &mut [f32]) {
    let factor = L::splat(factor);
    let panels = source.size.div_ceil(WIDE);
    for (panel, target) in target.chunks_exact_mut(rows.len() * WIDE).take(panels).enumerate() {
        for (row, target) in rows.clone().zip(target.chunks_exact_mut(WIDE)) {
            let source = source.get(row);
            let source = &source[panel * WIDE..source.len().min((panel + 1) * WIDE)];
            let (first, second) = source.split_at(source.len().min(WIDTH));
            L::load_partly(first).mul(factor).store(target);
            L::load_partly(second).mul(factor).store(&mut target[WIDTH..]);
        }
    }
}

/// Packs the transposed rows as the right operand of a product over their features: for each [`WIDE`] rows
/// `[size, WIDE]`, with zeros behind the last row.
#[inline(always)]
pub fn turned<L: Lanes>(source: Rows<'_>, rows: Range<usize>, target: &mut [f32]) {
    let size = source.size;
    for (first, target) in rows.clone().step_by(WIDE).zip(target.chunks_exact_mut(size * WIDE)) {
        for half in [0, WIDTH] {
            for feature in (0..size).step_by(WIDTH) {
                let block = std::array::from_fn(|index| {
                    let row = first + half + index;
                    if row < rows.end {
                        L::load_partly(&source.get(row)[feature..size.min(feature + WIDTH)])
                    } else {
                        L::splat(0.0)
                    }
                });
                let block = L::transpose(block);
                for (column, target) in block.iter().zip(target[feature * WIDE..].chunks_exact_mut(WIDE)) {
                    column.store(&mut target[half..]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::dot_product::kernel::sizes::Place;
    use crate::cpu::lanes::{WithLanes, dispatch, dispatch_portable};

    const LENGTH: usize = 40;

    struct Packed<'a>(Rows<'a>, Range<usize>);

    impl WithLanes for Packed<'_> {
        type Output = [Vec<f32>; 3];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [Vec<f32>; 3] {
            let Self(source, rows) = self;
            let (count, size) = (rows.len(), source.size);
            let mut packed =
                [count * size, panels_length(count, size), turned_length(count, size)].map(|n| vec![9.0; n]);
            copied::<L>(source, rows.clone(), 2.0, &mut packed[0]);
            panels::<L>(source, rows.clone(), 2.0, &mut packed[1]);
            turned::<L>(source, rows, &mut packed[2]);
            packed
        }
    }

    #[test]
    fn every_number_is_where_products_look_for_it() {
        let numbers: Vec<f32> = (0..2 * LENGTH * 100).map(|i| i as f32).collect();
        for (size, rows) in [(1, 0..1), (8, 0..16), (20, 3..40), (33, 5..22), (16, 0..33)] {
            let place = Place { start: 2, row: 90 };
            let source = Rows::new(&numbers, place, LENGTH, size, 1, 1);
            let at = |row: usize, feature: usize| numbers[2 + (LENGTH + row) * 90 + size + feature];
            for [copied, panels, turned] in
                [dispatch(Packed(source, rows.clone())), dispatch_portable(Packed(source, rows.clone()))]
            {
                for row in 0..rows.len() {
                    for feature in 0..size {
                        let expected = at(rows.start + row, feature);
                        assert_eq!(copied[row * size + feature], 2.0 * expected);
                        let panel = feature / WIDE * rows.len() * WIDE;
                        assert_eq!(panels[panel + row * WIDE + feature % WIDE], 2.0 * expected);
                        let panel = row / WIDE * size * WIDE;
                        assert_eq!(turned[panel + feature * WIDE + row % WIDE], expected);
                    }
                }
                let sum = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
                assert_eq!(sum(&panels), sum(&copied), "zeros behind the last feature");
                assert_eq!(2.0 * sum(&turned), sum(&copied), "zeros behind the last row");
            }
        }
    }
}
