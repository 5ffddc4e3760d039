//! The scores of a run that makes pictures: which network's features they go by, and the pages that show them.

use std::collections::BTreeMap;

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use data::image::{Image, ImageArtefact, ImageData, png};
use report::{Body, Picture, PictureBytes, PictureSource, Section, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{config::Problems, error::TaskError, job::AssembleContext, preparation::Preparation, task::Scores};

use super::{
    evaluator::Evaluator,
    features::{Extractor, FeatureNetwork, NUM_FEATURES, train},
    pictures,
};

/// Generated pictures in the report beside the training pictures that are nearest to them.
const COMPARED: usize = 8;

/// Pictures that are made at a time where none learns from them.
pub const AT_ONCE: usize = 100;

/// Whose features tell how near generated pictures are to real ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// A classifier's.
    #[default]
    Classifier,
    /// Those of a network with random weights.
    Random,
    /// Inception-v3's, whose distances are published.
    Inception,
    /// Nobody's: there are no such scores.
    None,
}

impl Features {
    /// The file of a run that keeps the network.
    fn file(self) -> &'static str {
        match self {
            Self::Random => "features-random.safetensors",
            _ => "features.safetensors",
        }
    }

    /// Refuses pictures that a classifier cannot learn from.
    ///
    /// # Errors
    /// When there are fewer than two classes, or a picture may have several.
    pub fn check(self, knows_classes: bool, artefact: &ImageArtefact) -> Result<(), TaskError> {
        if self == Self::Classifier && (!knows_classes || artefact.classes.len() < 2) {
            let message = "`task.features` is \"classifier\", which learns from pictures of one class each: give \"inception\", \
                           \"random\" or \"none\", or data with classes";
            return Err(message.into());
        }
        Ok(())
    }
}

/// The keys of `[task]` that say how pictures are scored.
#[derive(Debug, Clone, Copy)]
pub struct ScoringOptions<'a> {
    /// `features`
    pub features: Features,
    /// `inception_weights`, which counts where features are Inception's
    pub inception_weights: Option<&'a str>,
    /// `classifier_steps`
    pub classifier_steps: usize,
    /// `scored_images`
    pub scored_images: usize,
}

impl ScoringOptions<'_> {
    /// Refuses settings under which scores mean nothing.
    pub fn validate(&self, problems: &mut Problems) {
        problems.check(self.classifier_steps > 0, "classifier_steps", "must be at least 1");
        problems.check(
            self.features == Features::None || self.scored_images > NUM_FEATURES,
            "scored_images",
            "must be above 64, the number of a classifier's features: fewer pictures have no covariance (published distances by \
             Inception's 2,048 take 50,000 pictures)",
        );
    }
}

/// Scores what a run makes.
pub struct Scorer<B: Backend> {
    features: Features,
    count: usize,
    images: ImageData,
    network: Option<Extractor<B>>,
    evaluator: Option<Evaluator<B>>,
}

