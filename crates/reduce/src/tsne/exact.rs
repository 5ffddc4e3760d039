//! The repulsion of all pairs.

use super::gradient::Repulsion;
use super::pairs::Masses;
use crate::simd::dispatch;
use rayon::prelude::*;

/// Every point by every other one: quadratic in time.
pub struct AllPairs;

impl<const D: usize> Repulsion<D> for AllPairs {
    fn compute(&mut self, points: &[[f32; D]], output: &mut [[f32; D]]) -> f64 {
        let mut all = Masses::default();
        all.extend(points);
        all.pad();
        let weights: Vec<f64> = output
            .par_iter_mut()
            .zip(points)
            .map(|(output, &point)| {
                let (force, weight) = dispatch(|| all.repel(point));
                *output = force;
                f64::from(weight)
            })
            .collect();
        weights.iter().sum::<f64>() - points.len() as f64
    }
}
