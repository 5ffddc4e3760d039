use super::batches::StringsBatches;
use super::composer::{Composer, Draw, Sounds};
use super::config::{SpeechStringsConfig, StringsConfig};
use super::facts::SpeechStringsFacts;
use crate::audio::batches::Augment;
use crate::audio::features::Features;
use crate::audio::prepared::learned;
use crate::audio::source::Speech;
use crate::audio::{AugmentConfig, FeatureExtractor, Normalize, SpeechArtefact, SpeechFacts};
use crate::dealing::Dealer;
use crate::{DataError, stream_seed};
use rayon::prelude::*;
use std::sync::Arc;

/// Recordings that are read and split, and from which strings are dealt: all that training a recogniser needs of its
/// data. Cloning is cheap.
///
/// Recordings are put together as waveforms, and features are computed when a batch is: at a seam, a window hears both
/// sides.
#[derive(Debug, Clone)]
pub struct SpeechStringsData {
    /// The classes in the order of their numbers: sorted by name, or as given. A blank is not among them; a model that
    /// has one puts it where it likes.
    pub classes: Vec<String>,
    /// Counts for reports.
    pub facts: SpeechStringsFacts,
    sounds: Arc<Sounds>,
    train: Arc<[usize]>,
    validation: Arc<[usize]>,
    test: Arc<[usize]>,
    strings: StringsConfig,
    batch_size: usize,
    bucket_by_length: bool,
    augment: AugmentConfig,
}

impl SpeechStringsData {
    /// Reads and splits the source. With `normalize = "training"`, the statistics are of the training recordings one by one.
    ///
    /// # Errors
    /// As [`SpeechData::load`](crate::audio::SpeechData::load).
    pub fn load(config: &SpeechStringsConfig) -> Result<Self, DataError> {
        config.checked()?;
        let speech = Speech::read(&config.speech(), None)?;
        Self::build(config, speech, FeatureExtractor::new(&config.features)?, true)
    }

    /// As [`SpeechStringsData::load`] with classes and statistics that exist already, as when a run is resumed or
    /// evaluated.
    ///
    /// # Errors
    /// As [`SpeechData::load_with`](crate::audio::SpeechData::load_with).
    pub fn load_with(config: &SpeechStringsConfig, artefact: SpeechArtefact) -> Result<Self, DataError> {
        config.checked()?;
        let extractor = FeatureExtractor::trained(&config.features, &artefact)?;
        Self::build(config, Speech::read(&config.speech(), Some(artefact.classes))?, extractor, false)
    }

    fn build(
        config: &SpeechStringsConfig,
        speech: Speech,
        extractor: FeatureExtractor,
        learn: bool,
    ) -> Result<Self, DataError> {
        let parts = config.split.of(&speech)?;
        let extractor = if learn && config.features.normalize == Normalize::Training {
            let raw = |index: &usize| extractor.raw(&speech.recordings[*index].samples);
            let train: Vec<Features> = parts.train.par_iter().map(raw).collect();
            learned(extractor, &config.features, train.iter())
        } else {
            extractor
        };
        let facts = SpeechFacts::new(&config.source, &speech, &parts, extractor.num_features());
        Ok(Self {
            classes: speech.classes.clone(),
            facts: SpeechStringsFacts::new(facts, &config.strings),
            sounds: Arc::new(Sounds::new(speech, extractor, &config.features)),
            train: parts.train.into(),
            validation: parts.validation.into(),
            test: parts.test.into(),
            strings: config.strings.clone(),
            batch_size: config.batch_size,
            bucket_by_length: config.bucket_by_length,
            augment: config.augment.clone(),
        })
    }

    /// Training batches; strings, their order and their masks follow from `seed`, and are others in each epoch.
    pub fn train_batches(&self, seed: u64) -> StringsBatches {
        let items = (0..self.strings.train).collect();
        let draw = Draw { seed, anew: true };
        let augment = Augment { config: self.augment.clone(), seed };
        self.dealt(&self.train, Dealer::shuffled(items, self.batch_size, seed), draw, Some(augment))
    }

    /// Strings of the validation part's recordings, the same every time, without masks.
    pub fn validation_batches(&self) -> StringsBatches {
        self.fixed(&self.validation, self.strings.validation, 1)
    }

    /// Strings of the test part's recordings, as [`validation_batches`](Self::validation_batches); none where no recording
    /// or no string is kept for a test.
    pub fn test_batches(&self) -> Option<StringsBatches> {
        (self.facts.part_sizes[2] > 0).then(|| self.fixed(&self.test, self.strings.test, 2))
    }

    /// The strings of a part do not depend on the run's seed, so that runs can be compared.
    fn fixed(&self, part: &Arc<[usize]>, count: usize, number: u64) -> StringsBatches {
        let draw = Draw { seed: stream_seed(0, 0, number), anew: false };
        self.dealt(part, Dealer::fixed((0..count).collect(), self.batch_size), draw, None)
    }

    fn dealt(&self, part: &Arc<[usize]>, dealer: Dealer, draw: Draw, augment: Option<Augment>) -> StringsBatches {
        let composer = Arc::new(Composer::new(self.sounds.clone(), part.clone(), self.strings.clone(), draw));
        if !self.bucket_by_length {
            return StringsBatches::new(composer, dealer, augment);
        }
        let (count, strings) = (dealer.num_items(), composer.clone());
        let dealer = dealer.by_length_in_epoch(move |epoch| strings.lengths(epoch, count));
        StringsBatches::new(composer, dealer, augment)
    }

    /// What to keep beside the weights of a model that was trained on these data.
    pub fn artefact(&self) -> SpeechArtefact {
        SpeechArtefact { classes: self.classes.clone(), normalization: self.extractor().normalization().clone() }
    }

    /// What turns further recordings into features.
    pub fn extractor(&self) -> &FeatureExtractor {
        &self.sounds.extractor
    }

    /// The name of a recording with a number from [`StringItem::recordings`](super::StringItem::recordings).
    ///
    /// # Panics
    /// If there is no such recording: that is an error of the calling code. So it is below.
    pub fn name(&self, recording: usize) -> &str {
        &self.sounds.speech.recordings[recording].name
    }

    /// The class of that recording, by its place in [`classes`](Self::classes).
    pub fn label(&self, recording: usize) -> usize {
        self.sounds.speech.recordings[recording].label
    }

    /// Who speaks, where the source says so.
    pub fn speaker(&self, recording: usize) -> Option<&str> {
        let speech = &self.sounds.speech;
        speech.recordings[recording].speaker.map(|speaker| speech.speakers[speaker].as_str())
    }
}
