use super::super::Image;
use super::crop::horizontal_flip;
use super::resize::{Region, resize, resize_center_crop, resize_region, resized_side, shorter_side};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The greatest crop fraction at which corners differ enough from the middle.
const CORNER_FRACTION: f64 = 0.875;

/// Which views of one picture a test averages its predictions over (test-time augmentation).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestViews {
    /// The middle alone.
    #[default]
    None,
    /// The middle and its mirror image.
    Flip,
    /// The middle and the four corners. Where the crop fraction is above 0.875, corners and middle are cut as with 0.875.
    FiveCrop,
    /// These five and their mirror images.
    TenCrop,
}

impl TestViews {
    /// How many views there are of each picture.
    pub const fn count(self) -> usize {
        match self {
            Self::None => 1,
            Self::Flip => 2,
            Self::FiveCrop => 5,
            Self::TenCrop => 10,
        }
    }

    /// The views of a picture, `size · size` each; `crop_fraction` as in [`resize_center_crop`].
    pub fn views(self, image: &Image, size: usize, crop_fraction: f64) -> Vec<Image> {
        let mut views = match self {
            Self::None | Self::Flip => vec![resize_center_crop(image, size, crop_fraction)],
            Self::FiveCrop | Self::TenCrop => five_crop(image, size, crop_fraction.min(CORNER_FRACTION)),
        };
        if matches!(self, Self::Flip | Self::TenCrop) {
            let mut mirrored = views.clone();
            mirrored.iter_mut().for_each(horizontal_flip);
            views.append(&mut mirrored);
        }
        views
    }
}

/// The middle, then the corners row by row, of the picture whose shorter side is `size / crop_fraction`.
fn five_crop(image: &Image, size: usize, crop_fraction: f64) -> Vec<Image> {
    let (width, height) = shorter_side(image, resized_side(size, crop_fraction));
    let resized = resize(image, width, height);
    let corner = |left: usize, top: usize| Region { left, top, width: size, height: size };
    let (right, bottom) = (width - size, height - size);
    let regions =
        [Region::center(width, height, size), corner(0, 0), corner(right, 0), corner(0, bottom), corner(right, bottom)];
    regions.map(|region| resize_region(&resized, region, size, size)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Image {
        let pixel = |place: usize| [(place % width * 5) as u8, (place / width * 5) as u8, 7];
        Image { width, height, channels: 3, pixels: (0..width * height).flat_map(pixel).collect() }
    }

    const ALL: [TestViews; 4] = [TestViews::None, TestViews::Flip, TestViews::FiveCrop, TestViews::TenCrop];

    #[test]
    fn as_many_views_as_said_all_of_the_size() {
        for (image, size, fraction) in [(ramp(40, 30), 16, 0.875), (ramp(16, 16), 16, 1.0), (ramp(3, 50), 16, 0.5)] {
            for kind in ALL {
                let views = kind.views(&image, size, fraction);
                assert_eq!(views.len(), kind.count());
                assert!(
                    views
                        .iter()
                        .all(|view| (view.width, view.height, view.pixels.len()) == (size, size, size * size * 3))
                );
            }
        }
    }

    #[test]
    fn the_first_view_is_the_evaluations() {
        let image = ramp(40, 30);
        let expected = resize_center_crop(&image, 16, 0.8);
        assert!(ALL.iter().all(|kind| kind.views(&image, 16, 0.8)[0] == expected));
        let five = TestViews::FiveCrop.views(&image, 16, 0.8);
        let ten = TestViews::TenCrop.views(&image, 16, 0.8);
        assert_eq!(five[..], ten[..5]);
        assert!((0..5).all(|view| (0..view).all(|other| five[view] != five[other])));
        let corner = |view: &Image| (view.pixels[0], view.pixels[1]);
        assert!(corner(&five[1]).0 < corner(&five[2]).0 && corner(&five[1]).1 < corner(&five[3]).1);
    }
}
