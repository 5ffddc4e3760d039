//! What the `train` command assembles: data, model, loss and evaluation (feature `training`).

pub mod burn_learner;
pub mod classification;
pub mod forecast;

pub mod language_model;

use training_loop::config::Problems;

/// What a block found wrong with itself, for the loop's own list.
fn report_problems(found: Vec<(&'static str, String)>, problems: &mut Problems) {
    for (key, message) in found {
        problems.check(false, key, message);
    }
}
