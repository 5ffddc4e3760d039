//! Repulsion on a grid by Fourier transforms, in time linear in the number of points: Linderman, Rachh, Hoskins,
//! Steinerberger and Kluger, "Fast interpolation-based t-SNE", 2019, <https://arxiv.org/abs/1712.09005>.
//!
//! Where FIt-SNE differs: it convolves four charges with one kernel and takes forces as differences of the results.
//! Here one charge (a point each) is convolved with the two components of the force itself, and `Z` comes from the
//! transforms by Parseval's theorem, so that an iteration takes three real transforms instead of eight, and nothing
//! cancels, so that single precision is enough. The grid has a fixed spacing and grows with the embedding. Points are
//! spread over the four nearest nodes along each axis with cubic B-splines, and the transforms of the kernels make up
//! for their width (as smooth particle mesh Ewald does, Essmann et al. 1995): at the same cost an order nearer than
//! Lagrange polynomials over as many nodes.

use super::gradient::Repulsion;
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Between nodes of the grid; the kernels change on a scale of 1.
const SPACING: f32 = 1.0 / 3.0;

/// Spacings along an embedding at least: the spacing is halved until then, or the forces in a tiny embedding, as small
/// as it is, would be lost in the rounding of those between nodes.
const LEAST_SPACINGS: usize = 16;

/// Nodes along an axis that a point is spread over.
const SPREAD: usize = 4;

/// Nodes along an axis at most: beyond, the grid gets coarser. Embeddings of millions of points stay below it.
const MOST_NODES: usize = 2048;

/// No grid is finer.
const FINEST: f32 = 1e-7;

/// Columns or rows of the grid that are transformed by one task: as many as share cache lines.
const TOGETHER: usize = 8;

/// Repulsion by interpolation, in two dimensions.
#[derive(Default)]
pub struct Interpolation {
    grid: Option<Grid>,
}

impl Repulsion<2> for Interpolation {
    fn compute(&mut self, points: &[[f32; 2]], output: &mut [[f32; 2]]) -> f64 {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let extent = (high[0] - low[0]).max(high[1] - low[1]);
        let spacing = spacing_for(extent);
        let nodes = (extent / spacing) as usize + SPREAD + 1;
        let grid = match self.grid.take() {
            Some(grid) if grid.spacing == spacing && (nodes..=4 * nodes).contains(&grid.nodes) => grid,
            _ => Grid::new(nodes, spacing),
        };
        self.grid.insert(grid).repel(points, low, output)
    }
}

/// The spacing of a grid over `extent`.
fn spacing_for(extent: f32) -> f32 {
    let mut spacing = SPACING.max(extent / (MOST_NODES - SPREAD - 1) as f32);
    while extent < LEAST_SPACINGS as f32 * spacing && spacing > FINEST {
        spacing /= 2.0;
    }
    spacing
}

/// A square grid of `nodes` by `nodes`, in transforms of twice that, so that no force reaches around the edge.
struct Grid {
    nodes: usize,
    spacing: f32,
    size: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    column_forward: Arc<dyn Fft<f32>>,
    column_backward: Arc<dyn Fft<f32>>,
    /// For every frequency along the second axis those along the first: the transforms of the kernel of `Z`, which is
    /// real, and of those of the forces, which are imaginary.
    kernels: [Vec<f32>; 3],
}

impl Grid {
    fn new(nodes: usize, spacing: f32) -> Self {
        let size = fast_size(2 * nodes);
        let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
        let mut grid = Self {
            nodes: size / 2,
            spacing,
            size,
            forward: real.plan_fft_forward(size),
            backward: real.plan_fft_inverse(size),
            column_forward: complex.plan_fft_forward(size),
            column_backward: complex.plan_fft_inverse(size),
            kernels: Default::default(),
        };
        // Divided by the number of nodes here, which the transforms there and back leave out.
        let scale = (size as f64).powi(-2);
        grid.kernels = [
            grid.transform_kernel(|_, _, weight| scale * weight, |transformed| transformed.re),
            grid.transform_kernel(|x, _, weight| scale * x * weight * weight, |transformed| transformed.im),
            grid.transform_kernel(|_, y, weight| scale * y * weight * weight, |transformed| transformed.im),
        ];
        grid
    }

    /// The transform of a function of differences, and of their `w`.
    fn transform_kernel(&self, kernel: impl Fn(f64, f64, f64) -> f64 + Sync, part: fn(Complex32) -> f32) -> Vec<f32> {
        // The difference that is as far one way as the other is nobody's: the grid of points is only half as large.
        let difference = |index: usize| match index.cmp(&(self.size / 2)) {
            std::cmp::Ordering::Less => index as f64 * f64::from(self.spacing),
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => (index as f64 - self.size as f64) * f64::from(self.spacing),
        };
        let mut values = vec![0.0; self.size * self.size];
        values.par_chunks_mut(self.size).enumerate().for_each(|(row, values)| {
            let x = difference(row);
            for (column, value) in values.iter_mut().enumerate() {
                let y = difference(column);
                *value = kernel(x, y, 1.0 / (1.0 + x * x + y * y)) as f32;
            }
        });
        let rows = self.transform_rows(&values, self.size);
        let correction = spline_correction(self.size);
        let mut output = vec![0.0; self.frequencies() * self.size];
        output.par_chunks_mut(self.size * TOGETHER).enumerate().for_each(|(task, output)| {
            for (column, output) in output.chunks_mut(self.size).enumerate() {
                let column = task * TOGETHER + column;
                let mut values: Vec<Complex32> =
                    rows.iter().skip(column).step_by(self.frequencies()).copied().collect();
                self.column_forward.process(&mut values);
                for ((output, value), factor) in output.iter_mut().zip(&values).zip(&correction) {
                    *output = part(*value) * factor * correction[column];
                }
            }
        });
        output
    }

