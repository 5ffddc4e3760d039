//! Repulsion of one point by a list of others: the innermost loop of the exact gradient and of Barnes and Hut's.

use super::gradient::{LANES, sum_lanes};
use crate::simd::Kernel;

/// Points, or cells of points that act as one, a list an axis.
#[derive(Clone)]
pub struct Masses<const D: usize> {
    places: [Vec<f32>; D],
    masses: Vec<f32>,
}

impl<const D: usize> Default for Masses<D> {
    fn default() -> Self {
        Self { places: std::array::from_fn(|_| Vec::new()), masses: Vec::new() }
    }
}

impl<const D: usize> Masses<D> {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.places.iter_mut().for_each(Vec::clear);
        self.masses.clear();
    }

    /// Adds one of `mass` points.
    pub fn push(&mut self, place: [f32; D], mass: f32) {
        for (places, value) in self.places.iter_mut().zip(place) {
            places.push(value);
        }
        self.masses.push(mass);
    }

    /// Adds single points.
    pub fn extend(&mut self, points: &[[f32; D]]) {
        for (axis, places) in self.places.iter_mut().enumerate() {
            places.extend(points.iter().map(|point| point[axis]));
        }
        self.masses.resize(self.masses.len() + points.len(), 1.0);
    }

    /// Fills up with nothing, so that a [`Repel`] has whole vectors.
    pub fn pad(&mut self) {
        let length = self.masses.len().next_multiple_of(LANES);
        self.places.iter_mut().for_each(|places| places.resize(length, 0.0));
        self.masses.resize(length, 0.0);
    }

    /// `Σ m w² (y - y_j)` and `Σ m w`, of a padded list. The point itself, where it is in the list, adds 1 to the second.
    #[inline(always)]
    fn repel(&self, point: [f32; D]) -> ([f32; D], f32) {
        let mut forces = [[0.0; LANES]; D];
        let mut weights = [[0.0; LANES]];
        let blocks = self.masses.len() / LANES;
        for block in 0..blocks {
            let masses = &self.masses.as_chunks::<LANES>().0[block];
            let mut differences = [[0.0; LANES]; D];
            let mut squared = [1.0; LANES];
            for axis in 0..D {
                let places = &self.places[axis].as_chunks::<LANES>().0[block];
                for lane in 0..LANES {
                    differences[axis][lane] = point[axis] - places[lane];
                    squared[lane] += differences[axis][lane] * differences[axis][lane];
                }
            }
            let mut factors = [0.0; LANES];
            for lane in 0..LANES {
                let inverse = 1.0 / squared[lane];
                let weight = masses[lane] * inverse;
                weights[0][lane] += weight;
                factors[lane] = weight * inverse;
            }
            for axis in 0..D {
                for lane in 0..LANES {
                    forces[axis][lane] += factors[lane] * differences[axis][lane];
                }
            }
        }
        (sum_lanes(&forces), sum_lanes(&weights)[0])
    }
}

/// Writes the forces of a padded list on some points, and returns the sum of the weights.
pub struct Repel<'a, const D: usize> {
    pub list: &'a Masses<D>,
    pub points: &'a [[f32; D]],
    pub forces: &'a mut [[f32; D]],
}

impl<const D: usize> Kernel for Repel<'_, D> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sum = 0.0;
        for (force, &point) in self.forces.iter_mut().zip(self.points) {
            let (found, weight) = self.list.repel(point);
            *force = found;
            sum += f64::from(weight);
        }
        sum
    }
}
