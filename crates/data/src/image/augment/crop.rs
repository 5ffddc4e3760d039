use super::super::Image;
use super::draw::uniform;
use super::resize::{Region, resize_region};
use crate::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a region is drawn that may not fit, before the middle is taken.
const ATTEMPTS: usize = 10;

/// Which part of a training picture the network sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CropConfig {
    /// A region of random area and proportion, resized to the network's input: for photos (torchvision's
    /// `RandomResizedCrop`).
    Resized(ResizedCropConfig),
    /// The picture moved by some pixels: for small pictures, as of CIFAR (torchvision's `RandomCrop` with padding).
    Pad(PadConfig),
}

/// `crop = { kind = "resized", scale = [0.08, 1.0], ratio = [0.75, 1.333] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResizedCropConfig {
    /// The least and the greatest area, as a part of the picture's.
    pub scale: [f64; 2],
    /// The least and the greatest width over height.
    pub ratio: [f64; 2],
}

/// `crop = { kind = "pad", padding = 4, mode = "zero" }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PadConfig {
    /// By how many pixels the picture moves at most, in each direction.
    pub padding: usize,
    /// What comes in from outside.
    pub mode: PadMode,
}

/// What lies outside of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// Black.
    #[default]
    Zero,
    /// The picture mirrored at the middle of its outermost pixels.
    Reflect,
}

impl Default for ResizedCropConfig {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [0.75, 1.333] }
    }
}

impl Default for PadConfig {
    fn default() -> Self {
        Self { padding: 4, mode: PadMode::Zero }
    }
}

impl ResizedCropConfig {
    /// A random region of the picture in `size · size` pixels.
    pub(super) fn apply(&self, image: &Image, size: usize, random: &mut SplitMix64) -> Image {
        resize_region(image, self.draw(image.width, image.height, random), size, size)
    }

    /// A region of a picture of `width · height`.
    fn draw(&self, width: usize, height: usize, random: &mut SplitMix64) -> Region {
        for _ in 0..ATTEMPTS {
            let area = (width * height) as f64 * uniform(self.scale[0], self.scale[1], random);
            let ratio = uniform(self.ratio[0].ln(), self.ratio[1].ln(), random).exp();
            let (w, h) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return Region {
                    left: random.below(width - w + 1),
                    top: random.below(height - h + 1),
                    width: w,
                    height: h,
                };
            }
        }
        self.middle(width, height)
    }

    /// The largest region in the middle whose proportion is allowed.
    fn middle(&self, width: usize, height: usize) -> Region {
        let ratio = (width as f64 / height as f64).clamp(self.ratio[0], self.ratio[1]);
        let w = ((height as f64 * ratio).round() as usize).min(width);
        let h = ((width as f64 / ratio).round() as usize).min(height);
        Region { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
    }
}

impl PadConfig {
    /// The picture moved at random.
    pub(super) fn apply(&self, image: &Image, random: &mut SplitMix64) -> Image {
        let mut offset = || random.below(2 * self.padding + 1) as isize - self.padding as isize;
        let (left, top) = (offset(), offset());
        shift(image, left, top, self.mode)
    }
}

/// The picture whose upper left pixel is the one at (`left`, `top`).
fn shift(image: &Image, left: isize, top: isize, mode: PadMode) -> Image {
    let columns: Vec<Option<usize>> =
        (0..image.width).map(|column| mode.source(column as isize + left, image.width)).collect();
    let row_len = image.width * image.channels;
    let mut pixels = vec![0; image.pixels.len()];
    for (row, to) in pixels.chunks_exact_mut(row_len.max(1)).enumerate() {
        let Some(row) = mode.source(row as isize + top, image.height) else { continue };
        let from = &image.pixels[row * row_len..][..row_len];
        for (to, column) in to.chunks_exact_mut(image.channels).zip(&columns) {
            if let Some(column) = column {
                to.copy_from_slice(&from[column * image.channels..][..image.channels]);
            }
        }
    }
    Image { pixels, ..*image }
}

impl PadMode {
    /// Which of `len` pixels is seen at `place`, or none.
    fn source(self, place: isize, len: usize) -> Option<usize> {
        match self {
            Self::Zero => usize::try_from(place).ok().filter(|place| *place < len),
            Self::Reflect => {
                let period = (2 * (len as isize - 1)).max(1);
                let place = place.rem_euclid(period);
                Some(place.min(period - place).min(len as isize - 1) as usize)
            }
        }
    }
}

