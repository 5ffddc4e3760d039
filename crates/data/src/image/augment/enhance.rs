//! The other operations on levels that RandAugment needs, as PIL's functions of these names.

use super::super::Image;
use super::color::{blend, map};

/// `factor` from smoothed (0) through the picture (1) to sharpened; the outermost pixels stay.
pub fn adjust_sharpness(image: &mut Image, factor: f64) {
    let smooth = smoothed(image);
    image.pixels.iter_mut().zip(smooth).for_each(|(pixel, smooth)| *pixel = blend(smooth, *pixel, factor));
}

/// Each level the mean of its neighbours and, five times as heavy, itself.
fn smoothed(image: &Image) -> Vec<u8> {
    let mut smooth = image.pixels.clone();
    if image.width < 3 {
        return smooth;
    }
    let (step, row_len) = (image.channels, image.width * image.channels);
    for row in 1..image.height.saturating_sub(1) {
        let inner = row * row_len + step..(row + 1) * row_len - step;
        for (place, level) in inner.clone().zip(&mut smooth[inner]) {
            let around = [place - row_len, place, place + row_len];
            let sum: u32 =
                around.iter().flat_map(|at| [at - step, *at, at + step]).map(|at| u32::from(image.pixels[at])).sum();
            let weighted = sum + 4 * u32::from(image.pixels[place]);
            // To the nearest of thirteenths.
            *level = ((2 * weighted + 13) / 26) as u8;
        }
    }
    smooth
}

/// Only the `bits` highest bits of each level, 0 to 8 of them.
pub fn posterize(image: &mut Image, bits: u32) {
    let mask = (0xFF00u32 >> bits.min(8)) as u8;
    map(image, |level| level & mask);
}

/// Levels from `threshold` on inverted.
pub fn solarize(image: &mut Image, threshold: f64) {
    map(image, |level| if f64::from(level) < threshold { level } else { 255 - level });
}

/// Each channel stretched, so that its lowest level is 0 and its highest 255.
pub fn autocontrast(image: &mut Image) {
    map_channels(image, |counts| {
        let low = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let high = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let scale = if high > low { 255.0 / (high - low) as f64 } else { 1.0 };
        let offset = if high > low { -(low as f64) * scale } else { 0.0 };
        std::array::from_fn(|level| (level as f64 * scale + offset) as u8)
    });
}

/// Each channel's levels spread, so that all are about equally frequent.
pub fn equalize(image: &mut Image) {
    map_channels(image, |counts| {
        let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let step = counts[..last].iter().sum::<usize>() / 255;
        let mut below = step / 2;
        std::array::from_fn(|level| {
            let spread = below.checked_div(step).unwrap_or(level);
            below += counts[level];
            spread.min(255) as u8
        })
    });
}

/// Replaces the levels of each channel by the table that `table` makes of how often each occurs.
fn map_channels(image: &mut Image, table: impl Fn(&[usize; 256]) -> [u8; 256]) {
    for channel in 0..image.channels {
        let mut counts = [0; 256];
        image.pixels.iter().skip(channel).step_by(image.channels).for_each(|level| counts[usize::from(*level)] += 1);
        let table = table(&counts);
        let levels = image.pixels.iter_mut().skip(channel).step_by(image.channels);
        levels.for_each(|level| *level = table[usize::from(*level)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_pictures_stay() {
        let flat = Image { width: 20, height: 20, channels: 3, pixels: vec![77; 1200] };
        for change in [autocontrast, equalize, |image: &mut Image| adjust_sharpness(image, 1.9)] {
            let mut image = flat.clone();
            change(&mut image);
            assert_eq!(image, flat);
        }
    }

    #[test]
    fn pictures_too_small_for_a_neighbourhood_stay() {
        for (width, height) in [(0, 0), (1, 5), (5, 1), (2, 2)] {
            let image =
                Image { width, height, channels: 3, pixels: (0..width * height * 3).map(|it| it as u8).collect() };
            let mut sharp = image.clone();
            adjust_sharpness(&mut sharp, 0.0);
            assert_eq!(sharp, image);
        }
    }
}
