//! The three parts of a series, in the order of time.

use crate::DataError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How many rows training, validation and test get, in this order from the oldest row on: three fractions or three
/// numbers of rows. Rows beyond the sum are not used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Rows that the model learns from and the scaling is computed from.
    pub train: Part,
    /// Rows for choosing the best checkpoint; 0 for none.
    pub validation: Part,
    /// Rows for the score at the very end; 0 for none.
    pub test: Part,
}

/// The size of one part: a whole number is a number of rows, a number with a decimal point a fraction of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a whole number of rows or a fraction of all rows, as in 0.7, is expected")]
pub enum Part {
    /// A number of rows.
    Rows(usize),
    /// A fraction of all rows.
    Fraction(f64),
}

/// Which rows belong to which part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub train: Range<usize>,
    pub validation: Range<usize>,
    pub test: Range<usize>,
}

impl Default for Split {
    fn default() -> Self {
        Self { train: Part::Fraction(0.7), validation: Part::Fraction(0.1), test: Part::Fraction(0.2) }
    }
}

impl Split {
    pub(super) fn validate(&self) -> Vec<(&'static str, String)> {
        let parts = [("split.train", self.train), ("split.validation", self.validation), ("split.test", self.test)];
        let mut wrong = Vec::new();
        for (key, part) in parts {
            match part {
                Part::Fraction(fraction) if !(0.0..=1.0).contains(&fraction) => {
                    wrong.push((key, format!("is {fraction}; a fraction must lie between 0.0 and 1.0")));
                }
                Part::Fraction(0.0) | Part::Rows(0) if key == "split.train" => {
                    wrong.push((key, "is 0; training needs rows".to_owned()));
                }
                _ => {}
            }
        }
        let fractions: Vec<f64> = parts.iter().filter_map(|(_, part)| part.fraction()).collect();
        let sum: f64 = fractions.iter().sum();
        if !fractions.is_empty() && fractions.len() < parts.len() {
            let message = "mixes fractions (numbers with a decimal point) and rows (whole numbers); use one of them";
            wrong.push(("split", message.to_owned()));
        } else if wrong.is_empty() && sum > 1.0 + 1e-9 {
            wrong.push(("split", format!("has fractions that add up to {sum}; at most 1 is possible")));
        }
        wrong
    }

    /// The parts of `rows` rows. Of fractions that add up to 1, validation gets what rounding leaves over, as in the
    /// preparation of the Informer data sets (Zhou et al., 2021).
    pub(super) fn of(&self, rows: usize) -> Result<Parts, DataError> {
        let [train, mut validation, test] = [self.train, self.validation, self.test].map(|part| part.of(rows));
        let fractions: f64 = [self.train, self.validation, self.test].iter().filter_map(Part::fraction).sum();
        if (fractions - 1.0).abs() < 1e-9 && self.validation != Part::Fraction(0.0) {
            validation = rows - train - test;
        }
        let need = train.saturating_add(validation).saturating_add(test);
        if need > rows {
            let message = format!("wants {need} rows ({train} + {validation} + {test}), and there are {rows}");
            return Err(DataError::Config { key: "split", message });
        }
        Ok(Parts { train: 0..train, validation: train..train + validation, test: train + validation..need })
    }
}

impl Part {
    fn fraction(&self) -> Option<f64> {
        match self {
            Self::Fraction(fraction) => Some(*fraction),
            Self::Rows(_) => None,
        }
    }

    fn of(self, rows: usize) -> usize {
        match self {
            Self::Rows(count) => count,
            // 0.29 of 100 rows is 28.999999999999996 in binary.
            Self::Fraction(fraction) => (fraction * rows as f64 + 1e-6) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(toml: &str) -> Split {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn fractions_follow_the_published_rounding() {
        // 17,420 rows of ETTh1: int(0.7 n), int(0.2 n), and the rest between them.
        let parts = Split::default().of(17_420).unwrap();
        assert_eq!(parts, Parts { train: 0..12_194, validation: 12_194..13_936, test: 13_936..17_420 });
        let parts = Split::default().of(13).unwrap();
        assert_eq!(parts, Parts { train: 0..9, validation: 9..11, test: 11..13 });
        assert_eq!(split("train = 0.29\nvalidation = 0.1\ntest = 0.1").of(100).unwrap().test, 39..49);
        assert_eq!(split("train = 0.75\nvalidation = 0.0\ntest = 0.25").of(7).unwrap().validation, 5..5);
    }

    #[test]
    fn rows_are_taken_as_given() {
        let split = split("train = 6\nvalidation = 2\ntest = 1");
        assert_eq!(split.of(12).unwrap(), Parts { train: 0..6, validation: 6..8, test: 8..9 });
        let message = split.of(8).unwrap_err().to_string();
        assert!(message.contains("`split` wants 9 rows (6 + 2 + 1), and there are 8"), "{message}");
    }

    #[test]
    fn impossible_splits_are_named() {
        for (wrong, key, part) in [
            ("train = 0.7\nvalidation = 10\ntest = 0.2", "split", "mixes"),
            ("train = 0.7\nvalidation = 0.2\ntest = 0.2", "split", "add up to"),
            ("train = 0\nvalidation = 2\ntest = 2", "split.train", "needs rows"),
            ("train = 1.5\nvalidation = 0.0\ntest = 0.0", "split.train", "1.5"),
            ("train = 5\nvalidation = -1\ntest = 5", "split.validation", "-1"),
        ] {
            let found = split(wrong).validate();
            assert_eq!(found[0].0, key, "{found:?}");
            assert!(found[0].1.contains(part), "{found:?}");
        }
        assert!(split("train = 0.5\nvalidation = 0.3\ntest = 0.2").validate().is_empty());
        assert!(split("train = 0.6\nvalidation = 0.3\ntest = 0.1").validate().is_empty());
    }
}
