//! Whether a classifier is as often right as it says: expected calibration error and the reliability diagram
//! ([Guo et al. 2017](https://arxiv.org/abs/1706.04599)).

/// Predictions by how certain the model was of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    bins: Vec<Bin>,
}

/// The predictions whose certainty lies in one part of 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: u64,
    certainty: f64,
    right: u64,
}

impl Bin {
    /// The mean certainty; NaN where there is no prediction.
    pub fn mean_certainty(&self) -> f64 {
        self.certainty / self.count as f64
    }

    /// The share that is right; NaN where there is no prediction.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.count as f64
    }
}

impl Calibration {
    /// Sorts predictions (the probability of the predicted class, and whether it is right) into `bins` parts of equal
    /// width; the paper has 15.
    pub fn new(bins: usize, predictions: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut sorted = vec![Bin::default(); bins.max(1)];
        for (certainty, right) in predictions {
            // Each part holds its upper edge, as in the paper.
            let place = (certainty * sorted.len() as f64).ceil() as usize;
            let place = place.clamp(1, sorted.len()) - 1;
            let bin = &mut sorted[place];
            bin.count += 1;
            bin.certainty += certainty;
            bin.right += u64::from(right);
        }
        Self { bins: sorted }
    }

    /// The parts, from uncertain to certain.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// The mean distance between certainty and accuracy, each part counting as many predictions as it has; NaN without any.
    pub fn expected_error(&self) -> f64 {
        let all: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let distance = |bin: &Bin| (bin.right as f64 - bin.certainty).abs();
        self.bins.iter().map(distance).sum::<f64>() / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_distance_of_certainty_and_accuracy() {
        let predictions = [(0.95, true), (0.95, true), (0.95, false), (0.55, true), (0.6, false), (1.0, true)];
        let calibration = Calibration::new(10, predictions);
        let [six, ten] = [calibration.bins()[5], calibration.bins()[9]];
        assert_eq!([six.count, ten.count], [2, 4]);
        assert!((six.mean_certainty() - 0.575).abs() < 1e-12 && (six.accuracy() - 0.5).abs() < 1e-12);
        let expected = (2.0 * (0.575 - 0.5) + 4.0 * (0.9625 - 0.75)) / 6.0;
        assert!((calibration.expected_error() - expected).abs() < 1e-12);
        assert!(Calibration::new(15, []).expected_error().is_nan());
    }
}
