//! The Fréchet distance of features ([Heusel et al. 2017](https://arxiv.org/abs/1706.08500)): between two normal distributions with the
//! means and covariances of the two sets. Of Inception's features it is the FID; of other networks' features it tells runs of one data set
//! apart, but is not to be compared with published numbers.

use std::sync::OnceLock;

use faer::{Mat, MatRef, Side};
use reduce::{Matrix, ReduceError};

/// Mean and covariance of features.
#[derive(Debug, Clone)]
pub struct Moments {
    mean: Vec<f64>,
    /// Unbiased, as `numpy.cov` has it.
    covariance: Mat<f64>,
    /// That of the covariance, from the first distance on: with Inception's 2,048 features it takes seconds.
    root: OnceLock<Mat<f64>>,
}

impl Moments {
    /// Those of rows; a single row has a covariance of 0.
    pub fn of(features: &Matrix) -> Self {
        let (rows, columns) = (features.rows(), features.columns());
        let mean: Vec<f64> = (0..columns)
            .map(|column| (0..rows).map(|row| f64::from(features.row(row)[column])).sum::<f64>() / rows as f64)
            .collect();
        let centred = Mat::from_fn(rows, columns, |row, column| f64::from(features.row(row)[column]) - mean[column]);
        let covariance = centred.transpose() * &centred * faer::Scale(1.0 / (rows.max(2) - 1) as f64);
        Self { mean, covariance, root: OnceLock::new() }
    }

    /// The sum of the variances: half the mean squared distance of two rows.
    pub fn total_variance(&self) -> f64 {
        (0..self.mean.len()).map(|i| self.covariance[(i, i)]).sum()
    }

    fn root(&self) -> Result<&Mat<f64>, ReduceError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = square_root(self.covariance.as_ref())?;
        Ok(self.root.get_or_init(|| root))
    }
}

/// `|μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)`
///
/// The trace of the root is the sum of the roots of the eigenvalues of `C₁ C₂`, which are those of the symmetric `C₁^½ C₂ C₁^½`: no
/// complex numbers and no failures where a covariance is singular.
///
/// The root that is kept is that of the first: give what is compared again and again there.
///
/// # Errors
/// When the eigenvalues do not converge, as with features that are not finite.
///
/// # Panics
/// When the two have different numbers of features.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<f64, ReduceError> {
    assert_eq!(a.mean.len(), b.mean.len(), "Fréchet distance: features of two networks");
    let apart: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let root = a.root()?;
    let product = root * &b.covariance * root;
    let symmetric = (&product + product.transpose()) * faer::Scale(0.5);
    let eigen = symmetric.self_adjoint_eigenvalues(Side::Lower).map_err(|_| ReduceError::NotConverged)?;
    let trace_of_root: f64 = eigen.iter().map(|value| value.max(0.0).sqrt()).sum();
    Ok((apart + a.total_variance() + b.total_variance() - 2.0 * trace_of_root).max(0.0))
}

/// The symmetric root of a covariance.
fn square_root(symmetric: MatRef<'_, f64>) -> Result<Mat<f64>, ReduceError> {
    let found = symmetric.self_adjoint_eigen(Side::Lower).map_err(|_| ReduceError::NotConverged)?;
    let (values, vectors) = (found.S().column_vector(), found.U());
    let scaled = Mat::from_fn(vectors.nrows(), vectors.ncols(), |row, column| {
        vectors[(row, column)] * values[column].max(0.0).sqrt()
    });
    Ok(scaled * vectors.transpose())
}
