//! The job on pictures, whatever network learns them: data, policies of fine-tuning, losses, evaluation, predictions and pages of the
//! report.
//!
//! A family of networks makes the job its own in two steps: its network implements [`ImageNetwork`], and its `[model]` block implements
//! [`ImageFamily`], which makes the network and its weights. The job is then `ImageClassificationJob<ItsConfig>`.

mod embed;
mod features;
pub mod fine_tuning;
mod heat;
mod image_classification;
mod images;
mod loss;
mod network;
mod options;
mod pages;
mod parts;
mod prediction;

pub use embed::embed;
pub use image_classification::{ImageBlock, ImageClassificationJob, ImageClassificationTask};
pub use images::{ARTEFACT_FILE, load_artefact, load_images, on_device};
pub use network::{ImageFamily, ImageNetwork, ImageSizes, Stage, statistics_of};
pub use options::ImageOptions;
pub use parts::{Batch, Part};

use images::on_pixels;
