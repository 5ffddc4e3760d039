//! Stochastic gradient descent on the graph.
//!
//! umap-learn moves both ends of an edge at once, so that what it finds follows the order of edges and cannot be split
//! over threads. Here an epoch moves every point from its own edges, one after another, and takes the others from where
//! they were before the epoch. The graph is symmetric, so that the other end moves as well; and because umap-learn
//! meets every edge from both ends, a point takes two steps towards the other end. So the points are the same on any
//! number of threads.

use super::curve::Curve;
use crate::sparse::Sparse;
use crate::{Progress, Stage};
use random::{SplitMix64, stream_seed};
use rayon::prelude::*;

/// No coordinate moves further than this times the learning rate in a step.
const LONGEST_STEP: f32 = 4.0;

/// Keeps the repulsion of points in one place finite.
const EPSILON: f32 = 1e-3;

/// Points of one task.
const POINTS: usize = 64;

/// Everything that does not change from epoch to epoch.
pub struct Layout<'a> {
    pub graph: &'a Sparse,
    pub curve: Curve,
    pub epochs: usize,
    pub learning_rate: f32,
    pub negatives: usize,
    pub seed: u64,
}

impl Layout<'_> {
    /// The points after the last epoch.
    pub fn run<const D: usize>(&self, mut points: Vec<[f32; D]>, progress: &mut dyn FnMut(Progress)) -> Vec<[f32; D]> {
        let largest = self.graph.values().iter().copied().fold(0.0, f32::max);
        let mut before = points.clone();
        for epoch in 0..self.epochs {
            progress(Progress::new(Stage::Layout, epoch, self.epochs));
            before.copy_from_slice(&points);
            points.par_iter_mut().with_min_len(POINTS).enumerate().for_each(|(index, point)| {
                self.move_point(index, point, &before, epoch, largest);
            });
        }
        progress(Progress::new(Stage::Layout, self.epochs, self.epochs));
        points
    }

    fn move_point<const D: usize>(
        &self,
        index: usize,
        point: &mut [f32; D],
        others: &[[f32; D]],
        epoch: usize,
        largest: f32,
    ) {
        let rate = self.learning_rate * (1.0 - epoch as f32 / self.epochs as f32);
        let mut generator = SplitMix64::new(stream_seed(self.seed, epoch as u64, index as u64));
        let (columns, weights) = self.graph.row(index);
        for (&other, &weight) in columns.iter().zip(weights) {
            if !is_due(weight / largest, epoch) {
                continue;
            }
            for _ in 0..2 {
                step(point, &others[other as usize], rate, |squared| self.attraction(squared));
            }
            for _ in 0..self.negatives {
                let other = generator.below(others.len());
                if other != index {
                    step(point, &others[other], rate, |squared| self.repulsion(squared));
                }
            }
        }
    }

    fn attraction(&self, squared: f32) -> f32 {
        let Curve { a, b } = self.curve;
        if squared == 0.0 {
            return 0.0;
        }
        let power = squared.powf(b - 1.0);
        -2.0 * a * b * power / (1.0 + a * power * squared)
    }

    fn repulsion(&self, squared: f32) -> f32 {
        let Curve { a, b } = self.curve;
        2.0 * b / ((EPSILON + squared) * (1.0 + a * squared.powf(b)))
    }
}

/// Whether an edge is met in an epoch: the strongest is in every one, others in proportion to their weight.
fn is_due(share: f32, epoch: usize) -> bool {
    let share = f64::from(share);
    (share * (epoch + 1) as f64).floor() > (share * epoch as f64).floor()
}

/// Moves a point along its difference to another, by a factor that depends on their squared distance.
#[inline(always)]
fn step<const D: usize>(point: &mut [f32; D], other: &[f32; D], rate: f32, factor: impl Fn(f32) -> f32) {
    let difference: [f32; D] = std::array::from_fn(|axis| point[axis] - other[axis]);
    let factor = factor(difference.iter().map(|difference| difference * difference).sum());
    for (coordinate, difference) in point.iter_mut().zip(difference) {
        *coordinate += rate * (factor * difference).clamp(-LONGEST_STEP, LONGEST_STEP);
    }
}
