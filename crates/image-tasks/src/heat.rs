//! What a network looks at, as colours over a picture.

use burn::tensor::{Tensor, backend::Backend};
use data::image::Image;

/// How much of the colour is the map's where it is hottest.
const STRENGTH: f32 = 0.55;

/// Red, green and blue from cold to hot.
const COLOURS: [[f32; 3]; 5] =
    [[48.0, 18.0, 120.0], [40.0, 120.0, 240.0], [60.0, 220.0, 160.0], [250.0, 210.0, 50.0], [220.0, 30.0, 20.0]];

/// Each picture under its map of heat, `[pictures, height, width]`.
pub(crate) fn overlays<B: Backend>(images: &[Image], maps: Tensor<B, 3>) -> Vec<Image> {
    let [_, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    let size = [height, width];
    images.iter().zip(values.chunks(height * width)).map(|(image, map)| overlay(image, map, size)).collect()
}

/// `image` under a map of heat from 0 to 1 that covers it whole, row-major `[height, width]`. Cold places stay as they are.
fn overlay(image: &Image, map: &[f32], [height, width]: [usize; 2]) -> Image {
    let mut pixels = Vec::with_capacity(image.width * image.height * 3);
    for y in 0..image.height {
        for x in 0..image.width {
            let place = [position(y, image.height, height), position(x, image.width, width)];
            let heat = interpolated(map, width, place);
            let at = (y * image.width + x) * image.channels;
            let of = |channel: usize| f32::from(image.pixels[at + channel.min(image.channels - 1)]);
            let colour = colour(heat);
            let share = STRENGTH * heat;
            pixels.extend((0..3).map(|channel| ((1.0 - share) * of(channel) + share * colour[channel]).round() as u8));
        }
    }
    Image { width: image.width, height: image.height, channels: 3, pixels }
}

/// Where the centre of pixel `at` of `from` lies among the `to` cells of a map: the cell before it, the one after it, and how far
/// it is from the one to the other.
fn position(at: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let centre = (at as f32 + 0.5) * to as f32 / from as f32 - 0.5;
    let centre = centre.clamp(0.0, (to - 1) as f32);
    let before = centre as usize;
    (before, (before + 1).min(to - 1), centre - before as f32)
}

fn interpolated(
    map: &[f32],
    width: usize,
    [(top, bottom, down), (left, right, across)]: [(usize, usize, f32); 2],
) -> f32 {
    let along = |row: usize| map[row * width + left] * (1.0 - across) + map[row * width + right] * across;
    (along(top) * (1.0 - down) + along(bottom) * down).clamp(0.0, 1.0)
}

fn colour(heat: f32) -> [f32; 3] {
    let place = heat * (COLOURS.len() - 1) as f32;
    let before = (place as usize).min(COLOURS.len() - 2);
    let share = place - before as f32;
    [0, 1, 2].map(|channel| COLOURS[before][channel] * (1.0 - share) + COLOURS[before + 1][channel] * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_places_stay_and_hot_ones_turn_red() {
        let image = Image { width: 8, height: 4, channels: 1, pixels: vec![100; 32] };
        let heated = overlay(&image, &[0.0, 1.0], [1, 2]);
        assert_eq!((heated.width, heated.height, heated.channels), (8, 4, 3));
        assert_eq!(heated.pixels[..3], [100; 3]);
        let [red, green, blue] = heated.pixels[7 * 3..][..3] else { unreachable!() };
        assert!(red > 150 && green < 90 && blue < 90, "{red} {green} {blue}");
        // Between the two cells, something between.
        let middle = &heated.pixels[4 * 3..][..3];
        assert!(middle != [100; 3] && middle != [red, green, blue]);
    }
}
