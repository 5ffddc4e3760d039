//! Precision, recall and F1 of entities in tagged sentences, as CoNLL's `conlleval` and `seqeval` have them: an entity is right where
//! its kind and both its ends are.

use super::{MetricError, precision_recall_f1};
use crate::task::Scores;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// One entity of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity<'a> {
    /// What its tags say behind the dash (`PER`); `_` where they say nothing.
    pub kind: &'a str,
    /// Its words, by place in the sentence.
    pub words: Range<usize>,
}

/// How many entities there are, and how many of them were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// Entities that were found, with their kind and their ends.
    pub correct: u64,
    /// Entities of the predictions.
    pub predicted: u64,
    /// Entities of the references.
    pub there: u64,
}

/// Scores of the entities in whole sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityScores {
    /// By kind, in the order of their names.
    pub kinds: BTreeMap<String, EntityCounts>,
}

/// The entities of one sentence by its tags, in order: `B-PER`, `I-PER`, `O`, and with IOBES also `E-PER` and `S-PER`.
///
/// As `seqeval` has it by default, an entity begins at a `B`, and at any other tag where none of its kind goes on: so both
/// forms of IOB are read, and predictions that break the rules still count.
pub fn entities<T: AsRef<str>>(tags: &[T]) -> Vec<Entity<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Entity<'_>> = None;
    for (place, tag) in tags.iter().enumerate() {
        let (position, kind) = parts(tag.as_ref());
        let goes_on = matches!(position, 'I' | 'E') && open.as_ref().is_some_and(|entity| entity.kind == kind);
        if !goes_on {
            found.extend(open.take());
            open = (position != 'O').then_some(Entity { kind, words: place..place });
        }
        if let Some(entity) = &mut open {
            entity.words.end = place + 1;
        }
        if matches!(position, 'E' | 'S') {
            found.extend(open.take());
        }
    }
    found.extend(open);
    found
}

/// What a tag says of the place in an entity, and the kind.
fn parts(tag: &str) -> (char, &str) {
    let mut characters = tag.chars();
    let position = characters.next().unwrap_or('O');
    let rest = characters.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (position, if kind.is_empty() { "_" } else { kind })
}

/// Compares the tags of sentences, word by word: `hypotheses` are a model's.
///
/// # Errors
/// [`MetricError::Counts`] where there are not as many of both, and [`MetricError::Lengths`] for a sentence with other numbers of
/// tags.
pub fn entity_scores<T: AsRef<str>>(hypotheses: &[Vec<T>], references: &[Vec<T>]) -> Result<EntityScores, MetricError> {
    if hypotheses.len() != references.len() {
        return Err(MetricError::Counts { hypotheses: hypotheses.len(), references: references.len() });
    }
    let mut scores = EntityScores::default();
    for (index, (hypothesis, reference)) in hypotheses.iter().zip(references).enumerate() {
        if hypothesis.len() != reference.len() {
            let (hypothesis, reference) = (hypothesis.len(), reference.len());
            return Err(MetricError::Lengths { index, hypothesis, reference });
        }
        scores.add(&entities(hypothesis), &entities(reference));
    }
    Ok(scores)
}

impl EntityScores {
    /// Counts the entities of one more sentence.
    pub fn add(&mut self, hypothesis: &[Entity<'_>], reference: &[Entity<'_>]) {
        let there: HashSet<&Entity<'_>> = reference.iter().collect();
        for entity in reference {
            self.of_kind(entity.kind).there += 1;
        }
        for entity in hypothesis {
            let counts = self.of_kind(entity.kind);
            counts.predicted += 1;
            counts.correct += u64::from(there.contains(entity));
        }
    }

    fn of_kind(&mut self, kind: &str) -> &mut EntityCounts {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.to_owned(), EntityCounts::default());
        }
        self.kinds.get_mut(kind).expect("inserted above")
    }

    /// All kinds together (the micro average).
    pub fn total(&self) -> EntityCounts {
        self.kinds.values().fold(EntityCounts::default(), |sum, counts| EntityCounts {
            correct: sum.correct + counts.correct,
            predicted: sum.predicted + counts.predicted,
            there: sum.there + counts.there,
        })
    }

    /// The mean of the F1 of all kinds, each counting alike; 0 of none.
    pub fn f1_macro(&self) -> f64 {
        let sum: f64 = self.kinds.values().map(|counts| counts.precision_recall_f1()[2]).sum();
        sum / self.kinds.len().max(1) as f64
    }

    /// `precision`, `recall` and `f1` of all kinds together, and `f1_macro`.
    pub fn scores(&self) -> Scores {
        let [precision, recall, f1] = self.total().precision_recall_f1();
        let named = [("precision", precision), ("recall", recall), ("f1", f1), ("f1_macro", self.f1_macro())];
        named.into_iter().map(|(name, score)| (name.to_string(), score)).collect()
    }
}

