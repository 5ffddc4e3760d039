use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};
use report::{Body, Section, Table};
use training_loop::{error::TaskError, metrics::precision_recall_f1, task::Scores};

/// From this probability on, a label is predicted.
pub const LABEL_THRESHOLD: f32 = 0.5;

/// The probabilities of all labels, row by row, from logits `[batch, classes]`.
pub fn label_probabilities<B: Backend>(logits: Tensor<B, 2>) -> Vec<f32> {
    sigmoid(logits).into_data().iter::<f32>().collect()
}

/// What the model says of items that may have several labels, or none.
pub struct MultiLabelPredictions<'a> {
    classes: &'a [String],
    /// What there is a number of: `"images"`.
    counted: &'static str,
    /// By item: of each class its probability, and whether it is there.
    items: Vec<Vec<(f32, bool)>>,
    surprise: f64,
}

/// How often a label was there and predicted, there and missed, and predicted in error.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    hits: u64,
    misses: u64,
    false_alarms: u64,
}

impl Counts {
    fn add(&mut self, predicted: bool, there: bool) {
        self.hits += u64::from(predicted && there);
        self.misses += u64::from(!predicted && there);
        self.false_alarms += u64::from(predicted && !there);
    }

    /// Precision, recall and F1.
    fn scores(self) -> [f64; 3] {
        let Self { hits, misses, false_alarms } = self;
        precision_recall_f1(hits, hits + false_alarms, hits + misses)
    }
}

impl<'a> MultiLabelPredictions<'a> {
    /// Nothing yet.
    pub fn new(classes: &'a [String], counted: &'static str) -> Self {
        Self { classes, counted, items: Vec::new(), surprise: 0.0 }
    }

    /// Adds a batch.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - labels: row-major `[batch, classes]`, 1 for a label that is there and 0 for another
    pub fn add<B: Backend>(&mut self, logits: Tensor<B, 2>, labels: &[f32]) {
        let probabilities = label_probabilities(logits);
        let classes = self.classes.len();
        for (row, labels) in probabilities.chunks(classes).zip(labels.chunks(classes)) {
            let item: Vec<(f32, bool)> = row.iter().zip(labels).map(|(p, label)| (*p, *label > 0.5)).collect();
            let of_truth = |&(p, there): &(f32, bool)| f64::from(if there { p } else { 1.0 - p });
            let surprise = item.iter().map(|label| -of_truth(label).max(f64::from(f32::MIN_POSITIVE)).ln());
            self.surprise += surprise.sum::<f64>() / classes as f64;
            self.items.push(item);
        }
    }

    /// F1 over all labels (`f1_micro`) and as the mean of the classes (`f1_macro`), mean average precision (`map`), the
    /// share of items with exactly the right labels (`exact_match`) and the mean binary cross entropy (`loss`).
    ///
    /// # Errors
    /// When there is no prediction.
    pub fn scores(&self) -> Result<Scores, TaskError> {
        if self.items.is_empty() {
            return Err(format!("there are no {} to score", self.counted).into());
        }
        let of_classes: Vec<Counts> = (0..self.classes.len()).map(|class| self.counts(class)).collect();
        let all = of_classes.iter().fold(Counts::default(), |sum, counts| Counts {
            hits: sum.hits + counts.hits,
            misses: sum.misses + counts.misses,
            false_alarms: sum.false_alarms + counts.false_alarms,
        });
        let exact =
            self.items.iter().filter(|item| item.iter().all(|(p, there)| (*p >= LABEL_THRESHOLD) == *there)).count();
        let items = self.items.len() as f64;
        // A class that never is there has no precision to average.
        let precisions: Vec<f64> = (0..self.classes.len()).filter_map(|class| self.average_precision(class)).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let f1: Vec<f64> = of_classes.iter().map(|counts| counts.scores()[2]).collect();
        let named = [
            ("f1_micro", all.scores()[2]),
            ("f1_macro", mean(&f1)),
            ("map", mean(&precisions)),
            ("exact_match", exact as f64 / items),
            ("loss", self.surprise / items),
        ];
        Ok(named.map(|(name, value)| (name.to_string(), value)).into())
    }

    /// The table of classes.
    pub fn sections(&self) -> Vec<Section> {
        let row = |(class, name): (usize, &String)| {
            let counts = self.counts(class);
            let precision = self.average_precision(class).unwrap_or(f64::NAN);
            let numbers = counts.scores().into_iter().chain([precision]).map(|value| format!("{value:.4}"));
            let there = (counts.hits + counts.misses).to_string();
            std::iter::once(name.clone()).chain(numbers).chain([there]).collect()
        };
        let columns = ["label", "precision", "recall", "F1", "average precision", self.counted];
        let table = Table {
            columns: columns.map(str::to_string).to_vec(),
            rows: self.classes.iter().enumerate().map(row).collect(),
        };
        vec![Section::new("By label", Body::Table(table))]
    }

    fn counts(&self, class: usize) -> Counts {
        let mut counts = Counts::default();
        self.items.iter().for_each(|item| counts.add(item[class].0 >= LABEL_THRESHOLD, item[class].1));
        counts
    }

    /// The mean of the precisions at each item that has the label, from the likeliest on (as scikit-learn's
    /// `average_precision_score`); none where no item has it.
    fn average_precision(&self, class: usize) -> Option<f64> {
        let mut of_class: Vec<(f32, bool)> = self.items.iter().map(|item| item[class]).collect();
        of_class.sort_by(|a, b| b.0.total_cmp(&a.0));
        let there = of_class.iter().filter(|(_, there)| *there).count();
        let (mut seen, mut hits, mut sum) = (0_usize, 0_usize, 0.0);
        // Items of equal probability come together: no order among them is better than another.
        for tied in of_class.chunk_by(|a, b| a.0 == b.0) {
            let new = tied.iter().filter(|(_, there)| *there).count();
            seen += tied.len();
            hits += new;
            sum += new as f64 * hits as f64 / seen as f64;
        }
        (there > 0).then(|| sum / there as f64)
    }
}

#[cfg(test)]
mod tests {
    use burn::{backend::Flex, tensor::TensorData};

    use super::*;

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let classes = ["a".to_string(), "b".to_string()];
        // Probabilities of a: 0.9, 0.8, 0.3, 0.6; of b: 0.2, 0.7, 0.7, 0.1.
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let logits = [0.9, 0.2, 0.8, 0.7, 0.3, 0.7, 0.6, 0.1].map(logit).to_vec();
        let logits = Tensor::<Flex, 2>::from_data(TensorData::new(logits, [4, 2]), &Default::default());
        let mut predictions = MultiLabelPredictions::new(&classes, "images");
        predictions.add(logits, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        let scores = predictions.scores().unwrap();
        // sklearn.metrics: average_precision_score, f1_score, accuracy_score, log_loss of each column.
        let close = |name: &str, expected: f64| {
            assert!((scores[name] - expected).abs() < 1e-6, "{name}: {} is not {expected}", scores[name]);
        };
        close("map", ((1.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0 + 0.5) / 2.0);
        close("f1_macro", 2.0 / 3.0);
        close("f1_micro", 2.0 / 3.0);
        close("exact_match", 0.5);
        let of_truth: [f64; 8] = [0.9, 0.8, 0.2, 0.7, 0.3, 0.3, 0.6, 0.9];
        close("loss", of_truth.iter().map(|p| -p.ln()).sum::<f64>() / 8.0);
    }
}
