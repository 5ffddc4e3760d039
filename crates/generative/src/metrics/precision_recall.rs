//! Precision and recall of what is made ([Kynkäänniemi et al. 2019](https://arxiv.org/abs/1904.06991)): the share of made things that are
//! like real ones, and the share of real ones that are like made ones. A model that makes one good picture over and over has a high
//! precision and no recall.

use rayon::prelude::*;
use reduce::{Matrix, ReduceError, k_nearest};

/// The two shares, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Of what is made, how much is like something real.
    pub precision: f64,
    /// Of what is real, how much is like something made.
    pub recall: f64,
}

/// A thing is like those of a set where it lies no farther from one of them than that one's `k`-th neighbour in its own set.
///
/// # Errors
/// Features that are empty or not finite, and sets of no more than `k`.
pub fn precision_recall(real: &Matrix, made: &Matrix, k: usize) -> Result<PrecisionRecall, ReduceError> {
    Ok(PrecisionRecall { precision: share_within(made, real, k)?, recall: share_within(real, made, k)? })
}

/// The share of `queries` that lie within reach of one of `points`.
fn share_within(queries: &Matrix, points: &Matrix, k: usize) -> Result<f64, ReduceError> {
    let neighbours = k_nearest(points, k)?;
    let reach: Vec<f32> = (0..points.rows()).map(|row| neighbours.distances(row)[k - 1].powi(2)).collect();
    let within = |query: usize| {
        let query = queries.row(query);
        (0..points.rows()).any(|point| squared_distance(query, points.row(point)) <= reach[point])
    };
    let count = (0..queries.rows()).into_par_iter().filter(|query| within(*query)).count();
    Ok(count as f64 / queries.rows() as f64)
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
