//! All components, from the eigenvectors of the smaller of two symmetric matrices.

use super::{Decomposition, centred};
use crate::{Matrix, ReduceError};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};

/// Rows (or columns) that are turned into double precision at once.
const BLOCK: usize = 512;

/// A squared singular value below this share of the largest is rounding: its direction has to be made up.
const ROUNDING: f64 = 1e-14;

/// Decomposes the centred data; `kept` says how many directions are wanted, given all squared singular values.
pub fn decompose(data: &Matrix, mean: &[f64], kept: impl Fn(&[f64]) -> usize) -> Result<Decomposition, ReduceError> {
    let (rows, columns) = (data.rows(), data.columns());
    let turned = rows < columns;
    let gram = if turned {
        sum_of_squares(rows, columns, |range| centred::part(data, mean, 0..rows, range))
    } else {
        sum_of_squares(columns, rows, |range| centred::part(data, mean, range, 0..columns).transpose().to_owned())
    };
    let (squared, vectors) = eigen(gram.as_ref())?;
    let kept = kept(&squared);
    let directions = if turned {
        from_rows(data, mean, &squared[..kept], vectors.get(.., ..kept))
    } else {
        columns_of(vectors.get(.., ..kept))
    };
    Ok(Decomposition { squared, directions })
}

/// `M · Mᵀ` (its lower half) of a `[size, inner]` matrix whose columns `part` gives.
fn sum_of_squares(size: usize, inner: usize, part: impl Fn(std::ops::Range<usize>) -> Mat<f64>) -> Mat<f64> {
    let mut sum = Mat::zeros(size, size);
    for start in (0..inner).step_by(BLOCK) {
        let part = part(start..inner.min(start + BLOCK));
        triangular::matmul(
            sum.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            part.as_ref(),
            BlockStructure::Rectangular,
            part.transpose(),
            BlockStructure::Rectangular,
            1.0,
            get_global_parallelism(),
        );
    }
    sum
}

/// Eigenvalues, the largest first and none below 0, and their vectors as columns.
pub fn eigen(symmetric: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), ReduceError> {
    let size = symmetric.nrows();
    let found = symmetric.self_adjoint_eigen(Side::Lower).map_err(|_| ReduceError::NotConverged)?;
    let (values, vectors) = (found.S().column_vector(), found.U());
    let values = (0..size).rev().map(|i| values[i].max(0.0)).collect();
    Ok((values, vectors.reverse_cols().to_owned()))
}

/// The directions of columns, from the eigenvectors of the inner products of rows.
fn from_rows(data: &Matrix, mean: &[f64], squared: &[f64], vectors: MatRef<'_, f64>) -> Vec<Vec<f64>> {
    let (rows, columns) = (data.rows(), data.columns());
    let mut found = Mat::zeros(columns, squared.len());
    for start in (0..columns).step_by(BLOCK) {
        let range = start..columns.min(start + BLOCK);
        let product = centred::part(data, mean, 0..rows, range.clone()).transpose() * vectors;
        found.as_mut().subrows_mut(start, range.len()).copy_from(product);
    }
    for (column, &value) in squared.iter().enumerate() {
        if value <= ROUNDING * squared[0] {
            found.as_mut().col_mut(column).fill(0.0);
        }
    }
    // Orthogonal up to rounding already; where there was nothing but rounding, Householder's Q completes the basis.
    let qr = found.qr();
    columns_of(qr.compute_thin_Q().as_ref())
}

/// The columns of a matrix.
pub fn columns_of(matrix: MatRef<'_, f64>) -> Vec<Vec<f64>> {
    matrix.col_iter().map(|column| column.iter().copied().collect()).collect()
}
