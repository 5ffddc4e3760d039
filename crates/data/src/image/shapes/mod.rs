//! The embedded pictures: ten shapes in two domains, so that a classifier of pictures trains, and its features move to another
//! task, with no file and no download.
//!
//! - [`Domain::Source`]: filled, coloured shapes on gradients and textures.
//! - [`Domain::Target`]: chalk drawings, outlined or hatched, on dark boards, blurred and noisy.
//!
//! Place, size, turn, stretch, colours and clutter are drawn anew for each picture, and some shapes are partly hidden.

mod canvas;
mod outline;
mod source;
mod target;

use super::EmbeddedPicture;
use crate::{SplitMix64, stream_seed};
use rayon::prelude::*;

/// What is shown, in the order of the labels.
pub const CLASSES: [&str; 10] =
    ["circle", "square", "triangle", "pentagon", "star", "ring", "cross", "heart", "crescent", "arrow"];

/// Width and height of the pictures.
pub const SIZE: usize = 32;

/// The seed of the pictures. Changing it, or anything below, changes every score that is quoted for them.
const SEED: u64 = 1913;

/// One of the two sets of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Filled shapes: 5,000 pictures to train with and 1,000 to test.
    Source,
    /// Drawings: 2,000 pictures to train with and 1,000 to test.
    Target,
}

impl Domain {
    /// As a source of data is named: `shapes-source` or `shapes-target`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "shapes-source",
            Self::Target => "shapes-target",
        }
    }

    /// Pictures to train with and to test.
    const fn counts(self) -> [usize; 2] {
        match self {
            Self::Source => [5000, 1000],
            Self::Target => [2000, 1000],
        }
    }
}

/// All pictures of a domain: those to train with, then those to test, as many of each class. Made anew at each call, on all
/// cores, and always the same.
pub fn pictures(domain: Domain) -> Vec<EmbeddedPicture> {
    let [train, test] = domain.counts();
    (0..train + test).into_par_iter().map(|number| picture(domain, number, number >= train)).collect()
}

fn picture(domain: Domain, number: usize, test: bool) -> EmbeddedPicture {
    let mut random = SplitMix64::new(stream_seed(SEED, domain as u64, number as u64));
    EmbeddedPicture::new(&CLASSES, number, test, |label| match domain {
        Domain::Source => source::draw(label, &mut random),
        Domain::Target => target::draw(label, &mut random),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use std::collections::HashSet;

    const DOMAINS: [Domain; 2] = [Domain::Source, Domain::Target];

    #[test]
    fn the_pictures_are_the_same_every_time_and_all_different() {
        for domain in DOMAINS {
            let all = pictures(domain);
            let again = |number: usize| picture(domain, number, all[number].test);
            assert!((0..all.len()).step_by(97).rev().all(|number| all[number] == again(number)));
            assert_eq!(all.iter().map(|picture| &picture.name).collect::<HashSet<_>>().len(), all.len());
            assert_eq!(all.iter().map(|picture| &picture.image.pixels).collect::<HashSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn every_class_is_as_frequent() {
        for domain in DOMAINS {
            let all = pictures(domain);
            for (test, count) in [false, true].into_iter().zip(domain.counts()) {
                for label in 0..CLASSES.len() {
                    let found = all.iter().filter(|picture| (picture.test, picture.label) == (test, label)).count();
                    assert_eq!(found, count / CLASSES.len());
                }
            }
            let fits =
                |image: &Image| (image.width, image.height, image.channels, image.pixels.len()) == (32, 32, 3, 3072);
            assert!(all.iter().all(|picture| fits(&picture.image)));
        }
    }
}
