//! Classification of texts and of recordings alike: its options and its loss, what a classifier says of each item, and the scores and
//! pages that follow.

use std::collections::BTreeMap;

use burn::tensor::{
    Int, Tensor,
    activation::softmax,
    backend::{AutodiffBackend, Backend},
};
use layers::loss::{CrossEntropy, cross_entropy};
use report::{Body, Section, Table, confusion_sections};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    error::TaskError,
    metrics::Confusion,
    task::{Scores, StepOutput},
};

/// `[task]`: the loss, and what the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassificationOptions {
    /// Part of the target's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// Texts or recordings in the report that the model is most wrong about.
    pub worst_mistakes: usize,
}

impl Default for ClassificationOptions {
    fn default() -> Self {
        Self { label_smoothing: 0.0, worst_mistakes: 20 }
    }
}

impl Validate for ClassificationOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check((0.0..1.0).contains(&self.label_smoothing), "label_smoothing", "must be at least 0 and below 1");
    }
}

impl ClassificationOptions {
    /// The loss of a batch, and the share of it that is right.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - labels: `[batch]`
    pub(super) fn step<B: AutodiffBackend>(&self, logits: Tensor<B, 2>, labels: Tensor<B, 1, Int>) -> StepOutput<B> {
        let [items, _] = logits.dims();
        let correct = logits.clone().inner().argmax(1).flatten::<1>(0, 1).equal(labels.clone().inner());
        let options = CrossEntropy { label_smoothing: self.label_smoothing as f32, ..CrossEntropy::default() };
        let loss = cross_entropy(logits, labels, &options);
        StepOutput::new(loss, items).with_metric("accuracy", correct.float().mean())
    }
}

/// What the model says of one item.
pub(super) struct Prediction {
    /// Number of the item in its source.
    pub index: usize,
    /// The true class.
    pub label: usize,
    /// The predicted class.
    pub class: usize,
    /// Of the true class.
    pub probability: f64,
    /// Of the predicted class.
    pub certainty: f64,
}

/// What the model says of all items, and what they are called.
pub(super) struct Predictions<'a> {
    classes: &'a [String],
    /// What there is a number of: `"texts"`.
    counted: &'static str,
    predictions: Vec<Prediction>,
}

impl<'a> Predictions<'a> {
    pub fn new(classes: &'a [String], counted: &'static str) -> Self {
        Self { classes, counted, predictions: Vec::new() }
    }

    /// Adds a batch. `logits`: `[batch, classes]`
    pub fn add<B: Backend>(&mut self, logits: Tensor<B, 2>, indices: &[usize], labels: &[i32]) {
        // A few numbers an item; the mistakes are looked up by them.
        let values = probabilities(logits);
        for ((row, index), label) in values.chunks(self.classes.len()).zip(indices).zip(labels) {
            let (label, class) = (*label as usize, largest(row));
            let (probability, certainty) = (f64::from(row[label]), f64::from(row[class]));
            self.predictions.push(Prediction { index: *index, label, class, probability, certainty });
        }
    }

    /// Accuracy, macro F1 and the mean negative logarithm of the true class's probability.
    pub fn scores(&self) -> Result<Scores, TaskError> {
        if self.predictions.is_empty() {
            return Err(format!("there are no {} to score", self.counted).into());
        }
        let surprise = |p: &Prediction| -p.probability.max(f64::from(f32::MIN_POSITIVE)).ln();
        let loss = self.predictions.iter().map(surprise).sum::<f64>();
        let mut scores = self.confusion().scores();
        scores.insert("loss".to_string(), loss / self.predictions.len() as f64);
        Ok(scores)
    }

    fn confusion(&self) -> Confusion {
        Confusion::new(self.classes.len(), self.predictions.iter().map(|p| (p.label, p.class)))
    }

    /// The heat map of confusions and the table of classes.
    pub fn sections(&self) -> Vec<Section> {
        let confusion = self.confusion();
        confusion_sections(self.classes, confusion.counts(), &confusion.by_class(), self.counted).to_vec()
    }

    /// The share of right predictions in each group, with the number of its items; groups by name.
    pub fn by_group(&self, title: &str, group: impl Fn(usize) -> Option<String>) -> Option<Section> {
        let mut groups = BTreeMap::<String, [usize; 2]>::new();
        for prediction in &self.predictions {
            let [right, all] = groups.entry(group(prediction.index)?).or_default();
            *right += usize::from(prediction.class == prediction.label);
            *all += 1;
        }
        let row = |(name, [right, all]): (String, [usize; 2])| {
            vec![name, format!("{:.4}", right as f64 / all as f64), all.to_string()]
        };
        let columns = [title, "accuracy", self.counted].map(str::to_string).to_vec();
        let rows = groups.into_iter().map(row).collect();
        Some(Section::new(format!("By {title}"), Body::Table(Table { columns, rows })))
    }

    /// The items whose class the model thought least likely.
    pub fn worst(&self, limit: usize) -> Vec<&Prediction> {
        let mut wrong: Vec<&Prediction> = self.predictions.iter().filter(|p| p.class != p.label).collect();
        wrong.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        wrong.truncate(limit);
        wrong
    }

    /// A table of [`worst`](Self::worst). `heading` is that of the column which `name` fills.
    pub fn worst_mistakes(&self, limit: usize, heading: &str, name: impl Fn(usize) -> String) -> Section {
        let row = |prediction: &Prediction| {
            let class = |class: usize| self.classes[class].clone();
            let certainty = format!("{:.3}", prediction.certainty);
            vec![class(prediction.label), class(prediction.class), certainty, name(prediction.index)]
        };
        let rows = self.worst(limit).into_iter().map(row).collect();
        let columns = ["class", "predicted", "probability", heading].map(str::to_string).to_vec();
        Section::new("Worst mistakes", Body::Table(Table { columns, rows }))
    }
}

/// The probabilities of all classes, row by row, from logits `[batch, classes]`.
pub(super) fn probabilities<B: Backend>(logits: Tensor<B, 2>) -> Vec<f32> {
    softmax(logits, 1).into_data().iter::<f32>().collect()
}

/// The place of the largest value.
pub(super) fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(0)
}
