//! What every job that makes pictures of random numbers has: pictures that are shown and scored in training, and what `train generate`
//! writes, pictures and ways between them.

use std::{fs, path::PathBuf};

use burn::tensor::{Tensor, backend::Backend};
use data::image::{Image, ImageArtefact, gif, png};
use training_loop::{
    error::TaskError,
    job::{GenerateRequest, Generated},
    task::Sample,
};

use super::{
    latents::{self, Latent},
    pictures::{images, in_grid, sample},
    scoring::AT_ONCE,
};

/// Hundredths of a second for which a picture of an animation is shown.
const FRAME_TIME: u16 = 6;

/// Keeps the random numbers of samples and of scored pictures apart from the rest of what follows from a seed.
const SHOWN: u64 = 0x7368_6f77;
const SCORED: u64 = 0x7363_6f72;

/// Pictures to be made: the random numbers of each, and the class of each where they are made by class.
pub struct Wanted {
    /// One a picture.
    pub latents: Vec<Latent>,
    /// One a picture.
    pub classes: Option<Vec<i32>>,
    /// In a row of a grid; none for a square one.
    pub columns: Option<usize>,
}

impl Wanted {
    /// Pictures that a run of this seed is scored by, of each class in turn; `classes`: none where they are not made by class.
    pub fn scored(count: usize, classes: Option<usize>, latent_size: usize, seed: u64) -> Self {
        let of_each = classes.map(|classes| (0..count).map(|place| (place % classes) as i32).collect());
        Self { latents: latents::latents(latent_size, seed ^ SCORED, count), classes: of_each, columns: None }
    }

    /// Pictures that a run of this seed shows, about `count`: a row a class where they are made by class, with at least one each.
    pub fn shown(count: usize, classes: Option<usize>, latent_size: usize, seed: u64) -> Self {
        let columns = classes.map(|classes| (count / classes).max(1));
        let of_each: Option<Vec<i32>> = classes
            .zip(columns)
            .map(|(classes, columns)| (0..classes).flat_map(|class| vec![class as i32; columns]).collect());
        let count = of_each.as_ref().map_or(count, Vec::len);
        Self { latents: latents::latents(latent_size, seed ^ SHOWN, count), classes: of_each, columns }
    }

    /// What `make` makes of them, a part at a time.
    pub fn made<B: Backend>(
        &self,
        make: impl Fn(&[Latent], Option<&[i32]>) -> Tensor<B, 4>,
    ) -> impl Iterator<Item = Tensor<B, 4>> {
        self.latents.chunks(AT_ONCE).enumerate().map(move |(part, latents)| {
            let classes = self.classes.as_ref().map(|classes| &classes[part * AT_ONCE..][..latents.len()]);
            make(latents, classes)
        })
    }

    /// The same as a sample of training.
    pub fn sample<B: Backend>(
        &self,
        artefact: &ImageArtefact,
        make: impl Fn(&[Latent], Option<&[i32]>) -> Tensor<B, 4>,
    ) -> Sample {
        let pictures: Vec<Image> = self.made(make).flat_map(|pixels| images(pixels, artefact)).collect();
        sample("", &pictures, self.columns)
    }
}

/// What a trained network has to be asked with.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How many random numbers a picture is made of.
    pub latent_size: usize,
    /// Whether pictures are made by class.
    pub by_class: bool,
    /// The key of the config that decides that.
    pub by_class_key: &'static str,
}

/// Writes what was asked for to a file. `make` is the network: random numbers of pictures, and the class of each, to
/// `[pictures, channels, size, size]`; the class means nothing where pictures are not made by class.
///
/// # Errors
/// When there is no such class, or the file cannot be written.
pub fn generate<B: Backend>(
    request: &GenerateRequest,
    asked: &Asked,
    artefact: &ImageArtefact,
    output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    make: impl Fn(&[Latent], &[i32]) -> Tensor<B, 4>,
) -> Result<(), TaskError> {
    let class = request.class.as_deref().map(|name| class_of(name, asked, artefact)).transpose()?;
    // Without a class that is asked for, each in turn.
    let class_of_picture = |place: usize| class.unwrap_or(place % artefact.classes.len().max(1)) as i32;
    let made = |latents: &[Latent], classes: &[i32]| -> Vec<Image> {
        let parts = latents.chunks(AT_ONCE).zip(classes.chunks(AT_ONCE));
        parts.flat_map(|(latents, classes)| images(make(latents, classes), artefact)).collect()
    };
    let (size, count) = (asked.latent_size, request.count);
    let path = request.out.clone().unwrap_or_else(|| PathBuf::from("generated.png"));
    let moving = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gif"));
    if moving && request.interpolate.is_none() {
        return Err("a .gif is an animation from picture to picture: add --interpolate, or write a .png".into());
    }
    let bytes = match request.interpolate {
        None => {
            let classes: Vec<i32> = (0..count).map(class_of_picture).collect();
            // A column for each class where all are shown.
            let columns = (asked.by_class && class.is_none()).then_some(artefact.classes.len());
            png(&in_grid(&made(&latents::latents(size, request.seed, count), &classes), columns))
        }
        Some(frames) => {
            let way = if moving { latents::circle } else { latents::line };
            let latents: Vec<Latent> =
                (0..count).flat_map(|place| way(size, request.seed, place as u64, frames)).collect();
            let classes: Vec<i32> = (0..count).flat_map(|place| vec![class_of_picture(place); frames]).collect();
            let pictures = made(&latents, &classes);
            if moving {
                let frame =
                    |at: usize| in_grid(&pictures.iter().skip(at).step_by(frames).cloned().collect::<Vec<_>>(), None);
                gif(&(0..frames).map(frame).collect::<Vec<_>>(), FRAME_TIME)
            } else {
                png(&in_grid(&pictures, Some(frames)))
            }
        }
    };
    fs::write(&path, bytes).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    output(Generated::File(&path))?;
    Ok(())
}

/// The number of a class, by its name or as it is.
fn class_of(name: &str, asked: &Asked, artefact: &ImageArtefact) -> Result<usize, TaskError> {
    if !asked.by_class {
        let message = format!("this run makes nothing by class (see `{}`): leave out --class", asked.by_class_key);
        return Err(message.into());
    }
    let classes = &artefact.classes;
    let named = classes.iter().position(|class| class == name);
    named.or_else(|| name.parse().ok().filter(|number| *number < classes.len())).ok_or_else(|| {
        let last = classes.len() - 1;
        format!("--class {name}: there is no such class; there are {} (or 0 to {last})", classes.join(", ")).into()
    })
}