/// Left becomes right.
pub fn horizontal_flip(image: &mut Image) {
    let row_len = (image.width * image.channels).max(1);
    for row in image.pixels.chunks_exact_mut(row_len) {
        // Reversed as a whole, then each pixel's channels back in order.
        row.reverse();
        row.chunks_exact_mut(image.channels).for_each(<[u8]>::reverse);
    }
}

/// Top becomes bottom.
pub fn vertical_flip(image: &mut Image) {
    let row_len = image.width * image.channels;
    for row in 0..image.height / 2 {
        let (upper, lower) = image.pixels.split_at_mut((image.height - 1 - row) * row_len);
        upper[row * row_len..][..row_len].swap_with_slice(&mut lower[..row_len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(width: usize, height: usize) -> Image {
        let pixels = (0..width * height * 3).map(|value| value as u8).collect();
        Image { width, height, channels: 3, pixels }
    }

    #[test]
    fn regions_have_the_areas_and_proportions_asked_for() {
        let crop = ResizedCropConfig::default();
        let mut random = SplitMix64::new(4);
        let regions: Vec<Region> = (0..4000).map(|_| crop.draw(500, 375, &mut random)).collect();
        let areas: Vec<f64> = regions.iter().map(|it| (it.width * it.height) as f64 / (500.0 * 375.0)).collect();
        assert!(areas.iter().all(|area| (0.079..=1.0).contains(area)));
        for region in &regions {
            assert!(region.left + region.width <= 500 && region.top + region.height <= 375);
            let ratio = region.width as f64 / region.height as f64;
            assert!((0.74..1.345).contains(&ratio), "{region:?}");
        }
        // What 20,000 draws of torchvision's have on pictures of this size.
        let below = |bound: f64| areas.iter().filter(|area| **area < bound).count() as f64 / 4000.0;
        assert!(
            (below(0.31) - 0.336).abs() < 0.03 && (below(0.54) - 0.676).abs() < 0.03,
            "{} {}",
            below(0.31),
            below(0.54)
        );
    }

    #[test]
    fn where_nothing_fits_the_middle_is_taken() {
        let crop = ResizedCropConfig { scale: [1.0, 1.0], ratio: [1.0, 1.0] };
        let region = crop.draw(30, 10, &mut SplitMix64::new(0));
        assert_eq!(region, Region { left: 10, top: 0, width: 10, height: 10 });
    }

    #[test]
    fn a_picture_moves_by_at_most_the_padding() {
        let image = counted(5, 4);
        let pad = PadConfig { padding: 2, mode: PadMode::Zero };
        let moved: Vec<Image> = (0..200).map(|seed| pad.apply(&image, &mut SplitMix64::new(seed))).collect();
        assert!(moved.iter().all(|moved| (moved.width, moved.height) == (5, 4)));
        let expected: Vec<Image> =
            (-2..=2).flat_map(|x| (-2..=2).map(move |y| (x, y))).map(|(x, y)| shift(&image, x, y, pad.mode)).collect();
        assert!(moved.iter().all(|moved| expected.contains(moved)));
        assert!(expected.iter().all(|expected| moved.contains(expected)));
    }

    #[test]
    fn outside_is_black_or_mirrored() {
        let image = Image { width: 3, height: 1, channels: 1, pixels: vec![1, 2, 3] };
        assert_eq!(shift(&image, -2, 0, PadMode::Zero).pixels, [0, 0, 1]);
        assert_eq!(shift(&image, 1, 0, PadMode::Zero).pixels, [2, 3, 0]);
        assert_eq!(shift(&image, -2, 0, PadMode::Reflect).pixels, [3, 2, 1]);
        assert_eq!(shift(&image, 2, 5, PadMode::Reflect).pixels, [3, 2, 1]);
    }

    #[test]
    fn flips() {
        let mut image = Image { width: 2, height: 2, channels: 3, pixels: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] };
        horizontal_flip(&mut image);
        assert_eq!(image.pixels, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
        vertical_flip(&mut image);
        assert_eq!(image.pixels, [10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3]);
    }
}
