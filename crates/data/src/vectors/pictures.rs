use super::{Vectors, VectorsConfig};
use crate::DataError;
use crate::image::{ImageConfig, ImageData, Normalize, NormalizeRule};

/// Width and height of pictures that are larger or not all alike.
const USUAL_SIZE: usize = 64;

/// Pictures with their pixels, 0 to 1, as columns: channel by channel, row by row. Folders are classes where all pictures lie in one.
pub(super) fn read(config: &VectorsConfig) -> Result<Vectors, DataError> {
    if config.labels.is_some() {
        let message = "is for tables and .npy files: the labels of pictures are their classes; leave it out".to_owned();
        return Err(DataError::Config { key: "labels", message });
    }
    let images = ImageConfig {
        source: config.source.clone(),
        normalize: Normalize::Rule(NormalizeRule::None),
        validation_fraction: 0.0,
        test_fraction: 0.0,
        image_size: config.image_size,
        ..ImageConfig::default()
    };
    let load = |images: &ImageConfig| ImageData::load(images, None, &mut |_, _| {});
    let unlabelled = ImageConfig { labelled: false, ..images.clone() };
    let (mut data, has_classes) = match load(&images) {
        Ok(data) => (data, true),
        // A folder of pictures without classes.
        Err(error) => (load(&unlabelled).map_err(|_| error)?, false),
    };
    if config.image_size.is_none() && data.artefact().image_size > USUAL_SIZE {
        data = data.resized(USUAL_SIZE);
    }
    let rows = data.num_pictures();
    let mut vectors = Vectors { rows, ..Vectors::default() };
    for index in 0..rows {
        let picture = data.prepared(index)?;
        vectors.values.extend(data.artefact().planes(&picture));
        vectors.names.push(data.name(index).to_owned());
        vectors.pictures.push(picture);
    }
    vectors.columns = vectors.values.len() / rows.max(1);
    if has_classes {
        let class = |index: usize| data.classes_of(index).first().map_or_else(String::new, |class| (*class).to_owned());
        return Ok(vectors.with_labels(&(0..rows).map(class).collect::<Vec<_>>()));
    }
    Ok(vectors)
}
