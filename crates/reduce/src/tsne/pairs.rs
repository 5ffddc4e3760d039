//! Repulsion of one point by a list of others: the innermost loop of the exact gradient and of Barnes and Hut's.

use super::gradient::sum_lanes;
use crate::simd::Kernel;

/// Masses that are taken together: more than the CPU's vectors hold, because the compiler takes a short loop apart
/// before it could make it one of vectors.
const LANES: usize = 64;

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
        let mut weights = [0.0; LANES];
        for block in 0..self.masses.len() / LANES {
            let masses = &self.masses.as_chunks::<LANES>().0[block];
            let places: [&[f32; LANES]; D] =
                std::array::from_fn(|axis| &self.places[axis].as_chunks::<LANES>().0[block]);
            for lane in 0..LANES {
                let mut squared = 1.0;
                for axis in 0..D {
                    let difference = point[axis] - places[axis][lane];
                    squared += difference * difference;
                }
                let inverse = 1.0 / squared;
                let weight = masses[lane] * inverse;
                weights[lane] += weight;
                for axis in 0..D {
                    forces[axis][lane] += weight * inverse * (point[axis] - places[axis][lane]);
                }
            }
        }
        let mut force = [0.0; D];
        for axis in 0..D {
            force[axis] = sum_lanes(forces[axis]);
        }
        (force, sum_lanes(weights))
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
