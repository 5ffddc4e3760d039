//! t-SNE: van der Maaten and Hinton, "Visualizing data using t-SNE", 2008,
//! <https://jmlr.org/papers/v9/vandermaaten08a.html>.
//!
//! [`TsneConfig::fit`] does everything; [`Affinities`] and [`gradient`] are its parts, for whoever wants to look at them.

mod affinities;
mod barnes_hut;
mod descent;
mod exact;
mod gradient;
mod interpolation;
mod pairs;
mod tensor;

pub use affinities::{Affinities, conditional};

use crate::gaussian::Gaussian;
use crate::{Matrix, PcaConfig, Progress, ReduceError, Stage};
use burn::tensor::backend::Backend;
use gradient::{Gradient, SparseGradient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The standard deviation of the first axis at the start: small enough that no repulsion differs yet.
const INITIAL_DEVIATION: f32 = 1e-4;

/// Points up to which cells take less time than the grid.
const BARNES_HUT_UP_TO: usize = 10_000;

/// How the repulsion of all points is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TsneMethod {
    /// Barnes–Hut up to 10,000 points and in three dimensions, FFT beyond: what was faster where it was measured. (The
    /// exact method was not, down to a few hundred points.)
    #[default]
    Auto,
    /// Of all pairs, attraction included: quadratic in time and memory.
    Exact,
    /// By cells of a tree: N log N.
    BarnesHut,
    /// By interpolation on a grid and Fourier transforms: linear. Two components only. Gradients are within a hundredth
    /// of the exact ones by length, the divergence within 0.002.
    Fft,
}

/// Where the points start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TsneInit {
    /// At the first principal components, scaled so that the standard deviation of the first is 1e-4: keeps the global
    /// arrangement (Kobak and Berens 2019).
    #[default]
    Pca,
    /// At random, with standard deviation 1e-4.
    Random,
}

/// The settings of t-SNE. The defaults are scikit-learn's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TsneConfig {
    /// Dimensions of the embedding: 2 or 3. Default 2. (In 3, Student's t has one degree of freedom as in 2, as in van
    /// der Maaten's own code; scikit-learn takes two.)
    pub n_components: usize,
    /// How many neighbours a point has, smoothly counted: 5 to 50, and at most a third of the other rows. Default 30.
    pub perplexity: f64,
    /// How repulsion is computed. Default `auto`.
    pub method: TsneMethod,
    /// Barnes–Hut: a cell acts as one where its width is below this times its distance. 0 is exact, 1 is coarse.
    /// Default 0.5.
    pub theta: f64,
    /// What attraction is multiplied with at first. Default 12.
    pub early_exaggeration: f64,
    /// For how many iterations. Default 250.
    pub exaggeration_iterations: usize,
    /// All iterations, those with exaggeration among them. Default 1000.
    pub max_iterations: usize,
    /// Without a value as scikit-learn's `auto`: `rows / early_exaggeration / 4`, at least 50. (openTSNE's gradient is
    /// smaller by the factor 4, and it takes `rows / 12` in the first phase and `rows` in the second.)
    pub learning_rate: Option<f64>,
    /// Momentum with exaggeration. Default 0.5.
    pub initial_momentum: f64,
    /// Momentum afterwards. Default 0.8.
    pub final_momentum: f64,
    /// Ends early where the gradient is no longer than this; 0 never does. Default 1e-7.
    pub min_gradient_norm: f64,
    /// Where the points start. Default `pca`.
    pub init: TsneInit,
    /// The seed of a random start. Default 0.
    pub seed: u64,
}

impl Default for TsneConfig {
    fn default() -> Self {
        Self {
            n_components: 2,
            perplexity: 30.0,
            method: TsneMethod::Auto,
            theta: 0.5,
            early_exaggeration: 12.0,
            exaggeration_iterations: 250,
            max_iterations: 1000,
            learning_rate: None,
            initial_momentum: 0.5,
            final_momentum: 0.8,
            min_gradient_norm: 1e-7,
            init: TsneInit::Pca,
            seed: 0,
        }
    }
}

/// What t-SNE found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tsne {
    /// `[rows, n_components]`
    pub points: Matrix,
    /// The Kullback–Leibler divergence of the embedding from the data, in natural logarithms, without exaggeration.
    /// With Barnes–Hut and FFT up to their approximation of the normaliser.
    pub divergence: f64,
    /// How many iterations there were.
    pub iterations: usize,
    /// How repulsion was computed: never `Auto`.
    pub method: TsneMethod,
}

