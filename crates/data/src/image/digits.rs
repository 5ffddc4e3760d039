//! The embedded digits: white strokes on black, as if written by hand, so that networks for small grey pictures train with no file
//! and no download. They are drawn for Kiln and are no part of MNIST, but have its size and its look.
//!
//! Slant, turn, size, place, the strokes' bends, width and ink are drawn anew for each picture.

use super::{EmbeddedPicture, Image};
use crate::image::augment::draw::uniform;
use crate::{SplitMix64, stream_seed};
use rayon::prelude::*;

/// What is shown, in the order of the labels.
pub const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Width and height of the pictures.
pub const SIZE: usize = 28;

/// Pictures to train with and to test.
const COUNTS: [usize; 2] = [6000, 1000];

/// The seed of the pictures. Changing it, or anything below, changes every score that is quoted for them.
const SEED: u64 = 1936;

/// Pieces into which an arc is divided.
const PIECES: usize = 9;

/// A place: right and down from the middle of the picture, in parts of a digit's half height.
type Point = [f32; 2];

/// All pictures: those to train with, then those to test, as many of each class. Made anew at each call, on all cores, and always
/// the same.
pub fn pictures() -> Vec<EmbeddedPicture> {
    let [train, test] = COUNTS;
    (0..train + test).into_par_iter().map(|number| picture(number, number >= train)).collect()
}

fn picture(number: usize, test: bool) -> EmbeddedPicture {
    let mut random = SplitMix64::new(stream_seed(SEED, 0, number as u64));
    EmbeddedPicture::new(&CLASSES, number, test, |label| draw(label, &mut random))
}

fn draw(label: usize, random: &mut SplitMix64) -> Image {
    let mut any = |low: f64, high: f64| uniform(low, high, random) as f32;
    let (height, narrow) = (any(8.0, 10.5), any(0.75, 1.05));
    let (slant, (sin, cos)) = (any(-0.1, 0.35), any(-0.2, 0.2).sin_cos());
    let middle = [any(-1.5, 1.5), any(-1.5, 1.5)].map(|shift| SIZE as f32 / 2.0 + shift);
    let (half_width, ink) = (any(0.9, 1.9), any(200.0, 255.0));
    // One bend for the whole digit: neighbours move together.
    let waves = [any(-0.12, 0.12), any(-0.12, 0.12), any(0.0, 6.3), any(0.0, 6.3)];
    let put = |[x, y]: Point| {
        let bent = [x + waves[0] * (2.0 * y + waves[2]).sin(), y + waves[1] * (2.0 * x + waves[3]).sin()];
        let [x, y] = [height * narrow * (bent[0] - slant * bent[1]), height * bent[1]];
        [middle[0] + x * cos - y * sin, middle[1] + x * sin + y * cos]
    };
    let strokes: Vec<Vec<Point>> =
        strokes(label, &mut any).into_iter().map(|stroke| stroke.into_iter().map(put).collect()).collect();
    let level = |place: usize| {
        let point = [(place % SIZE) as f32 + 0.5, (place / SIZE) as f32 + 0.5];
        let pairs = strokes.iter().flat_map(|stroke| stroke.windows(2));
        let nearest = pairs.map(|pair| squared_distance(point, pair[0], pair[1])).fold(f32::MAX, f32::min).sqrt();
        ((half_width + 0.5 - nearest).clamp(0.0, 1.0) * ink).round() as u8
    };
    Image { width: SIZE, height: SIZE, channels: 1, pixels: (0..SIZE * SIZE).map(level).collect() }
}

