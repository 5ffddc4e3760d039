//! What a reduction kept of the data.

use crate::neighbours::Centred;
use crate::simd::{Kernel, dispatch};
use crate::{Matrix, Neighbours, ReduceError, k_nearest, k_nearest_of};
use rayon::prelude::*;

/// Rows whose distances to all others are ranked at once.
const BLOCK: usize = 32;

/// How far the `k` nearest neighbours in `embedded` are neighbours in `original` too: 1 where all are, lower where
/// points came close that were not (Venna and Kaski 2001; scikit-learn's `trustworthiness`).
///
/// # Errors
/// Tables that are empty, not finite or of different rows, and `k` that is 0 or not below half the number of rows.
pub fn trustworthiness(original: &Matrix, embedded: &Matrix, k: usize) -> Result<f64, ReduceError> {
    original.check()?;
    embedded.check()?;
    same_rows(original, embedded)?;
    let rows = original.rows();
    if 2 * k >= rows {
        let most = rows.saturating_sub(1) / 2;
        return Err(ReduceError::config("k", format!("is {k}, but {rows} rows allow {most} at most: less than half")));
    }
    let strangers = excess_ranks(original, &k_nearest(embedded, k)?);
    let (n, k) = (rows as f64, k as f64);
    Ok(1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * strangers as f64)
}

/// How far the `k` nearest neighbours in `original` still are neighbours in `embedded`: 1 where all are, lower where
/// neighbours were torn apart (Venna and Kaski 2001).
///
/// # Errors
/// As [`trustworthiness`].
pub fn continuity(original: &Matrix, embedded: &Matrix, k: usize) -> Result<f64, ReduceError> {
    trustworthiness(embedded, original, k)
}

/// The share of rows whose label is that of most of their `k` nearest other rows; of labels that are as frequent the
/// smallest counts.
///
/// # Errors
/// Points that are empty or not finite, another number of labels than rows, and `k` that is 0 or not below the number
/// of rows.
pub fn neighbour_accuracy(points: &Matrix, labels: &[usize], k: usize) -> Result<f64, ReduceError> {
    same_labels(points, labels)?;
    Ok(share_right(&k_nearest(points, k)?, labels, labels))
}

/// The share of rows of `test` whose label is that of most of their `k` nearest rows of `train`; of labels that are as
/// frequent the smallest counts.
///
/// # Errors
/// As [`neighbour_accuracy`], for both tables, and tables of different columns.
pub fn neighbour_accuracy_on(
    (train, train_labels): (&Matrix, &[usize]),
    (test, test_labels): (&Matrix, &[usize]),
    k: usize,
) -> Result<f64, ReduceError> {
    same_labels(train, train_labels)?;
    same_labels(test, test_labels)?;
    Ok(share_right(&k_nearest_of(test, train, k)?, train_labels, test_labels))
}

fn share_right(neighbours: &Neighbours, labels: &[usize], expected: &[usize]) -> f64 {
    let right = (0..neighbours.rows()).filter(|&row| majority(neighbours.indices(row), labels) == expected[row]);
    right.count() as f64 / neighbours.rows() as f64
}

/// The most frequent label, the smallest of several.
fn majority(neighbours: &[u32], labels: &[usize]) -> usize {
    let mut found: Vec<usize> = neighbours.iter().map(|&neighbour| labels[neighbour as usize]).collect();
    found.sort_unstable();
    let mut best = &found[..0];
    for votes in found.chunk_by(|a, b| a == b) {
        if votes.len() > best.len() {
            best = votes;
        }
    }
    best[0]
}

/// The sum, over all neighbours, of how much further out they rank in `original` than the k-th.
fn excess_ranks(original: &Matrix, neighbours: &Neighbours) -> u64 {
    let centred = Centred::around_mean(original);
    let rows = original.rows();
    let starts: Vec<usize> = (0..rows).step_by(BLOCK).collect();
    let excess_of = |start: usize| {
        let block = start..rows.min(start + BLOCK);
        let mut distances = vec![0.0; block.len() * rows];
        centred.squared_distances(block.clone(), &centred, 0..rows, &mut distances);
        let mut excess = 0;
        for (row, distances) in block.zip(distances.chunks_exact_mut(rows)) {
            distances[row] = f32::INFINITY;
            for &neighbour in neighbours.indices(row) {
                let nearer = count_nearer(distances, neighbour as usize);
                excess += (nearer + 1).saturating_sub(neighbours.k()) as u64;
            }
        }
        excess
    };
    starts.into_par_iter().map(excess_of).sum()
}

/// How many are nearer than `point`, or as near and before it.
fn count_nearer(distances: &[f32], point: usize) -> usize {
    let limit = distances[point];
    let (before, after) = distances.split_at(point);
    (dispatch(Count { distances: before, limit, inclusive: true })
        + dispatch(Count { distances: after, limit, inclusive: false })) as usize
}

/// How many distances are below a limit.
struct Count<'a> {
    distances: &'a [f32],
    limit: f32,
    inclusive: bool,
}

impl Kernel for Count<'_> {
    type Output = u32;

    #[inline(always)]
    fn run(self) -> u32 {
        let mut count = 0;
        if self.inclusive {
            for &distance in self.distances {
                count += u32::from(distance <= self.limit);
            }
        } else {
            for &distance in self.distances {
                count += u32::from(distance < self.limit);
            }
        }
        count
    }
}

fn same_rows(original: &Matrix, embedded: &Matrix) -> Result<(), ReduceError> {
    match embedded.rows() {
        found if found == original.rows() => Ok(()),
        found => Err(ReduceError::Mismatch {
            what: "the embedding",
            unit: "rows",
            found,
            expected: original.rows(),
            reason: "the data has that many",
        }),
    }
}

fn same_labels(points: &Matrix, labels: &[usize]) -> Result<(), ReduceError> {
    match labels.len() {
        found if found == points.rows() => Ok(()),
        found => Err(ReduceError::Mismatch {
            what: "the list of labels",
            unit: "labels",
            found,
            expected: points.rows(),
            reason: "every row needs one",
        }),
    }
}
