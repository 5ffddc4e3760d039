use super::Image;
use super::artefact::ImageArtefact;
use super::augment::{Augmentation, TestViews};
use super::batches::{ImageBatches, Labels, Preparation};
use super::config::ImageConfig;
use super::facts::ImageFacts;
use super::pictures::{Pictures, Reading};
use super::source::{Pixels, Source};
use super::split;
use super::statistics::{Normalize, NormalizeRule, Statistics};
use crate::dealing::Dealer;
use crate::split::Parts;
use crate::{DataError, PartCounts};
use download::Progress;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Pictures of up to this side are small: a network sees them as large as they are.
const SMALL: usize = 64;

/// Height and width of what a network sees of larger pictures, unless the configuration says otherwise.
const USUAL_SIZE: usize = 224;

/// The part of the shorter side that the middle takes, unless the configuration says otherwise: 224 of 256.
const USUAL_CROP: f64 = 0.875;

/// Pictures that are read and split: all that training a classifier needs of its data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ImageData {
    /// The classes in the order of their numbers.
    pub classes: Vec<String>,
    /// Counts for reports.
    pub facts: ImageFacts,
    pictures: Arc<Pictures>,
    artefact: Arc<ImageArtefact>,
    config: ImageConfig,
    train: Arc<[usize]>,
    validation: Arc<[usize]>,
    test: Arc<[usize]>,
}

impl ImageData {
    /// Reads the source and splits it. `pretrained` are the statistics that weights were trained with, for `normalize = "auto"`.
    /// `progress` is told of a download: the file, and how much of it is there.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or has fewer than two classes, and a split that
    /// leaves a class without training picture.
    pub fn load(
        config: &ImageConfig,
        pretrained: Option<Statistics>,
        progress: &mut dyn FnMut(&str, Progress),
    ) -> Result<Self, DataError> {
        DataError::first_of(config.validate())?;
        let loaded = Loaded::new(config, None, progress)?;
        let artefact = loaded.learn(config, pretrained)?;
        Ok(loaded.finish(config, artefact))
    }

    /// As [`load`](Self::load) with classes, sizes and statistics that exist already, as when a run is resumed or evaluated.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`DataError::BadClasses`] for a picture whose class is not among those.
    pub fn load_with(
        config: &ImageConfig,
        artefact: ImageArtefact,
        progress: &mut dyn FnMut(&str, Progress),
    ) -> Result<Self, DataError> {
        DataError::first_of(config.validate())?;
        Ok(Loaded::new(config, Some(&artefact), progress)?.finish(config, artefact))
    }

    /// The same pictures for a network that sees them as large as `image_size`; what pixels are scaled by stays.
    pub fn resized(self, image_size: usize) -> Self {
        let artefact = ImageArtefact { image_size, ..(*self.artefact).clone() };
        Self { artefact: artefact.into(), facts: ImageFacts { image_size, ..self.facts }, ..self }
    }

    /// Training batches; their order and how their pictures are changed follow from `seed`.
    pub fn train_batches(&self, seed: u64) -> ImageBatches {
        let ImageArtefact { image_size, crop_fraction, .. } = *self.artefact;
        let augmentation = Arc::new(Augmentation::new(&self.config.augment, image_size, crop_fraction));
        let dealer = Dealer::shuffled(self.train.clone(), self.config.batch_size, seed);
        self.dealt(dealer, Preparation::Changed { augmentation, seed })
    }

    /// One pass over the validation part as it is; none where no picture is kept for validation.
    pub fn validation_batches(&self) -> Option<ImageBatches> {
        self.fixed(&self.validation, TestViews::None)
    }

    /// One pass over the test part in one or several views; none where no picture is kept for a test.
    pub fn test_batches(&self, views: TestViews) -> Option<ImageBatches> {
        self.fixed(&self.test, views)
    }

    /// One pass over the training part as it is.
    pub fn plain_train_batches(&self) -> Option<ImageBatches> {
        self.fixed(&self.train, TestViews::None)
    }

    fn fixed(&self, part: &Arc<[usize]>, views: TestViews) -> Option<ImageBatches> {
        let dealer = || Dealer::fixed(part.clone(), self.config.batch_size);
        (!part.is_empty()).then(|| self.dealt(dealer(), Preparation::Fixed(views)))
    }

