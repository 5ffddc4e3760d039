//! Filled, coloured shapes on gradients and textures.

use super::SIZE;
use super::canvas::{Canvas, Color, any_color, between, contrast};
use super::outline::{Outline, Point, line};
use crate::SplitMix64;
use crate::image::Image;
use crate::image::augment::draw::{chance, uniform, whole};
use std::f64::consts::TAU;

/// The least contrast of a shape with what is behind it, in levels.
const LEAST_CONTRAST: f32 = 110.0;

/// A picture of class `label`.
pub(super) fn draw(label: usize, random: &mut SplitMix64) -> Image {
    let mut canvas = background(random);
    for _ in 0..whole(1, 3, random) {
        stroke(&mut canvas, random);
    }
    for _ in 0..whole(0, 2, random) {
        blob(&mut canvas, random);
    }
    let outline = Outline::draw(label, random);
    let (color, other) = shape_colors(canvas.mean(), random);
    let shade = ramp(random);
    canvas.paint(|point| outline.distance(point), |point| between(color, other, shade(point)));
    if chance(0.25, random) {
        occluder(&mut canvas, &outline, random);
    }
    canvas.blur(uniform(0.0, 0.4, random) as f32);
    canvas.finish(uniform(3.0, 12.0, random) as f32, random)
}

/// Two colours, one at each end, and waves over them.
fn background(random: &mut SplitMix64) -> Canvas {
    let (one, other) = (any_color(20.0, 235.0, random), any_color(20.0, 235.0, random));
    let (shade, wave) = (ramp(random), waves(random));
    let strength = uniform(0.0, 25.0, random) as f32;
    Canvas::new(|point| between(one, other, shade(point)).map(|level| level + strength * wave(point)))
}

/// From 0 to 1 across the picture, in a random direction.
fn ramp(random: &mut SplitMix64) -> impl Fn(Point) -> f32 + use<> {
    let (sin, cos) = (uniform(0.0, TAU, random) as f32).sin_cos();
    let half = SIZE as f32 / 2.0;
    move |[x, y]| (0.5 + ((x - half) * cos + (y - half) * sin) / SIZE as f32).clamp(0.0, 1.0)
}

/// From -1 to 1: the product of two waves of random direction and length.
fn waves(random: &mut SplitMix64) -> impl Fn(Point) -> f32 + use<> {
    let mut wave = || {
        let (sin, cos) = (uniform(0.0, TAU, random) as f32).sin_cos();
        let (length, phase) = (uniform(4.0, 24.0, random) as f32, uniform(0.0, TAU, random) as f32);
        move |[x, y]: Point| ((x * cos + y * sin) * TAU as f32 / length + phase).sin()
    };
    let (one, other) = (wave(), wave());
    move |point| one(point) * other(point)
}

fn stroke(canvas: &mut Canvas, random: &mut SplitMix64) {
    let (from, to) = (place(random), place(random));
    let half = uniform(0.4, 1.3, random) as f32;
    let color = any_color(0.0, 255.0, random);
    let distance = line(from, to);
    canvas.paint(|point| distance(point) - half, |_| color);
}

fn blob(canvas: &mut Canvas, random: &mut SplitMix64) {
    let (from, radius) = (place(random), uniform(1.0, 3.0, random) as f32);
    let to = [from[0] + uniform(-2.0, 2.0, random) as f32, from[1] + uniform(-2.0, 2.0, random) as f32];
    let color = any_color(0.0, 255.0, random);
    let distance = line(from, to);
    canvas.paint(|point| distance(point) - radius, |_| color);
}

/// A bar over a part of the shape.
fn occluder(canvas: &mut Canvas, outline: &Outline, random: &mut SplitMix64) {
    let (sin, cos) = (uniform(0.0, TAU, random) as f32).sin_cos();
    let offset = outline.radius * uniform(0.4, 0.9, random) as f32;
    let half = outline.radius * uniform(0.08, 0.18, random) as f32;
    let color = any_color(0.0, 255.0, random);
    let [cx, cy] = outline.center;
    canvas.paint(|[x, y]| ((x - cx) * cos + (y - cy) * sin - offset).abs() - half, |_| color);
}

/// Two similar colours that stand out from `behind`.
fn shape_colors(behind: Color, random: &mut SplitMix64) -> (Color, Color) {
    let mut color = any_color(0.0, 255.0, random);
    while contrast(color, behind) < LEAST_CONTRAST {
        color = any_color(0.0, 255.0, random);
    }
    let other = any_color(-35.0, 35.0, random);
    (color, std::array::from_fn(|channel| color[channel] + other[channel]))
}

fn place(random: &mut SplitMix64) -> Point {
    std::array::from_fn(|_| uniform(0.0, SIZE as f64, random) as f32)
}