impl<B: Backend> Scorer<B> {
    /// With the network that the run has, or a new one.
    ///
    /// # Errors
    /// When the run's network is damaged, Inception's weights are not to be had, or a picture cannot be read any more.
    pub fn new<A: AutodiffBackend<InnerBackend = B, Device = B::Device>>(
        options: ScoringOptions<'_>,
        images: &ImageData,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Self, TaskError> {
        let AssembleContext { device, seed, progress, .. } = *context;
        let ScoringOptions { features, inception_weights, classifier_steps, scored_images: count } = options;
        let kept = context.artefacts.map(|run| run.join(features.file())).filter(|path| path.is_file());
        let network = match (features, kept) {
            (Features::None, _) => None,
            (Features::Inception, _) => Some(Extractor::inception(inception_weights, device, progress)?),
            (_, Some(path)) => Some(Extractor::own(FeatureNetwork::of_file(&path, images.artefact(), device)?)),
            (Features::Random, None) => {
                B::seed(device, seed);
                Some(Extractor::own(FeatureNetwork::new(images.artefact(), device)))
            }
            (Features::Classifier, None) => {
                Some(Extractor::own(train::<A>(images, classifier_steps, seed, device, progress)?))
            }
        };
        Ok(Self { features, count, images: images.clone(), network, evaluator: None })
    }

    /// What the run keeps of it.
    ///
    /// # Errors
    /// Those of [`FeatureNetwork::to_file`].
    pub fn artefacts(&self) -> Result<BTreeMap<String, Vec<u8>>, TaskError> {
        let Some(Extractor::Own(network)) = &self.network else { return Ok(BTreeMap::new()) };
        Ok(BTreeMap::from([(self.features.file().to_string(), network.to_file()?)]))
    }

    /// How many pictures are scored each time; none where nothing is scored.
    pub fn count(&self) -> Option<usize> {
        self.network.as_ref().map(|_| self.count)
    }

    /// Looks at the real pictures, once.
    ///
    /// # Errors
    /// Those of [`Evaluator::new`].
    pub fn prepare(&mut self, device: &B::Device, progress: &dyn Preparation) -> Result<(), TaskError> {
        if let Some(network) = self.network.clone() {
            let by_class = self.features == Features::Classifier;
            self.evaluator = Some(Evaluator::new(network, by_class, &self.images, self.count, device, progress)?);
        }
        Ok(())
    }

    /// The scores of [`count`](Self::count) generated pictures, and their pages; nothing where nothing is scored. `made` are these pictures,
    /// in parts; `asked` is the class that each was to be of.
    ///
    /// # Errors
    /// When a feature is not finite, or a picture cannot be read any more.
    pub fn score(
        &self,
        made: impl IntoIterator<Item = Tensor<B, 4>>,
        asked: Option<&[i32]>,
    ) -> Result<(Scores, Vec<Section>), TaskError> {
        let Some(evaluator) = &self.evaluator else { return Ok(Default::default()) };
        let mut first = Vec::new();
        let seen = evaluator.look(made.into_iter().inspect(|pictures| {
            if first.is_empty() {
                let few = COMPARED.min(pictures.dims()[0]);
                first = pictures::images(pictures.clone().narrow(0, 0, few), self.images.artefact());
            }
        }))?;
        let scores = evaluator.scores(&seen, asked)?;
        let nearest = evaluator.nearest(&seen, first.len())?;
        let nearest = self.nearest_pictures(&first, &nearest, evaluator.num_real())?;
        let sections = vec![self.score_table(&scores, evaluator.floor()), nearest];
        Ok((scores, sections))
    }

    fn score_table(&self, scores: &Scores, floor: Option<f64>) -> Section {
        let meaning = |name: &str| match name {
            "fid" => "distance of the features of generated and real pictures; smaller is better",
            "precision" => "share of generated pictures that are like real ones",
            "recall" => "share of real pictures that are like generated ones",
            "diversity" => "how far generated pictures lie apart, as a share of real ones; near 0 they are all one",
            "classes_covered" => "classes that are generated at all, by the classifier",
            "class_evenness" => "how evenly classes are generated: 1 where all are alike",
            "class_accuracy" => "share of generated pictures that are of the class that was asked for",
            _ => "",
        };
        let row = |(name, value): (&String, &f64)| {
            let named = !meaning(name).is_empty();
            named.then(|| vec![name.replace('_', " "), format!("{value:.3}"), meaning(name).to_string()])
        };
        let mut rows: Vec<_> = scores.iter().filter_map(row).collect();
        if let Some(floor) = floor {
            let meaning = "the same distance of held-out real pictures: no generator can be expected to be nearer";
            rows.push(vec!["FID of real pictures".into(), format!("{floor:.3}"), meaning.into()]);
        }
        let columns = ["score", "value", "meaning"].map(str::to_string).to_vec();
        let of = match self.features {
            Features::Random => {
                "a network with random weights: to compare runs on these data, not with published numbers"
            }
            Features::Inception => {
                "Inception-v3, as published distances are, which take 50,000 pictures: fewer seem farther"
            }
            _ => {
                "a small classifier of the training pictures: to compare runs on these data, not with published numbers"
            }
        };
        let caption = format!("{} generated pictures, by the features of {of}.", self.count);
        Section::new("Generated and real", Body::Table(Table { columns, rows })).with_caption(caption)
    }

    fn nearest_pictures(&self, made: &[Image], nearest: &[usize], known: usize) -> Result<Section, TaskError> {
        let mut images = Vec::new();
        let labelled =
            |image: &Image, label: String| Picture { label, source: PictureSource::Data(PictureBytes(png(image))) };
        for (made, index) in made.iter().zip(nearest) {
            images.push(labelled(made, "generated".into()));
            images.push(labelled(&self.images.prepared(*index)?, format!("nearest: {}", self.images.name(*index))));
        }
        let caption = format!(
            "Generated pictures, each before the nearest of {known} training pictures: a generator that learned by heart makes the same twice."
        );
        Ok(Section::new("Nearest training pictures", Body::Image { images }).with_caption(caption))
    }
}
