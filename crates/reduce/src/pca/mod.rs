//! Principal component analysis, with scikit-learn's names, signs and conventions.

mod centred;
mod exact;
mod randomized;

use crate::product::{View, multiply};
use crate::{Matrix, Progress, ReduceError, Stage};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows that are centred and multiplied at once: few enough for the cache, many enough for a product.
const BLOCK: usize = 256;

/// The smaller side of a table up to which the exact decomposition takes less time than the randomised one.
const EXACT_UP_TO: usize = 500;

/// How many components a PCA keeps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PcaComponents {
    /// That many.
    Count(usize),
    /// As few as explain more than this share of the variance, between 0 and 1. Needs the exact solver.
    Variance(f64),
}

/// How the components are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PcaSolver {
    /// Exact where the smaller side of the table is at most 500, where a share of the variance is asked for, or where more
    /// than a fifth of all components is; else randomised.
    #[default]
    Auto,
    /// The eigenvectors of the covariance, or of the inner products of the rows where those are fewer, in `f64`.
    Exact,
    /// Subspace iteration from a random start (Halko, Martinsson and Tropp 2011, <https://arxiv.org/abs/0909.4061>), with
    /// as many products with the data as scikit-learn's.
    Randomized,
}

/// The settings of a PCA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PcaConfig {
    /// How many components to keep: a count (`50`) or a share of the variance (`0.95`). Default 2.
    pub n_components: PcaComponents,
    /// How they are found. Default `auto`.
    pub solver: PcaSolver,
    /// Whether `transform` scales every component to variance 1. Default false.
    pub whiten: bool,
    /// Randomised: how many directions more than components are followed. Default 10.
    pub oversamples: usize,
    /// Randomised: how often the data and its transpose are applied; without a value 7 where fewer than a tenth of all
    /// components is asked for, else 4.
    pub power_iterations: Option<usize>,
    /// Randomised: the seed of the start. Default 0.
    pub seed: u64,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self {
            n_components: PcaComponents::Count(2),
            solver: PcaSolver::Auto,
            whiten: false,
            oversamples: 10,
            power_iterations: None,
            seed: 0,
        }
    }
}

/// A fitted PCA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// The mean of every column.
    pub mean: Vec<f32>,
    /// `[n_components, columns]`: orthonormal rows, that of the largest variance first. The largest entry of each, by
    /// size, is positive (scikit-learn's `svd_flip` with `u_based_decision=False`).
    pub components: Matrix,
    /// The variance of the data along every component, with `rows - 1` as the divisor.
    pub explained_variance: Vec<f64>,
    /// The same as a share of the variance of all columns together.
    pub explained_variance_ratio: Vec<f64>,
    /// The singular value of every component, of the centred data.
    pub singular_values: Vec<f64>,
    /// The mean variance along the directions that were left out: the noise of probabilistic PCA (Tipping and Bishop 1999).
    pub noise_variance: f64,
    /// Whether `transform` scales to variance 1.
    pub whiten: bool,
}

/// What a solver finds: squared singular values of the centred data, the largest first, and `[values, columns]` directions.
struct Decomposition {
    squared: Vec<f64>,
    directions: Vec<Vec<f64>>,
}

impl PcaConfig {
    /// `n_components` components, everything else by default.
    pub fn new(n_components: usize) -> Self {
        Self { n_components: PcaComponents::Count(n_components), ..Self::default() }
    }

    /// What is impossible whatever the data: keys with the rest of a sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        match self.n_components {
            PcaComponents::Count(0) => found.push(("n_components", "is 0: at least 1 is needed".into())),
            PcaComponents::Variance(share) if !(share > 0.0 && share < 1.0) => found.push((
                "n_components",
                format!(
                    "is {share}: a count is a whole number, a share of the variance lies between 0 and 1, such as 0.95"
                ),
            )),
            PcaComponents::Variance(_) if self.solver == PcaSolver::Randomized => found.push((
                "solver",
                "is randomized, which finds a given count of components: a share of the variance needs exact".into(),
            )),
            _ => {}
        }
        found
    }

    /// Fits a PCA to the rows of `data`, at least two.
    ///
    /// # Errors
    /// Impossible settings, data that is empty or not finite, and more components than rows or columns.
    pub fn fit(&self, data: &Matrix, progress: &mut dyn FnMut(Progress)) -> Result<Pca, ReduceError> {
        ReduceError::first_of(self.validate())?;
        data.check()?;
        let (rows, columns) = (data.rows(), data.columns());
        if rows < 2 {
            return Err(ReduceError::Empty { rows, columns, needed: "a second row" });
        }
        let most = rows.min(columns);
        if let PcaComponents::Count(count) = self.n_components
            && count > most
        {
            let message = format!("is {count}, but {rows} rows of {columns} columns have {most} components at most");
            return Err(ReduceError::config("n_components", message));
        }
        let (mean, variance) = centred::moments(data);
        let found = match self.solver_for(most) {
            (PcaSolver::Randomized, count) => {
                let iterations = self.power_iterations.unwrap_or(if count * 10 < most { 7 } else { 4 });
                let followed = (count + self.oversamples).min(most);
                randomized::decompose(data, &mean, followed, iterations, self.seed, progress)?
            }
            (_, _) => {
                progress(Progress::new(Stage::Pca, 0, 1));
                let found = exact::decompose(data, &mean, |squared| self.kept(squared))?;
                progress(Progress::new(Stage::Pca, 1, 1));
                found
            }
        };
        Ok(self.assemble(found, mean, variance, rows))
    }

    /// The solver that `Auto` stands for, and the count of components where it is known.
    fn solver_for(&self, most: usize) -> (PcaSolver, usize) {
        match (self.solver, self.n_components) {
            (_, PcaComponents::Variance(_)) => (PcaSolver::Exact, most),
            (PcaSolver::Auto, PcaComponents::Count(count)) if most <= EXACT_UP_TO || count * 5 > most => {
                (PcaSolver::Exact, count)
            }
            (PcaSolver::Auto, PcaComponents::Count(count)) => (PcaSolver::Randomized, count),
            (solver, PcaComponents::Count(count)) => (solver, count),
        }
    }

    /// How many components to keep, given all squared singular values.
    fn kept(&self, squared: &[f64]) -> usize {
        let share = match self.n_components {
            PcaComponents::Count(count) => return count,
            PcaComponents::Variance(share) => share * squared.iter().sum::<f64>(),
        };
        let mut sum = 0.0;
        let below = squared.iter().take_while(|&&value| {
            sum += value;
            sum <= share
        });
        (below.count() + 1).min(squared.len())
    }

    fn assemble(&self, found: Decomposition, mean: Vec<f64>, total_variance: f64, rows: usize) -> Pca {
        let columns = mean.len();
        let kept = self.kept(&found.squared).min(found.directions.len());
        let squared = &found.squared[..kept];
        let degrees = (rows - 1) as f64;
        let explained_variance: Vec<f64> = squared.iter().map(|value| value / degrees).collect();
        let left_out = rows.min(columns) - kept;
        let noise = (total_variance - explained_variance.iter().sum::<f64>()).max(0.0) / left_out.max(1) as f64;
        let components = found.directions[..kept].iter().flat_map(|direction| with_positive_peak(direction));
        Pca {
            components: Matrix::new(components.collect(), kept, columns).expect("a direction has an entry a column"),
            mean: mean.into_iter().map(|mean| mean as f32).collect(),
            explained_variance_ratio: explained_variance
                .iter()
                .map(|value| if total_variance > 0.0 { value / total_variance } else { 0.0 })
                .collect(),
            explained_variance,
            singular_values: squared.iter().map(|value| value.sqrt()).collect(),
            noise_variance: if left_out == 0 { 0.0 } else { noise },
            whiten: self.whiten,
        }
    }
}