    fn dealt(&self, dealer: Dealer, preparation: Preparation) -> ImageBatches {
        ImageBatches::new(self.pictures.clone(), self.artefact.clone(), dealer, preparation)
    }

    /// Pictures of all parts: their numbers are below this.
    pub fn num_pictures(&self) -> usize {
        self.pictures.sizes().len()
    }

    /// What to keep beside the weights of a model that was trained on these data.
    pub fn artefact(&self) -> &ImageArtefact {
        &self.artefact
    }

    /// Whether a picture may have several labels.
    pub fn multi_label(&self) -> bool {
        self.artefact.multi_label
    }

    /// What the pictures with numbers from [`ImageBatch::indices`](super::ImageBatch::indices) show.
    ///
    /// # Panics
    /// If there is no such picture: that is an error of the calling code. So it is below.
    pub fn labels(&self, indices: &[usize]) -> Labels {
        self.pictures.labels(indices)
    }

    /// The name of that picture: its path in the source.
    pub fn name(&self, index: usize) -> &str {
        self.pictures.name(index)
    }

    /// Its whole path; inside an archive or an embedded source, no file has it.
    pub fn path(&self, index: usize) -> PathBuf {
        self.pictures.path(index)
    }

    /// The names of its classes.
    pub fn classes_of(&self, index: usize) -> Vec<&str> {
        self.pictures.classes_of(index).iter().map(|class| self.classes[*class].as_str()).collect()
    }

    /// It as an evaluation sees it.
    ///
    /// # Errors
    /// [`DataError`] where it is not kept in memory and cannot be read any more.
    pub fn prepared(&self, index: usize) -> Result<Image, DataError> {
        Ok(self.artefact.prepare(&*self.pictures.image(index)?))
    }
}

/// Pictures before it is known what the network sees of them.
struct Loaded {
    classes: Vec<String>,
    pictures: Pictures,
    skipped: Vec<String>,
    parts: Parts,
}

impl Loaded {
    /// With `artefact`, its classes decide the numbers and no other may come.
    fn new(
        config: &ImageConfig,
        artefact: Option<&ImageArtefact>,
        progress: &mut dyn FnMut(&str, Progress),
    ) -> Result<Self, DataError> {
        let mut source = Source::find(config, progress)?;
        let classes = match artefact {
            Some(artefact) => artefact.classes.clone(),
            None => classes_of(config, &source)?,
        };
        if !config.classes.is_empty() {
            keep_only(&mut source, &config.classes, config.multi_label);
        }
        let mut labels = Vec::new();
        for found in &source.found {
            let place = |label: &String| classes.iter().position(|class| class == label);
            let of_picture: Option<Vec<usize>> = found.labels.iter().map(place).collect();
            labels.push(of_picture.ok_or_else(|| unknown_class(&source, found, &classes))?);
        }
        let raw_channels = source.found.iter().map(|found| match &found.pixels {
            Pixels::Raw(image) => image.channels,
            Pixels::Encoded(_) => 3,
        });
        let channels = match artefact {
            Some(artefact) => artefact.channels,
            None => config.channels.or(raw_channels.max()).unwrap_or(3),
        };
        let Source { root, found, .. } = source;
        let ImageConfig { memory_mib, on_error, multi_label, .. } = *config;
        let reading = Reading { channels, memory_mib, on_error, multi_label };
        let (pictures, skipped) = Pictures::read(found, labels, classes.len(), root, &reading)?;
        let parts = split::parts(config, &pictures)?;
        Ok(Self { classes, pictures, skipped, parts })
    }

