//! Repulsion by cells of a quad-tree (an octree in three dimensions): van der Maaten, "Accelerating t-SNE using tree-based
//! algorithms", 2014, <https://jmlr.org/papers/v15/vandermaaten14a.html>, after Barnes and Hut 1986.
//!
//! Points are sorted along the Z-order curve, so that a cell is a range of them. The points of a leaf share one list of
//! cells and points that act on them: a cell acts as one where its width is below `theta` times the distance from the
//! *box* of the leaf to the cell's centre of mass, which is stricter than van der Maaten's test from each point. The
//! lists are long and plain, as the CPU's vectors want them.

use super::gradient::Repulsion;
use super::pairs::{Masses, Repel};
use crate::simd::dispatch;
use rayon::prelude::*;
use std::ops::Range;

/// A cell with no more points than this is not divided.
const LEAF: usize = 24;

/// Leaves of one task.
const LEAVES: usize = 8;

/// Repulsion by cells.
pub struct BarnesHut {
    /// The width of a cell, by its distance, from which on it is divided. 0 is exact.
    pub theta: f32,
}

impl<const D: usize> Repulsion<D> for BarnesHut {
    fn compute(&mut self, points: &[[f32; D]], output: &mut [[f32; D]]) -> f64 {
        let tree = Tree::new(points);
        let mut sorted = vec![[0.0; D]; points.len()];
        let mut rest = &mut sorted[..];
        let mut tasks = Vec::with_capacity(tree.leaves.len());
        for &leaf in &tree.leaves {
            let (forces, after) = rest.split_at_mut(tree.nodes[leaf as usize].points().len());
            tasks.push((leaf, forces));
            rest = after;
        }
        let weights: Vec<f64> = tasks
            .into_par_iter()
            .with_min_len(LEAVES)
            .map_init(Masses::default, |list, (leaf, forces)| tree.repel(leaf as usize, self.theta, list, forces))
            .collect();
        for (force, &index) in sorted.iter().zip(&tree.order) {
            output[index as usize] = *force;
        }
        weights.iter().sum::<f64>() - points.len() as f64
    }
}

/// A cell. Its first child follows it, and after all below it comes `next`.
struct Node<const D: usize> {
    centre: [f32; D],
    start: u32,
    end: u32,
    squared_width: f32,
    next: u32,
    is_leaf: bool,
}

