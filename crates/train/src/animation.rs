//! What a run made as it went on, in motion: for every job whose samples are pictures.

use std::path::PathBuf;

use data::image::{Image, gif};
use report::{Body, Picture, PictureSource, Section};
use training_loop::{
    error::{TaskError, TrainError},
    run_folder::RunFolder,
};

/// Pictures of an animation at most, evenly spaced.
const MOST_FRAMES: usize = 60;

/// Hundredths of a second for which each is shown, and for how many times as long the last.
const SHOWN: u16 = 15;
const LAST: usize = 8;

/// Animations of more bytes stay out of the report.
const LARGEST_IN_REPORT: usize = 2 << 20;

/// Writes the run's pictures as an animation, and a section of the report that shows it; nothing where there are fewer than two.
///
/// # Errors
/// When a picture cannot be read, or the folder not be written to.
pub fn write(run: &RunFolder) -> Result<(), TrainError> {
    let paths = run.pictures()?;
    let read = |path: &PathBuf| Image::read(path, 3);
    let pictures = paths.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(TaskError::from)?;
    let Some(last) = pictures.last().cloned() else { return Ok(()) };
    // Settings of a run that went on may have changed what its pictures are like.
    let alike: Vec<Image> =
        pictures.into_iter().filter(|picture| [picture.width, picture.height] == [last.width, last.height]).collect();
    let count = alike.len().min(MOST_FRAMES);
    if count < 2 {
        return Ok(());
    }
    let mut frames: Vec<Image> =
        (0..count).map(|frame| alike[frame * (alike.len() - 1) / (count - 1)].clone()).collect();
    frames.extend(vec![last; LAST - 1]);
    let animation = gif(&frames, SHOWN);
    let path = run.write_animation(&animation)?;
    if animation.len() <= LARGEST_IN_REPORT {
        let picture = Picture { label: "samples over time".into(), source: PictureSource::Path(path.into()) };
        let section = Section::new("Training in motion", Body::Image { images: vec![picture] })
            .with_caption("What the model made after each validation.");
        run.write_page("animation", &serde_json::to_value(section).map_err(TaskError::from)?)?;
    }
    Ok(())
}
