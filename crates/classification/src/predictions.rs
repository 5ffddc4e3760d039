use std::collections::BTreeMap;

use burn::tensor::{Tensor, activation::softmax, backend::Backend};
use report::{BarSeries, Bars, Body, Section, Table, confusion_sections};
use training_loop::{
    error::TaskError,
    metrics::{Calibration, Confusion},
    task::Scores,
};

/// Parts of certainty in a reliability diagram, as in the paper.
const BINS: usize = 15;

/// From this many classes on it is worth saying how often the true one is among the five likeliest.
const CLASSES_FOR_TOP5: usize = 7;

/// What the model says of one item.
pub struct Prediction {
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
    /// How many classes are likelier than the true one.
    pub rank: usize,
}

/// What the model says of all items, and what they are called.
pub struct Predictions<'a> {
    classes: &'a [String],
    /// What there is a number of: `"texts"`.
    counted: &'static str,
    predictions: Vec<Prediction>,
}

impl<'a> Predictions<'a> {
    /// Nothing yet.
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
            let rank = row.iter().filter(|other| **other > row[label]).count();
            self.predictions.push(Prediction { index: *index, label, class, probability, certainty, rank });
        }
    }

    /// What was said of each item, in the order in which they were added.
    pub fn all(&self) -> &[Prediction] {
        &self.predictions
    }

    /// Accuracy, macro F1, the mean negative logarithm of the true class's probability (`loss`), the expected calibration
    /// error (`ece`), and with seven classes or more how often the true one is among the five likeliest (`top5_accuracy`).
    ///
    /// # Errors
    /// When there is no prediction.
    pub fn scores(&self) -> Result<Scores, TaskError> {
        if self.predictions.is_empty() {
            return Err(format!("there are no {} to score", self.counted).into());
        }
        let surprise = |p: &Prediction| -p.probability.max(f64::from(f32::MIN_POSITIVE)).ln();
        let loss = self.predictions.iter().map(surprise).sum::<f64>();
        let mut scores = self.confusion().scores();
        let count = self.predictions.len() as f64;
        scores.insert("loss".to_string(), loss / count);
        scores.insert("ece".to_string(), self.calibration().expected_error());
        if self.classes.len() >= CLASSES_FOR_TOP5 {
            let among = self.predictions.iter().filter(|p| p.rank < 5).count();
            scores.insert("top5_accuracy".to_string(), among as f64 / count);
        }
        Ok(scores)
    }

    fn calibration(&self) -> Calibration {
        Calibration::new(BINS, self.predictions.iter().map(|p| (p.certainty, p.class == p.label)))
    }

    fn confusion(&self) -> Confusion {
        Confusion::new(self.classes.len(), self.predictions.iter().map(|p| (p.label, p.class)))
    }

    /// The heat map of confusions, the table of classes and the reliability diagram.
    pub fn sections(&self) -> Vec<Section> {
        let confusion = self.confusion();
        let mut sections =
            confusion_sections(self.classes, confusion.counts(), &confusion.by_class(), self.counted).to_vec();
        sections.push(self.reliability());
        sections
    }

    /// How often predictions of each certainty are right.
    fn reliability(&self) -> Section {
        let calibration = self.calibration();
        let bins = || calibration.bins().iter().enumerate().filter(|(_, bin)| bin.count > 0);
        let edge = |place: usize| format!("{:.2}", place as f64 / BINS as f64);
        let bars = Bars {
            labels: bins().map(|(place, _)| format!("{}–{}", edge(place), edge(place + 1))).collect(),
            series: vec![
                BarSeries { name: "certainty".into(), values: bins().map(|(_, bin)| bin.mean_certainty()).collect() },
                BarSeries { name: "accuracy".into(), values: bins().map(|(_, bin)| bin.accuracy()).collect() },
            ],
            y_label: String::new(),
        };
        let caption = format!(
            "Is the model as often right as it says? {} by the probability of the predicted class; the expected calibration \
             error, the mean distance of the two, is {:.3}.",
            self.counted,
            calibration.expected_error()
        );
        Section::new("Calibration", Body::Bars(bars)).with_caption(caption)
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
pub fn probabilities<B: Backend>(logits: Tensor<B, 2>) -> Vec<f32> {
    softmax(logits, 1).into_data().iter::<f32>().collect()
}

/// The place of the largest value.
pub fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use burn::{backend::Flex, tensor::TensorData};

    use super::*;

    #[test]
    fn ranks_certainty_and_mistakes_follow_from_the_logits() {
        let classes: Vec<String> = (0..8).map(|class| class.to_string()).collect();
        let mut logits = vec![0.0_f32; 24];
        logits[3] = 5.0; // item 0: class 3 by far
        logits[8 + 1] = 2.0; // item 1: class 1, its label 0 shares the second place
        for (place, value) in logits[16..24].iter_mut().enumerate() {
            *value = place as f32; // item 2: class 7, its label 0 comes last
        }
        let logits = Tensor::<Flex, 2>::from_data(TensorData::new(logits, [3, 8]), &Default::default());
        let mut predictions = Predictions::new(&classes, "items");
        predictions.add(logits, &[10, 11, 12], &[3, 0, 0]);
        let of = |place: usize| &predictions.all()[place];
        assert_eq!([of(0).class, of(1).class, of(2).class], [3, 1, 7]);
        assert_eq!([of(0).rank, of(1).rank, of(2).rank], [0, 1, 7]);
        let scores = predictions.scores().unwrap();
        assert!((scores["accuracy"] - 1.0 / 3.0).abs() < 1e-12);
        assert!((scores["top5_accuracy"] - 2.0 / 3.0).abs() < 1e-12);
        let worst: Vec<usize> = predictions.worst(5).iter().map(|p| p.index).collect();
        assert_eq!(worst, [12, 11]);
        assert!(Predictions::new(&classes, "items").scores().is_err());
    }
}