    /// What the network sees of the pictures: as configured, or as they suggest.
    fn learn(&self, config: &ImageConfig, pretrained: Option<Statistics>) -> Result<ImageArtefact, DataError> {
        let sizes = self.pictures.sizes();
        let alike = sizes.iter().all(|size| *size == [sizes[0][0]; 2]).then_some(sizes[0][0]);
        let image_size = config.image_size.or(alike.filter(|side| *side <= SMALL)).unwrap_or(USUAL_SIZE);
        let usual_crop = if alike.is_some_and(|side| side <= SMALL) { 1.0 } else { USUAL_CROP };
        let channels = self.pictures.channels();
        let mut artefact = ImageArtefact {
            classes: self.classes.clone(),
            multi_label: config.multi_label,
            image_size,
            channels,
            crop_fraction: config.crop_fraction.unwrap_or(usual_crop),
            statistics: Statistics::none(channels),
        };
        let of_training = || {
            let train = &self.parts.train;
            let image = |place: usize| Ok::<_, DataError>(artefact.prepare(&*self.pictures.image(train[place])?));
            Statistics::of(train.len(), image_size, channels, image)
        };
        let statistics = match (&config.normalize, pretrained) {
            (Normalize::Rule(NormalizeRule::Auto), Some(pretrained)) => pretrained,
            (Normalize::Rule(NormalizeRule::Auto | NormalizeRule::Training), _) => of_training()?,
            (Normalize::Rule(NormalizeRule::Imagenet), _) => Statistics::imagenet(),
            (Normalize::Rule(NormalizeRule::None), _) => Statistics::none(channels),
            (Normalize::Given(given), _) => given.clone(),
        };
        artefact.statistics = statistics.with_channels(channels);
        Ok(artefact)
    }

    fn finish(self, config: &ImageConfig, artefact: ImageArtefact) -> ImageData {
        let Self { classes, pictures, skipped, parts } = self;
        let range = |axis: usize| {
            let of_axis = || pictures.sizes().iter().map(|size| size[axis]);
            [of_axis().min().unwrap_or(0), of_axis().max().unwrap_or(0)]
        };
        let facts = ImageFacts {
            source: config.source.clone(),
            classes: PartCounts::of(&classes, &parts, |place| pictures.classes_of(place).to_vec()),
            part_sizes: [parts.train.len(), parts.validation.len(), parts.test.len()],
            skipped,
            sizes: [range(0), range(1)],
            image_size: artefact.image_size,
            channels: artefact.channels,
            statistics: artefact.statistics.clone(),
            in_memory: pictures.in_memory(),
        };
        ImageData {
            classes,
            facts,
            pictures: Arc::new(pictures),
            artefact: Arc::new(artefact),
            config: config.clone(),
            train: parts.train.into(),
            validation: parts.validation.into(),
            test: parts.test.into(),
        }
    }
}

/// The classes: as configured, in the source's own order, or by name.
fn classes_of(config: &ImageConfig, source: &Source) -> Result<Vec<String>, DataError> {
    let found: BTreeSet<&String> = source.found.iter().flat_map(|found| &found.labels).collect();
    let listed = || found.iter().map(|class| format!("`{class}`")).collect::<Vec<_>>().join(", ");
    if let Some(missing) = config.classes.iter().find(|class| !found.contains(class)) {
        let message = format!("names `{missing}`, and no picture is of that class; there are {}", listed());
        return Err(DataError::Config { key: "classes", message });
    }
    let classes = match (config.classes.is_empty(), &source.classes) {
        (false, _) => config.classes.clone(),
        (true, Some(classes)) => classes.clone(),
        (true, None) => found.iter().map(|class| (*class).clone()).collect(),
    };
    let least = if config.multi_label || !config.labelled { 1 } else { 2 };
    if classes.len() < least {
        let message = format!("pictures of at least {least} classes are expected, and there is {}", listed());
        return Err(DataError::BadClasses { path: source.root.clone(), message });
    }
    Ok(classes)
}

/// Leaves out the pictures, or the labels, of other classes.
fn keep_only(source: &mut Source, classes: &[String], multi_label: bool) {
    for found in &mut source.found {
        found.labels.retain(|label| classes.contains(label));
    }
    if !multi_label {
        source.found.retain(|found| !found.labels.is_empty());
    }
}

fn unknown_class(source: &Source, found: &super::source::Found, classes: &[String]) -> DataError {
    let unknown = found.labels.iter().find(|label| !classes.contains(label)).map_or("", String::as_str);
    let message = DataError::unknown_class(unknown, classes);
    DataError::BadClasses { path: source.root.join(&found.name), message }
}
