use super::SIZE;
use super::outline::Point;
use crate::SplitMix64;
use crate::image::Image;
use crate::image::augment::draw::uniform;

/// Red, green and blue, 0 to 255.
pub(super) type Color = [f32; 3];

/// A picture in the making.
pub(super) struct Canvas {
    pixels: Vec<Color>,
}

impl Canvas {
    /// Each pixel as `color` says for its middle.
    pub fn new(color: impl Fn(Point) -> Color) -> Self {
        Self { pixels: (0..SIZE * SIZE).map(|place| color(middle(place))).collect() }
    }

    /// Paints where `distance` is negative, with soft edges: half a pixel about a distance of 0 is covered in part.
    pub fn paint(&mut self, distance: impl Fn(Point) -> f32, color: impl Fn(Point) -> Color) {
        for (place, pixel) in self.pixels.iter_mut().enumerate() {
            let point = middle(place);
            let covered = (0.5 - distance(point)).clamp(0.0, 1.0);
            if covered > 0.0 {
                *pixel = between(*pixel, color(point), covered);
            }
        }
    }

    /// The mean colour.
    pub fn mean(&self) -> Color {
        let sum = |channel: usize| self.pixels.iter().map(|pixel| pixel[channel]).sum::<f32>();
        std::array::from_fn(|channel| sum(channel) / self.pixels.len() as f32)
    }

    /// Each pixel mixed with its neighbours: `strength` 0 is the picture, 1 a mean over three by three.
    pub fn blur(&mut self, strength: f32) {
        let side = strength / 3.0;
        for across in [1, SIZE] {
            let before = self.pixels.clone();
            for (place, pixel) in self.pixels.iter_mut().enumerate() {
                let along = place / across % SIZE;
                let previous = before[if along > 0 { place - across } else { place }];
                let next = before[if along + 1 < SIZE { place + across } else { place }];
                *pixel = std::array::from_fn(|channel| {
                    before[place][channel] * (1.0 - 2.0 * side) + (previous[channel] + next[channel]) * side
                });
            }
        }
    }

    /// The picture with noise of the given standard deviation in levels.
    pub fn finish(self, noise: f32, random: &mut SplitMix64) -> Image {
        let mut level = |value: &f32| (value + noise * near_normal(random)).round().clamp(0.0, 255.0) as u8;
        let pixels = self.pixels.as_flattened().iter().map(&mut level).collect();
        Image { width: SIZE, height: SIZE, channels: 3, pixels }
    }
}

fn middle(place: usize) -> Point {
    [(place % SIZE) as f32 + 0.5, (place / SIZE) as f32 + 0.5]
}

/// Near to the standard normal distribution: the sum of the eight bytes of one random number, which has a mean of 1020 and a
/// standard deviation of 209.
fn near_normal(random: &mut SplitMix64) -> f32 {
    let sum: u32 = random.next_u64().to_le_bytes().iter().map(|byte| u32::from(*byte)).sum();
    (sum as f32 - 1020.0) / 209.0
}

/// From `from` at 0 to `to` at 1.
pub(super) fn between(from: Color, to: Color, part: f32) -> Color {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// How far two colours are apart, in levels.
pub(super) fn contrast(one: Color, other: Color) -> f32 {
    let square = |channel: usize| (one[channel] - other[channel]).powi(2);
    (0..3).map(square).sum::<f32>().sqrt()
}

/// A colour with each channel from `low` to `high`.
pub(super) fn any_color(low: f64, high: f64, random: &mut SplitMix64) -> Color {
    std::array::from_fn(|_| uniform(low, high, random) as f32)
}
