//! Numbers in JSON as training code writes them: JSON has no NaN and no infinity, so that they arrive as `null` or as words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A number that may also be `null`, `"NaN"`, `"inf"` or a number in quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient {
    Number(f64),
    Word(String),
    Null(()),
}

impl Lenient {
    fn value<E: Error>(self) -> Result<f64, E> {
        match self {
            Self::Number(value) => Ok(value),
            Self::Null(()) => Ok(f64::NAN),
            // `f64` itself reads NaN, inf, infinity and both signs, in any case.
            Self::Word(word) => word.trim().parse().map_err(|_| E::custom(format!("`{word}` is not a number"))),
        }
    }
}

pub(crate) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    Vec::<Lenient>::deserialize(from)?.into_iter().map(Lenient::value).collect()
}

pub(crate) fn grid<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<f64>>, D::Error> {
    let rows = Vec::<Vec<Lenient>>::deserialize(from)?;
    rows.into_iter().map(|row| row.into_iter().map(Lenient::value).collect()).collect()
}

pub(crate) fn map<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let map = Option::<BTreeMap<String, Lenient>>::deserialize(from)?.unwrap_or_default();
    map.into_iter().map(|(name, value)| Ok((name, value.value()?))).collect()
}

pub(crate) fn one<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Lenient::deserialize(from)?.value()
}

/// A field that may be missing, `null` or a number; what is not finite counts as missing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    one(from).map(|value| value.is_finite().then_some(value))
}
