//! Finding pictures and their labels: embedded, in a folder, an archive, a data set's own files, or a table.

mod cifar;
mod download;
mod idx;
mod table;
mod tree;

use super::config::{EMBEDDED, ImageConfig};
use super::{EmbeddedPicture, Image, digits, shapes};
use crate::gather::{self, Content};
use crate::text::columns;
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::{DataError, locate};
use std::path::{Path, PathBuf};

/// Begins the name of a data set that is downloaded.
const DOWNLOAD_PREFIX: &str = "download:";

/// The part of a data set that its source puts a picture into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    /// By the usual names of folders, and of cells of a table.
    fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Where a picture's pixels are.
#[derive(Debug)]
pub(super) enum Pixels {
    /// In a file of a picture format.
    Encoded(Content),
    /// In memory.
    Raw(Image),
}

/// A picture that is yet to be read.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path below the root, or its number in a file of many.
    pub name: String,
    /// Its classes; one, unless pictures may have several labels.
    pub labels: Vec<String>,
    pub part: Option<Part>,
    pub pixels: Pixels,
}

/// The pictures of a data set with files of its own.
struct DataSet {
    pictures: Vec<Found>,
    /// In the order of their numbers.
    classes: Vec<String>,
}

/// All pictures of a source.
#[derive(Debug)]
pub(super) struct Source {
    /// What names start from: a folder, an archive, or the name of an embedded source.
    pub root: PathBuf,
    pub found: Vec<Found>,
    /// The classes in the source's own order, where it has one.
    pub classes: Option<Vec<String>>,
}

impl Source {
    /// Finds what `config.source` names. `progress` is told of a download.
    pub fn find(config: &ImageConfig, progress: &mut dyn FnMut(&str, ::download::Progress)) -> Result<Self, DataError> {
        let source = match (config.source.strip_prefix(EMBEDDED_PREFIX), config.source.strip_prefix(DOWNLOAD_PREFIX)) {
            (Some(name), _) => embedded(&config.source, name)?,
            (None, Some(name)) => {
                let published = download::find(name)?;
                published.name_classes(at(published.fetch(progress)?, config)?)
            }
            (None, None) => at(locate(&config.source)?, config)?,
        };
        if source.found.is_empty() {
            let message = "no picture in it (.png, .jpg, .jpeg, .webp or .bmp)".to_owned();
            return Err(DataError::BadImage { path: source.root, message });
        }
        Ok(source)
    }
}

fn at(path: PathBuf, config: &ImageConfig) -> Result<Source, DataError> {
    if let Some(delimiter) = columns::delimiter(&path) {
        let found = table::find(&path, delimiter, config)?;
        let classes = Some(config.label_columns.clone()).filter(|classes| !classes.is_empty());
        return Ok(Source { root: path.parent().unwrap_or(Path::new("")).to_owned(), found, classes });
    }
    if config.multi_label {
        let message = "several labels a picture need a .csv or .tsv file that names them, and `multi_label` is on";
        return Err(DataError::BadImage { path, message: message.to_owned() });
    }
    if path.is_dir() {
        of_files(gather::folder(&path, is_wanted)?, path, config.labelled)
    } else if gather::is_archive(&path) {
        of_files(gather::archive(&path, is_wanted)?, path, config.labelled)
    } else {
        let message = "pictures are expected in a folder, in a .tar, .tar.gz or .tgz archive of one, or in a .csv or .tsv file that \
                       names them";
        Err(DataError::BadImage { path, message: message.to_owned() })
    }
}

/// The pictures of a folder or an archive, by which files it has.
fn of_files(files: Vec<(String, Content)>, root: PathBuf, labelled: bool) -> Result<Source, DataError> {
    let (data_files, pictures): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| !tree::is_picture(name));
    for find in [cifar::find, idx::find] {
        if let Some(DataSet { pictures, classes }) = find(&data_files, &root)? {
            return Ok(Source { root, found: pictures, classes: Some(classes) });
        }
    }
    let found = tree::named(&root, pictures, labelled)?;
    Ok(Source { root, found, classes: None })
}

/// Whether a file is a picture, or belongs to a data set with files of its own.
fn is_wanted(name: &str) -> bool {
    tree::is_picture(name) || cifar::is_part(name) || idx::is_part(name)
}

fn embedded(source: &str, name: &str) -> Result<Source, DataError> {
    let (pictures, classes) = match name {
        "shapes-source" => (shapes::pictures(shapes::Domain::Source), shapes::CLASSES),
        "shapes-target" => (shapes::pictures(shapes::Domain::Target), shapes::CLASSES),
        "digits" => (digits::pictures(), digits::CLASSES),
        other => return Err(DataError::UnknownEmbedded { name: other.to_owned(), known: &EMBEDDED }),
    };
    let found = |picture: EmbeddedPicture| Found {
        labels: vec![classes[picture.label].to_owned()],
        part: Some(if picture.test { Part::Test } else { Part::Train }),
        name: picture.name,
        pixels: Pixels::Raw(picture.image),
    };
    let found = pictures.into_iter().map(found).collect();
    Ok(Source { root: PathBuf::from(source), found, classes: Some(classes.map(str::to_owned).to_vec()) })
}

/// The bytes of a file of a data set.
fn bytes(content: &Content) -> Result<std::borrow::Cow<'_, [u8]>, DataError> {
    match content {
        Content::Bytes(bytes) => Ok(bytes.into()),
        Content::File(path) => Ok(std::fs::read(path).map_err(DataError::reading(path))?.into()),
    }
}

/// The last part of a path.
fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
