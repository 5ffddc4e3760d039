//! Worlds to act in, for models that learn to act: a few classic ones with their published dynamics, policies for them, and
//! episodes out of both. This crate knows no tensor and no model, and reads and writes no file.
//!
//! - [`Environment`]: what a world is; [`EnvironmentConfig`] names one and builds it.
//! - [`CartPole`] and [`GridWorld`]: the worlds. [`optimal_values`] are those of a grid.
//! - [`PolicyConfig`]: who acts; [`Expert`] the one who knows the world.
//! - [`rollout`] and [`rollout_together`]: episodes under any policy, one at a time or many in step.
//! - [`collect`]: many episodes of one or several policies, on all cores: [`Trajectories`].
//!
//! An episode is a pure function of its seed and of what the policy does.

mod cart_pole;
mod collect;
mod config;
mod environment;
mod error;
mod grid_world;
mod policy;
mod rollout;
mod trajectory;

pub use cart_pole::CartPole;
pub use collect::{CollectConfig, collect};
pub use config::EnvironmentConfig;
pub use environment::{Environment, Step};
pub use error::EnvironmentError;
pub use grid_world::{GridWorld, GridWorldConfig, greedy_action, optimal_values};
pub use policy::{Expert, PolicyConfig};
pub use rollout::{History, LiveEpisode, rollout, rollout_together};
pub use trajectory::{Trajectories, Trajectory};
