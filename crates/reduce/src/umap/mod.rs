//! UMAP: McInnes, Healy and Melville, "UMAP: Uniform manifold approximation and projection", 2018,
//! <https://arxiv.org/abs/1802.03426>.

mod curve;
mod fuzzy_set;
mod layout;

use crate::gaussian::Gaussian;
use crate::{Matrix, PcaConfig, Progress, ReduceError, Stage, k_nearest};
use curve::Curve;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest coordinate at the start.
const INITIAL_EXTENT: f32 = 10.0;

/// The standard deviation of what is added to a start from principal components, so that no two points are in one place.
const NOISE: f32 = 1e-4;

/// Rows up to which there are more epochs.
const SMALL: usize = 10_000;

/// Where the points start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UmapInit {
    /// At the first principal components. (umap-learn starts from eigenvectors of the graph unless told otherwise; principal
    /// components keep the global arrangement as well, see Kobak and Linderman 2021, and do not depend on the graph
    /// being connected.)
    #[default]
    Pca,
    /// At random, evenly.
    Random,
}

/// The settings of UMAP. Names and defaults are umap-learn's, but for `init`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UmapConfig {
    /// Dimensions of the embedding: 2 or 3. Default 2.
    pub n_components: usize,
    /// How many points are near a point, itself included: few show detail, many the whole. Default 15.
    pub n_neighbors: usize,
    /// How close points may come. Default 0.1.
    pub min_dist: f64,
    /// The scale of the embedding: `min_dist` is at most that. Default 1.
    pub spread: f64,
    /// Passes over the graph; without a value 500 up to 10,000 rows, else 200.
    pub n_epochs: Option<usize>,
    /// The size of the first steps; it falls to 0. Default 1.
    pub learning_rate: f64,
    /// Points that repel for every one that attracts. Default 5.
    pub negative_sample_rate: usize,
    /// Where the points start. Default `pca`.
    pub init: UmapInit,
    /// The seed of a random start and of the points that repel. Default 0.
    pub seed: u64,
}

impl Default for UmapConfig {
    fn default() -> Self {
        Self {
            n_components: 2,
            n_neighbors: 15,
            min_dist: 0.1,
            spread: 1.0,
            n_epochs: None,
            learning_rate: 1.0,
            negative_sample_rate: 5,
            init: UmapInit::Pca,
            seed: 0,
        }
    }
}

/// What UMAP found.
#[derive(Debug, Clone, PartialEq)]
pub struct Umap {
    /// `[rows, n_components]`
    pub points: Matrix,
    /// How many epochs there were.
    pub epochs: usize,
}

impl UmapConfig {
    /// What is impossible whatever the data: keys with the rest of a sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if !(2..=3).contains(&self.n_components) {
            found.push(("n_components", format!("is {}: UMAP has 2 or 3 here, PCA any number", self.n_components)));
        }
        if self.n_neighbors < 2 {
            found.push(("n_neighbors", format!("is {}: at least 2 are needed, 15 is usual", self.n_neighbors)));
        }
        if !(self.spread > 0.0 && self.spread.is_finite()) {
            found.push(("spread", format!("is {}: a number above 0 is needed", self.spread)));
        } else if !(0.0..=self.spread).contains(&self.min_dist) {
            found.push(("min_dist", format!("is {}: 0 to `spread` ({}) are allowed", self.min_dist, self.spread)));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            found.push(("learning_rate", format!("is {}: a number above 0 is needed", self.learning_rate)));
        }
        found
    }

    /// Places the rows of `data`, on all cores. The points are the same on any number of threads where the start is.
    ///
    /// # Errors
    /// Impossible settings, data that is empty or not finite, and more neighbours than rows.
    pub fn fit(&self, data: &Matrix, progress: &mut dyn FnMut(Progress)) -> Result<Umap, ReduceError> {
        ReduceError::first_of(self.validate())?;
        data.check()?;
        let rows = data.rows();
        if self.n_neighbors > rows {
            let message =
                format!("is {}, but there are {rows} rows: a point is one of its own neighbours", self.n_neighbors);
            return Err(ReduceError::config("n_neighbors", message));
        }
        progress(Progress::new(Stage::Neighbours, 0, 1));
        let graph = fuzzy_set::graph(&k_nearest(data, self.n_neighbors - 1)?);
        progress(Progress::new(Stage::Neighbours, 1, 1));
        let start = self.start(data)?;
        let curve = Curve::fit(self.min_dist, self.spread);
        let epochs = self.n_epochs.unwrap_or(if rows <= SMALL { 500 } else { 200 });
        let layout = layout::Layout {
            graph: &graph,
            curve,
            epochs,
            learning_rate: self.learning_rate as f32,
            negatives: self.negative_sample_rate,
            seed: self.seed,
        };
        let points = match self.n_components {
            2 => Matrix::from_points(&layout.run(start.values().as_chunks::<2>().0.to_vec(), progress)),
            _ => Matrix::from_points(&layout.run(start.values().as_chunks::<3>().0.to_vec(), progress)),
        };
        Ok(Umap { points, epochs })
    }

    fn start(&self, data: &Matrix) -> Result<Matrix, ReduceError> {
        let (rows, columns) = (data.rows(), self.n_components);
        if self.init == UmapInit::Random {
            let mut generator = random::SplitMix64::new(self.seed);
            let even = || (2.0 * generator.unit() as f32 - 1.0) * INITIAL_EXTENT;
            return Matrix::new(std::iter::repeat_with(even).take(rows * columns).collect(), rows, columns);
        }
        if columns > data.columns() {
            let message =
                format!("is pca, but data of {} columns has no {columns} components: take random", data.columns());
            return Err(ReduceError::config("init", message));
        }
        let pca = PcaConfig { seed: self.seed, ..PcaConfig::new(columns) }.fit(data, &mut |_| {})?;
        let mut values = pca.transform(data)?.into_values();
        let largest = values.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        let mut noise = Gaussian::new(self.seed);
        values.iter_mut().for_each(|value| *value = *value / largest * INITIAL_EXTENT + NOISE * noise.draw());
        Matrix::new(values, rows, columns)
    }
}
