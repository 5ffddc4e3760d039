//! Which class was taken for which, and the scores that follow.

use crate::task::Scores;

/// How often each class was taken for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// By true class, then by predicted class.
    counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts pairs of a true and a predicted class.
    ///
    /// # Panics
    /// When one of them is not below `classes`.
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (truth, predicted) in pairs {
            counts[truth][predicted] += 1;
        }
        Self { counts }
    }

    /// By true class, then by predicted class.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Precision, recall and F1 of a class; 0 where nothing was there to divide by, as scikit-learn has it.
    pub fn of_class(&self, class: usize) -> [f64; 3] {
        let correct = self.counts[class][class];
        let predicted: u64 = self.counts.iter().map(|row| row[class]).sum();
        let there: u64 = self.counts[class].iter().sum();
        precision_recall_f1(correct, predicted, there)
    }

    /// Precision, recall and F1 of every class.
    pub fn by_class(&self) -> Vec<[f64; 3]> {
        (0..self.counts.len()).map(|class| self.of_class(class)).collect()
    }

    /// The share of right predictions; NaN where there is none at all.
    pub fn accuracy(&self) -> f64 {
        let all: u64 = self.counts.iter().flatten().sum();
        let correct: u64 = (0..self.counts.len()).map(|class| self.counts[class][class]).sum();
        correct as f64 / all as f64
    }

    /// The mean of the F1 of all classes, each counting alike.
    pub fn f1_macro(&self) -> f64 {
        self.by_class().iter().map(|[_, _, f1]| f1).sum::<f64>() / self.counts.len() as f64
    }

    /// `accuracy` and `f1_macro`.
    pub fn scores(&self) -> Scores {
        Scores::from([("accuracy".to_string(), self.accuracy()), ("f1_macro".to_string(), self.f1_macro())])
    }
}

/// Precision, recall and F1 of a class that was predicted rightly `correct` times, `predicted` times in all, and was `there` so often;
/// 0 where nothing was there to divide by, as scikit-learn has it.
pub fn precision_recall_f1(correct: u64, predicted: u64, there: u64) -> [f64; 3] {
    let ratio = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
    [ratio(correct, predicted), ratio(correct, there), ratio(2 * correct, predicted + there)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_from_the_counts() {
        let pairs = [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (1, 0), (1, 1), (2, 1)];
        let confusion = Confusion::new(4, pairs);
        assert_eq!(confusion.counts(), [[2, 1, 0, 0], [1, 3, 0, 0], [0, 1, 0, 0], [0; 4]]);
        assert_eq!(confusion.of_class(0), [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(confusion.of_class(1), [3.0 / 5.0, 3.0 / 4.0, 6.0 / 9.0]);
        // Never predicted, and never there.
        assert_eq!([confusion.of_class(2), confusion.of_class(3)], [[0.0; 3]; 2]);
        assert_eq!(confusion.accuracy(), 5.0 / 8.0);
        let scores = confusion.scores();
        assert!((scores["f1_macro"] - (2.0 / 3.0 + 6.0 / 9.0) / 4.0).abs() < 1e-15);
        assert_eq!(scores["accuracy"], confusion.accuracy());
    }
}
