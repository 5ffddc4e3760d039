//! Chalk drawings, outlined or hatched, on dark boards.

use super::SIZE;
use super::canvas::{Canvas, Color, between};
use super::outline::{Outline, Point, line};
use crate::SplitMix64;
use crate::image::Image;
use crate::image::augment::draw::{chance, uniform, whole};
use std::f64::consts::TAU;

/// Boards: slate, green, blue, brown.
const BOARDS: [Color; 4] = [[38.0, 42.0, 46.0], [28.0, 58.0, 46.0], [26.0, 40.0, 74.0], [62.0, 44.0, 36.0]];

/// Chalks: white, yellow, pink, sky.
const CHALKS: [Color; 4] = [[235.0, 235.0, 228.0], [240.0, 220.0, 140.0], [240.0, 170.0, 175.0], [160.0, 205.0, 240.0]];

/// A picture of class `label`.
pub(super) fn draw(label: usize, random: &mut SplitMix64) -> Image {
    let board = BOARDS[random.below(BOARDS.len())];
    let mut canvas = Canvas::new(|_| board);
    for _ in 0..whole(0, 2, random) {
        smear(&mut canvas, board, random);
    }
    for _ in 0..whole(2, 5, random) {
        scribble(&mut canvas, board, random);
    }
    let outline = Outline::draw(label, random);
    let chalk = between(board, CHALKS[random.below(CHALKS.len())], uniform(0.6, 1.0, random) as f32);
    if chance(0.5, random) {
        hatch(&mut canvas, &outline, between(board, chalk, 0.75), random);
    }
    let half = uniform(0.5, 0.9, random) as f32;
    canvas.paint(|point| outline.distance(point).abs() - half, |_| chalk);
    canvas.blur(uniform(0.3, 0.9, random) as f32);
    canvas.finish(uniform(12.0, 26.0, random) as f32, random)
}

/// Parallel lines inside of the shape.
fn hatch(canvas: &mut Canvas, outline: &Outline, chalk: Color, random: &mut SplitMix64) {
    let (sin, cos) = (uniform(0.0, TAU, random) as f32).sin_cos();
    let (spacing, start) = (uniform(2.5, 4.0, random) as f32, uniform(0.0, 4.0, random) as f32);
    let to_line = |[x, y]: Point| {
        let along = (x * cos + y * sin + start) / spacing;
        (along - along.round()).abs() * spacing - 0.3
    };
    canvas.paint(|point| outline.distance(point).max(to_line(point)), |_| chalk);
}

/// Chalk that was wiped off.
fn smear(canvas: &mut Canvas, board: Color, random: &mut SplitMix64) {
    let (from, to) = (place(random), place(random));
    let radius = uniform(3.0, 7.0, random) as f32;
    let color = between(board, CHALKS[0], uniform(0.06, 0.2, random) as f32);
    let distance = line(from, to);
    canvas.paint(|point| (distance(point) - radius) / 3.0, |_| color);
}

/// A short line of chalk.
fn scribble(canvas: &mut Canvas, board: Color, random: &mut SplitMix64) {
    let from = place(random);
    let to = [from[0] + uniform(-12.0, 12.0, random) as f32, from[1] + uniform(-12.0, 12.0, random) as f32];
    let half = uniform(0.3, 0.8, random) as f32;
    let color = between(board, CHALKS[random.below(CHALKS.len())], uniform(0.25, 0.9, random) as f32);
    let distance = line(from, to);
    canvas.paint(|point| distance(point) - half, |_| color);
}

fn place(random: &mut SplitMix64) -> Point {
    std::array::from_fn(|_| uniform(0.0, SIZE as f64, random) as f32)
}
