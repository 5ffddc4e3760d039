//! The job `gan`: pictures like those of a data set, out of random numbers.

mod options;
mod training;

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::backend::{AutodiffBackend, Backend},
};
use data::image::ImageArtefact;
use training_loop::{
    error::TaskError,
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job},
    model_block, weights,
};

pub use options::GanOptions;
pub use training::GanTask;
use training::pictures_of;

use super::{
    generation::{self, Asked},
    pictures::{self, ARTEFACT_FILE, PictureBlock, PixelRange, load_artefact},
    scoring::Scorer,
};
use crate::gan::{Architecture, Conditional, Gan, GanConfig, GanSizes};

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
        pictures::check_watched(&images)?;
        let scorer = Scorer::new::<B>(blocks.task.scoring(), &images, context)?;
        B::seed(context.device, context.seed);
        let norm = blocks.task.discriminator_norm(&blocks.model);
        let model = blocks.model.init::<B>(norm, sizes(images.artefact()), context.device);
        let mut artefacts = BTreeMap::from([(ARTEFACT_FILE.to_string(), images.artefact().to_json().into_bytes())]);
        artefacts.extend(scorer.artefacts()?);
        let mut facts = images.facts.lines();
        let [generator, discriminator] = [model.generator.num_params(), model.discriminator.num_params()];
        facts.push(("networks".into(), format!("generator {generator} parameters, discriminator {discriminator}")));
        let splits = pictures::splits(&images, context.seed);
        let task = GanTask::new(blocks, images, scorer, context.seed);
        Ok(Assembled { task, model, splits, artefacts, facts })
    }

    fn generate<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &training_loop::job::Trained<'_, B::Device>,
        request: &GenerateRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let artefact = load_artefact(trained.artefacts)?;
        let norm = blocks.task.discriminator_norm(&blocks.model);
        let mut networks: Gan<B> = blocks.model.init(norm, sizes(&artefact), trained.device);
        weights::apply(&mut networks, trained.weights)?;
        let generator = &networks.generator;
        let by_class = blocks.model.conditional != Conditional::None;
        let asked = Asked { latent_size: generator.latent_size(), by_class, by_class_key: "model.conditional" };
        generation::generate(request, &asked, &artefact, output, |latents, classes| {
            pictures_of(generator, latents, by_class.then_some(classes), trained.device)
        })
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
    let knows_classes = pictures::knows_classes(&blocks.data.0, artefact);
    if blocks.model.conditional != Conditional::None && !knows_classes {
        return Err("`model.conditional` needs pictures of one class each: give \"none\", or data with classes".into());
    }
    blocks.task.features.check(knows_classes, artefact)?;
    if blocks.task.penalises_batches(&blocks.model) {
        let message = "`model.discriminator_norm` is \"batch\", which makes the score of a picture depend on others, so its slope, which \
                       `task.gradient_penalty` and `task.r1` penalise, means nothing: give \"none\" or \"spectral\"";
        return Err(message.into());
    }
    pictures::check_symmetric(artefact)
}
