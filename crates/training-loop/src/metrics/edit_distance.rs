//! Levenshtein's distance, and error rates of recognised words or tokens, by kind of error.

use std::{
    iter::Sum,
    ops::{Add, AddAssign},
};

/// How many items have to be replaced, added or removed to turn one sequence into the other (Levenshtein 1966).
pub fn edit_distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    Edits::between(a, b).total()
}

/// The fewest errors that explain hypotheses by their references. Adds up over a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edits {
    /// Items of the references that were taken for others.
    pub substitutions: usize,
    /// Items that no reference has.
    pub insertions: usize,
    /// Items of the references that were left out.
    pub deletions: usize,
    /// Items of all references.
    pub reference_length: usize,
}

impl Edits {
    /// The errors of one hypothesis. Where several smallest sets of errors explain it, substitutions are preferred.
    pub fn between<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Self {
        // `row[j]` explains the first j items of the hypothesis by the items of the reference so far.
        let mut row: Vec<Self> =
            (0..=hypothesis.len()).map(|insertions| Self { insertions, ..Self::default() }).collect();
        for item in reference {
            let mut diagonal = row[0];
            row[0].deletions += 1;
            for (place, other) in hypothesis.iter().enumerate() {
                let replaced = Self { substitutions: diagonal.substitutions + usize::from(item != other), ..diagonal };
                let above = row[place + 1];
                let left_out = Self { deletions: above.deletions + 1, ..above };
                let added = Self { insertions: row[place].insertions + 1, ..row[place] };
                diagonal = above;
                let best = [left_out, added]
                    .into_iter()
                    .fold(replaced, |best, next| if next.total() < best.total() { next } else { best });
                row[place + 1] = best;
            }
        }
        Self { reference_length: reference.len(), ..row[hypothesis.len()] }
    }

    /// Errors of all kinds.
    pub fn total(&self) -> usize {
        self.substitutions + self.insertions + self.deletions
    }

    /// Errors for each item of the references: the word error rate where items are words. Above 1 where there are more insertions
    /// than right items. References without any item count as one item, so that the rate stays finite.
    pub fn rate(&self) -> f64 {
        self.total() as f64 / self.reference_length.max(1) as f64
    }
}

impl Add for Edits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            substitutions: self.substitutions + other.substitutions,
            insertions: self.insertions + other.insertions,
            deletions: self.deletions + other.deletions,
            reference_length: self.reference_length + other.reference_length,
        }
    }
}

impl AddAssign for Edits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Edits {
    fn sum<I: Iterator<Item = Self>>(edits: I) -> Self {
        edits.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn errors_are_counted_by_kind() {
        // reference, hypothesis, substitutions, insertions, deletions
        let table = [
            ("", "", 0, 0, 0),
            ("one two three", "one two three", 0, 0, 0),
            ("one two three", "one too three", 1, 0, 0),
            ("one two three", "one three", 0, 0, 1),
            ("one two three", "one two two three", 0, 1, 0),
            ("one two three", "", 0, 0, 3),
            ("", "one two", 0, 2, 0),
            ("one two three four", "two three four five", 0, 1, 1),
            ("one two", "three four five", 2, 1, 0),
            ("k i t t e n", "s i t t i n g", 2, 1, 0),
        ];
        let mut sum = Edits::default();
        for (reference, hypothesis, substitutions, insertions, deletions) in table {
            let reference_length = words(reference).len();
            let edits = Edits::between(&words(reference), &words(hypothesis));
            assert_eq!(
                edits,
                Edits { substitutions, insertions, deletions, reference_length },
                "{reference}: {hypothesis}"
            );
            sum += edits;
        }
        assert_eq!(table.iter().map(|(r, h, ..)| Edits::between(&words(r), &words(h))).sum::<Edits>(), sum);
        assert_eq!((sum.total(), sum.reference_length), (16, 27));
        assert!((sum.rate() - 16.0 / 27.0).abs() < 1e-15);
        assert_eq!(Edits::between(&[], &[1, 2]).rate(), 2.0);
    }

    proptest! {
        #[test]
        fn it_is_a_metric(
            a in prop::collection::vec(0u8..4, 0..12),
            b in prop::collection::vec(0u8..4, 0..12),
            c in prop::collection::vec(0u8..4, 0..12),
        ) {
            let between = edit_distance(&a, &b);
            prop_assert_eq!(between, edit_distance(&b, &a));
            prop_assert_eq!(between == 0, a == b);
            prop_assert!(between <= edit_distance(&a, &c) + edit_distance(&c, &b));
            prop_assert!(between >= a.len().abs_diff(b.len()));
            prop_assert!(between <= a.len().max(b.len()));
        }

        #[test]
        fn the_kinds_explain_the_lengths(
            reference in prop::collection::vec(0u8..4, 0..12),
            hypothesis in prop::collection::vec(0u8..4, 0..12),
        ) {
            let edits = Edits::between(&reference, &hypothesis);
            prop_assert_eq!(reference.len() + edits.insertions, hypothesis.len() + edits.deletions);
        }
    }
}
