use crate::ReduceError;
use serde::{Deserialize, Serialize};

/// A table of numbers, row after row: a row is a point, a column a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Matrix {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// `rows` rows of `columns` numbers, the first row first.
    ///
    /// # Errors
    /// [`ReduceError::Shape`] where there are more or fewer values than that.
    pub fn new(values: Vec<f32>, rows: usize, columns: usize) -> Result<Self, ReduceError> {
        match rows.checked_mul(columns) {
            Some(size) if size == values.len() => Ok(Self { values, rows, columns }),
            _ => Err(ReduceError::Shape { values: values.len(), rows, columns }),
        }
    }

    /// Zeros.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self { values: vec![0.0; rows * columns], rows, columns }
    }

    /// One row a point.
    pub(crate) fn from_points<const D: usize>(points: &[[f32; D]]) -> Self {
        Self { values: points.concat(), rows: points.len(), columns: D }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `row`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All numbers, row after row.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// All numbers, to be written.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Refuses data without rows or columns, and NaN and infinities.
    pub(crate) fn check(&self) -> Result<(), ReduceError> {
        if self.rows == 0 || self.columns == 0 {
            let (rows, columns) = (self.rows, self.columns);
            return Err(ReduceError::Empty { rows, columns, needed: "one row of one column" });
        }
        match self.values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(place) => Err(ReduceError::NotFinite {
                row: place / self.columns,
                column: place % self.columns,
                value: self.values[place],
            }),
        }
    }
}

/// What is written of a matrix, and checked when it is read.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Matrix", deny_unknown_fields)]
struct Parts {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl TryFrom<Parts> for Matrix {
    type Error = ReduceError;

    fn try_from(parts: Parts) -> Result<Self, ReduceError> {
        Self::new(parts.values, parts.rows, parts.columns)
    }
}

impl From<Matrix> for Parts {
    fn from(matrix: Matrix) -> Self {
        Self { rows: matrix.rows, columns: matrix.columns, values: matrix.values }
    }
}
