//! The job `image-classification`: which class a picture belongs to, or which labels it has.

use std::{collections::BTreeMap, marker::PhantomData};

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use classification::{MultiLabelPredictions, Predictions};
use data::image::{Image, ImageArtefact, ImageConfig, ImageData, Labels, augment::AugmentConfig};
use report::Section;
use training_loop::{
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, EmbedRequest, Generated, Job, PredictRequest, Trained},
    optimizer::ParameterGroup,
    parameters,
    preparation::{Activity, Preparation},
    task::{InnerModel, Scores, StepContext, StepOutput, Task},
    weights,
};

use crate::{
    ARTEFACT_FILE, ImageFamily, ImageNetwork, ImageOptions, ImageSizes,
    features::Features,
    load_artefact, load_images,
    loss::Loss,
    on_device, on_pixels, pages,
    parts::{Batch, Part, Parts},
    prediction::{Explanations, Said},
};

/// Pictures that are predicted at a time.
const PREDICTED_TOGETHER: usize = 16;

data_block! {
    /// `[data]`: the pictures, their classes, and how they become batches.
    ImageBlock(ImageConfig)
}

/// The job of a family of networks, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct ImageClassificationJob<F>(PhantomData<F>);

impl<F: ImageFamily> Job for ImageClassificationJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    const EXPLAINS: bool = true;

    type Data = ImageBlock;
    type Model = F;
    type Options = ImageOptions;
    type Task<B: AutodiffBackend> = ImageClassificationTask<B, F>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        // A run that goes on or is evaluated has weights and statistics of its own: those that it began with may be gone.
        let pretrained = match (context.artefacts, context.weights_follow) {
            (Some(_), true) => F::no_weights(),
            _ => blocks.model.weights(context.runs)?,
        };
        let images = load_images(config, || F::statistics(&pretrained), context)?;
        F::check_statistics(&pretrained, &images.artefact().statistics)?;
        B::seed(context.device, context.seed);
        let mut network = blocks.model.init::<B>(sizes(images.artefact()), context.device)?;
        if !context.weights_follow {
            blocks.model.load(&pretrained, &mut network, context.progress)?;
        }
        let stages = network.stages();
        let policy = &blocks.task.fine_tuning;
        let mut groups = blocks.model.parameter_groups(&parameters::list(&network));
        groups.extend(policy.groups(&stages)?);
        // Where nothing about a picture changes from epoch to epoch, neither do its features.
        let unchanging = config.augment == AugmentConfig::default() && !blocks.model.drops();
        let keeps_features = policy.trunk_stays_frozen(&stages)? && (policy.linear_probe || unchanging);
        let artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes())]);
        let task = ImageClassificationTask {
            loss: Loss::new(&blocks.task, &images)?,
            options: blocks.task.clone(),
            groups,
            keeps_features,
            kept: BTreeMap::new(),
            training_pictures: None,
            parts: Parts::new(&images, context.seed, blocks.task.test_views),
            images,
            pages: BTreeMap::new(),
            is_test: false,
            family: PhantomData,
        };
        let splits = task.parts.splits(keeps_features);
        let facts = task.images.facts.lines();
        Ok(Assembled { task, model: network.into(), splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let mut network = blocks.model.init::<B>(sizes(&artefact), trained.device)?;
        weights::apply(&mut network, trained.weights)?;
        let header = ["file", "class"].into_iter().map(str::to_string).chain(artefact.classes.iter().cloned());
        let mut rows = vec![header.collect()];
        let mut explanations = request.explain.as_deref().map(Explanations::new).transpose()?;
        for files in request.files()?.chunks(PREDICTED_TOGETHER) {
            let prepared: Vec<Image> = files.iter().map(|file| artefact.read(file)).collect::<Result<_, _>>()?;
            let pixels = on_pixels(&artefact, &prepared, trained.device);
            let said = Said::of(&artefact, network.logits(pixels.clone()));
            for (file, said) in files.iter().zip(&said) {
                if request.output.is_some() {
                    rows.push(said.row(file, &artefact));
                } else {
                    output(Generated::Text(&format!("{}  {}\n", said.line(), file.display())))?;
                }
            }
            if let Some(explanations) = &mut explanations {
                let classes: Vec<usize> = said.iter().map(Said::class).collect();
                let names: Vec<&str> = classes.iter().map(|class| artefact.classes[*class].as_str()).collect();
                explanations.write(files, &prepared, &names, network.explain(pixels, &classes), output)?;
            }
        }
        if request.output.is_some() {
            request.give_table(rows, output)?;
        }
        Ok(())
    }

    fn embed<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &EmbedRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let mut network = blocks.model.init::<B>(sizes(&artefact), trained.device)?;
        weights::apply(&mut network, trained.weights)?;
        crate::embed(&artefact, trained.device, request, |images| network.features(images), output)
    }
}

