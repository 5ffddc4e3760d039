//! Resizing with an antialiased triangle filter ("bilinear" of PIL and torchvision): when a picture shrinks, the filter grows
//! with the factor, so that every pixel counts. Weights are fixed-point numbers as PIL's, and so are the results, to the last
//! bit; but for pictures that become both wider and lower, of which PIL takes the columns first: these differ by one level.
//!
//! Only what is kept is computed: a crop before it is a [`Region`] of the source, a crop behind it a window of the result.

use super::super::Image;
use std::ops::Range;

/// Bits behind the point of a weight: 255 times the sum of all weights stays below 2^30.
const BITS: u32 = 22;

/// A rectangle of a picture, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The first column.
    pub left: usize,
    /// The first row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Region {
    /// All of a picture of `width · height`.
    pub const fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The middle of a picture of `width · height`, at most as large as this. As in torchvision, half a pixel goes to the even
    /// side.
    pub fn center(width: usize, height: usize, size: usize) -> Self {
        let middle = |have: usize, want: usize| ((have - want) as f64 / 2.0).round_ties_even() as usize;
        let (w, h) = (size.min(width), size.min(height));
        Self { left: middle(width, w), top: middle(height, h), width: w, height: h }
    }
}

/// The whole picture in `width · height` pixels.
pub fn resize(image: &Image, width: usize, height: usize) -> Image {
    resize_region(image, Region::whole(image.width, image.height), width, height)
}

/// A part of the picture in `width · height` pixels; what lies outside of the part plays no role.
///
/// # Panics
/// Where the part is not within the picture.
pub fn resize_region(image: &Image, region: Region, width: usize, height: usize) -> Image {
    resample(image, region, (width, height), Region::whole(width, height))
}

/// The middle `size · size` pixels; a side that is shorter is padded with black, the picture in the middle.
pub fn center_crop(image: &Image, size: usize) -> Image {
    let kept = Region::center(image.width, image.height, size);
    if (image.width, image.height) == (size, size) {
        return image.clone();
    }
    let mut pixels = vec![0; size * size * image.channels];
    let (left, top) = ((size - kept.width) / 2, (size - kept.height) / 2);
    for row in 0..kept.height {
        let from = ((kept.top + row) * image.width + kept.left) * image.channels;
        let to = ((top + row) * size + left) * image.channels;
        let count = kept.width * image.channels;
        pixels[to..to + count].copy_from_slice(&image.pixels[from..from + count]);
    }
    Image { width: size, height: size, channels: image.channels, pixels }
}

/// The picture as evaluation sees it: its shorter side resized to `size / crop_fraction`, then its middle `size · size`
/// pixels. A picture of that size is left alone.
pub fn resize_center_crop(image: &Image, size: usize, crop_fraction: f64) -> Image {
    if (image.width, image.height) == (size, size) {
        return image.clone();
    }
    let (width, height) = shorter_side(image, resized_side(size, crop_fraction));
    resample(image, Region::whole(image.width, image.height), (width, height), Region::center(width, height, size))
}

/// `size / crop_fraction` in whole pixels, and no less than `size`.
pub(super) fn resized_side(size: usize, crop_fraction: f64) -> usize {
    ((size as f64 / crop_fraction).round() as usize).max(size)
}

/// The width and height at which the shorter side has `side` pixels, and the longer one keeps the proportion.
pub(super) fn shorter_side(image: &Image, side: usize) -> (usize, usize) {
    let longer = |long: usize, short: usize| (side * long / short.max(1)).max(side);
    if image.width <= image.height {
        (side, longer(image.height, image.width))
    } else {
        (longer(image.width, image.height), side)
    }
}

/// The part `window` of what `region` becomes when it is resized to `size` (width, height).
fn resample(image: &Image, region: Region, size: (usize, usize), window: Region) -> Image {
    let channels = image.channels;
    let mut pixels = vec![0; window.width * window.height * channels];
    let empty = region.width * region.height == 0 || pixels.is_empty();
    if !empty {
        let columns = Taps::new(region.width, size.0, window.left..window.left + window.width);
        let rows = Taps::new(region.height, size.1, window.top..window.top + window.height);
        let narrow = match channels {
            1 => resample_rows::<1>(image, region, &columns, rows.span()),
            _ => resample_rows::<3>(image, region, &columns, rows.span()),
        };
        resample_columns(&narrow, window.width * channels, &rows, &mut pixels);
    }
    Image { width: window.width, height: window.height, channels, pixels }
}

/// Which source pixels each result pixel of one axis is made of.
struct Taps {
    /// The first source pixel and the number of them, for each result pixel.
    spans: Vec<Range<usize>>,
    /// Their weights in fixed point, all results' one after the other.
    weights: Vec<i32>,
}

