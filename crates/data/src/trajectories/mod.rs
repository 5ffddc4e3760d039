//! Episodes of an environment, for models that learn to act from them: read from a file or collected on the spot, split, scaled,
//! and dealt as windows of steps. [`TrajectoryData`] does all of it from one [`TrajectoryConfig`].
//!
//! The split is by whole episodes and a pure function of their number and `split_seed`. A batch is a pure function of (seed, epoch,
//! index). [`mod@format`] is that of the files, which any program can write.

mod artefact;
mod batches;
mod config;
mod facts;
pub mod format;
mod prepared;

pub use artefact::TrajectoryArtefact;
pub use batches::{TrajectoryBatch, TrajectoryBatches};
pub use config::TrajectoryConfig;
pub use facts::{Returns, TrajectoryFacts};
pub use format::{read_trajectories, write_trajectories};
pub use prepared::TrajectoryData;
