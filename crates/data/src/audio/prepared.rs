use super::batches::{Augment, Rows, SpeechBatches};
use super::config::SpeechConfig;
use super::facts::SpeechFacts;
use super::features::{FeatureExtractor, Features, FeaturesConfig, Normalization, Normalize};
use super::source::{Recording, Speech};
use super::{AugmentConfig, SpeechArtefact};
use crate::DataError;
use crate::dealing::Dealer;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Recordings that are read, split and turned into features: all that training a classifier needs of its data. Cloning
/// is cheap.
#[derive(Debug, Clone)]
pub struct SpeechData {
    /// The classes in the order of their numbers: sorted by name, or as given.
    pub classes: Vec<String>,
    /// Counts for reports.
    pub facts: SpeechFacts,
    extractor: FeatureExtractor,
    speech: Arc<Speech>,
    rows: Arc<Rows>,
    lengths: Arc<[usize]>,
    train: Arc<[usize]>,
    validation: Arc<[usize]>,
    test: Arc<[usize]>,
    batch_size: usize,
    bucket_by_length: bool,
    augment: AugmentConfig,
}

impl SpeechData {
    /// Reads the source, splits it, and computes all features on all cores.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or has fewer than two classes, and a split that
    /// goes by what is not known or leaves a class without training recording.
    pub fn load(config: &SpeechConfig) -> Result<Self, DataError> {
        config.checked()?;
        Self::build(config, Speech::read(config, None)?, FeatureExtractor::new(&config.features)?, true)
    }

    /// As [`SpeechData::load`] with classes and statistics that exist already, as when a run is resumed or evaluated.
    ///
    /// # Errors
    /// As [`SpeechData::load`], [`DataError::BadClasses`] for a recording whose class is not among those, and
    /// [`DataError::BadSpeechArtefact`] for statistics of other features.
    pub fn load_with(config: &SpeechConfig, artefact: SpeechArtefact) -> Result<Self, DataError> {
        config.checked()?;
        let extractor = FeatureExtractor::trained(&config.features, &artefact)?;
        Self::build(config, Speech::read(config, Some(artefact.classes))?, extractor, false)
    }

    fn build(
        config: &SpeechConfig,
        mut speech: Speech,
        extractor: FeatureExtractor,
        learn: bool,
    ) -> Result<Self, DataError> {
        let parts = config.split.of(&speech)?;
        let mut features: Vec<Features> =
            speech.recordings.par_iter().map(|recording| extractor.raw(&recording.samples)).collect();
        let train = parts.train.iter().map(|index| &features[*index]);
        let extractor = if learn { learned(extractor, &config.features, train) } else { extractor };
        features.par_iter_mut().for_each(|features| extractor.normalize(features));
        // Features are all that is read from here on.
        speech.recordings.iter_mut().for_each(|recording| recording.samples = Vec::new());
        Ok(Self {
            classes: speech.classes.clone(),
            facts: SpeechFacts::new(&config.source, &speech, &parts, extractor.num_features()),
            extractor,
            lengths: features.iter().map(|features| features.frames).collect(),
            rows: Arc::new(Rows {
                features,
                labels: speech.recordings.iter().map(|recording| recording.label as i32).collect(),
                num_static: config.features.num_static(),
            }),
            speech: Arc::new(speech),
            train: parts.train.into(),
            validation: parts.validation.into(),
            test: parts.test.into(),
            batch_size: config.batch_size,
            bucket_by_length: config.bucket_by_length,
            augment: config.augment.clone(),
        })
    }

    /// Training batches; their order and their masks follow from `seed`.
    pub fn train_batches(&self, seed: u64) -> SpeechBatches {
        let augment = Augment { config: self.augment.clone(), seed };
        self.dealt(Dealer::shuffled(self.train.clone(), self.batch_size, seed), Some(augment))
    }

    /// One pass over the validation part without masks, the same every time: by length, or in the order of the source
    /// where `bucket_by_length` is off.
    pub fn validation_batches(&self) -> SpeechBatches {
        self.dealt(Dealer::fixed(self.validation.clone(), self.batch_size), None)
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches); none where no recording is kept
    /// for a test.
    pub fn test_batches(&self) -> Option<SpeechBatches> {
        let fixed = || self.dealt(Dealer::fixed(self.test.clone(), self.batch_size), None);
        (!self.test.is_empty()).then(fixed)
    }

    fn dealt(&self, dealer: Dealer, augment: Option<Augment>) -> SpeechBatches {
        let dealer = if self.bucket_by_length { dealer.by_length(self.lengths.clone()) } else { dealer };
        SpeechBatches::new(self.rows.clone(), dealer, augment)
    }

    /// What to keep beside the weights of a model that was trained on these data.
    pub fn artefact(&self) -> SpeechArtefact {
        SpeechArtefact { classes: self.classes.clone(), normalization: self.extractor.normalization().clone() }
    }

    /// What turns further recordings into features.
    pub fn extractor(&self) -> &FeatureExtractor {
        &self.extractor
    }

    /// The features of the recording with a number from [`SpeechBatch::indices`](super::SpeechBatch::indices), without
    /// masks.
    ///
    /// # Panics
    /// If there is no such recording: that is an error of the calling code. So it is below.
    pub fn features(&self, index: usize) -> &Features {
        &self.rows.features[index]
    }

    /// The name of that recording: its path in the source.
    pub fn name(&self, index: usize) -> &str {
        &self.recording(index).name
    }

    /// Its whole path; inside an archive or an embedded source, no file has it.
    pub fn path(&self, index: usize) -> PathBuf {
        self.speech.path(index)
    }

    /// Its class, by its place in [`classes`](Self::classes).
    pub fn label(&self, index: usize) -> usize {
        self.recording(index).label
    }

    /// Who speaks, where the source says so.
    pub fn speaker(&self, index: usize) -> Option<&str> {
        self.recording(index).speaker.map(|speaker| self.speech.speakers[speaker].as_str())
    }

    /// How many seconds it sounds.
    pub fn seconds(&self, index: usize) -> f64 {
        self.recording(index).seconds
    }

    /// The folder, the archive or the embedded source that the recordings come from.
    pub fn root(&self) -> &Path {
        &self.speech.root
    }

    fn recording(&self, index: usize) -> &Recording {
        &self.speech.recordings[index]
    }
}

/// An extractor that scales by the statistics of `train` where the configuration says so.
pub(super) fn learned<'a>(
    extractor: FeatureExtractor,
    config: &FeaturesConfig,
    train: impl Iterator<Item = &'a Features> + Clone,
) -> FeatureExtractor {
    match config.normalize {
        Normalize::Training => extractor.with_normalization(Normalization::of_frames(train)),
        Normalize::Utterance | Normalize::None => extractor,
    }
}