impl Taps {
    /// For the results in `window` of an axis of `input` pixels that becomes `output` ones.
    fn new(input: usize, output: usize, window: Range<usize>) -> Self {
        let scale = input as f64 / output as f64;
        let support = scale.max(1.0);
        let mut taps = Self { spans: Vec::with_capacity(window.len()), weights: Vec::new() };
        let mut raw = Vec::new();
        for place in window {
            let center = (place as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            let triangle = |source: usize| (1.0 - ((source as f64 - center + 0.5) / support).abs()).max(0.0);
            raw.clear();
            raw.extend((first..end).map(triangle));
            let norm = 1.0 / raw.iter().sum::<f64>();
            taps.weights.extend(raw.iter().map(|weight| (weight * norm * f64::from(1 << BITS) + 0.5) as i32));
            taps.spans.push(first..end);
        }
        taps
    }

    /// All source pixels that any result needs.
    fn span(&self) -> Range<usize> {
        let first = self.spans.first().map_or(0, |span| span.start);
        first..self.spans.last().map_or(0, |span| span.end)
    }

    /// Source pixels and weights of each result.
    fn each(&self) -> impl Iterator<Item = (Range<usize>, &[i32])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |span| {
            let (weights, behind) = rest.split_at(span.len());
            rest = behind;
            (span.clone(), weights)
        })
    }
}

/// The rows that `resample_columns` needs, each resized.
struct Narrow {
    /// The first of these rows, from the region's top.
    first: usize,
    pixels: Vec<u8>,
}

fn resample_rows<const C: usize>(image: &Image, region: Region, columns: &Taps, rows: Range<usize>) -> Narrow {
    let width = columns.spans.len();
    let mut pixels = vec![0; rows.len() * width * C];
    for (row, narrow) in rows.clone().zip(pixels.chunks_exact_mut(width * C)) {
        let start = (region.top + row) * image.width + region.left;
        let (source, _) = image.pixels[start * C..(start + region.width) * C].as_chunks::<C>();
        for ((span, weights), pixel) in columns.each().zip(narrow.as_chunks_mut::<C>().0) {
            let mut sums = [1 << (BITS - 1); C];
            for (from, weight) in source[span].iter().zip(weights) {
                (0..C).for_each(|channel| sums[channel] += i32::from(from[channel]) * weight);
            }
            *pixel = sums.map(to_byte);
        }
    }
    Narrow { first: rows.start, pixels }
}

fn resample_columns(narrow: &Narrow, row_len: usize, rows: &Taps, pixels: &mut [u8]) {
    let mut sums = vec![0; row_len];
    for ((span, weights), row) in rows.each().zip(pixels.chunks_exact_mut(row_len)) {
        sums.fill(1 << (BITS - 1));
        for (from, weight) in span.zip(weights) {
            let source = &narrow.pixels[(from - narrow.first) * row_len..][..row_len];
            sums.iter_mut().zip(source).for_each(|(sum, from)| *sum += i32::from(*from) * weight);
        }
        row.iter_mut().zip(&sums).for_each(|(pixel, sum)| *pixel = to_byte(*sum));
    }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::super::draw::whole;
    use super::*;
    use crate::SplitMix64;
    use proptest::prelude::*;

    fn noise(width: usize, height: usize, channels: usize, seed: u64) -> Image {
        let mut random = SplitMix64::new(seed);
        let pixels = (0..width * height * channels).map(|_| random.below(256) as u8).collect();
        Image { width, height, channels, pixels }
    }

    proptest! {
        #[test]
        fn a_window_of_the_result_is_the_result_cropped(
            width in 1usize..40, height in 1usize..40, size in 1usize..30, fraction in 0.3f64..1.0, grey in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let image = noise(width, height, if grey { 1 } else { 3 }, seed);
            let found = resize_center_crop(&image, size, fraction);
            let (wide, high) = shorter_side(&image, resized_side(size, fraction));
            let expected = center_crop(&resize(&image, wide, high), size);
            prop_assert!(found == expected || (width, height) == (size, size));
            prop_assert_eq!((found.width, found.height), (size, size));
        }

        #[test]
        fn a_region_is_resized_as_if_it_were_the_picture(seed in any::<u64>()) {
            let mut random = SplitMix64::new(seed);
            let image = noise(23, 17, 3, seed);
            let (width, height) = (whole(1, 23, &mut random), whole(1, 17, &mut random));
            let region = Region { left: random.below(24 - width), top: random.below(18 - height), width, height };
            let rows = (region.top..region.top + height).flat_map(|row| {
                image.pixels[(row * 23 + region.left) * 3..][..width * 3].to_vec()
            });
            let alone = Image { width, height, channels: 3, pixels: rows.collect() };
            prop_assert_eq!(resize_region(&image, region, 9, 11), resize(&alone, 9, 11));
        }

        #[test]
        fn flat_pictures_stay_flat(level in any::<u8>(), width in 1usize..50, to in 1usize..50) {
            let image = Image { width, height: 3, channels: 1, pixels: vec![level; width * 3] };
            prop_assert!(resize(&image, to, 5).pixels.iter().all(|pixel| *pixel == level));
        }
    }

    #[test]
    fn a_picture_of_the_right_size_is_left_alone() {
        let image = noise(8, 8, 3, 1);
        assert_eq!(resize_center_crop(&image, 8, 0.5), image);
        assert_eq!(center_crop(&image, 8), image);
        assert_eq!(resize(&image, 8, 8), image);
    }

    #[test]
    fn a_crop_larger_than_the_picture_is_padded() {
        let image = Image { width: 1, height: 3, channels: 1, pixels: vec![1, 2, 3] };
        assert_eq!(center_crop(&image, 3).pixels, [0, 1, 0, 0, 2, 0, 0, 3, 0]);
    }

    #[test]
    fn nothing_becomes_black() {
        let image = Image { width: 0, height: 0, channels: 3, pixels: Vec::new() };
        assert_eq!(resize_center_crop(&image, 2, 0.875).pixels, [0; 12]);
    }
}
