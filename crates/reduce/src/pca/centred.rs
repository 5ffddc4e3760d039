//! Data without its mean.

use super::BLOCK;
use crate::Matrix;
use faer::Mat;
use rayon::prelude::*;

/// The mean of every column, and the variance of all columns together (divisor `rows - 1`).
pub fn moments(data: &Matrix) -> (Vec<f64>, f64) {
    let columns = data.columns();
    let mut mean = sum_of_rows(data, |sum, row| {
        sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    });
    mean.iter_mut().for_each(|sum| *sum /= data.rows() as f64);
    let squares = sum_of_rows(data, |sum, row| {
        for column in 0..columns {
            sum[column] += (f64::from(row[column]) - mean[column]).powi(2);
        }
    });
    let variance = squares.iter().sum::<f64>() / (data.rows() - 1) as f64;
    (mean, variance)
}

/// A sum over all rows, a number a column: in the same order on any number of threads.
fn sum_of_rows(data: &Matrix, add: impl Fn(&mut [f64], &[f32]) + Sync) -> Vec<f64> {
    let columns = data.columns();
    let parts: Vec<Vec<f64>> = (0..PARTS)
        .into_par_iter()
        .map(|part| {
            let mut sum = vec![0.0; columns];
            part_of(data.rows(), part).for_each(|row| add(&mut sum, data.row(row)));
            sum
        })
        .collect();
    let mut total = vec![0.0; columns];
    for part in &parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}

/// How many parts the rows are summed in, whatever the number of threads.
pub const PARTS: usize = 32;

/// The rows of a part.
pub fn part_of(rows: usize, part: usize) -> std::ops::Range<usize> {
    rows * part / PARTS..rows * (part + 1) / PARTS
}

/// Rows `rows` of the centred data, a block at a time in single precision.
pub fn for_each_block(data: &Matrix, mean: &[f64], rows: std::ops::Range<usize>, mut work: impl FnMut(&[f32], usize)) {
    let mean: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
    let mut block = vec![0.0; BLOCK.min(rows.len()) * data.columns()];
    for start in rows.clone().step_by(BLOCK) {
        let end = rows.end.min(start + BLOCK);
        for (target, row) in block.chunks_exact_mut(data.columns()).zip(start..end) {
            for ((target, value), mean) in target.iter_mut().zip(data.row(row)).zip(&mean) {
                *target = value - mean;
            }
        }
        work(&block[..(end - start) * data.columns()], end - start);
    }
}

/// A part of the centred data in double precision.
pub fn part(data: &Matrix, mean: &[f64], rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Mat<f64> {
    Mat::from_fn(rows.len(), columns.len(), |row, column| {
        let column = columns.start + column;
        f64::from(data.row(rows.start + row)[column]) - mean[column]
    })
}
