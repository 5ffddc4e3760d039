//! Which pictures are for training, for validation and for the test.

use super::config::ImageConfig;
use super::pictures::Pictures;
use super::source::Part;
use crate::split::{Parts, split};
use crate::{DataError, stream_seed};

/// The places of the pictures in each part, ascending.
pub(super) fn parts(config: &ImageConfig, pictures: &Pictures) -> Result<Parts, DataError> {
    let given = |part| (0..pictures.len()).filter(|place| pictures.part(*place) == part).collect::<Vec<usize>>();
    let mut parts = Parts {
        // What the source puts nowhere is for training, and for whatever else is not there.
        train: [given(Some(Part::Train)), given(None)].concat(),
        validation: given(Some(Part::Validation)),
        test: given(Some(Part::Test)),
    };
    parts.train.sort_unstable();
    let fraction = |missing: bool, fraction: f64| if missing { fraction } else { 0.0 };
    let has_parts = !parts.validation.is_empty() || !parts.test.is_empty();
    let validation = fraction(parts.validation.is_empty(), config.validation_fraction);
    let test = fraction(!has_parts, config.test_fraction);
    if validation > 0.0 || test > 0.0 {
        let named: Vec<(&str, usize)> =
            parts.train.iter().map(|place| (pictures.name(*place), first_class(pictures, *place))).collect();
        let alone: Vec<Vec<usize>> = (0..named.len()).map(|place| vec![place]).collect();
        let dealt = split(&named, &alone, pictures.num_classes(), validation, test, config.split_seed);
        let placed = |part: &[usize]| part.iter().map(|place| parts.train[*place]).collect::<Vec<_>>();
        let (train, held, tested) = (placed(&dealt.train), placed(&dealt.validation), placed(&dealt.test));
        parts.validation.extend(held);
        parts.test.extend(tested);
        parts.train = train;
    }
    if let Some(limit) = config.train_images_per_class {
        parts.train = few(&parts.train, pictures, limit, config.split_seed);
    }
    check(&parts, pictures)?;
    Ok(parts)
}

/// Pictures without any label count with the first class.
fn first_class(pictures: &Pictures, place: usize) -> usize {
    pictures.classes_of(place).first().copied().unwrap_or(0)
}

/// `limit` pictures of each class, which follow from `seed` and the number of pictures alone.
fn few(train: &[usize], pictures: &Pictures, limit: usize, seed: u64) -> Vec<usize> {
    let mut shuffled: Vec<usize> = train.to_vec();
    shuffled.sort_by_key(|place| stream_seed(seed, 1, *place as u64));
    let mut room = vec![limit; pictures.num_classes()];
    let mut taken: Vec<usize> = shuffled
        .into_iter()
        .filter(|place| {
            let room = &mut room[first_class(pictures, *place)];
            let fits = *room > 0;
            *room -= usize::from(fits);
            fits
        })
        .collect();
    taken.sort_unstable();
    taken
}

/// A part without pictures is an error here, before anything divides by its size.
fn check(parts: &Parts, pictures: &Pictures) -> Result<(), DataError> {
    let wrong = |message: &str| Err(DataError::Config { key: "source", message: message.to_owned() });
    if parts.train.is_empty() {
        return wrong(
            "leaves no picture for training; lower `validation_fraction` and `test_fraction`, or give more pictures",
        );
    }
    let mut trained = vec![false; pictures.num_classes()];
    parts.train.iter().flat_map(|place| pictures.classes_of(*place)).for_each(|class| trained[*class] = true);
    let held = parts.validation.iter().chain(&parts.test).flat_map(|place| pictures.classes_of(*place));
    match held.into_iter().any(|class| !trained[*class]) {
        true => wrong(
            "leaves no training picture of a class that is in the validation or the test part; give more pictures of it",
        ),
        false => Ok(()),
    }
}
