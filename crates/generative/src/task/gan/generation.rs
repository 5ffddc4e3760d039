//! `train generate`: pictures by a trained generator, and ways between them.

use std::{fs, path::PathBuf};

use burn::tensor::backend::Backend;
use data::image::{Image, ImageArtefact, gif, png};
use training_loop::{
    error::TaskError,
    job::{Blocks, GenerateRequest, Generated, Trained},
    weights,
};

use super::{GanJob, sizes, training::pictures_of};
use crate::{
    gan::{Conditional, Gan},
    task::{
        latents::{self, Latent},
        pictures::{images, in_grid, load_artefact},
    },
};

/// Pictures that are made at a time.
const AT_ONCE: usize = 100;

/// Hundredths of a second for which a picture of an animation is shown.
const SHOWN: u16 = 6;

pub(super) fn generate<B: Backend>(
    blocks: &Blocks<GanJob>,
    trained: &Trained<'_, B::Device>,
    request: &GenerateRequest,
    output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
) -> Result<(), TaskError> {
    let artefact = load_artefact(trained.artefacts)?;
    let norm = blocks.task.discriminator_norm(&blocks.model);
    let mut networks: Gan<B> = blocks.model.init(norm, sizes(&artefact), trained.device);
    weights::apply(&mut networks, trained.weights)?;
    let by_class = blocks.model.conditional != Conditional::None;
    let class = request.class.as_deref().map(|name| class_of(name, by_class, &artefact)).transpose()?;
    // Without a class that is asked for, each in turn.
    let class_of_picture = |place: usize| class.unwrap_or(place % artefact.classes.len().max(1)) as i32;
    let make = |latents: &[Latent], classes: &[i32]| -> Vec<Image> {
        let parts = latents.chunks(AT_ONCE).zip(classes.chunks(AT_ONCE));
        let pictures = parts.map(|(latents, classes)| {
            pictures_of(&networks.generator, latents, by_class.then_some(classes), trained.device)
        });
        pictures.flat_map(|pixels| images(pixels, &artefact)).collect()
    };
    let (size, count) = (networks.generator.latent_size(), request.count);
    let path = request.out.clone().unwrap_or_else(|| PathBuf::from("generated.png"));
    let moving = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gif"));
    if moving && request.interpolate.is_none() {
        return Err("a .gif is an animation from picture to picture: add --interpolate, or write a .png".into());
    }
    let bytes = match request.interpolate {
        None => {
            let classes: Vec<i32> = (0..count).map(class_of_picture).collect();
            // A column for each class where all are shown.
            let columns = (by_class && class.is_none()).then_some(artefact.classes.len());
            png(&in_grid(&make(&latents::latents(size, request.seed, count), &classes), columns))
        }
        Some(frames) => {
            let way = if moving { latents::circle } else { latents::line };
            let ways = (0..count).map(|place| {
                let latents = way(size, request.seed, place as u64, frames);
                make(&latents, &vec![class_of_picture(place); frames])
            });
            let ways: Vec<Vec<Image>> = ways.collect();
            if moving {
                let frame = |at: usize| in_grid(&ways.iter().map(|way| way[at].clone()).collect::<Vec<_>>(), None);
                gif(&(0..frames).map(frame).collect::<Vec<_>>(), SHOWN)
            } else {
                png(&in_grid(&ways.concat(), Some(frames)))
            }
        }
    };
    fs::write(&path, bytes).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    output(Generated::File(&path))?;
    Ok(())
}

/// The number of a class, by its name or as it is.
fn class_of(name: &str, by_class: bool, artefact: &ImageArtefact) -> Result<usize, TaskError> {
    if !by_class {
        let message = "this run makes nothing by class (its `model.conditional` is \"none\"): leave out --class";
        return Err(message.into());
    }
    let classes = &artefact.classes;
    let named = classes.iter().position(|class| class == name);
    named.or_else(|| name.parse().ok().filter(|number| *number < classes.len())).ok_or_else(|| {
        let last = classes.len() - 1;
        format!("--class {name}: there is no such class; there are {} (or 0 to {last})", classes.join(", ")).into()
    })
}