    /// Frequencies along the second axis: those of real numbers.
    fn frequencies(&self) -> usize {
        self.size / 2 + 1
    }

    fn repel(&self, points: &[[f32; 2]], low: [f32; 2], output: &mut [[f32; 2]]) -> f64 {
        let places: Vec<Place> = points.par_iter().with_min_len(256).map(|&point| self.place(point, low)).collect();
        let rows = self.transform_rows(&self.spread(&places), self.nodes);
        let (columns, normaliser) = self.convolve(&rows);
        let forces = self.back(&columns);
        output.par_iter_mut().with_min_len(256).zip(&places).for_each(|(output, place)| {
            *output = self.gather(&forces, place);
        });
        normaliser - points.len() as f64
    }

    /// Where a point is on the grid.
    fn place(&self, point: [f32; 2], low: [f32; 2]) -> Place {
        let along = |axis: usize| (point[axis] - low[axis]) / self.spacing;
        let first = [along(0) as usize, along(1) as usize];
        Place { first, weights: [splines(along(0).fract()), splines(along(1).fract())] }
    }

    /// How much of all points is at every node.
    fn spread(&self, places: &[Place]) -> Vec<f32> {
        let mut charges = vec![0.0; self.nodes * self.size];
        for place in places {
            for (x, weight) in place.weights[0].iter().enumerate() {
                let start = (place.first[0] + x) * self.size + place.first[1];
                let row = &mut charges[start..start + SPREAD];
                row.iter_mut().zip(place.weights[1]).for_each(|(charge, other)| *charge += weight * other);
            }
        }
        charges
    }

    /// Rows of `size` real numbers to rows of frequencies.
    fn transform_rows(&self, values: &[f32], rows: usize) -> Vec<Complex32> {
        let mut output = vec![Complex32::default(); rows * self.frequencies()];
        let tasks = output.par_chunks_mut(self.frequencies() * TOGETHER).zip(values.par_chunks(self.size * TOGETHER));
        tasks.for_each(|(output, values)| {
            let mut scratch = self.forward.make_scratch_vec();
            let mut row = vec![0.0; self.size];
            for (output, values) in output.chunks_mut(self.frequencies()).zip(values.chunks(self.size)) {
                row.copy_from_slice(values);
                self.forward.process_with_scratch(&mut row, output, &mut scratch).expect("the sizes are the plan's");
            }
        });
        output
    }

    /// Transforms columns, multiplies with the kernels and transforms back: for every frequency along the second axis
    /// the forces along the first and those along the second, at the nodes of the first; and `Z`.
    fn convolve(&self, rows: &[Complex32]) -> (Vec<Complex32>, f64) {
        let width = self.frequencies();
        let mut columns = vec![Complex32::default(); width * 2 * self.nodes];
        let tasks = columns.par_chunks_mut(2 * self.nodes * TOGETHER).enumerate();
        let sums: Vec<f64> = tasks
            .map(|(task, output)| {
                let first = task * TOGETHER;
                let count = output.len() / (2 * self.nodes);
                let mut values = vec![Complex32::default(); count * self.size];
                for (row, entries) in rows.chunks_exact(width).enumerate() {
                    for (column, &entry) in entries[first..first + count].iter().enumerate() {
                        values[column * self.size + row] = entry;
                    }
                }
                let mut scratch = vec![Complex32::default(); self.scratch()];
                let mut forces = vec![Complex32::default(); self.size];
                let mut sum = 0.0;
                for (index, (values, output)) in
                    values.chunks_exact_mut(self.size).zip(output.chunks_exact_mut(2 * self.nodes)).enumerate()
                {
                    self.column_forward.process_with_scratch(values, &mut scratch);
                    let column = first + index;
                    let [of_weights, of_forces @ ..] =
                        self.kernels.each_ref().map(|kernel| &kernel[column * self.size..][..self.size]);
                    // Frequencies that are not kept mirror these.
                    let twice = if column == 0 || column == self.size / 2 { 1.0 } else { 2.0 };
                    let power = values.iter().zip(of_weights).map(|(value, kernel)| value.norm_sqr() * kernel);
                    sum += twice * power.map(f64::from).sum::<f64>();
                    for (kernel, output) in of_forces.into_iter().zip(output.chunks_exact_mut(self.nodes)) {
                        for ((force, value), kernel) in forces.iter_mut().zip(&*values).zip(kernel) {
                            *force = Complex32::new(-value.im * kernel, value.re * kernel);
                        }
                        self.column_backward.process_with_scratch(&mut forces, &mut scratch);
                        output.copy_from_slice(&forces[..self.nodes]);
                    }
                }
                sum
            })
            .collect();
        (columns, sums.iter().sum())
    }

