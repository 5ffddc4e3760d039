//! Matrix products of `f32` on one thread: whoever calls has his blocks of rows on all cores already.

use gemm::Parallelism;

/// A matrix that is read: element `(row, column)` lies at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// The row-major `[rows, columns]` matrix at the start of `values`.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(rows * columns <= values.len(), "{} values hold no {rows} rows of {columns}", values.len());
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transposed matrix, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `output = left · right`, or `output += left · right` with `accumulate`; `output` is row-major.
pub fn multiply(output: &mut [f32], left: View<'_>, right: View<'_>, accumulate: bool) {
    assert_eq!(left.columns, right.rows, "inner sizes of a product");
    assert!(left.rows * right.columns <= output.len(), "the output of a product is too short");
    // SAFETY: operands and output are as large as their shapes and strides say (`View::new` and the line above), and
    // the output is borrowed exclusively.
    unsafe {
        gemm::gemm::<f32>(
            left.rows,
            right.columns,
            left.columns,
            output.as_mut_ptr(),
            1,
            right.columns as isize,
            accumulate,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
