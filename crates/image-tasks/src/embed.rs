//! What a network makes of each picture of a source, as a table of numbers.

use burn::tensor::{Tensor, backend::Backend};
use data::{
    image::{Image, ImageArtefact, ImageConfig, Normalize},
    vectors::{Vectors, check_ending, load_pictures},
};
use training_loop::{
    error::TaskError,
    job::{EmbedRequest, Generated},
};

use crate::on_pixels;

/// Pictures that are looked at together.
const TOGETHER: usize = 64;

/// Writes the features of all pictures of a source, which are prepared as those of an evaluation, and tells the files.
///
/// # Shapes
/// - of `features`: `[batch, channels, size, size]` to `[batch, columns]`
///
/// # Errors
/// When the source cannot be read or the table not be written.
pub fn embed<B: Backend>(
    artefact: &ImageArtefact,
    device: &B::Device,
    request: &EmbedRequest,
    features: impl Fn(Tensor<B, 4>) -> Tensor<B, 2>,
    output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
) -> Result<(), TaskError> {
    check_ending(&request.out)?;
    let (images, has_classes) = load_pictures(ImageConfig {
        source: request.input.clone(),
        image_size: Some(artefact.image_size),
        channels: Some(artefact.channels),
        crop_fraction: Some(artefact.crop_fraction),
        normalize: Normalize::Given(artefact.statistics.clone()),
        ..ImageConfig::default()
    })?;
    let mut table = Vectors::named(&images, has_classes);
    let rows: Vec<usize> = (0..table.rows).collect();
    for together in rows.chunks(TOGETHER) {
        let prepared: Vec<Image> = together.iter().map(|index| images.prepared(*index)).collect::<Result<_, _>>()?;
        let features = features(on_pixels(artefact, &prepared, device));
        table.columns = features.dims()[1];
        table.values.extend(features.into_data().iter::<f32>());
    }
    output(Generated::Text(&format!("{} numbers for each of {} pictures\n", table.columns, table.rows)))?;
    for path in table.save(&request.out)? {
        output(Generated::File(&path))?;
    }
    Ok(())
}
