//! MNIST, Fashion-MNIST and others in [MNIST's format](http://yann.lecun.com/exdb/mnist/): `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` and
//! so on, as they are or with `.gz`.

use super::{DataSet, Found, Part, Pixels, bytes, file_name};
use crate::DataError;
use crate::gather::Content;
use crate::image::Image;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// Whether a file is one of pictures or labels, by its name.
pub(super) fn is_part(name: &str) -> bool {
    of_name(name).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Images,
    Labels,
}

fn of_name(name: &str) -> Option<(Part, Kind)> {
    let name = file_name(name);
    // Some publishers write a dot where others have a dash.
    let name = name.strip_suffix(".gz").unwrap_or(name).replace('.', "-");
    let (part, rest) = name.split_once('-')?;
    let part = match part {
        "train" => Part::Train,
        "t10k" | "test" => Part::Test,
        _ => return None,
    };
    match rest {
        "images-idx3-ubyte" => Some((part, Kind::Images)),
        "labels-idx1-ubyte" => Some((part, Kind::Labels)),
        _ => None,
    }
}

/// The pictures, where `files` are of that format; classes are called by their numbers.
pub(super) fn find(files: &[(String, Content)], root: &Path) -> Result<Option<DataSet>, DataError> {
    let (mut pictures, mut classes) = (Vec::new(), BTreeSet::new());
    let of = |part, kind| files.iter().find(|(name, _)| of_name(name) == Some((part, kind)));
    let parts = [Part::Train, Part::Test].map(|part| (part, of(part, Kind::Images), of(part, Kind::Labels)));
    let only_one = parts.iter().filter(|(_, images, _)| images.is_some()).count() == 1;
    for (part, images, labels) in parts {
        let (Some((name, images)), Some((labels_name, labels))) = (images, labels) else {
            if let Some((name, _)) = images.or(labels) {
                let message = "goes with a file of the other kind: pictures (`…-images-idx3-ubyte`) and labels (`…-labels-idx1-ubyte`)";
                return Err(DataError::BadImage { path: root.join(name), message: message.to_owned() });
            }
            continue;
        };
        let images = Idx::read(images, &root.join(name), 3)?;
        let labels = Idx::read(labels, &root.join(labels_name), 1)?;
        if images.sizes[0] != labels.sizes[0] {
            let message = format!("{} labels, and {name} has {} pictures", labels.sizes[0], images.sizes[0]);
            return Err(DataError::BadImage { path: root.join(labels_name), message });
        }
        let [height, width] = [images.sizes[1], images.sizes[2]];
        for (number, (pixels, label)) in images.values.chunks_exact(height * width).zip(&labels.values).enumerate() {
            let image = Image { width, height, channels: 1, pixels: pixels.to_vec() };
            // Where there is one part only, it is split.
            let part = (!only_one).then_some(part);
            let stem = file_name(name).split('-').next().unwrap_or_default();
            let name = format!("{stem}/{number}");
            classes.insert(*label);
            pictures.push(Found { name, labels: vec![label.to_string()], part, pixels: Pixels::Raw(image) });
        }
    }
    let classes = classes.iter().map(u8::to_string).collect();
    Ok((!pictures.is_empty()).then_some(DataSet { pictures, classes }))
}

/// A file: its sizes and its bytes.
struct Idx {
    sizes: Vec<usize>,
    values: Vec<u8>,
}

impl Idx {
    fn read(content: &Content, path: &Path, dimensions: usize) -> Result<Self, DataError> {
        let raw = bytes(content)?;
        let mut unpacked = Vec::new();
        let file: &[u8] = if raw.starts_with(&[0x1F, 0x8B]) {
            let gzip = |source| DataError::Gzip { path: path.to_owned(), source };
            MultiGzDecoder::new(&*raw).read_to_end(&mut unpacked).map_err(gzip)?;
            &unpacked
        } else {
            &raw
        };
        let header = 4 + 4 * dimensions;
        let expected = [0, 0, 8, dimensions as u8];
        let bad = |message: String| DataError::BadImage { path: path.to_owned(), message };
        if file.len() < header || file[..4] != expected {
            return Err(bad(format!(
                "not a file of bytes in {dimensions} dimensions in MNIST's format; fetch it again"
            )));
        }
        let size = |place: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| file[4 + 4 * place + byte])) as usize;
        let sizes: Vec<usize> = (0..dimensions).map(size).collect();
        let values = file[header..].to_vec();
        if values.is_empty() || sizes.iter().product::<usize>() != values.len() {
            return Err(bad(format!("{} bytes where sizes {sizes:?} are promised; fetch it again", values.len())));
        }
        Ok(Self { sizes, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_and_dashes_are_known() {
        assert_eq!(of_name("x/train-images.idx3-ubyte"), Some((Part::Train, Kind::Images)));
        assert_eq!(of_name("t10k-labels-idx1-ubyte.gz"), Some((Part::Test, Kind::Labels)));
        assert_eq!(of_name("other-images-idx3-ubyte"), None);
    }
}
