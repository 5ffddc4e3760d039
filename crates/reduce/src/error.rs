/// What can be wrong with data or with the configuration of a reduction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReduceError {
    /// There is nothing to reduce.
    #[error("the data has {rows} rows of {columns} columns: at least {needed} is needed")]
    Empty {
        /// Rows of the data.
        rows: usize,
        /// Columns of the data.
        columns: usize,
        /// What is needed, as the end of a sentence.
        needed: &'static str,
    },
    /// The numbers do not make a table of that shape.
    #[error("{values} values are not {rows} rows of {columns} columns")]
    Shape {
        /// How many numbers there are.
        values: usize,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "row {row}, column {column} (both from 0) is {value}: fill in or drop what is missing, every value has to be a finite number"
    )]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A value is finite, but what is computed from it is not.
    #[error(
        "row {row}, column {column} (both from 0) is {value}: too large for single precision, which its square has to fit into; \
         scale the columns first (`--standardize`)"
    )]
    TooLarge {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// Two tables that belong together do not fit.
    #[error("{what} has {found} {unit}, but {expected} are needed: {reason}")]
    Mismatch {
        /// Which of the two.
        what: &'static str,
        /// What is counted.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
        /// Why.
        reason: &'static str,
    },
    /// A configuration value is impossible, in itself or for this data.
    #[error("`{key}` {message}")]
    Config {
        /// The key, as `validate` names it.
        key: &'static str,
        /// What is wrong and what is allowed: the rest of a sentence that begins with the key.
        message: String,
    },
    /// An eigenvalue or singular value decomposition did not converge.
    #[error("the decomposition did not converge; scale the columns to similar ranges")]
    NotConverged,
}

impl ReduceError {
    /// The first of the impossible values that a configuration's `validate` found, as an error.
    pub(crate) fn first_of(found: Vec<(&'static str, String)>) -> Result<(), Self> {
        match found.into_iter().next() {
            Some((key, message)) => Err(Self::Config { key, message }),
            None => Ok(()),
        }
    }

    /// An impossible value of `key`.
    pub(crate) fn config(key: &'static str, message: impl Into<String>) -> Self {
        Self::Config { key, message: message.into() }
    }
}
