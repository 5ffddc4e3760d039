//! Exact nearest neighbours by Euclidean distance. Candidates come from inner products, which are matrix products and so
//! fast; whatever rounding could have misplaced stays a candidate, and the distances of candidates are computed anew from
//! differences. So the result is that of the plain double loop, ties by index included.

use crate::product::{View, multiply};
use crate::simd::{Kernel, dispatch};
use crate::{Matrix, ReduceError};
use rayon::prelude::*;
use std::ops::Range;

/// Queries that are compared at once.
const QUERIES: usize = 64;

/// Points that a block of queries is compared with at once.
const POINTS: usize = 1024;

/// Distances that are looked at, or coordinates that are summed, side by side.
const LANES: usize = 16;

/// The `k` nearest neighbours of every row, the nearest first; of equally near ones the first row comes first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    k: usize,
    indices: Vec<u32>,
    distances: Vec<f32>,
}

impl Neighbours {
    /// How many neighbours a row has.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many rows have neighbours.
    pub fn rows(&self) -> usize {
        self.indices.len() / self.k
    }

    /// The neighbours of `row`: rows of the points.
    pub fn indices(&self, row: usize) -> &[u32] {
        &self.indices[row * self.k..][..self.k]
    }

    /// Their Euclidean distances.
    pub fn distances(&self, row: usize) -> &[f32] {
        &self.distances[row * self.k..][..self.k]
    }
}

/// The `k` nearest other rows of every row of `points`.
///
/// # Errors
/// Points that are empty or not finite, and `k` that is 0 or not below the number of rows.
pub fn k_nearest(points: &Matrix, k: usize) -> Result<Neighbours, ReduceError> {
    points.check()?;
    check_k(k, points.rows() - 1, "every row has as many neighbours as there are other rows")?;
    let centred = Centred::new(points, &mean(points));
    Ok(search(points, &centred, points, &centred, k, true))
}

/// The `k` rows of `points` that are nearest to every row of `queries`.
///
/// # Errors
/// Tables that are empty, not finite or of different columns, and `k` that is 0 or more than there are points.
pub fn k_nearest_of(queries: &Matrix, points: &Matrix, k: usize) -> Result<Neighbours, ReduceError> {
    points.check()?;
    queries.check()?;
    if queries.columns() != points.columns() {
        return Err(ReduceError::Mismatch {
            what: "the table of queries",
            unit: "columns",
            found: queries.columns(),
            expected: points.columns(),
            reason: "the points have that many",
        });
    }
    check_k(k, points.rows(), "there are no more points")?;
    let mean = mean(points);
    Ok(search(queries, &Centred::new(queries, &mean), points, &Centred::new(points, &mean), k, false))
}

fn check_k(k: usize, most: usize, reason: &str) -> Result<(), ReduceError> {
    match k {
        0 => Err(ReduceError::config("k", "is 0: at least 1 neighbour is needed")),
        k if k > most => Err(ReduceError::config("k", format!("is {k}, but {most} is the most: {reason}"))),
        _ => Ok(()),
    }
}

fn mean(points: &Matrix) -> Vec<f32> {
    let mut sum = vec![0.0_f64; points.columns()];
    for row in points.values().chunks_exact(points.columns()) {
        sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sum.iter().map(|sum| (sum / points.rows() as f64) as f32).collect()
}

/// Rows around zero, where inner products lose the fewest digits, with their squared lengths.
pub(crate) struct Centred {
    values: Vec<f32>,
    squares: Vec<f32>,
    columns: usize,
}

impl Centred {
    pub(crate) fn around_mean(points: &Matrix) -> Self {
        Self::new(points, &mean(points))
    }

    fn new(points: &Matrix, mean: &[f32]) -> Self {
        let columns = points.columns();
        let mut values = points.values().to_vec();
        for row in values.chunks_exact_mut(columns) {
            row.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
        }
        let squares = values.chunks_exact(columns).map(|row| row.iter().map(|x| x * x).sum()).collect();
        Self { values, squares, columns }
    }

    fn rows(&self) -> usize {
        self.squares.len()
    }

    fn view(&self, rows: Range<usize>) -> View<'_> {
        View::new(&self.values[rows.start * self.columns..rows.end * self.columns], rows.len(), self.columns)
    }

    /// Squared distances from `rows` of these points to `others` of the other ones, a row a row, up to rounding of the
    /// squared lengths.
    pub(crate) fn squared_distances(&self, rows: Range<usize>, other: &Self, others: Range<usize>, output: &mut [f32]) {
        let width = others.len();
        multiply(output, self.view(rows.clone()), other.view(others.clone()).transposed(), false);
        let squares = &other.squares[others];
        for (row, output) in rows.zip(output.chunks_exact_mut(width)) {
            dispatch(FromProducts { square: self.squares[row], squares, output });
        }
    }
}

