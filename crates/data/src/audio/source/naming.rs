//! What the names of files say: class, speaker and take.

use super::{Found, Sound};
use crate::DataError;
use crate::gather::shared_folders;
use std::path::Path;

/// Whether a file is a recording that counts: a `.wav` file, no part of whose path is hidden or begins with an
/// underscore, as the background noise of Speech Commands does.
pub(super) fn is_recording(name: &str) -> bool {
    let wav = name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("wav"));
    wav && !name.split('/').any(|part| part.starts_with(['.', '_']))
}

/// Tells classes, speakers and takes of files by their paths below `root`. Folders that hold everything say nothing:
/// below them lie either recordings, with the class in their name, or one folder a class.
pub(super) fn named(root: &Path, files: Vec<(String, Sound)>) -> Result<Vec<Found>, DataError> {
    let shared = shared_folders(files.iter().map(|(name, _)| name.as_str()));
    let below = |name: &str| name.split('/').skip(shared).map(str::to_owned).collect::<Vec<String>>();
    let flat = files.iter().filter(|(name, _)| below(name).len() == 1).count();
    let found = |(name, sound): (String, Sound)| {
        let bad = |message: String| DataError::BadAudio { path: root.join(&name), message };
        let parts = below(&name);
        let stem = parts.last().and_then(|file| file.rsplit_once('.')).map_or("", |(stem, _)| stem);
        let Some((class, _)) = parts.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            let (class, speaker, take) = three(stem).ok_or_else(|| {
                bad("the name tells no class; `<class>_<speaker>_<take>.wav` is expected, or one sub-folder per class".into())
            })?;
            return Ok(Found {
                class: class.to_owned(),
                speaker: Some(speaker.to_owned()),
                take: Some(take),
                name,
                sound,
            });
        };
        if flat > 0 {
            return Err(bad("a recording in a sub-folder, where others lie beside it; use one of the two".into()));
        }
        let (speaker, take) = in_class(class, stem).unzip();
        Ok(Found { class: class.clone(), speaker, take, name, sound })
    };
    files.into_iter().map(found).collect()
}

/// The class, the speaker and the take of `<class>_<speaker>_<take>`.
fn three(stem: &str) -> Option<(&str, &str, usize)> {
    let (rest, take) = stem.rsplit_once('_')?;
    let (class, speaker) = rest.split_once('_')?;
    let take = take.parse().ok()?;
    (!class.is_empty() && !speaker.is_empty()).then_some((class, speaker, take))
}

/// The speaker and the take of a file in the folder of its class: `<class>_<speaker>_<take>`, or
/// `<speaker>_nohash_<take>` as in Speech Commands.
fn in_class(class: &str, stem: &str) -> Option<(String, usize)> {
    match three(stem)? {
        (speaker, "nohash", take) => Some((speaker.to_owned(), take)),
        (named, speaker, take) if named == class => Some((speaker.to_owned(), take)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class, speaker and take.
    type Told = (String, Option<String>, Option<usize>);

    fn named_of(names: &[&str]) -> Result<Vec<Told>, String> {
        let files = names.iter().map(|name| ((*name).to_owned(), Sound::Bytes(Vec::new()))).collect();
        let found = named(Path::new("/data"), files).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|found| (found.class, found.speaker, found.take)).collect())
    }

    fn told(class: &str, speaker: &str, take: usize) -> Told {
        (class.to_owned(), Some(speaker.to_owned()), Some(take))
    }

    #[test]
    fn flat_files_say_everything() {
        let names = ["recordings/7_jackson_32.wav", "recordings/0_mary_ann_4.WAV"];
        assert_eq!(named_of(&names).unwrap(), [told("7", "jackson", 32), told("0", "mary_ann", 4)]);
        assert_eq!(named_of(&["7_a_1.wav"]).unwrap(), [told("7", "a", 1)]);
        let message = named_of(&["7_jackson_32.wav", "seven.wav"]).unwrap_err();
        assert!(message.contains("/data/seven.wav: ") && message.contains("<class>_<speaker>_<take>.wav"), "{message}");
    }

    #[test]
    fn folders_are_classes() {
        let names = ["all/yes/0a7c2a8d_nohash_1.wav", "all/no/x.wav", "all/no/no_ann_3.wav", "all/no/deep/y.wav"];
        let plain = ("no".to_owned(), None, None);
        let expected = [told("yes", "0a7c2a8d", 1), plain.clone(), told("no", "ann", 3), plain];
        assert_eq!(named_of(&names).unwrap(), expected);
        let message = named_of(&["yes/a.wav", "7_jackson_32.wav"]).unwrap_err();
        assert!(message.contains("/data/yes/a.wav: ") && message.contains("sub-folder"), "{message}");
    }

    #[test]
    fn what_is_hidden_or_noise_or_no_wav_does_not_count() {
        assert!(is_recording("a/b.wav") && is_recording("b.WAV"));
        for other in ["a/._b.wav", "_background_noise_/pink.wav", "a.mp3", "wav", ".git/a.wav"] {
            assert!(!is_recording(other), "{other}");
        }
    }
}
