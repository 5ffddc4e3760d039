//! What a network says of single pictures, for `train predict`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Tensor, backend::Backend};
use classification::{LABEL_THRESHOLD, label_probabilities, probabilities};
use data::image::{Image, ImageArtefact, png};
use training_loop::{error::TaskError, job::Generated};

use crate::heat;

/// Classes that are named of a picture.
const NAMED_CLASSES: usize = 3;

/// What the network says of one picture.
pub(crate) struct Said {
    /// Places of the classes, from the likeliest on.
    order: Vec<usize>,
    /// Of each class.
    probabilities: Vec<f32>,
    /// The classes, or the labels, that are named.
    named: Vec<(String, f32)>,
}

impl Said {
    /// Of a batch. `logits`: `[batch, classes]`
    pub fn of<B: Backend>(artefact: &ImageArtefact, logits: Tensor<B, 2>) -> Vec<Self> {
        let probabilities = if artefact.multi_label { label_probabilities(logits) } else { probabilities(logits) };
        probabilities.chunks(artefact.classes.len()).map(|row| Self::new(artefact, row)).collect()
    }

    fn new(artefact: &ImageArtefact, probabilities: &[f32]) -> Self {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let is_named = |(place, class): &(usize, &usize)| match artefact.multi_label {
            true => probabilities[**class] >= LABEL_THRESHOLD,
            false => *place < NAMED_CLASSES,
        };
        let named = order.iter().enumerate().filter(is_named);
        let named = named.map(|(_, class)| (artefact.classes[*class].clone(), probabilities[*class])).collect();
        Self { order, probabilities: probabilities.to_vec(), named }
    }

    /// The likeliest class.
    pub fn class(&self) -> usize {
        self.order[0]
    }

    /// `cat 0.934, dog 0.051, fox 0.004`
    pub fn line(&self) -> String {
        if self.named.is_empty() {
            return "no label".to_string();
        }
        self.named.iter().map(|(name, probability)| format!("{name} {probability:.3}")).collect::<Vec<_>>().join(", ")
    }

    /// A row of the table: file, class or labels, and the probability of each class.
    pub fn row(&self, file: &Path, artefact: &ImageArtefact) -> Vec<String> {
        let class = match artefact.multi_label {
            true => self.named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("|"),
            false => artefact.classes[self.class()].clone(),
        };
        let values = self.probabilities.iter().map(|value| format!("{value:.6}"));
        [file.display().to_string(), class].into_iter().chain(values).collect()
    }
}

/// What predictions rest on, as pictures in a folder.
pub(crate) struct Explanations {
    folder: PathBuf,
    written: BTreeSet<PathBuf>,
}

impl Explanations {
    /// In `folder`, which is made.
    pub fn new(folder: &Path) -> Result<Self, TaskError> {
        fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        Ok(Self { folder: folder.to_path_buf(), written: BTreeSet::new() })
    }

    /// Writes those of a batch. `maps`: `[pictures, height, width]`
    pub fn write<B: Backend>(
        &mut self,
        files: &[PathBuf],
        prepared: &[Image],
        classes: &[&str],
        maps: Tensor<B, 3>,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        for ((file, class), heated) in files.iter().zip(classes).zip(heat::overlays(prepared, maps)) {
            let path = self.path(file, class);
            fs::write(&path, png(&heated)).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            output(Generated::File(&path))?;
        }
        Ok(())
    }

    /// `<name of the picture>-<class>.png`, and a number where files of several folders have one name.
    fn path(&mut self, file: &Path, class: &str) -> PathBuf {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}-{}", class.replace(['/', '\\'], "-"));
        let mut path = self.folder.join(format!("{name}.png"));
        let mut number = 1;
        while !self.written.insert(path.clone()) {
            number += 1;
            path = self.folder.join(format!("{name}-{number}.png"));
        }
        path
    }
}