impl TsneConfig {
    /// What is impossible whatever the data: keys with the rest of a sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        match (self.n_components, self.method) {
            (2, _) | (3, TsneMethod::Auto | TsneMethod::Exact | TsneMethod::BarnesHut) => {}
            (3, TsneMethod::Fft) => {
                found.push(("n_components", "is 3: the method fft has 2, barnes-hut has both".into()))
            }
            (other, _) => found.push(("n_components", format!("is {other}: t-SNE has 2 or 3, PCA any number"))),
        }
        let mut range = |key, value: f64, allowed: bool, expected: &str| {
            if !allowed {
                found.push((key, format!("is {value}: {expected}")));
            }
        };
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        range("perplexity", self.perplexity, self.perplexity >= 1.0, "at least 1 is needed, 5 to 50 are usual");
        range("theta", self.theta, (0.0..=1.0).contains(&self.theta), "0 to 1 are allowed, 0.5 is usual");
        let exaggeration = self.early_exaggeration;
        range(
            "early_exaggeration",
            exaggeration,
            exaggeration >= 1.0 && exaggeration.is_finite(),
            "at least 1 is needed",
        );
        if let Some(rate) = self.learning_rate {
            range("learning_rate", rate, rate > 0.0 && rate.is_finite(), "a number above 0 is needed");
        }
        range("initial_momentum", self.initial_momentum, fraction(self.initial_momentum), "0 to below 1 are allowed");
        range("final_momentum", self.final_momentum, fraction(self.final_momentum), "0 to below 1 are allowed");
        range("min_gradient_norm", self.min_gradient_norm, self.min_gradient_norm >= 0.0, "0 or more is needed");
        found
    }

    /// Places the rows of `data`, on all cores. The points are the same on any number of threads where the start is.
    ///
    /// # Errors
    /// Impossible settings, data that is empty or not finite, a perplexity that is too large for the number of rows,
    /// and points that ran away under a learning rate that is too high.
    pub fn fit(&self, data: &Matrix, progress: &mut dyn FnMut(Progress)) -> Result<Tsne, ReduceError> {
        let (affinities, start) = self.prepare(data, progress)?;
        match self.n_components {
            2 => {
                let method = self.method_for(data.rows(), 2);
                let gradient = host_gradient(&affinities, method, self.theta);
                self.run::<2>(gradient, &start, method, progress)
            }
            _ => {
                let method = self.method_for(data.rows(), 3);
                let gradient = tree_or_exact(&affinities, method, self.theta);
                self.run::<3>(gradient, &start, method, progress)
            }
        }
    }

    /// As [`Self::fit`] with the exact method on tensors of the backend `B`: for a GPU and up to a few thousand points.
    /// On a CPU `fit` is faster with any method.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn fit_on<B: Backend>(
        &self,
        data: &Matrix,
        device: &B::Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tsne, ReduceError> {
        let config = Self { method: TsneMethod::Exact, ..self.clone() };
        let (affinities, start) = config.prepare(data, progress)?;
        let gradient = tensor::TensorGradient::<B>::new(&affinities, device);
        match self.n_components {
            2 => config.run::<2>(Box::new(gradient), &start, TsneMethod::Exact, progress),
            _ => config.run::<3>(Box::new(gradient), &start, TsneMethod::Exact, progress),
        }
    }

    fn prepare(&self, data: &Matrix, progress: &mut dyn FnMut(Progress)) -> Result<(Affinities, Matrix), ReduceError> {
        ReduceError::first_of(self.validate())?;
        progress(Progress::new(Stage::Neighbours, 0, 1));
        let affinities = match self.method {
            TsneMethod::Exact => Affinities::of_all_pairs(data, self.perplexity)?,
            _ => Affinities::new(data, self.perplexity)?,
        };
        progress(Progress::new(Stage::Neighbours, 1, 1));
        Ok((affinities, self.start(data)?))
    }

    fn run<const D: usize>(
        &self,
        mut gradient: Box<dyn Gradient<D> + '_>,
        start: &Matrix,
        method: TsneMethod,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tsne, ReduceError> {
        let mut points = start.values().as_chunks::<D>().0.to_vec();
        let (divergence, iterations) = descent::descend(self, &mut *gradient, &mut points, progress)?;
        Ok(Tsne { points: Matrix::from_points(&points), divergence, iterations, method })
    }

    /// The points before the first iteration.
    fn start(&self, data: &Matrix) -> Result<Matrix, ReduceError> {
        let (rows, columns) = (data.rows(), self.n_components);
        let scaled = |mut values: Vec<f32>, factor: f32| {
            values.iter_mut().for_each(|value| *value *= factor);
            Matrix::new(values, rows, columns)
        };
        if self.init == TsneInit::Random {
            return scaled(Gaussian::new(self.seed).take(rows * columns), INITIAL_DEVIATION);
        }
        if columns > data.columns() {
            let message =
                format!("is pca, but data of {} columns has no {columns} components: take random", data.columns());
            return Err(ReduceError::config("init", message));
        }
        let pca = PcaConfig { seed: self.seed, ..PcaConfig::new(columns) }.fit(data, &mut |_| {})?;
        // scikit-learn's, which has the number of rows as the divisor.
        let deviation = (pca.explained_variance[0] * (rows - 1) as f64 / rows as f64).sqrt() as f32;
        let factor = if deviation > 0.0 { INITIAL_DEVIATION / deviation } else { 1.0 };
        scaled(pca.transform(data)?.into_values(), factor)
    }

    fn learning_rate_for(&self, rows: usize) -> f64 {
        self.learning_rate.unwrap_or_else(|| (rows as f64 / self.early_exaggeration / 4.0).max(50.0))
    }

    /// What `Auto` stands for.
    fn method_for(&self, rows: usize, dimensions: usize) -> TsneMethod {
        resolve(self.method, rows, dimensions)
    }
}

