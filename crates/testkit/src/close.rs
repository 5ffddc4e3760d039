//! Comparing tensors.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Asserts that two tensors agree: `|actual - expected| <= tolerance * max(1, |expected|)` at every element, which is
/// absolute for small values and relative for large ones.
///
/// # Panics
/// Where they do not, with the place and the values of the worst element and how many are off. NaN agrees with nothing.
#[track_caller]
pub fn assert_close<B: Backend, const D: usize>(actual: &Tensor<B, D>, expected: &Tensor<B, D>, tolerance: f64) {
    assert_data_close("tensor", &actual.to_data(), &expected.to_data(), tolerance);
}

/// As [`assert_close`], for tensors on the host of any element type; `name` begins the message.
///
/// # Panics
/// As [`assert_close`], and where the shapes differ.
#[track_caller]
pub fn assert_data_close(name: &str, actual: &TensorData, expected: &TensorData, tolerance: f64) {
    assert_eq!(
        actual.shape, expected.shape,
        "{name}: shape {:?} where {:?} was expected",
        actual.shape, expected.shape
    );
    let mut worst = None;
    let mut off = 0;
    let pairs = actual.iter::<f64>().zip(expected.iter::<f64>());
    for (place, (actual, expected)) in pairs.enumerate() {
        let excess = (actual - expected).abs() / expected.abs().max(1.0);
        if excess > tolerance || excess.is_nan() {
            off += 1;
            let excess = if excess.is_nan() { f64::INFINITY } else { excess };
            if worst.is_none_or(|(_, _, _, worst)| excess > worst) {
                worst = Some((place, actual, expected, excess));
            }
        }
    }
    if let Some((place, actual_value, expected_value, excess)) = worst {
        panic!(
            "{name}: {off} of {} elements differ by more than {tolerance:e}; the worst, at {:?}, is {actual_value} \
             where {expected_value} was expected (off by {excess:e})",
            actual.num_elements(),
            coordinates(place, &actual.shape.to_vec()),
        );
    }
}

/// The index of element `place` in row-major order.
fn coordinates(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, size) in index.iter_mut().zip(shape).rev() {
        *at = place % size;
        place /= size;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(actual: [f32; 6], expected: [f32; 6]) -> Option<String> {
        let data = |values: [f32; 6]| TensorData::new(values.to_vec(), [2, 3]);
        std::panic::catch_unwind(|| assert_data_close("x", &data(actual), &data(expected), 1e-3))
            .err()
            .map(|panic| *panic.downcast::<String>().unwrap())
    }

    #[test]
    fn names_the_worst_element() {
        let expected = [1., 2., 3., 4., 5., 1000.];
        assert_eq!(message([1.0005, 2., 3., 4., 5., 1000.5], expected), None);
        let found = message([1., 2., 3.1, 4., 6., 1000.], expected).unwrap();
        assert!(found.contains("2 of 6"), "{found}");
        assert!(found.contains("[1, 1]"), "{found}");
        assert!(found.contains("is 6 where 5"), "{found}");
    }

    #[test]
    fn nan_is_never_close() {
        let nan = [f32::NAN, 2., 3., 4., 5., 6.];
        assert!(message(nan, nan).unwrap().contains("[0, 0]"));
    }
}
