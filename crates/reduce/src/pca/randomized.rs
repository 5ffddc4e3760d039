//! The first components only, by subspace iteration: Halko, Martinsson and Tropp, "Finding structure with randomness", 2011,
//! <https://arxiv.org/abs/0909.4061>.
//!
//! A pass over the data applies it and its transpose at once, block by block, so that a power iteration reads the data
//! once, and centres the blocks as it goes. The last pass gives what the decomposition needs: `C = Xᵀ X Q` and `M = (X
//! Q)ᵀ (X Q)`. With `U` the orthonormal columns that span `X Q`, `UᵀX` is `M^(-1/2) Cᵀ` up to a rotation, and no matrix
//! with a row for every row of the data is ever kept.

use super::{Decomposition, centred, exact};
use crate::gaussian::Gaussian;
use crate::product::{View, multiply};
use crate::{Matrix, Progress, ReduceError, Stage};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// An eigenvalue of `M` below this share of the largest is rounding of single precision.
const ROUNDING: f64 = 1e-13;

/// Follows `count` directions through `iterations` power iterations and one more pass.
pub fn decompose(
    data: &Matrix,
    mean: &[f64],
    count: usize,
    iterations: usize,
    seed: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Decomposition, ReduceError> {
    let columns = data.columns();
    let start = Gaussian::new(seed).take(columns * count);
    let mut basis = orthonormal(MatRef::from_row_major_slice(&start, columns, count));
    for iteration in 0..iterations {
        progress(Progress::new(Stage::Pca, iteration, iterations + 1));
        let (product, _) = pass(data, mean, &basis, count, false);
        basis = orthonormal(MatRef::from_row_major_slice(&product, columns, count));
    }
    progress(Progress::new(Stage::Pca, iterations, iterations + 1));
    let (product, squares) = pass(data, mean, &basis, count, true);
    let found = finish(&product, squares.as_ref(), columns)?;
    progress(Progress::new(Stage::Pca, iterations + 1, iterations + 1));
    Ok(found)
}

/// Orthonormal columns that span those of `matrix`, row-major.
fn orthonormal(matrix: MatRef<'_, f32>) -> Vec<f32> {
    let thin = matrix.qr().compute_thin_Q();
    (0..thin.nrows()).flat_map(|row| thin.row(row).iter().copied().collect::<Vec<_>>()).collect()
}

/// `Xᵀ X Q`, row-major `[columns, count]`, and, where `squares` is set, `(X Q)ᵀ (X Q)`. Sums run in the same order on any
/// number of threads.
fn pass(data: &Matrix, mean: &[f64], basis: &[f32], count: usize, squares: bool) -> (Vec<f32>, Mat<f64>) {
    let columns = data.columns();
    let basis = View::new(basis, columns, count);
    let parts: Vec<(Vec<f32>, Mat<f64>)> = (0..centred::PARTS)
        .into_par_iter()
        .map(|part| {
            let mut product = vec![0.0; columns * count];
            let mut sum = Mat::zeros(count, count);
            let mut along = Vec::new();
            centred::for_each_block(data, mean, centred::part_of(data.rows(), part), |block, rows| {
                let block = View::new(block, rows, columns);
                along.resize(rows * count, 0.0);
                multiply(&mut along, block, basis, false);
                multiply(&mut product, block.transposed(), View::new(&along, rows, count), true);
                if squares {
                    let along = Mat::from_fn(rows, count, |row, column| f64::from(along[row * count + column]));
                    sum += along.transpose() * &along;
                }
            });
            (product, sum)
        })
        .collect();
    let mut parts = parts.into_iter();
    let (mut product, mut sum) = parts.next().expect("there are parts");
    for (other, other_sum) in parts {
        product.par_iter_mut().zip(&other).for_each(|(product, other)| *product += other);
        sum += other_sum;
    }
    (product, sum)
}

/// The singular values and right singular vectors of `M^(-1/2) Cᵀ`.
fn finish(product: &[f32], squares: MatRef<'_, f64>, columns: usize) -> Result<Decomposition, ReduceError> {
    let count = squares.nrows();
    let (values, vectors) = exact::eigen(squares)?;
    let product = Mat::from_fn(columns, count, |row, column| f64::from(product[row * count + column]));
    let mut projected = product * vectors;
    for (column, &value) in values.iter().enumerate() {
        let factor = if value > ROUNDING * values[0] { value.sqrt().recip() } else { 0.0 };
        projected.as_mut().col_mut(column).iter_mut().for_each(|entry| *entry *= factor);
    }
    let svd = projected.thin_svd().map_err(|_| ReduceError::NotConverged)?;
    let singular = svd.S().column_vector();
    Ok(Decomposition {
        squared: (0..count).map(|i| singular[i].powi(2)).collect(),
        directions: exact::columns_of(svd.U()),
    })
}
