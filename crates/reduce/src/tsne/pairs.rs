//! Repulsion of one point by a list of others: the innermost loop of the exact gradient and of Barnes and Hut's.

/// Others that are taken together.
const LANES: usize = 16;

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

    /// Fills up with nothing, so that [`Self::repel`] has whole vectors.
    pub fn pad(&mut self) {
        let length = self.masses.len().next_multiple_of(LANES);
        self.places.iter_mut().for_each(|places| places.resize(length, 0.0));
        self.masses.resize(length, 0.0);
    }

    /// `Σ m w² (y - y_j)` and `Σ m w`, of a padded list. The point itself, where it is in the list, adds 1 to the second.
    #[inline(always)]
    pub fn repel(&self, point: [f32; D]) -> ([f32; D], f32) {
        let mut forces = [[0.0; LANES]; D];
        let mut weights = [0.0; LANES];
        let places = self.places.each_ref().map(|places| places.as_chunks::<LANES>().0);
        for (block, masses) in self.masses.as_chunks::<LANES>().0.iter().enumerate() {
            let mut differences = [[0.0; LANES]; D];
            let mut squared = [1.0; LANES];
            for axis in 0..D {
                for lane in 0..LANES {
                    differences[axis][lane] = point[axis] - places[axis][block][lane];
                    squared[lane] += differences[axis][lane] * differences[axis][lane];
                }
            }
            let mut factors = [0.0; LANES];
            for lane in 0..LANES {
                let inverse = 1.0 / squared[lane];
                let weight = masses[lane] * inverse;
                weights[lane] += weight;
                factors[lane] = weight * inverse;
            }
            for axis in 0..D {
                for lane in 0..LANES {
                    forces[axis][lane] += factors[lane] * differences[axis][lane];
                }
            }
        }
        (forces.map(|lanes| lanes.iter().sum()), weights.iter().sum())
    }
}
