//! What the paths of pictures say: class and part, as torchvision's `ImageFolder` reads them.

use super::{Found, Part, Pixels};
use crate::DataError;
use crate::gather::{Content, folders, shared_folders};
use std::collections::BTreeSet;
use std::path::Path;

/// The extensions of pictures; others are passed over.
const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "bmp"];

/// Whether a file is a picture that counts: by its extension, and no part of its path is hidden or macOS's own.
pub(super) fn is_picture(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
        && !name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

/// What all pictures are where their folders say nothing.
const UNLABELLED: &str = "pictures";

/// Tells class and part of pictures by their paths below `root`: `class/…` or `part/class/…`. Folders that hold everything
/// say nothing. Where they are not `labelled`, folders tell the part alone.
pub(super) fn named(root: &Path, files: Vec<(String, Content)>, labelled: bool) -> Result<Vec<Found>, DataError> {
    let names = || files.iter().map(|(name, _)| name.as_str());
    // The last shared folder may be the only class, or the only part of all.
    let shallowest = names().map(|name| folders(name).len()).min().unwrap_or(0);
    let shared = shared_folders(names()).min(shallowest.saturating_sub(1));
    let has_parts = has_parts(names().map(|name| folders(name).split_off(shared)));
    let found = |(name, content): (String, Content)| {
        let bad = |message: &str| DataError::BadImage { path: root.join(&name), message: message.to_owned() };
        let folders = folders(&name).split_off(shared);
        let part = match folders.first().filter(|_| has_parts) {
            Some(folder) => Some(Part::named(folder).ok_or_else(|| {
                bad("lies outside of the folders `train`, `val` and `test` beside it; move it into one of them, or away")
            })?),
            None => None,
        };
        let of_folder = if labelled { folders.get(usize::from(has_parts)).copied() } else { Some(UNLABELLED) };
        let class = of_folder.ok_or_else(|| {
            bad(
                "lies in no folder of a class; one sub-folder per class is expected (`cats/1.jpg`, `dogs/7.jpg`), or `train`, \
                 `val` and `test` with such folders in them; a job that needs no classes takes them with `labelled = false`",
            )
        })?;
        Ok(Found { labels: vec![class.to_owned()], part, pixels: Pixels::Encoded(content), name: name.clone() })
    };
    files.into_iter().map(found).collect()
}

/// Whether the first folders are parts rather than classes: where two are called so, and all are or that for training has
/// folders of classes.
fn has_parts<'a>(folders: impl Iterator<Item = Vec<&'a str>>) -> bool {
    let (mut first, mut train_has_classes) = (BTreeSet::new(), true);
    for folders in folders {
        let part = folders.first().and_then(|folder| Part::named(folder));
        first.insert((folders.first().copied(), part.is_some()));
        train_has_classes &= part != Some(Part::Train) || folders.len() >= 2;
    }
    let parts = first.iter().filter(|(_, is_part)| *is_part).count();
    parts >= 2 && (parts == first.len() || train_has_classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Vec<(String, Option<Part>)>, String> {
        let files = names.iter().map(|name| (name.to_string(), Content::Bytes(Vec::new()))).collect();
        let found = named(Path::new("root"), files, true).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|found| (found.labels[0].clone(), found.part)).collect())
    }

    #[test]
    fn classes_and_parts_are_those_of_the_folders() {
        let class = |name: &str, part| (name.to_owned(), part);
        assert_eq!(read(&["cats/1.jpg", "dogs/x/2.jpg"]).unwrap(), [class("cats", None), class("dogs", None)]);
        let with_parts = ["all/train/ants/1.jpg", "all/val/bees/2.jpg"];
        let expected = [class("ants", Some(Part::Train)), class("bees", Some(Part::Validation))];
        assert_eq!(read(&with_parts).unwrap(), expected);
        // A class may be called as a part is.
        assert_eq!(read(&["test/1.jpg", "other/2.jpg"]).unwrap(), [class("test", None), class("other", None)]);
        // Nothing but training pictures.
        assert_eq!(read(&["d/train/a/1.jpg", "d/train/b/2.jpg"]).unwrap(), [class("a", None), class("b", None)]);
        assert_eq!(read(&["only/1.jpg", "only/2.jpg"]).unwrap(), [class("only", None), class("only", None)]);
    }

    #[test]
    fn a_picture_outside_of_the_classes_is_named() {
        let error = read(&["cats/1.jpg", "2.jpg"]).unwrap_err();
        assert!(error.starts_with("root/2.jpg: lies in no folder of a class"), "{error}");
    }

    #[test]
    fn parts_are_never_taken_for_classes() {
        // A test without classes.
        let error = read(&["train/a/1.jpg", "train/b/2.jpg", "test/3.jpg"]).unwrap_err();
        assert!(error.starts_with("root/test/3.jpg: lies in no folder of a class"), "{error}");
        // No classes at all.
        let error = read(&["test/1.jpg", "train/2.jpg"]).unwrap_err();
        assert!(error.starts_with("root/test/1.jpg: lies in no folder of a class"), "{error}");
        // Something beside them.
        for other in ["samples/1.jpg", "samples/a/1.jpg"] {
            let error = read(&["train/a/1.jpg", "val/a/1.jpg", other]).unwrap_err();
            assert!(error.starts_with(&format!("root/{other}: lies outside of the folders `train`")), "{error}");
        }
    }

    #[test]
    fn without_labels_folders_tell_the_part_alone() {
        let all = |names: &[&str]| {
            let files = names.iter().map(|name| (name.to_string(), Content::Bytes(Vec::new()))).collect();
            named(Path::new("root"), files, false)
                .unwrap()
                .into_iter()
                .map(|found| (found.labels, found.part))
                .collect::<Vec<_>>()
        };
        let picture = |part| (vec![UNLABELLED.to_owned()], part);
        assert_eq!(all(&["1.jpg", "holidays/2.jpg"]), [picture(None), picture(None)]);
        assert_eq!(all(&["train/1.jpg", "test/a/2.jpg"]), [picture(Some(Part::Train)), picture(Some(Part::Test))]);
    }

    #[test]
    fn pictures_are_known_by_their_extension() {
        let is = ["a/b.JPG", "c.jpeg", "d.webp"].map(is_picture);
        let is_not =
            ["imageNotFound.gif", "a/.hidden.png", "__MACOSX/a.png", "readme.txt", "noextension"].map(is_picture);
        assert_eq!((is, is_not), ([true; 3], [false; 5]));
    }
}
