//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).

pub mod burn_learner;
pub mod language_model;