/// Inner products to squared distances, in place.
struct FromProducts<'a> {
    square: f32,
    squares: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for FromProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (value, other) in self.output.iter_mut().zip(self.squares) {
            *value = self.square + other - 2.0 * *value;
        }
    }
}

/// A neighbour that may be: its squared distance up to rounding, and its row.
type Candidate = (f32, u32);

/// The nearest candidates seen so far of one query.
struct Nearest {
    candidates: Vec<Candidate>,
    k: usize,
    /// What rounding may have added or taken.
    slack: f32,
    /// No candidate may be further away.
    limit: f32,
    /// How many candidates there may be before the furthest are dropped.
    room: usize,
}

impl Nearest {
    fn new(k: usize, slack: f32) -> Self {
        Self { candidates: Vec::new(), k, slack, limit: f32::INFINITY, room: 4 * k + 64 }
    }

    /// Looks at the squared distances of the points from `first` on.
    fn look_at(&mut self, distances: &[f32], first: usize, except: Option<usize>) {
        let seen = self.candidates.len();
        dispatch(Within { distances, limit: self.limit, first, found: &mut self.candidates });
        if let Some(place) = self.candidates[seen..].iter().position(|found| Some(found.1 as usize) == except) {
            self.candidates.remove(seen + place);
        }
        if self.candidates.len() > self.room {
            self.drop_far();
            self.room = 2 * self.candidates.len() + 64;
        }
    }

    /// Keeps what is not further away than the k-th, give or take the rounding.
    fn drop_far(&mut self) {
        if self.candidates.len() < self.k {
            return;
        }
        let (_, &mut (furthest, _), _) = self.candidates.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0));
        self.limit = furthest + self.slack;
        self.candidates.retain(|candidate| candidate.0 <= self.limit);
    }

    /// The k nearest by their true distances.
    fn finish(mut self, query: &[f32], points: &Matrix) -> Vec<(f64, u32)> {
        self.drop_far();
        let exact = |&(_, point): &Candidate| (squared_distance(query, points.row(point as usize)), point);
        let mut found: Vec<(f64, u32)> = self.candidates.iter().map(exact).collect();
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(self.k);
        found
    }
}

/// Adds the points whose distance is within a limit.
struct Within<'a> {
    distances: &'a [f32],
    limit: f32,
    first: usize,
    found: &'a mut Vec<Candidate>,
}

impl Kernel for Within<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (block, part) in self.distances.chunks(LANES).enumerate() {
            let mut any = false;
            for &distance in part {
                any |= distance <= self.limit;
            }
            if !any {
                continue;
            }
            for (index, &distance) in part.iter().enumerate() {
                if distance <= self.limit {
                    self.found.push((distance, (self.first + block * LANES + index) as u32));
                }
            }
        }
    }
}

fn squared_distance(left: &[f32], right: &[f32]) -> f64 {
    dispatch(Distance { left, right })
}

/// A squared distance in double precision.
struct Distance<'a> {
    left: &'a [f32],
    right: &'a [f32],
}

impl Kernel for Distance<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sums = [0.0_f64; LANES];
        for (left, right) in self.left.chunks(LANES).zip(self.right.chunks(LANES)) {
            for lane in 0..left.len() {
                let difference = f64::from(left[lane]) - f64::from(right[lane]);
                sums[lane] += difference * difference;
            }
        }
        sums.iter().sum()
    }
}

fn search(queries: &Matrix, near: &Centred, points: &Matrix, all: &Centred, k: usize, same: bool) -> Neighbours {
    let longest = all.squares.iter().copied().fold(0.0, f32::max);
    let rounding = 4.0 * f32::EPSILON * (points.columns() as f32 + 16.0).sqrt();
    let starts: Vec<usize> = (0..queries.rows()).step_by(QUERIES).collect();
    let found: Vec<Vec<(f64, u32)>> = starts
        .into_par_iter()
        .flat_map_iter(|start| {
            let block = start..queries.rows().min(start + QUERIES);
            let slack = |query: usize| rounding * (near.squares[query] + longest);
            let mut nearest: Vec<Nearest> = block.clone().map(|query| Nearest::new(k, slack(query))).collect();
            let mut tile = vec![0.0; block.len() * POINTS];
            for first in (0..all.rows()).step_by(POINTS) {
                let others = first..all.rows().min(first + POINTS);
                near.squared_distances(block.clone(), all, others.clone(), &mut tile);
                for ((query, nearest), row) in block.clone().zip(&mut nearest).zip(tile.chunks_exact(others.len())) {
                    nearest.look_at(row, first, same.then_some(query));
                }
            }
            block.zip(nearest).map(|(query, nearest)| nearest.finish(queries.row(query), points)).collect::<Vec<_>>()
        })
        .collect();
    Neighbours {
        k,
        indices: found.iter().flatten().map(|neighbour| neighbour.1).collect(),
        distances: found.iter().flatten().map(|neighbour| neighbour.0.sqrt() as f32).collect(),
    }
}
