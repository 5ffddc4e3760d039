//! Brightness, contrast, saturation and hue, as torchvision's functions of these names on PIL pictures.

use super::super::Image;

/// `factor` times as bright: 0 is black, 1 the picture.
pub fn adjust_brightness(image: &mut Image, factor: f64) {
    map(image, |level| blend(0, level, factor));
}

/// Levels `factor` times as far from the mean grey level: 0 is a grey area, 1 the picture.
pub fn adjust_contrast(image: &mut Image, factor: f64) {
    let count = image.width * image.height;
    let sum: u64 = match image.channels {
        1 => image.pixels.iter().map(|level| u64::from(*level)).sum(),
        _ => image.pixels.as_chunks::<3>().0.iter().map(|pixel| u64::from(luma(*pixel))).sum(),
    };
    let mean = (sum as f64 / count.max(1) as f64 + 0.5) as u8;
    map(image, |level| blend(mean, level, factor));
}

/// Colours `factor` times as far from grey: 0 is a grey picture, 1 the picture. Grey pictures stay.
pub fn adjust_saturation(image: &mut Image, factor: f64) {
    if image.channels == 3 {
        for pixel in image.pixels.as_chunks_mut::<3>().0 {
            let grey = luma(*pixel);
            *pixel = pixel.map(|level| blend(grey, level, factor));
        }
    }
}

/// All hues turned by `turn` of the colour circle, from -0.5 to 0.5, in steps of 1/255 as PIL has them. Grey pictures stay.
pub fn adjust_hue(image: &mut Image, turn: f64) {
    if image.channels == 3 {
        let steps = (turn * 255.0) as i32 as u8;
        for pixel in image.pixels.as_chunks_mut::<3>().0 {
            let [hue, saturation, value] = to_hsv(*pixel);
            *pixel = to_rgb([hue.wrapping_add(steps), saturation, value]);
        }
    }
}

/// The picture without colour; it keeps its channels.
pub fn grayscale(image: &mut Image) {
    if image.channels == 3 {
        for pixel in image.pixels.as_chunks_mut::<3>().0 {
            *pixel = [luma(*pixel); 3];
        }
    }
}

/// Every level replaced by what `level` makes of it.
pub(super) fn map(image: &mut Image, level: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|index| level(index as u8));
    image.pixels.iter_mut().for_each(|pixel| *pixel = table[usize::from(*pixel)]);
}

/// From `from` (at 0) through `to` (at 1) and beyond.
pub(super) fn blend(from: u8, to: u8, factor: f64) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    (from + factor as f32 * (to - from)) as u8
}

/// The grey level of a colour (ITU-R BT.601).
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16) as u8
}

/// Hue, saturation and value, 0 to 255 each.
fn to_hsv(pixel: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = pixel;
    let (high, low) = (red.max(green).max(blue), red.min(green).min(blue));
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let [r, g, b] = pixel.map(|level| f64::from(f32::from(high - level) / range));
    let sextant = match high {
        _ if red == high => b - g,
        _ if green == high => 2.0 + r - b,
        _ => 4.0 + g - r,
    };
    // Rounded to single precision where PIL does it, since many hues fall just on a step.
    let turns = f64::from(sextant as f32) / 6.0 + 1.0;
    let hue = (turns - f64::from(turns as u8)) as f32;
    [(f64::from(hue) * 255.0) as u8, (f64::from(range / f32::from(high)) * 255.0) as u8, high]
}

fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    let turned = f32::from(hue) * 6.0 / 255.0;
    let sextant = turned as u8;
    let part = turned - f32::from(sextant);
    let (saturation, high) = (f32::from(saturation) / 255.0, f32::from(value));
    let level = |missing: f32| (high * (1.0 - saturation * missing) + 0.5) as u8;
    let (low, falling, rising) = (level(1.0), level(part), level(1.0 - part));
    match sextant % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
