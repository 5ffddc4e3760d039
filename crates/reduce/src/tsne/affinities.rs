//! How near points are in the data: the probabilities P of t-SNE.

use crate::sparse::Sparse;
use crate::{Matrix, Neighbours, ReduceError, k_nearest};
use rayon::prelude::*;

/// A perplexity is met when the entropy (natural logarithm) is this near.
const TOLERANCE: f64 = 1e-5;

/// Halvings of the interval at most.
const STEPS: usize = 100;

/// The joint probabilities `(p(j|i) + p(i|j)) / 2N` of nearest neighbours, a sparse symmetric matrix with sum 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Affinities {
    joint: Sparse,
    /// The sum of `p ln p`.
    negative_entropy: f64,
}

impl Affinities {
    /// Those of the `3 * perplexity + 1` nearest neighbours of every row, as scikit-learn and openTSNE have them about.
    ///
    /// # Errors
    /// Data that is empty or not finite, and a perplexity below 1 or above a third of the other rows.
    pub fn new(data: &Matrix, perplexity: f64) -> Result<Self, ReduceError> {
        check_perplexity(data, perplexity)?;
        Self::of_neighbours(data, perplexity, ((3.0 * perplexity + 1.0) as usize).min(data.rows() - 1))
    }

    /// Those of all pairs of rows: the original method, quadratic in memory.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_all_pairs(data: &Matrix, perplexity: f64) -> Result<Self, ReduceError> {
        check_perplexity(data, perplexity)?;
        Self::of_neighbours(data, perplexity, data.rows() - 1)
    }

    fn of_neighbours(data: &Matrix, perplexity: f64, k: usize) -> Result<Self, ReduceError> {
        let neighbours = k_nearest(data, k)?;
        Ok(Self::joint(&neighbours, &conditional(&neighbours, perplexity)))
    }

    fn joint(neighbours: &Neighbours, conditional: &[f32]) -> Self {
        let factor = 1.0 / (2.0 * neighbours.rows() as f32);
        let joint = Sparse::symmetric(neighbours, conditional, |there, back| (there + back) * factor);
        let summand = |&p: &f32| if p > 0.0 { f64::from(p) * f64::from(p).ln() } else { 0.0 };
        Self { negative_entropy: joint.values().iter().map(summand).sum(), joint }
    }

    /// How many points there are.
    pub fn rows(&self) -> usize {
        self.joint.rows()
    }

    /// The points that have a probability with point `row`, in order, and the probabilities.
    #[inline(always)]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        self.joint.row(row)
    }

    /// The sum of `p ln p`.
    pub(super) fn negative_entropy(&self) -> f64 {
        self.negative_entropy
    }
}

/// Refuses a perplexity that no row has the neighbours for.
fn check_perplexity(data: &Matrix, perplexity: f64) -> Result<(), ReduceError> {
    data.check()?;
    let rows = data.rows();
    if rows < 4 {
        return Err(ReduceError::Empty { rows, columns: data.columns(), needed: "a fourth row" });
    }
    let most = (rows - 1) as f64 / 3.0;
    if !(1.0..=most).contains(&perplexity) {
        let message = format!(
            "is {perplexity}, but {rows} rows allow 1 to {:.1}: a third of the other rows, because three times the \
             perplexity is how many neighbours count",
            (most * 10.0).floor() / 10.0
        );
        return Err(ReduceError::config("perplexity", message));
    }
    Ok(())
}

/// The conditional probabilities of every row's neighbours, `[rows, k]`, whose entropy is the logarithm of the
/// perplexity: by bisection of the precision of a Gaussian around the row.
pub fn conditional(neighbours: &Neighbours, perplexity: f64) -> Vec<f32> {
    let k = neighbours.k();
    let mut output = vec![0.0; neighbours.rows() * k];
    output.par_chunks_mut(k).enumerate().for_each(|(row, output)| {
        let squared: Vec<f64> = neighbours.distances(row).iter().map(|&d| f64::from(d).powi(2)).collect();
        for (output, value) in output.iter_mut().zip(row_of_conditional(&squared, perplexity.ln())) {
            *output = value as f32;
        }
    });
    output
}

fn row_of_conditional(squared: &[f64], wanted: f64) -> Vec<f64> {
    let (mut precision, mut low, mut high) = (1.0, 0.0, f64::INFINITY);
    let mut values = vec![0.0; squared.len()];
    for _ in 0..STEPS {
        let entropy = gaussian(squared, precision, &mut values);
        if (entropy - wanted).abs() <= TOLERANCE {
            break;
        }
        if entropy > wanted {
            low = precision;
            precision = if high.is_finite() { (precision + high) / 2.0 } else { precision * 2.0 };
        } else {
            high = precision;
            precision = (precision + low) / 2.0;
        }
    }
    values
}

/// Probabilities proportional to `exp(-precision * squared)`, and their entropy. The nearest distance is taken from
/// all, which changes nothing but keeps the exponentials from vanishing.
fn gaussian(squared: &[f64], precision: f64, values: &mut [f64]) -> f64 {
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (value, squared_distance) in values.iter_mut().zip(squared) {
        let further = squared_distance - squared[0];
        *value = (-precision * further).exp();
        sum += *value;
        weighted += *value * further;
    }
    values.iter_mut().for_each(|value| *value /= sum);
    sum.ln() + precision * weighted / sum
}
