//! Reading index tensors on the CPU.

use burn::tensor::{DType, TensorData};

/// Every number of an integer tensor through `check`, which turns it into an index or panics.
pub(crate) fn checked(data: TensorData, check: impl Fn(i64) -> usize) -> Vec<usize> {
    // The two types that the backends use by default read as slices; `iter` converts any other, slower.
    let narrow = match data.dtype {
        DType::I32 => data.as_slice::<i32>().ok(),
        _ => None,
    };
    if let Some(values) = narrow {
        return values.iter().map(|&value| check(value.into())).collect();
    }
    let wide = match data.dtype {
        DType::I64 => data.as_slice::<i64>().ok(),
        _ => None,
    };
    match wide {
        Some(values) => values.iter().map(|&value| check(value)).collect(),
        None => data.iter::<i64>().map(check).collect(),
    }
}