fn resolve(method: TsneMethod, rows: usize, dimensions: usize) -> TsneMethod {
    match method {
        TsneMethod::Auto if rows <= BARNES_HUT_UP_TO || dimensions != 2 => TsneMethod::BarnesHut,
        TsneMethod::Auto => TsneMethod::Fft,
        method => method,
    }
}

fn host_gradient(affinities: &Affinities, method: TsneMethod, theta: f64) -> Box<dyn Gradient<2> + '_> {
    match method {
        TsneMethod::Fft => Box::new(SparseGradient { affinities, repulsion: interpolation::Interpolation::default() }),
        method => tree_or_exact(affinities, method, theta),
    }
}

fn tree_or_exact<const D: usize>(affinities: &Affinities, method: TsneMethod, theta: f64) -> Box<dyn Gradient<D> + '_> {
    match method {
        TsneMethod::Exact => Box::new(SparseGradient { affinities, repulsion: exact::AllPairs }),
        _ => Box::new(SparseGradient { affinities, repulsion: barnes_hut::BarnesHut { theta: theta as f32 } }),
    }
}

/// The gradient of the divergence at `points` (`[rows, 2]` or `[rows, 3]`), of the same shape, and the divergence.
///
/// # Errors
/// Points that are empty, not finite, of other rows than the affinities, or of a number of columns that the method has not.
pub fn gradient(
    affinities: &Affinities,
    points: &Matrix,
    method: TsneMethod,
    theta: f64,
) -> Result<(Matrix, f64), ReduceError> {
    let config = TsneConfig { n_components: points.columns(), method, theta, ..TsneConfig::default() };
    ReduceError::first_of(config.validate())?;
    check_points(affinities, points)?;
    let method = resolve(method, points.rows(), points.columns());
    match points.columns() {
        2 => Ok(compute(host_gradient(affinities, method, theta), points)),
        _ => Ok(compute::<3>(tree_or_exact(affinities, method, theta), points)),
    }
}

/// As [`gradient`] with the exact method, on tensors of the backend `B`.
///
/// # Errors
/// As [`gradient`].
pub fn gradient_on<B: Backend>(
    affinities: &Affinities,
    points: &Matrix,
    device: &B::Device,
) -> Result<(Matrix, f64), ReduceError> {
    let config = TsneConfig { n_components: points.columns(), ..TsneConfig::default() };
    ReduceError::first_of(config.validate())?;
    check_points(affinities, points)?;
    let gradient = Box::new(tensor::TensorGradient::<B>::new(affinities, device));
    match points.columns() {
        2 => Ok(compute::<2>(gradient, points)),
        _ => Ok(compute::<3>(gradient, points)),
    }
}

fn check_points(affinities: &Affinities, points: &Matrix) -> Result<(), ReduceError> {
    points.check()?;
    match points.rows() {
        found if found == affinities.rows() => Ok(()),
        found => Err(ReduceError::Mismatch {
            what: "the table of points",
            unit: "rows",
            found,
            expected: affinities.rows(),
            reason: "the affinities are of that many",
        }),
    }
}

fn compute<const D: usize>(mut gradient: Box<dyn Gradient<D> + '_>, points: &Matrix) -> (Matrix, f64) {
    let points = points.values().as_chunks::<D>().0;
    let mut output = vec![[0.0; D]; points.len()];
    let divergence = gradient.compute(points, 1.0, &mut output, true).expect("it was asked for");
    (Matrix::from_points(&output), divergence)
}
