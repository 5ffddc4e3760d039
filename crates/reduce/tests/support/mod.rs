//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary takes a part of it")]

use reduce::{Matrix, Progress};

/// A progress that nobody looks at.
pub fn quiet(_: Progress) {}

/// A fixture, written by `make_fixtures.py` beside it.
pub fn fixture<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers between -1 and 1 that look random, the same each time.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = random::SplitMix64::new(seed);
    (0..count).map(|_| (2.0 * generator.unit() - 1.0) as f32).collect()
}

/// As many points around each of three corners, and whose they are.
pub fn blobs(each: usize, columns: usize) -> (Matrix, Vec<usize>) {
    let labels: Vec<usize> = (0..3 * each).map(|row| row % 3).collect();
    let mut values = numbers(3 * each * columns, 7);
    for (row, &label) in values.chunks_exact_mut(columns).zip(&labels) {
        row[label] += 6.0;
    }
    (Matrix::new(values, 3 * each, columns).unwrap(), labels)
}

/// Asserts that `|actual - expected| <= tolerance * max(1, |expected|)` everywhere.
#[track_caller]
pub fn assert_close<A: Copy + Into<f64>, E: Copy + Into<f64>>(
    name: &str,
    actual: &[A],
    expected: &[E],
    tolerance: f64,
) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (place, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let (actual, expected) = (actual.into(), expected.into());
        let off = (actual - expected).abs() / expected.abs().max(1.0);
        assert!(off <= tolerance, "{name} at {place}: {actual} where {expected} was expected (off by {off:e})");
    }
}
