/// How far a long computation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How many of `total` are done.
    pub done: usize,
    /// How many there are: passes over the data, iterations or epochs.
    pub total: usize,
    /// The Kullback–Leibler divergence of t-SNE, where it is known at this point.
    pub divergence: Option<f64>,
}

impl Progress {
    pub(crate) fn new(stage: Stage, done: usize, total: usize) -> Self {
        Self { stage, done, total, divergence: None }
    }
}

/// The parts of a computation that [`Progress`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Passes over the data of a PCA.
    Pca,
    /// The search for nearest neighbours: told when it begins and when it is done.
    Neighbours,
    /// Iterations of t-SNE, or epochs of UMAP.
    Layout,
}