impl EntityCounts {
    /// Precision, recall and F1; 0 where nothing was there to divide by.
    pub fn precision_recall_f1(&self) -> [f64; 3] {
        precision_recall_f1(self.correct, self.predicted, self.there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(tags: &str) -> Vec<(String, Range<usize>)> {
        let tags: Vec<&str> = tags.split_whitespace().collect();
        entities(&tags).into_iter().map(|entity| (entity.kind.to_owned(), entity.words)).collect()
    }

    #[test]
    fn entities_by_hand() {
        type Entities<'a> = &'a [(&'a str, Range<usize>)];
        let table: [(&str, Entities<'_>); 9] = [
            ("O O", &[]),
            ("B-PER I-PER O B-LOC", &[("PER", 0..2), ("LOC", 3..4)]),
            ("B-PER B-PER", &[("PER", 0..1), ("PER", 1..2)]),
            // IOB1, and predictions that break the rules.
            ("I-PER I-PER O I-LOC", &[("PER", 0..2), ("LOC", 3..4)]),
            ("B-PER I-LOC I-LOC", &[("PER", 0..1), ("LOC", 1..3)]),
            // IOBES.
            ("B-PER I-PER E-PER S-LOC I-LOC", &[("PER", 0..3), ("LOC", 3..4), ("LOC", 4..5)]),
            ("E-PER E-PER", &[("PER", 0..1), ("PER", 1..2)]),
            ("B I O", &[("_", 0..2)]),
            ("B-date-of-birth", &[("date-of-birth", 0..1)]),
        ];
        for (tags, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(kind, words)| ((*kind).to_owned(), words.clone())).collect();
            assert_eq!(found(tags), expected, "{tags}");
        }
    }

    #[test]
    fn an_entity_is_right_with_its_kind_and_both_ends() {
        let tags = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let references = [tags("B-PER I-PER O B-LOC O B-LOC"), tags("B-PER O")];
        let hypotheses = [tags("B-PER I-PER O B-PER O B-LOC"), tags("B-PER I-PER")];
        let scores = entity_scores(&hypotheses, &references).unwrap();
        assert_eq!(scores.kinds["PER"], EntityCounts { correct: 1, predicted: 3, there: 2 });
        assert_eq!(scores.kinds["LOC"], EntityCounts { correct: 1, predicted: 1, there: 2 });
        assert_eq!(scores.total().precision_recall_f1(), [2.0 / 4.0, 2.0 / 4.0, 4.0 / 8.0]);
        assert!((scores.f1_macro() - (2.0 / 5.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        assert_eq!(scores.scores()["f1"], 0.5);
        assert_eq!(EntityScores::default().total().precision_recall_f1(), [0.0; 3]);
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let error = entity_scores(&[vec!["O"]], &[]).unwrap_err();
        assert_eq!(error, MetricError::Counts { hypotheses: 1, references: 0 });
        let error = entity_scores(&[vec!["O"], vec!["O"]], &[vec!["O"], vec!["O", "O"]]).unwrap_err();
        assert!(error.to_string().starts_with("sentence 1 (counted from 0) has 1 tag"), "{error}");
    }

    proptest! {
        #[test]
        fn entities_lie_in_order_and_cover_all_tags(
            tags in prop::collection::vec(prop::sample::select(vec!["O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B"]), 0..20),
        ) {
            let found = entities(&tags);
            prop_assert!(found.windows(2).all(|pair| pair[0].words.end <= pair[1].words.start));
            let covered: usize = found.iter().map(|entity| entity.words.len()).sum();
            prop_assert_eq!(covered, tags.iter().filter(|tag| **tag != "O").count());
            let mut same = EntityScores::default();
            same.add(&found, &found);
            let expected = if found.is_empty() { [0.0; 3] } else { [1.0; 3] };
            prop_assert_eq!(same.total().precision_recall_f1(), expected);
        }
    }
}