impl<const D: usize> Node<D> {
    fn points(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

struct Tree<const D: usize> {
    nodes: Vec<Node<D>>,
    leaves: Vec<u32>,
    /// The index of every point, along the curve.
    order: Vec<u32>,
    /// The points along the curve.
    points: Vec<[f32; D]>,
}

impl<const D: usize> Tree<D> {
    fn new(points: &[[f32; D]]) -> Self {
        let (origin, width) = bounds(points);
        let keys = sorted_keys(points, origin, width);
        let order: Vec<u32> = keys.iter().map(|&key| key as u32).collect();
        let points: Vec<[f32; D]> = order.iter().map(|&index| points[index as usize]).collect();
        let mut sums = Vec::with_capacity(points.len() + 1);
        let mut sum = [0.0_f64; D];
        sums.push(sum);
        for point in &points {
            sum.iter_mut().zip(point).for_each(|(sum, &value)| *sum += f64::from(value));
            sums.push(sum);
        }
        let mut tree = Self { nodes: Vec::new(), leaves: Vec::new(), order, points };
        tree.add(&keys, &sums, 0..keys.len(), 0, width);
        tree
    }

    /// Adds the cell of `range` and all below it.
    fn add(&mut self, keys: &[u64], sums: &[[f64; D]], range: Range<usize>, level: u32, width: f32) {
        let place = self.nodes.len();
        let count = range.len() as f64;
        let centre = |axis: usize| ((sums[range.end][axis] - sums[range.start][axis]) / count) as f32;
        let is_leaf = range.len() <= LEAF || level == levels(D);
        self.nodes.push(Node {
            centre: std::array::from_fn(centre),
            start: range.start as u32,
            end: range.end as u32,
            squared_width: width * width,
            next: 0,
            is_leaf,
        });
        if is_leaf {
            self.leaves.push(place as u32);
        } else {
            let shift = 64 - D as u32 * (level + 1);
            let mut start = range.start;
            while start < range.end {
                let child = keys[start] >> shift;
                let end = start + keys[start..range.end].partition_point(|key| key >> shift == child);
                self.add(keys, sums, start..end, level + 1, width / 2.0);
                start = end;
            }
        }
        self.nodes[place].next = self.nodes.len() as u32;
    }

    /// Writes the forces on the points of a leaf, and returns the sum of their weights.
    fn repel(&self, leaf: usize, theta: f32, list: &mut Masses<D>, forces: &mut [[f32; D]]) -> f64 {
        self.list_for(leaf, theta, list);
        dispatch(Repel { list, points: &self.points[self.nodes[leaf].points()], forces })
    }

    /// What acts on the points of a leaf: cells where they are far away, points where they are near.
    fn list_for(&self, leaf: usize, theta: f32, list: &mut Masses<D>) {
        list.clear();
        let own = self.nodes[leaf].points();
        let (low, high) = extent(&self.points[own.clone()]);
        let squared_theta = theta * theta;
        let mut place = 0;
        while let Some(node) = self.nodes.get(place) {
            let range = node.points();
            let holds_leaf = range.start <= own.start && own.end <= range.end;
            let mut squared = 0.0;
            for axis in 0..D {
                let outside = (low[axis] - node.centre[axis]).max(node.centre[axis] - high[axis]).max(0.0);
                squared += outside * outside;
            }
            if !holds_leaf && node.squared_width < squared_theta * squared {
                list.push(node.centre, range.len() as f32);
            } else if node.is_leaf {
                list.extend(&self.points[range]);
            } else {
                place += 1;
                continue;
            }
            place = node.next as usize;
        }
        list.pad();
    }
}

/// How often a cell can be divided: 32 bits are for the place on the curve.
const fn levels(dimensions: usize) -> u32 {
    32 / dimensions as u32
}

/// The least and the largest coordinates.
fn extent<const D: usize>(points: &[[f32; D]]) -> ([f32; D], [f32; D]) {
    let (mut low, mut high) = ([f32::INFINITY; D], [f32::NEG_INFINITY; D]);
    for point in points {
        for axis in 0..D {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    (low, high)
}

/// The corner and the width of a square around all points.
fn bounds<const D: usize>(points: &[[f32; D]]) -> ([f32; D], f32) {
    let (low, high) = extent(points);
    let width = low.iter().zip(high).map(|(low, high)| high - low).fold(f32::MIN_POSITIVE, f32::max);
    (low, width)
}

/// The place on the curve in the upper half of a key, and the index of the point in the lower one; in order.
fn sorted_keys<const D: usize>(points: &[[f32; D]], origin: [f32; D], width: f32) -> Vec<u64> {
    let levels = levels(D);
    let scale = (1_u64 << levels) as f32 / width;
    let most = (1_u32 << levels) - 1;
    let key = |(index, point): (usize, &[f32; D])| {
        let cells: [u32; D] = std::array::from_fn(|axis| (((point[axis] - origin[axis]) * scale) as u32).min(most));
        let mut place = 0_u64;
        for level in (0..levels).rev() {
            for cell in cells {
                place = place << 1 | u64::from(cell >> level & 1);
            }
        }
        // At the top of the key, whatever the number of bits: children are found by shifting from there.
        place << (64 - D as u32 * levels) | index as u64
    };
    let mut keys: Vec<u64> = points.par_iter().with_min_len(1024).enumerate().map(key).collect();
    keys.par_sort_unstable();
    keys
}