/// The strokes of a digit, between -1 and 1 down and about -0.65 and 0.65 to the right, in one of the ways in which it is written.
fn strokes(label: usize, any: &mut impl FnMut(f64, f64) -> f32) -> Vec<Vec<Point>> {
    let mut near = |x: f32, y: f32| [x + any(-0.07, 0.07), y + any(-0.07, 0.07)];
    match label {
        0 => vec![arc(near(0.0, 0.0), [0.6, 0.95], -0.25, 0.8)],
        1 => match near(0.0, 0.0)[0] > 0.0 {
            true => vec![vec![near(-0.3, -0.6), near(0.05, -0.95), near(0.0, 0.95)]],
            false => vec![vec![near(0.0, -0.95), near(0.0, 0.95)]],
        },
        2 => vec![[arc(near(0.0, -0.45), [0.5, 0.5], -0.55, 0.15), vec![near(-0.55, 0.9), near(0.6, 0.88)]].concat()],
        3 => vec![arc(near(-0.02, -0.47), [0.5, 0.47], -0.45, 0.25), arc(near(0.0, 0.45), [0.58, 0.48], -0.25, 0.42)],
        4 => {
            vec![vec![near(0.2, -0.95), near(-0.6, 0.25), near(0.65, 0.25)], vec![near(0.25, -0.35), near(0.22, 0.95)]]
        }
        5 => vec![
            [
                vec![near(0.5, -0.92), near(-0.4, -0.9), near(-0.45, -0.1)],
                arc(near(-0.02, 0.37), [0.58, 0.55], -0.3, 0.42),
            ]
            .concat(),
        ],
        6 => vec![
            [
                vec![near(0.35, -0.95), near(-0.25, -0.4), near(-0.52, 0.2)],
                arc(near(0.0, 0.45), [0.52, 0.48], 0.5, 1.55),
            ]
            .concat(),
        ],
        7 => {
            let mut strokes = vec![vec![near(-0.55, -0.88), near(0.55, -0.9), near(-0.1, 0.95)]];
            if near(0.0, 0.0)[0] > 0.03 {
                strokes.push(vec![near(-0.3, 0.05), near(0.4, 0.0)]);
            }
            strokes
        }
        8 => vec![arc(near(0.0, -0.48), [0.45, 0.45], 0.25, 1.26), arc(near(0.0, 0.45), [0.55, 0.5], -0.25, 0.76)],
        _ => vec![[arc(near(0.0, -0.42), [0.5, 0.5], 0.0, -1.0), vec![near(0.48, -0.3), near(0.3, 0.95)]].concat()],
    }
}

/// A part of an ellipse: from one turn to another, counted clockwise from the right.
fn arc(middle: Point, radii: [f32; 2], from: f32, to: f32) -> Vec<Point> {
    let point = |piece: usize| {
        let turn = from + (to - from) * piece as f32 / PIECES as f32;
        let (sin, cos) = (turn * std::f32::consts::TAU).sin_cos();
        [middle[0] + radii[0] * cos, middle[1] + radii[1] * sin]
    };
    (0..=PIECES).map(point).collect()
}

/// From a point to the line between two others.
fn squared_distance(point: Point, from: Point, to: Point) -> f32 {
    let [along, beside] = [[to[0] - from[0], to[1] - from[1]], [point[0] - from[0], point[1] - from[1]]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-12);
    let part = ((along[0] * beside[0] + along[1] * beside[1]) / length).clamp(0.0, 1.0);
    (beside[0] - part * along[0]).powi(2) + (beside[1] - part * along[1]).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_digits_are_the_same_every_time_and_all_different() {
        let all = pictures();
        assert!((0..all.len()).step_by(97).rev().all(|number| all[number] == picture(number, all[number].test)));
        assert_eq!(all.iter().map(|digit| &digit.name).collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|digit| &digit.image.pixels).collect::<HashSet<_>>().len(), all.len());
        for label in 0..CLASSES.len() {
            assert_eq!(
                all.iter().filter(|digit| digit.label == label && digit.test).count(),
                COUNTS[1] / CLASSES.len()
            );
        }
    }

    #[test]
    fn digits_are_all_on_the_picture() {
        for digit in pictures() {
            let lit = |place: &usize| digit.image.pixels[*place] > 100;
            let count = (0..SIZE * SIZE).filter(lit).count();
            assert!((25..350).contains(&count), "{}: {count} pixels", digit.name);
            let border = (0..SIZE * SIZE)
                .filter(|at| [0, SIZE - 1].contains(&(at % SIZE)) || [0, SIZE - 1].contains(&(at / SIZE)));
            assert!(border.filter(lit).count() < 8, "{}", digit.name);
        }
    }
}
