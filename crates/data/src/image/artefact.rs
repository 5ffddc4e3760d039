use super::Image;
use super::augment::{planes, resize_center_crop};
use super::config::MOST_PIXELS;
use super::statistics::Statistics;
use crate::DataError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a model of pictures was trained on besides its configuration, and without which its weights mean nothing: to be
/// kept beside them, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageArtefact {
    /// The classes in the order of their numbers.
    pub classes: Vec<String>,
    /// Whether a picture may have several of them.
    pub multi_label: bool,
    /// Height and width of what the network sees.
    pub image_size: usize,
    /// 1 or 3.
    pub channels: usize,
    /// The part of the shorter side that the middle takes.
    pub crop_fraction: f64,
    /// What pixels are scaled by.
    pub statistics: Statistics,
}

impl ImageArtefact {
    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers are JSON")
    }

    /// From what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`DataError::BadImageArtefact`] for anything else.
    pub fn from_json(json: &str) -> Result<Self, DataError> {
        let bad = |reason: String| DataError::BadImageArtefact { reason };
        let artefact: Self = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let Self { image_size, channels, crop_fraction, .. } = artefact;
        let possible = (1..=MOST_PIXELS).contains(&image_size) && [1, 3].contains(&channels);
        if !(possible && crop_fraction > 0.0 && crop_fraction <= 1.0) {
            let reason = format!("image_size {image_size}, channels {channels}, crop_fraction {crop_fraction}");
            return Err(bad(reason));
        }
        let Statistics { mean, std } = &artefact.statistics;
        if mean.len() != artefact.channels || std.len() != artefact.channels {
            return Err(bad(format!("{} means and {} deviations", mean.len(), std.len())));
        }
        Ok(artefact)
    }

    /// Reads a picture and prepares it for the network, `image_size · image_size`.
    ///
    /// # Errors
    /// [`DataError`] where it cannot be read.
    pub fn read(&self, path: &Path) -> Result<Image, DataError> {
        Ok(self.prepare(&Image::read(path, self.channels)?))
    }

    /// Prepares a picture for the network as an evaluation does.
    pub fn prepare(&self, image: &Image) -> Image {
        let image = resize_center_crop(image, self.image_size, self.crop_fraction);
        image.with_channels(self.channels)
    }

    /// What the network sees of a prepared picture: `[channels, image_size, image_size]`.
    pub fn planes(&self, prepared: &Image) -> Vec<f32> {
        planes(prepared, &self.statistics.mean, &self.statistics.std)
    }
}
