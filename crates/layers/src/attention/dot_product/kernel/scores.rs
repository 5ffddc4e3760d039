//! Scores to weights, row by row, and back.
//!
//! A row holds the scores of one query with a tile's keys, of which it sees the first `seen`. Behind those there is room
//! for whole vectors, and weights are zeros there as far as products read, see [`clear`].

use super::sizes::{RowBias, padded};
use crate::cpu::{
    lanes::{Lanes, WIDTH},
    math,
    tile::HIGH,
};

/// How far the softmax of a row has come: the largest score, and the sum of the exponentials of what all are below it.
pub type Running = [f32; 2];

/// Before the first score.
pub const NOTHING: Running = [f32::NEG_INFINITY, 0.0];

/// Turns the scores of a row into their exponentials and counts them in. Gives what the earlier exponentials have to be
/// multiplied with.
#[inline(always)]
pub fn exponentials<L: Lanes>(row: &mut [f32], running: &mut Running) -> f32 {
    let [before, sum_before] = *running;
    let largest = largest::<L>(row).max(before);
    let mut sum = L::splat(0.0);
    for chunk in row.chunks_exact_mut(WIDTH) {
        let weight = weight(L::load(chunk), L::splat(largest));
        sum = sum.add(weight);
        weight.store(chunk);
    }
    let factor = if before == largest || before == f32::NEG_INFINITY { 1.0 } else { (before - largest).exp() };
    *running = [largest, sum_before * factor + sum.sum()];
    factor
}

/// What the exponentials have to be multiplied with in the end, which without any score are zeros.
pub fn inverse([_, sum]: Running) -> f32 {
    if sum == 0.0 { 0.0 } else { 1.0 / sum }
}

/// `e^(score - largest)`, and exactly zero of a hidden score.
#[inline(always)]
fn weight<L: Lanes>(score: L, largest: L) -> L {
    score.if_less(L::splat(f32::MIN), L::splat(0.0), math::exp(score.sub(largest)))
}

/// The largest number of whole vectors.
#[inline(always)]
fn largest<L: Lanes>(row: &[f32]) -> f32 {
    let mut largest = L::splat(f32::NEG_INFINITY);
    for chunk in row.chunks_exact(WIDTH) {
        // A NaN may get lost here, but its own exponential will be one.
        largest = L::load(chunk).at_least(largest);
    }
    largest.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max)
}

impl RowBias<'_> {
    /// Adds to the scores of a row what belongs there, with minus infinity where a key is hidden.
    #[inline(always)]
    pub fn apply<L: Lanes>(&self, row: &mut [f32], seen: usize) {
        if let Some(slope) = self.slope {
            let (slope, distance) = (L::splat(-slope), L::splat(self.distance));
            let mut key = L::load(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
            for chunk in row[..padded(seen)].chunks_exact_mut(WIDTH) {
                slope.mul_add(distance.sub(key).abs(), L::load(chunk)).store(chunk);
                key = key.add(L::splat(WIDTH as f32));
            }
        }
        if let Some(hidden) = self.hidden {
            for (chunk, hidden) in row[..seen].chunks_mut(WIDTH).zip(hidden[..seen].chunks(WIDTH)) {
                let score = L::load_partly(chunk);
                let hide = L::load_partly(hidden);
                hide.if_less(L::splat(0.5), score, L::splat(f32::NEG_INFINITY)).store_partly(chunk);
            }
        }
        row[seen..padded(seen)].fill(f32::NEG_INFINITY);
    }
}

/// Zeros behind the weights of a row: as far as the products read that take it together with rows of its tile, which see
/// up to [`HIGH`] keys more, or take [`HIGH`] keys together.
#[inline(always)]
pub fn clear(row: &mut [f32], seen: usize) {
    let end = row.len().min(seen + HIGH);
    let start = padded(seen).min(end);
    row[start..end].fill(0.0);
}

/// Multiplies weights with their dropout.
#[inline(always)]
pub fn drop<L: Lanes>(weights: &mut [f32], kept: &[f32]) {
    for (chunk, kept) in weights.chunks_exact_mut(WIDTH).zip(kept.chunks_exact(WIDTH)) {
        L::load(chunk).mul(L::load(kept)).store(chunk);
    }
}

/// Multiplies a row of any length with a number.
#[inline(always)]
pub fn scale<L: Lanes>(row: &mut [f32], factor: f32) {
    let factor = L::splat(factor);
    for chunk in row.chunks_mut(WIDTH) {
        L::load_partly(chunk).mul(factor).store_partly(chunk);
    }
}

/// The product of two rows.
#[inline(always)]
pub fn dot<L: Lanes>(left: &[f32], right: &[f32]) -> f32 {
    let mut sum = L::splat(0.0);
    for (left, right) in left.chunks(WIDTH).zip(right.chunks(WIDTH)) {
        sum = L::load_partly(left).mul_add(L::load_partly(right), sum);
    }
    sum.sum()
}

/// What a row's gradient needs besides scores.
pub struct Slopes<'a> {
    pub largest: f32,
    /// See [`inverse`].
    pub inverse: f32,
    /// The products of the row's outputs and their gradients, summed.
    pub dot: f32,
    /// The dropout of its weights.
    pub kept: Option<&'a [f32]>,
}

impl Slopes<'_> {
    /// Turns scores into weights (with dropout), and the gradients of those into the gradients of scores.
    #[inline(always)]
    pub fn take<L: Lanes>(&self, scores: &mut [f32], gradients: &mut [f32]) {
        let [largest, inverse, dot] = [self.largest, self.inverse, self.dot].map(L::splat);
        let chunks = scores.chunks_exact_mut(WIDTH).zip(gradients.chunks_exact_mut(WIDTH));
        match self.kept {
            None => {
                for (score, gradient) in chunks {
                    let weight = weight(L::load(score), largest).mul(inverse);
                    weight.mul(L::load(gradient).sub(dot)).store(gradient);
                    weight.store(score);
                }
            }
            Some(kept) => {
                for ((score, gradient), kept) in chunks.zip(kept.chunks_exact(WIDTH)) {
                    let kept = L::load(kept);
                    let weight = weight(L::load(score), largest).mul(inverse);
                    weight.mul(L::load(gradient).mul(kept).sub(dot)).store(gradient);
                    weight.mul(kept).store(score);
                }
            }
        }
    }
}
