//! CIFAR-10 and CIFAR-100 in their [binary version](https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte (CIFAR-100:
//! a coarse and a fine one) and 3072 bytes of a picture, plane by plane.

use super::{DataSet, Found, Part, Pixels, bytes, file_name};
use crate::DataError;
use crate::gather::Content;
use crate::image::Image;
use std::path::Path;

const SIDE: usize = 32;
const AREA: usize = SIDE * SIDE;

const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Whether a file belongs to one of the two, by its name.
pub(super) fn is_part(name: &str) -> bool {
    part_of(name).is_some() || is_names(name)
}

fn is_names(name: &str) -> bool {
    matches!(file_name(name), "batches.meta.txt" | "fine_label_names.txt")
}

/// The part of the data, and the bytes of labels before each picture.
fn part_of(name: &str) -> Option<(Part, usize)> {
    match file_name(name) {
        "test_batch.bin" => Some((Part::Test, 1)),
        "train.bin" => Some((Part::Train, 2)),
        "test.bin" => Some((Part::Test, 2)),
        name => {
            let number = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
            number.parse::<u32>().ok().map(|_| (Part::Train, 1))
        }
    }
}

/// The pictures, where `files` are those of one of the two data sets.
pub(super) fn find(files: &[(String, Content)], root: &Path) -> Result<Option<DataSet>, DataError> {
    let batches: Vec<_> = files.iter().filter_map(|file| Some((file, part_of(&file.0)?))).collect();
    let Some((_, (_, label_bytes))) = batches.first() else { return Ok(None) };
    if let Some(((name, _), _)) = batches.iter().find(|(_, (_, other))| other != label_bytes) {
        let message = "lies beside files of the other of CIFAR-10 and CIFAR-100; keep each in a folder of its own";
        return Err(DataError::BadImage { path: root.join(name), message: message.to_owned() });
    }
    // Where there is one part only, it is split.
    let only_test = batches.iter().all(|(_, (part, _))| *part == Part::Test);
    let classes = match (files.iter().find(|(name, _)| is_names(name)), label_bytes) {
        (Some((_, content)), _) => {
            let text = String::from_utf8_lossy(&bytes(content)?).into_owned();
            text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        (None, 1) => CIFAR10.map(str::to_owned).to_vec(),
        // Sorted as text they keep the order of the numbers.
        (None, _) => (0..100).map(|class| format!("class{class:02}")).collect::<Vec<_>>(),
    };
    let mut pictures = Vec::new();
    for ((name, content), (part, label_bytes)) in batches {
        let bad = |message: String| DataError::BadImage { path: root.join(name), message };
        let content = bytes(content)?;
        let record = label_bytes + 3 * AREA;
        if content.is_empty() || content.len() % record != 0 {
            return Err(bad(format!(
                "{} bytes are no whole number of pictures of {record}; fetch or copy the file again",
                content.len()
            )));
        }
        for (number, record) in content.chunks_exact(record).enumerate() {
            let label = usize::from(record[label_bytes - 1]);
            let Some(class) = classes.get(label) else {
                return Err(bad(format!("picture {number} has the class {label}, and there are {}", classes.len())));
            };
            let image = interleaved(&record[label_bytes..]);
            let name = format!("{}/{number}", name.trim_end_matches(".bin"));
            let part = (!only_test).then_some(part);
            pictures.push(Found { name, labels: vec![class.clone()], part, pixels: Pixels::Raw(image) });
        }
    }
    Ok(Some(DataSet { pictures, classes }))
}

fn interleaved(planes: &[u8]) -> Image {
    let pixels = (0..AREA).flat_map(|at| [planes[at], planes[AREA + at], planes[2 * AREA + at]]).collect();
    Image { width: SIDE, height: SIDE, channels: 3, pixels }
}