fn sizes(artefact: &ImageArtefact) -> ImageSizes {
    let ImageArtefact { channels, image_size, ref classes, .. } = *artefact;
    ImageSizes { channels, image_size, classes: classes.len() }
}

/// Classification of pictures.
pub struct ImageClassificationTask<B: AutodiffBackend, F> {
    options: ImageOptions,
    loss: Loss,
    groups: Vec<ParameterGroup>,
    images: ImageData,
    parts: Parts,
    /// Whether the trunk never changes and its features are kept.
    keeps_features: bool,
    kept: BTreeMap<Part, Features<B::InnerBackend>>,
    /// What the report shows of them; not where a finished model is scored.
    training_pictures: Option<Section>,
    pages: BTreeMap<String, serde_json::Value>,
    is_test: bool,
    family: PhantomData<F>,
}

impl<B: AutodiffBackend, F: ImageFamily> Task<B> for ImageClassificationTask<B, F> {
    type Model = F::Trained<B>;
    type Batch = Batch;

    fn item_name(&self) -> &'static str {
        "images"
    }

    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        self.groups.clone()
    }

    fn prepare(
        &mut self,
        model: &InnerModel<B, Self>,
        device: &B::Device,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        if self.is_test {
            return Ok(());
        }
        let is_plain = self.keeps_features && self.options.fine_tuning.feature_views == 0;
        let learned = if is_plain { self.images.plain_train_batches() } else { Some(self.parts.train.clone()) };
        if let Some(learned) = learned {
            self.training_pictures = pages::training_pictures(&self.images, &learned, self.options.shown_samples)?;
        }
        if self.keeps_features {
            for part in [Part::Train, Part::Validation] {
                self.keep(part, model, device, progress)?;
            }
        }
        Ok(())
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        match batch {
            Batch::Pictures(mut batch) => {
                let logits = model.logits(on_device(&mut batch, context.device));
                Ok(self.loss.mixed_step(logits, &batch))
            }
            Batch::Kept { part, epoch, indices } => {
                if !self.kept.contains_key(&part) {
                    self.keep(part, &burn::module::AutodiffModule::valid(model), context.device, &())?;
                }
                let features = self.kept[&part].of(&indices, epoch);
                let logits = model.classify(Tensor::from_inner(features));
                Ok(self.loss.step(logits, &self.images.labels(&indices)))
            }
        }
    }

    fn begin_test(&mut self) {
        self.is_test = true;
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut logits = Vec::new();
        for batch in batches {
            logits.push(match batch? {
                Batch::Pictures(mut batch) => {
                    let logits = self.loss.averaged(model.logits(on_device(&mut batch, device)), batch.views);
                    (logits, batch.indices, batch.labels)
                }
                Batch::Kept { part, epoch, indices } => {
                    self.keep(part, model, device, &())?;
                    let labels = self.images.labels(&indices);
                    (model.classify(self.kept[&part].of(&indices, epoch)), indices, labels)
                }
            });
        }
        let (scores, pages) = match self.loss {
            Loss::OneLabel(_) => self.score_classes(model, logits, device)?,
            Loss::SeveralLabels { .. } => self.score_labels(logits)?,
        };
        self.pages = pages;
        Ok(scores)
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// Logits, numbers and labels of a batch that was looked at.
type Seen<B> = (Tensor<B, 2>, Vec<usize>, Labels);

/// Sections of the report by the name of their file.
type Pages = BTreeMap<String, serde_json::Value>;

impl<B: AutodiffBackend, F: ImageFamily> ImageClassificationTask<B, F> {
    /// Computes the features of a part, where they are not kept yet.
    fn keep(
        &mut self,
        part: Part,
        network: &F::Model<B::InnerBackend>,
        device: &B::Device,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        let (what, batches, views) = match (part, self.options.fine_tuning.feature_views) {
            (Part::Train, 0) => ("features of the training part", self.images.plain_train_batches(), 1),
            (Part::Train, views) => ("features of the training part", Some(self.parts.train.clone()), views),
            (Part::Validation, _) => ("features of the validation part", self.parts.validation.clone(), 1),
        };
        let (false, Some(batches)) = (self.kept.contains_key(&part), batches) else { return Ok(()) };
        let pictures = views * batches.num_items();
        let mut done = |done| progress.progress(&Activity::items(what, "images", done, pictures));
        let features = Features::compute(network, &batches, views, device, &mut done)?;
        self.kept.insert(part, features);
        progress.note(&format!("{what}: {} numbers for each of {pictures} images, kept", network.num_features()));
        Ok(())
    }

    fn score_classes(
        &self,
        network: &F::Model<B::InnerBackend>,
        seen: Vec<Seen<B::InnerBackend>>,
        device: &B::Device,
    ) -> Result<(Scores, Pages), TaskError> {
        let mut predictions = Predictions::new(&self.images.classes, "images");
        for (logits, indices, labels) in seen {
            let Labels::Classes(classes) = labels else { unreachable!("the loss is that of one label") };
            predictions.add(logits, &indices, &classes);
        }
        let scores = predictions.scores()?;
        let mut pictures = Vec::new();
        let worst = predictions.worst(self.options.worst_mistakes);
        if !worst.is_empty() {
            pictures.push(pages::worst_mistakes(&self.images, &worst)?);
        }
        let explained = explained(&predictions, self.options.grad_cam);
        pictures.extend(pages::explanations(network, &self.images, &explained, F::EXPLANATION, device)?);
        Ok((scores, self.pages_of(predictions.sections(), pictures)?))
    }

    fn score_labels(&self, seen: Vec<Seen<B::InnerBackend>>) -> Result<(Scores, Pages), TaskError> {
        let mut predictions = MultiLabelPredictions::new(&self.images.classes, "images");
        for (logits, _, labels) in seen {
            let Labels::Multi { there, .. } = labels else { unreachable!("the loss is that of several labels") };
            predictions.add(logits, &there);
        }
        Ok((predictions.scores()?, self.pages_of(predictions.sections(), Vec::new())?))
    }

    fn pages_of(&self, scores: Vec<Section>, pictures: Vec<Section>) -> Result<Pages, TaskError> {
        let mut pages = Pages::from([("classification".to_string(), serde_json::to_value(scores)?)]);
        if !pictures.is_empty() {
            pages.insert("pictures".to_string(), serde_json::to_value(pictures)?);
        }
        if let (Some(section), false) = (&self.training_pictures, self.is_test) {
            pages.insert("training-pictures".to_string(), serde_json::to_value(section)?);
        }
        Ok(pages)
    }
}

/// Predictions to look into: the worst mistakes and the surest right ones, half of each.
fn explained<'a>(predictions: &'a Predictions<'_>, count: usize) -> Vec<&'a classification::Prediction> {
    let mut chosen = predictions.worst(count / 2);
    let mut right: Vec<_> = predictions.all().iter().filter(|p| p.class == p.label).collect();
    right.sort_by(|a, b| b.certainty.total_cmp(&a.certainty));
    chosen.extend(right.into_iter().take(count - chosen.len()));
    chosen
}
