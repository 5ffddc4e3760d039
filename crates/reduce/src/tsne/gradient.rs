//! The gradient of the Kullback–Leibler divergence: neighbours attract, all points repel.
//!
//! With `w = 1 / (1 + |y_i - y_j|²)` and `Z` the sum of `w` over all pairs, the gradient is four times
//! `Σ_j (p_ij w - w² / Z) (y_i - y_j)`.

use super::affinities::Affinities;
use crate::simd::dispatch;
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
        output.par_iter_mut().with_min_len(ROWS).enumerate().for_each(|(row, output)| {
            let attraction = dispatch(|| attraction(self.affinities, points, row));
            for axis in 0..D {
                output[axis] = 4.0 * exaggeration * attraction[axis] + repulsion_factor * output[axis];
            }
        });
        with_divergence.then(|| {
            self.affinities.negative_entropy() + sum_of_logarithms(self.affinities, points) + normaliser.ln()
        })
    }
}

/// Rows of one task.
const ROWS: usize = 64;

/// Neighbours that are taken together.
const LANES: usize = 16;

/// `Σ_j p_ij w (y_i - y_j)`
#[inline(always)]
fn attraction<const D: usize>(affinities: &Affinities, points: &[[f32; D]], row: usize) -> [f32; D] {
    let point = points[row];
    let (neighbours, values) = affinities.row(row);
    let mut sums = [[0.0; LANES]; D];
    let (blocks, rest) = neighbours.as_chunks::<LANES>();
    let (value_blocks, value_rest) = values.as_chunks::<LANES>();
    for (block, values) in blocks.iter().zip(value_blocks) {
        attract(point, block.map(|neighbour| points[neighbour as usize]), values, &mut sums);
    }
    let mut last = ([point; LANES], [0.0; LANES]);
    for (lane, (&neighbour, &value)) in rest.iter().zip(value_rest).enumerate() {
        last.0[lane] = points[neighbour as usize];
        last.1[lane] = value;
    }
    attract(point, last.0, &last.1, &mut sums);
    sums.map(|lanes| lanes.iter().sum())
}

#[inline(always)]
fn attract<const D: usize>(
    point: [f32; D],
    others: [[f32; D]; LANES],
    values: &[f32; LANES],
    sums: &mut [[f32; LANES]; D],
) {
    let mut differences = [[0.0; LANES]; D];
    let mut squared = [1.0; LANES];
    for axis in 0..D {
        for lane in 0..LANES {
            differences[axis][lane] = point[axis] - others[lane][axis];
            squared[lane] += differences[axis][lane] * differences[axis][lane];
        }
    }
    for axis in 0..D {
        for lane in 0..LANES {
            sums[axis][lane] += values[lane] / squared[lane] * differences[axis][lane];
        }
    }
}

/// `Σ_ij p_ij ln(1 + |y_i - y_j|²)`
fn sum_of_logarithms<const D: usize>(affinities: &Affinities, points: &[[f32; D]]) -> f64 {
    let rows: Vec<f64> = (0..points.len())
        .into_par_iter()
        .map(|row| {
            let (neighbours, values) = affinities.row(row);
            let logarithm = |&neighbour: &u32| {
                let other = points[neighbour as usize];
                let squared = points[row].iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2));
                squared.sum::<f64>().ln_1p()
            };
            neighbours.iter().zip(values).map(|(neighbour, &value)| f64::from(value) * logarithm(neighbour)).sum()
        })
        .collect();
    rows.iter().sum()
}