    fn scratch(&self) -> usize {
        self.column_forward.get_inplace_scratch_len().max(self.column_backward.get_inplace_scratch_len())
    }

    /// Frequencies along the second axis back to nodes: the two components of the force, node after node.
    fn back(&self, columns: &[Complex32]) -> Vec<[f32; 2]> {
        let mut forces = vec![[0.0; 2]; self.nodes * self.nodes];
        forces.par_chunks_mut(self.nodes * TOGETHER).enumerate().for_each(|(task, output)| {
            let first = task * TOGETHER;
            let rows = output.len() / self.nodes;
            let width = self.frequencies();
            let mut scratch = self.backward.make_scratch_vec();
            let mut row = vec![0.0; self.size];
            for axis in 0..2 {
                let mut values = vec![Complex32::default(); rows * width];
                for (frequency, column) in columns.chunks_exact(2 * self.nodes).enumerate() {
                    for (row, &value) in column[axis * self.nodes + first..][..rows].iter().enumerate() {
                        values[row * width + frequency] = value;
                    }
                }
                for (values, output) in values.chunks_exact_mut(width).zip(output.chunks_exact_mut(self.nodes)) {
                    // Rounding left these with an imaginary part, which the transform of real numbers has not.
                    values[0].im = 0.0;
                    values[width - 1].im = 0.0;
                    self.backward
                        .process_with_scratch(values, &mut row, &mut scratch)
                        .expect("the sizes are the plan's");
                    output.iter_mut().zip(&row).for_each(|(output, value)| output[axis] = *value);
                }
            }
        });
        forces
    }

    fn gather(&self, forces: &[[f32; 2]], place: &Place) -> [f32; 2] {
        let mut sum = [0.0; 2];
        for (x, weight) in place.weights[0].iter().enumerate() {
            let start = (place.first[0] + x) * self.nodes + place.first[1];
            for (force, other) in forces[start..start + SPREAD].iter().zip(place.weights[1]) {
                sum[0] += weight * other * force[0];
                sum[1] += weight * other * force[1];
            }
        }
        sum
    }
}

/// The first of the nodes along each axis that a point is spread over, and how much of it is at which.
struct Place {
    first: [usize; 2],
    weights: [[f32; SPREAD]; 2],
}

/// The cubic B-splines of the nodes -1, 0, 1, 2 at `t` between 0 and 1.
fn splines(t: f32) -> [f32; SPREAD] {
    let rest = 1.0 - t;
    let near = |t: f32| (4.0 + t * t * (3.0 * t - 6.0)) / 6.0;
    [rest * rest * rest / 6.0, near(t), near(rest), t * t * t / 6.0]
}

/// What the transform of a kernel along one axis is multiplied with, so that splines of the result go through its
/// values: the sampled spline is `(1, 4, 1) / 6`, and there is one on either side, at the point that acts and at the
/// one that is acted on.
fn spline_correction(size: usize) -> Vec<f32> {
    let sampled = |frequency: usize| (2.0 + (std::f64::consts::TAU * frequency as f64 / size as f64).cos()) / 3.0;
    (0..size).map(|frequency| sampled(frequency).powi(-2) as f32).collect()
}

/// The next even size that is a product of 2, 3 and 5, with a sixteenth more so that the next grid is not needed soon.
fn fast_size(least: usize) -> usize {
    let only_small_factors = |size: usize| {
        let mut rest = size;
        for factor in [2, 3, 5] {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
        }
        rest == 1
    };
    (least + least / 16..).find(|&size| size % 2 == 0 && only_small_factors(size)).expect("powers of two go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_repel_each_other_as_they_should() {
        for (x, y) in [(0.1_f32, 0.0_f32), (0.5, -0.3), (1.7, 2.2), (-20.0, 7.0)] {
            let mut forces = [[0.0; 2]; 2];
            let normaliser = Interpolation::default().compute(&[[1.0, 1.0], [1.0 + x, 1.0 + y]], &mut forces);
            let weight = 1.0 / (1.0 + x * x + y * y);
            assert!((normaliser - f64::from(2.0 * weight)).abs() < 4e-3, "{normaliser} for {x}, {y}");
            for (force, sign) in forces.into_iter().zip([-1.0, 1.0]) {
                let expected = [sign * weight * weight * x, sign * weight * weight * y];
                let off = (force[0] - expected[0]).hypot(force[1] - expected[1]);
                assert!(off < 2e-3, "{force:?} where {expected:?} was expected");
            }
        }
    }

    #[test]
    fn sizes_are_even_and_have_small_factors() {
        assert_eq!([10, 16, 100, 1201].map(fast_size), [10, 18, 108, 1280]);
    }
}
