use crate::split::Parts;
use serde::{Deserialize, Serialize};

/// How many items of a class (or a speaker) there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// The class or the speaker.
    pub name: String,
    /// Items in the training part.
    pub train: usize,
    /// Items in the validation part.
    pub validation: usize,
    /// Items in the test part.
    pub test: usize,
}

impl PartCounts {
    /// Items in all parts.
    pub fn all(&self) -> usize {
        self.train + self.validation + self.test
    }

    /// Those of each name, where `places` says which names, by place in `names`, an item counts for.
    pub(crate) fn of<I: IntoIterator<Item = usize>>(
        names: &[String],
        parts: &Parts,
        places: impl Fn(usize) -> I,
    ) -> Vec<Self> {
        let mut counts: Vec<Self> = names.iter().map(|name| Self { name: name.clone(), ..Self::default() }).collect();
        let places = |part: &[usize]| part.iter().flat_map(|index| places(*index)).collect::<Vec<_>>();
        places(&parts.train).into_iter().for_each(|place| counts[place].train += 1);
        places(&parts.validation).into_iter().for_each(|place| counts[place].validation += 1);
        places(&parts.test).into_iter().for_each(|place| counts[place].test += 1);
        counts
    }

    /// Items in the training, the validation and the test part, of all names.
    pub(crate) fn part_sizes(counts: &[Self]) -> [usize; 3] {
        counts.iter().fold([0; 3], |[train, validation, test], counts| {
            [train + counts.train, validation + counts.validation, test + counts.test]
        })
    }

    /// The accuracy on the validation part of always answering with the class that has most training items.
    pub(crate) fn baseline_accuracy(classes: &[Self]) -> f64 {
        let largest = classes.iter().max_by_key(|class| class.train).map_or(0, |class| class.validation);
        largest as f64 / Self::part_sizes(classes)[1].max(1) as f64
    }
}
