use super::augment::AugmentConfig;
use super::statistics::Normalize;
use crate::OnError;
use crate::split::wrong_fractions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded sources.
pub(super) const EMBEDDED: [&str; 3] = ["shapes-source", "shapes-target", "digits"];

/// Height and width that a network may see at most: a larger number is a mistake, and takes more memory than there is.
pub(super) const MOST_PIXELS: usize = 4096;

/// Where pictures come from, which classes they have, and how they become batches: the data section of a run's
/// configuration. Unknown keys are refused, missing ones have their default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// `embedded:shapes-source`, `embedded:shapes-target` or `embedded:digits`; a folder with one sub-folder per class, or with `train`, `val` and
    /// `test` of such; a `.tar` or `.tar.gz` archive of one; the binary files of CIFAR-10 or CIFAR-100, or their archive; a folder
    /// with MNIST's files (`train-images-idx3-ubyte.gz`, …); a `.csv` or `.tsv` that names pictures and their labels; or a data set
    /// that is downloaded once: `download:cifar10`, `cifar100`, `mnist`, `fashion-mnist`.
    pub source: String,
    /// The column of a table that names pictures, relative to the table's folder.
    pub path_column: String,
    /// The column of a table that holds the class, or with `multi_label` the labels, divided by `|`.
    pub label_column: String,
    /// With `multi_label`, the columns of a table that hold 1 where the picture has the label that they are called by, else 0; in
    /// place of `label_column`. Empty: none.
    pub label_columns: Vec<String>,
    /// The column of a table that holds `train`, `validation` or `test`. None: the pictures are split at random.
    pub split_column: Option<String>,
    /// Whether folders are classes. Off, all pictures at any depth are taken as they are, for jobs that need no classes.
    pub labelled: bool,
    /// Whether a picture may have several labels, or none; for tables.
    pub multi_label: bool,
    /// The classes that are used, in the order of their numbers; the pictures of others are left out. Empty: all, by name.
    pub classes: Vec<String>,
    /// Height and width of what the network sees. None: the size of the pictures where all have the same, up to 64; else 224.
    pub image_size: Option<usize>,
    /// 1 (grey) or 3 (colour). None: as the source has them.
    pub channels: Option<usize>,
    /// For validation and prediction, the shorter side is made `image_size / crop_fraction` long and the middle is cut out. None:
    /// 0.875, or 1 where the pictures have the network's size.
    pub crop_fraction: Option<f64>,
    /// What pixels are scaled by: `"auto"` (the mean and deviation that the pretrained weights were trained with, or else
    /// those of the training pictures), `"training"`, `"imagenet"`, `"none"` (0 to 1), or `{ mean = [..], std = [..] }` for pixels of 0 to 1.
    pub normalize: Normalize,
    /// Pictures in a batch.
    pub batch_size: usize,
    /// The part of each class's training pictures that is kept for validation, where the source keeps none; 0: no validation.
    pub validation_fraction: f64,
    /// The part of each class that is kept for a test at the very end, where the source has no parts of its own.
    pub test_fraction: f64,
    /// Which pictures fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
    /// Only so many training pictures of each class, chosen by `split_seed`. None: all.
    pub train_images_per_class: Option<usize>,
    /// What happens where a picture cannot be read.
    pub on_error: OnError,
    /// Decoded pictures are kept in memory where all of them fit into so many MiB; else each is decoded whenever it is needed.
    pub memory_mib: usize,
    /// Random changes of the training pictures.
    pub augment: AugmentConfig,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            source: "embedded:shapes-source".to_owned(),
            path_column: "path".to_owned(),
            label_column: "label".to_owned(),
            label_columns: Vec::new(),
            split_column: None,
            labelled: true,
            multi_label: false,
            classes: Vec::new(),
            image_size: None,
            channels: None,
            crop_fraction: None,
            normalize: Normalize::default(),
            batch_size: 64,
            validation_fraction: 0.1,
            test_fraction: 0.1,
            split_seed: 0,
            train_images_per_class: None,
            on_error: OnError::default(),
            memory_mib: 2048,
            augment: AugmentConfig::default(),
        }
    }
}

impl ImageConfig {
    /// Values that can never work, each with its key relative to the data section and the rest of a sentence that begins
    /// with the key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, key: &'static str, message: String| {
            if !holds {
                wrong.push((key, message));
            }
        };
        check(
            !self.source.is_empty(),
            "source",
            "is empty; give a folder, an archive, a table or embedded:NAME".into(),
        );
        check(self.batch_size > 0, "batch_size", "is 0; give at least 1".into());
        let size = self.image_size.is_none_or(|size| (1..=MOST_PIXELS).contains(&size));
        check(size, "image_size", format!("must be from 1 to {MOST_PIXELS} pixels, such as 224"));
        let labels = self.label_columns.is_empty() || self.multi_label;
        check(labels, "label_columns", "names columns of several labels; set `multi_label = true` for them".into());
        let channels = matches!(self.channels, None | Some(1 | 3));
        check(channels, "channels", "must be 1 (grey) or 3 (colour)".into());
        let fraction = self.crop_fraction.is_none_or(|fraction| fraction > 0.0 && fraction <= 1.0);
        check(fraction, "crop_fraction", "must be above 0 and at most 1".into());
        let enough = self.train_images_per_class != Some(0);
        check(enough, "train_images_per_class", "is 0; give at least 1, or leave it out".into());
        let twice = (1..self.classes.len()).find(|place| self.classes[..*place].contains(&self.classes[*place]));
        if let Some(place) = twice {
            check(false, "classes", format!("names `{}` twice", self.classes[place]));
        }
        wrong.extend(self.normalize.validate(self.channels));
        // 0 is no mistake here: a run may go without validation.
        let fractions = wrong_fractions(self.validation_fraction, self.test_fraction);
        wrong.extend(
            fractions.into_iter().filter(|(key, _)| *key != "validation_fraction" || self.validation_fraction != 0.0),
        );
        wrong.extend(self.augment.validate());
        wrong
    }
}
