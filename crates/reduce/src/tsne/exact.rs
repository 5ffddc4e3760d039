//! The repulsion of all pairs.

use super::gradient::Repulsion;
use super::pairs::{Masses, Repel};
use crate::simd::dispatch;
use rayon::prelude::*;

/// Points of one task.
const POINTS: usize = 16;

/// Every point by every other one: quadratic in time.
pub struct AllPairs;

impl<const D: usize> Repulsion<D> for AllPairs {
    fn compute(&mut self, points: &[[f32; D]], output: &mut [[f32; D]]) -> f64 {
        let mut all = Masses::default();
        all.extend(points);
        all.pad();
        let tasks = output.par_chunks_mut(POINTS).zip(points.par_chunks(POINTS));
        let weights: Vec<f64> = tasks.map(|(forces, points)| dispatch(Repel { list: &all, points, forces })).collect();
        weights.iter().sum::<f64>() - points.len() as f64
    }
}
