//! One training loop for every task.
//!
//! A [`Task`](task::Task) is a model with its loss, its optimisers and its evaluation; [`fit`](fit::fit) trains it into a run folder. The loop
//! knows no model and no dataset: a GAN with two optimisers, a fine-tuning run with parameter groups and a translation
//! model with an evaluation of its own are tasks like any other.

pub mod average;
mod burn_learner;
pub mod checkpoint;
pub mod config;
pub mod error;
pub mod event;
pub mod fit;
pub mod job;
pub mod lr_scheduler;
pub mod metrics;
pub mod optimizer;
pub mod parameters;
pub mod preparation;
pub mod pretrained;
pub mod run_folder;
pub mod stream;
pub mod task;
pub mod weights;
mod window;
