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
        image_size: config.image_size,
        ..ImageConfig::default()
    };
    let (mut data, has_classes) = load_pictures(images)?;
    if config.image_size.is_none() && data.artefact().image_size > USUAL_SIZE {
        data = data.resized(USUAL_SIZE);
    }
    let mut vectors = Vectors::named(&data, has_classes);
    for index in 0..vectors.rows {
        let picture = data.prepared(index)?;
        vectors.values.extend(data.artefact().planes(&picture));
        vectors.pictures.push(picture);
    }
    vectors.columns = vectors.values.len() / vectors.rows.max(1);
    Ok(vectors)
}

/// All pictures of a source in one part, and whether they have classes: pictures that do not lie in folders of classes have none.
///
/// # Errors
/// [`DataError`] for a source that cannot be read.
pub fn load_pictures(config: ImageConfig) -> Result<(ImageData, bool), DataError> {
    let config = ImageConfig { validation_fraction: 0.0, test_fraction: 0.0, ..config };
    let load = |config: &ImageConfig| ImageData::load(config, None, &mut |_, _| {});
    match load(&config) {
        Ok(data) => Ok((data, true)),
        Err(error) => match load(&ImageConfig { labelled: false, ..config }) {
            Ok(data) => Ok((data, false)),
            Err(_) => Err(error),
        },
    }
}

impl Vectors {
    /// A row without numbers for each picture, with its name and, where there are any, its class.
    pub fn named(data: &ImageData, has_classes: bool) -> Self {
        let rows = data.num_pictures();
        let names = (0..rows).map(|index| data.name(index).to_owned()).collect();
        let vectors = Self { rows, names, ..Self::default() };
        if !has_classes {
            return vectors;
        }
        let class = |index: usize| data.classes_of(index).first().map_or_else(String::new, |class| (*class).to_owned());
        vectors.with_labels(&(0..rows).map(class).collect::<Vec<_>>())
    }
}
