//! Neighbours against a plain double loop, measures against scikit-learn.

mod support;

use proptest::prelude::*;
use reduce::{Matrix, continuity, k_nearest, k_nearest_of, neighbour_accuracy, neighbour_accuracy_on, trustworthiness};
use serde::Deserialize;
use support::{assert_close, blobs, fixture, numbers};

#[derive(Deserialize)]
struct Fixture {
    original: Matrix,
    embedded: Matrix,
    labels: Vec<usize>,
    trustworthiness: Vec<(usize, f64)>,
    continuity: Vec<(usize, f64)>,
    leave_one_out: f64,
    held_out: f64,
}

#[test]
fn measures_are_scikit_learns() {
    let expected = fixture::<Fixture>("measures");
    let (original, embedded, labels) = (&expected.original, &expected.embedded, &expected.labels);
    for (k, value) in expected.trustworthiness {
        assert_close("trustworthiness", &[trustworthiness(original, embedded, k).unwrap()], &[value], 1e-9);
    }
    for (k, value) in expected.continuity {
        assert_close("continuity", &[continuity(original, embedded, k).unwrap()], &[value], 1e-9);
    }
    assert_close("leave one out", &[neighbour_accuracy(embedded, labels, 4).unwrap()], &[expected.leave_one_out], 1e-9);
    let part =
        |from: usize, to: usize| Matrix::new(embedded.values()[2 * from..2 * to].to_vec(), to - from, 2).unwrap();
    let (train, test) = (part(0, 50), part(50, 70));
    let held_out = neighbour_accuracy_on((&train, &labels[..50]), (&test, &labels[50..]), 4).unwrap();
    assert_close("held out", &[held_out], &[expected.held_out], 1e-9);
}

#[test]
fn an_embedding_of_the_same_points_is_trusted_wholly() {
    let (data, _) = blobs(40, 3);
    assert_eq!(trustworthiness(&data, &data, 7).unwrap(), 1.0);
    assert_eq!(continuity(&data, &data, 7).unwrap(), 1.0);
}

/// Squared distances and indices of all points, the nearest first, ties by index.
fn all_in_order(query: &[f32], points: &Matrix) -> Vec<(f64, u32)> {
    let squared =
        |row: usize| query.iter().zip(points.row(row)).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let mut found: Vec<(f64, u32)> = (0..points.rows()).map(|row| (squared(row), row as u32)).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found
}

#[test]
fn neighbours_of_many_points_are_the_nearest() {
    let (points, queries) = (
        Matrix::new(numbers(3000 * 9, 1).iter().map(|x| x + 50.0).collect(), 3000, 9).unwrap(),
        Matrix::new(numbers(150 * 9, 2).iter().map(|x| x + 50.0).collect(), 150, 9).unwrap(),
    );
    let found = k_nearest_of(&queries, &points, 12).unwrap();
    assert_eq!((found.rows(), found.k()), (150, 12));
    for row in 0..queries.rows() {
        let expected = all_in_order(queries.row(row), &points);
        let indices: Vec<u32> = expected[..12].iter().map(|entry| entry.1).collect();
        assert_eq!(found.indices(row), indices, "row {row}");
        let distances: Vec<f64> = expected[..12].iter().map(|entry| entry.0.sqrt()).collect();
        assert_close("distance", found.distances(row), &distances, 1e-6);
    }
}

proptest! {
    #[test]
    fn equally_near_ones_come_by_index(rows in 2_usize..200, columns in 1_usize..4, seed: u64) {
        // Whole numbers from -2 to 2 around 1000: many ties, and many rows twice.
        let values = numbers(rows * columns, seed).iter().map(|x| 1000.0 + (2.4 * x).round()).collect();
        let points = Matrix::new(values, rows, columns).unwrap();
        let k = (rows - 1).min(10);
        let found = k_nearest(&points, k).unwrap();
        for row in 0..rows {
            let all = all_in_order(points.row(row), &points);
            let expected: Vec<u32> = all.iter().map(|entry| entry.1).filter(|&other| other as usize != row).take(k).collect();
            prop_assert_eq!(found.indices(row), &expected[..]);
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let (data, labels) = blobs(4, 3);
    let message = |k| k_nearest(&data, k).unwrap_err().to_string();
    assert!(message(0).contains("`k` is 0"));
    assert!(message(12).starts_with("`k` is 12, but 11 is the most"), "{}", message(12));
    let short = Matrix::new(vec![0.0; 10], 5, 2).unwrap();
    let rows = trustworthiness(&data, &short, 2).unwrap_err().to_string();
    assert_eq!(rows, "the embedding has 5 rows, but 12 are needed: the data has that many");
    let half = trustworthiness(&data, &data, 6).unwrap_err().to_string();
    assert_eq!(half, "`k` is 6, but 12 rows allow 5 at most: less than half");
    let missing = neighbour_accuracy(&data, &labels[1..], 3).unwrap_err().to_string();
    assert!(missing.contains("11 labels, but 12 are needed"), "{missing}");
    let columns = k_nearest_of(&short, &data, 1).unwrap_err().to_string();
    assert!(columns.contains("2 columns, but 3 are needed"), "{columns}");
}
