//! Dimensionality reduction: tables of numbers in, points and measures out. Nothing here reads a file, draws or prints.
//!
//! - [`Matrix`]: a row a point, a column a feature.
//! - [`PcaConfig`] and [`Pca`]: principal components, exact or randomised.
//! - [`TsneConfig`] and [`Tsne`]: t-SNE with exact, Barnes–Hut and interpolated gradients.
//! - [`UmapConfig`] and [`Umap`]: UMAP.
//! - [`k_nearest`]: exact nearest neighbours on all cores.
//! - [`trustworthiness`], [`continuity`], [`neighbour_accuracy`]: what a reduction kept.
//!
//! Everything that is random follows a seed. Points of t-SNE and UMAP do not depend on the number of threads.

mod error;
mod gaussian;
mod matrix;
mod measures;
mod neighbours;
mod pca;
mod product;
mod progress;
mod simd;
mod sparse;
pub mod tsne;
mod umap;

pub use error::ReduceError;
pub use matrix::Matrix;
pub use measures::{continuity, neighbour_accuracy, neighbour_accuracy_on, trustworthiness};
pub use neighbours::{Neighbours, k_nearest, k_nearest_of};
pub use pca::{Pca, PcaComponents, PcaConfig, PcaSolver};
pub use progress::{Progress, Stage};
pub use tsne::{Tsne, TsneConfig, TsneInit, TsneMethod};
pub use umap::{Umap, UmapConfig, UmapInit};
