//! The job `gan`: pictures like those of a data set, out of random numbers.

mod generation;
mod options;
mod training;

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::backend::{AutodiffBackend, Backend},
};
use data::image::{ImageArtefact, ImageBatches, ImageData};
use training_loop::{
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job},
    model_block,
    task::Splits,
};

pub use options::{Features, GanOptions};
pub use training::GanTask;

use super::{
    features::{FEATURES_FILE, FeatureNetwork, train},
    pictures::{self, ARTEFACT_FILE, PictureBlock, PixelRange},
};
use crate::gan::{Architecture, Conditional, GanConfig, GanSizes};

model_block!(GanConfig);

/// `job = "gan"`.
#[derive(Debug, Clone, Copy)]
pub struct GanJob;

impl Job for GanJob {
    const NAME: &'static str = "gan";
    const SUMMARY: &'static str =
        "a generator that makes pictures, and a discriminator that it learns from (DCGAN, WGAN-GP and others)";
    const MAKES_CLASSES: bool = true;
    const INTERPOLATES: bool = true;

    type Data = PictureBlock;
    type Model = GanConfig;
    type Options = GanOptions;
    type Task<B: AutodiffBackend> = GanTask<B>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let images = pictures::load(&blocks.data.0, PixelRange::Symmetric, context)?;
        check(blocks, images.artefact())?;
        let features = feature_network::<B>(&blocks.task, &images, context)?;
        B::seed(context.device, context.seed);
        let norm = blocks.task.discriminator_norm(&blocks.model);
        let model = blocks.model.init::<B>(norm, sizes(images.artefact()), context.device);
        let mut artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes())]);
        if let Some(network) = &features {
            artefacts.extend(network.to_file()?);
        }
        let mut facts = images.facts.lines();
        let [generator, discriminator] = [model.generator.num_params(), model.discriminator.num_params()];
        facts.push(("networks".into(), format!("generator {generator} parameters, discriminator {discriminator}")));
        let learned = images.train_batches(context.seed);
        let of = |batches: ImageBatches| {
            training_loop::task::Batches::new(batches.num_batches() as u64, move |epoch, index| {
                Ok(batches.batch(epoch, index as usize)?)
            })
        };
        let splits = Splits {
            train: of(learned),
            validation: images.validation_batches().map(of),
            test: images.test_batches(Default::default()).map(of),
        };
        let task = GanTask::new(blocks, images, features, context.seed);
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    /// Writes pictures, or ways between pictures, to a file.
    fn generate<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &training_loop::job::Trained<'_, B::Device>,
        request: &GenerateRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        generation::generate::<B>(blocks, trained, request, output)
    }
}

/// What decides the sizes of the networks for these pictures.
fn sizes(artefact: &ImageArtefact) -> GanSizes {
    let ImageArtefact { channels, image_size, ref classes, .. } = *artefact;
    GanSizes { channels, image_size, classes: classes.len() }
}

/// Refuses what only shows where the pictures are known.
fn check(blocks: &Blocks<GanJob>, artefact: &ImageArtefact) -> Result<(), TaskError> {
    if blocks.model.architecture == Architecture::Dcgan {
        GanConfig::doublings(artefact.image_size).map_err(|message| format!("`data.image_size`: {message}"))?;
    }
    let knows_classes = blocks.data.0.labelled && !artefact.multi_label;
    if blocks.model.conditional != Conditional::None && !knows_classes {
        return Err("`model.conditional` needs pictures of one class each: give \"none\", or data with classes".into());
    }
    if blocks.task.features == Features::Classifier && (!knows_classes || artefact.classes.len() < 2) {
        let message = "`task.features` is \"classifier\", which learns from pictures of one class each: give \"random\" or \"none\", \
                       or data with classes";
        return Err(message.into());
    }
    if blocks.task.penalises_batches(&blocks.model) {
        let message = "`model.discriminator_norm` is \"batch\", which makes the score of a picture depend on others, so its slope, which \
                       `task.gradient_penalty` and `task.r1` penalise, means nothing: give \"none\" or \"spectral\"";
        return Err(message.into());
    }
    let symmetric = |values: &[f32]| values.iter().all(|value| *value == 0.5);
    if !symmetric(&artefact.statistics.mean) || !symmetric(&artefact.statistics.std) {
        return Err("`data.normalize`: a generator makes values from -1 to 1, so leave it out (\"auto\")".into());
    }
    Ok(())
}

/// The network that scores pictures: the one that the run has, or a new one.
fn feature_network<B: AutodiffBackend>(
    options: &GanOptions,
    images: &ImageData,
    context: &AssembleContext<'_, B::Device>,
) -> Result<Option<FeatureNetwork<B::InnerBackend>>, TaskError> {
    let kept = context.artefacts.map(|run| run.join(FEATURES_FILE)).filter(|path| path.is_file());
    match (options.features, kept) {
        (Features::None, _) => Ok(None),
        (_, Some(path)) => FeatureNetwork::of_file(&path, images.artefact(), context.device).map(Some),
        (Features::Random, None) => {
            B::seed(context.device, context.seed);
            Ok(Some(FeatureNetwork::new(images.artefact(), context.device)))
        }
        (Features::Classifier, None) => {
            train::<B>(images, options.classifier_steps, context.seed, context.device, context.progress).map(Some)
        }
    }
}