impl Pca {
    /// The rows of `data` along the components: `[rows, n_components]`.
    ///
    /// # Errors
    /// Data that is empty or not finite, or has other columns than the data of the fit.
    pub fn transform(&self, data: &Matrix) -> Result<Matrix, ReduceError> {
        data.check()?;
        let (columns, kept) = (data.columns(), self.components.rows());
        self.check_columns("the data", data, self.mean.len())?;
        let scales = self.scales();
        let mut output = Matrix::zeros(data.rows(), kept);
        let components = View::new(self.components.values(), kept, columns).transposed();
        let blocks = data.values().par_chunks(BLOCK * columns);
        output.values_mut().par_chunks_mut(BLOCK * kept).zip(blocks).for_each(|(output, block)| {
            let centred: Vec<f32> = block
                .chunks_exact(columns)
                .flat_map(|row| row.iter().zip(&self.mean).map(|(x, mean)| x - mean))
                .collect();
            multiply(output, View::new(&centred, block.len() / columns, columns), components, false);
            for row in output.chunks_exact_mut(kept) {
                row.iter_mut().zip(&scales).for_each(|(value, scale)| *value /= scale);
            }
        });
        Ok(output)
    }

    /// The rows that `points` (`[rows, n_components]`) stand for: `[rows, columns]`, what was left out is lost.
    ///
    /// # Errors
    /// Points that are empty or not finite, or of another number of components.
    pub fn inverse_transform(&self, points: &Matrix) -> Result<Matrix, ReduceError> {
        points.check()?;
        let (columns, kept) = (self.mean.len(), self.components.rows());
        self.check_columns("the table of points", points, kept)?;
        let scales = self.scales();
        let mut output = Matrix::zeros(points.rows(), columns);
        let components = View::new(self.components.values(), kept, columns);
        let blocks = points.values().par_chunks(BLOCK * kept);
        output.values_mut().par_chunks_mut(BLOCK * columns).zip(blocks).for_each(|(output, block)| {
            let scaled: Vec<f32> =
                block.chunks_exact(kept).flat_map(|row| row.iter().zip(&scales).map(|(x, scale)| x * scale)).collect();
            for row in output.chunks_exact_mut(columns) {
                row.copy_from_slice(&self.mean);
            }
            multiply(output, View::new(&scaled, block.len() / kept, kept), components, true);
        });
        Ok(output)
    }

    /// What every component is divided by: 1, or with `whiten` its standard deviation. One without variance is left as
    /// it is.
    fn scales(&self) -> Vec<f32> {
        let largest = self.explained_variance.first().copied().unwrap_or(0.0);
        let scale = |&variance: &f64| match self.whiten && variance > f64::EPSILON * largest {
            true => variance.sqrt() as f32,
            false => 1.0,
        };
        self.explained_variance.iter().map(scale).collect()
    }

    fn check_columns(&self, what: &'static str, table: &Matrix, expected: usize) -> Result<(), ReduceError> {
        match table.columns() {
            found if found == expected => Ok(()),
            found => Err(ReduceError::Mismatch {
                what,
                unit: "columns",
                found,
                expected,
                reason: "the PCA was fitted with that many",
            }),
        }
    }
}

/// The direction in single precision, turned so that its largest entry by size is positive.
fn with_positive_peak(direction: &[f64]) -> Vec<f32> {
    let peak = direction.iter().fold(0.0_f64, |peak, &entry| if entry.abs() > peak.abs() { entry } else { peak });
    direction.iter().map(|&entry| (entry * if peak < 0.0 { -1.0 } else { 1.0 }) as f32).collect()
}
