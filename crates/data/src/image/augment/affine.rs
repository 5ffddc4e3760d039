use super::super::Image;
use super::draw::uniform;
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One random affine change about the middle of a picture (torchvision's `RandomAffine`, bilinear); none by default.
///
/// `affine = { degrees = 15, translate = 0.1, scale = [0.9, 1.1], shear = 10 }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AffineConfig {
    /// The greatest angle, either way, in degrees.
    pub degrees: f64,
    /// The greatest shift, either way, as a part of the width and of the height.
    pub translate: f64,
    /// The least and the greatest factor of size.
    pub scale: [f64; 2],
    /// The greatest angle of shear along rows, either way, in degrees.
    pub shear: f64,
}

impl Default for AffineConfig {
    fn default() -> Self {
        Self { degrees: 0.0, translate: 0.0, scale: [1.0, 1.0], shear: 0.0 }
    }
}

impl AffineConfig {
    /// The picture changed at random; `fill` is the grey level of what comes in from outside.
    pub(super) fn apply(&self, image: Image, fill: u8, random: &mut SplitMix64) -> Image {
        if *self == Self::default() {
            return image;
        }
        let mut either_way = |most: f64| uniform(-most, most, random);
        let degrees = either_way(self.degrees);
        let translate = [image.width, image.height].map(|side| either_way(self.translate * side as f64).round());
        let shear = [either_way(self.shear), 0.0];
        let scale = uniform(self.scale[0], self.scale[1], random);
        Affine { degrees, translate, scale, shear, ..Affine::none(&image) }.apply(&image, fill)
    }
}

/// One affine change: torchvision's `affine` with bilinear interpolation.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// Clockwise turn.
    pub degrees: f64,
    /// Pixels to the right and down.
    pub translate: [f64; 2],
    /// Factor of size, above 0.
    pub scale: f64,
    /// Degrees along rows and along columns.
    pub shear: [f64; 2],
    /// The place, in pixels from the upper left corner, that turn, shear and scale leave where it is.
    pub center: [f64; 2],
}

impl Affine {
    /// The change that changes nothing, about the middle of `image`.
    pub fn none(image: &Image) -> Self {
        let center = [image.width as f64 / 2.0, image.height as f64 / 2.0];
        Self { degrees: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center }
    }

    /// The changed picture, of the same size; where the picture ends, `fill`.
    pub fn apply(&self, image: &Image, fill: u8) -> Image {
        let pixels = match image.channels {
            1 => self.pixels::<1>(image, fill),
            _ => self.pixels::<3>(image, fill),
        };
        Image { pixels, ..*image }
    }

    fn pixels<const C: usize>(&self, image: &Image, fill: u8) -> Vec<u8> {
        let [a, b, c, d, e, f] = self.inverse();
        let mut pixels = vec![fill; image.pixels.len()];
        for (y, row) in pixels.chunks_exact_mut((image.width * C).max(1)).enumerate() {
            let (first, y) = (0.5, y as f64 + 0.5);
            let mut place = [fixed(a * first + b * y + c), fixed(d * first + e * y + f)];
            for pixel in row.as_chunks_mut::<C>().0 {
                if let Some(sampled) = sample::<C>(image, place) {
                    *pixel = sampled;
                }
                place = [place[0] + fixed(a), place[1] + fixed(d)];
            }
        }
        pixels
    }

    /// From a place of the result to a place of the source, as two rows of three: the inverse of
    /// translate · center · turn · shear along columns · shear along rows · scale · center⁻¹.
    fn inverse(&self) -> [f64; 6] {
        let (turn, [along, across]) = (self.degrees.to_radians(), self.shear.map(f64::to_radians));
        let (cos, sin) = ((turn - across).cos() / across.cos(), (turn - across).sin() / across.cos());
        let (a, b) = (cos, -cos * along.tan() - turn.sin());
        let (c, d) = (sin, -sin * along.tan() + turn.cos());
        // The determinant is the square of the scale, as turn and shear have determinant 1.
        let [a, b, c, d] = [d, -b, -c, a].map(|part| part / self.scale);
        let (x, y) = (self.center[0] + self.translate[0], self.center[1] + self.translate[1]);
        [a, b, self.center[0] - a * x - b * y, c, d, self.center[1] - c * x - d * y]
    }
}

/// Bits behind the point of a place, of which a row's steps lose none that matter.
const PLACE_BITS: u32 = 32;

/// Bits behind the point of a weight: a level times two weights fits 32 bits.
const WEIGHT_BITS: u32 = 12;

fn fixed(place: f64) -> i64 {
    (place * (1u64 << PLACE_BITS) as f64).round() as i64
}

/// The four pixels about a place, weighted; none outside of the picture.
fn sample<const C: usize>(image: &Image, [x, y]: [i64; 2]) -> Option<[u8; C]> {
    let inside = |place: i64, len: usize| (0..(len as i64) << PLACE_BITS).contains(&place);
    if !inside(x, image.width) || !inside(y, image.height) {
        return None;
    }
    let ([left, right], dx) = neighbours(x, image.width);
    let ([upper, lower], dy) = neighbours(y, image.height);
    let (source, _) = image.pixels.as_chunks::<C>();
    let at = |row: usize, column: usize| source[row * image.width + column];
    let corners = [at(upper, left), at(upper, right), at(lower, left), at(lower, right)];
    let between = |one: u32, other: u32, part: u32| one * ((1 << WEIGHT_BITS) - part) + other * part;
    Some(std::array::from_fn(|channel| {
        let [a, b, c, d] = corners.map(|corner| u32::from(corner[channel]));
        (between(between(a, b, dx), between(c, d, dx), dy) >> (2 * WEIGHT_BITS)) as u8
    }))
}

/// The two pixels of an axis whose middles lie about `place`, and the weight of the second; at the border, one pixel twice.
fn neighbours(place: i64, len: usize) -> ([usize; 2], u32) {
    let from_middle = place - (1 << (PLACE_BITS - 1));
    let first = from_middle >> PLACE_BITS;
    let part = (from_middle >> (PLACE_BITS - WEIGHT_BITS)) as u32 & ((1 << WEIGHT_BITS) - 1);
    ([first.max(0) as usize, ((first + 1) as usize).min(len - 1)], part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner() -> Image {
        Image { width: 3, height: 3, channels: 1, pixels: vec![90, 0, 0, 0, 50, 0, 0, 0, 0] }
    }

    #[test]
    fn nothing_asked_changes_nothing() {
        assert_eq!(AffineConfig::default().apply(corner(), 9, &mut SplitMix64::new(0)), corner());
        assert_eq!(Affine::none(&corner()).apply(&corner(), 9), corner());
    }

    #[test]
    fn a_quarter_turn_is_clockwise() {
        let turned = Affine { degrees: 90.0, ..Affine::none(&corner()) }.apply(&corner(), 0);
        let near = |expected: u8, found: u8| found.abs_diff(expected) <= 1;
        assert!(near(90, turned.pixels[2]) && near(50, turned.pixels[4]) && near(0, turned.pixels[0]), "{turned:?}");
    }

    #[test]
    fn what_comes_in_is_the_fill() {
        let moved = Affine { translate: [1.0, 0.0], ..Affine::none(&corner()) }.apply(&corner(), 7);
        assert_eq!(moved.pixels, [7, 90, 0, 7, 0, 50, 7, 0, 0]);
    }
}
