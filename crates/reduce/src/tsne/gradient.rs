//! The gradient of the Kullback–Leibler divergence: neighbours attract, all points repel.
//!
//! With `w = 1 / (1 + |y_i - y_j|²)` and `Z` the sum of `w` over all pairs, the gradient is four times
//! `Σ_j (p_ij w - w² / Z) (y_i - y_j)`.

use super::affinities::Affinities;
use crate::simd::{Kernel, dispatch};
use rayon::prelude::*;

/// A way to get gradients of all points.
pub trait Gradient<const D: usize> {
    /// Writes the gradient with all attraction times `exaggeration`, and returns the divergence (without exaggeration) where
    /// `with_divergence` is set.
    fn compute(
        &mut self,
        points: &[[f32; D]],
        exaggeration: f32,
        output: &mut [[f32; D]],
        with_divergence: bool,
    ) -> Option<f64>;
}

/// A way to sum the repulsion of all points.
pub trait Repulsion<const D: usize> {
    /// Writes `Σ_j w² (y_i - y_j)` of every point, and returns `Z`.
    fn compute(&mut self, points: &[[f32; D]], output: &mut [[f32; D]]) -> f64;
}

/// Attraction over the affinities, and any repulsion.
pub struct SparseGradient<'a, R> {
    pub affinities: &'a Affinities,
    pub repulsion: R,
}

impl<const D: usize, R: Repulsion<D>> Gradient<D> for SparseGradient<'_, R> {
    fn compute(
        &mut self,
        points: &[[f32; D]],
        exaggeration: f32,
        output: &mut [[f32; D]],
        with_divergence: bool,
    ) -> Option<f64> {
        let normaliser = self.repulsion.compute(points, output);
        let repulsion_factor = (-4.0 / normaliser) as f32;
        output.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, output)| {
            let affinities = self.affinities;
            dispatch(Attraction { affinities, points, first: chunk * ROWS, exaggeration, repulsion_factor, output });
        });
        with_divergence
            .then(|| self.affinities.negative_entropy() + sum_of_logarithms(self.affinities, points) + normaliser.ln())
    }
}

/// Rows of one task.
const ROWS: usize = 64;

/// Neighbours that are taken together: more than the CPU's vectors hold, because the compiler takes a short loop apart
/// before it could make it one of vectors.
const LANES: usize = 32;

/// Adds `4 exaggeration Σ_j p_ij w (y_i - y_j)` to some rows of `output`, whose repulsion is multiplied with its factor
/// first.
struct Attraction<'a, const D: usize> {
    affinities: &'a Affinities,
    points: &'a [[f32; D]],
    first: usize,
    exaggeration: f32,
    repulsion_factor: f32,
    output: &'a mut [[f32; D]],
}

impl<const D: usize> Kernel for Attraction<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, output) in self.output.iter_mut().enumerate() {
            let row = self.first + index;
            let (neighbours, values) = self.affinities.row(row);
            let mut sums = [[0.0; LANES]; D];
            for (neighbours, values) in neighbours.chunks(LANES).zip(values.chunks(LANES)) {
                attract(self.points, row, neighbours, values, &mut sums);
            }
            for axis in 0..D {
                let attraction = sum_lanes(sums[axis]);
                output[axis] = self.repulsion_factor * output[axis] + 4.0 * self.exaggeration * attraction;
            }
        }
    }
}

/// Adds the attraction of up to `LANES` neighbours.
#[inline(always)]
fn attract<const D: usize>(
    points: &[[f32; D]],
    row: usize,
    neighbours: &[u32],
    values: &[f32],
    sums: &mut [[f32; LANES]; D],
) {
    // What is missing in the last chunk has probability 0.
    let mut differences = [[0.0; LANES]; D];
    let mut weights = [0.0; LANES];
    for (lane, (&neighbour, &value)) in neighbours.iter().zip(values).enumerate() {
        for (axis, differences) in differences.iter_mut().enumerate() {
            differences[lane] = points[row][axis] - points[neighbour as usize][axis];
        }
        weights[lane] = value;
    }
    for lane in 0..LANES {
        let mut squared = 1.0;
        for differences in &differences {
            squared += differences[lane] * differences[lane];
        }
        let weight = weights[lane] / squared;
        for axis in 0..D {
            sums[axis][lane] += weight * differences[axis][lane];
        }
    }
}

/// The sum of all lanes, by halves.
#[inline(always)]
pub fn sum_lanes<const N: usize>(mut lanes: [f32; N]) -> f32 {
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `Σ_ij p_ij ln(1 + |y_i - y_j|²)`
fn sum_of_logarithms<const D: usize>(affinities: &Affinities, points: &[[f32; D]]) -> f64 {
    let rows: Vec<f64> = (0..points.len())
        .into_par_iter()
        .map(|row| {
            let (neighbours, values) = affinities.row(row);
            let logarithm = |&neighbour: &u32| {
                let other = points[neighbour as usize];
                let squared: f32 = points[row].iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                (1.0 + squared).ln()
            };
            neighbours.iter().zip(values).map(|(neighbour, &value)| f64::from(value * logarithm(neighbour))).sum()
        })
        .collect();
    rows.iter().sum()
}
