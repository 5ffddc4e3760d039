//! Random changes of training pictures, and the fixed preparation of all others.
//!
//! - [`AugmentConfig`]: what `[data.augment]` says; everything is off by default.
//! - [`Augmentation`]: a picture of any size to a changed one of the network's size; what it draws comes from the generator
//!   that it is given, so that a picture of an epoch follows from its seed alone.
//! - [`resize_center_crop`], [`resize`], [`center_crop`]: how a picture is prepared for validation and prediction.
//! - [`TestViews`]: several views of one picture, whose predictions are averaged.
//! - [`planes`]: 8-bit pixels to normalised planes, and [`Mix`]: mixup and CutMix over batches of these.
//!
//! Names, ranges and rounding are torchvision's on PIL pictures, and the tests hold them to it.

mod affine;
mod augmentation;
mod color;
mod color_jitter;
mod config;
mod crop;
pub(super) mod draw;
mod enhance;
mod erase;
mod mix;
mod planes;
mod rand_augment;
mod resize;
mod views;

pub use affine::{Affine, AffineConfig};
pub use augmentation::Augmentation;
pub use color::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale};
pub use color_jitter::ColorJitterConfig;
pub use config::AugmentConfig;
pub use crop::{CropConfig, PadConfig, PadMode, ResizedCropConfig, horizontal_flip, vertical_flip};
pub use enhance::{adjust_sharpness, autocontrast, equalize, posterize, solarize};
pub use erase::RandomErasingConfig;
pub use mix::Mix;
pub use planes::{planes, write_planes};
pub use rand_augment::RandAugmentConfig;
pub use resize::{Region, center_crop, resize, resize_center_crop, resize_region};
pub use views::TestViews;
