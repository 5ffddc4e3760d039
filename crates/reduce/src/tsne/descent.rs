//! Gradient descent with momentum and a gain for every coordinate, as van der Maaten and Hinton have it and
//! scikit-learn too.

use super::TsneConfig;
use super::gradient::Gradient;
use crate::{Progress, ReduceError, Stage};

/// Iterations between looks at the divergence and the gradient's length.
const CHECK: usize = 50;

/// No gain falls below this.
const LEAST_GAIN: f32 = 0.01;

/// Moves the points until the last iteration or until the gradient is small. Returns the divergence and how many
/// iterations there were.
pub fn descend<const D: usize>(
    config: &TsneConfig,
    gradient: &mut dyn Gradient<D>,
    points: &mut [[f32; D]],
    progress: &mut dyn FnMut(Progress),
) -> Result<(f64, usize), ReduceError> {
    let learning_rate = config.learning_rate_for(points.len());
    let mut slope = vec![[0.0; D]; points.len()];
    let mut updates = slope.clone();
    let mut gains = vec![[1.0_f32; D]; points.len()];
    let mut done = config.max_iterations;
    for iteration in 0..config.max_iterations {
        let early = iteration < config.exaggeration_iterations;
        let (exaggeration, momentum) = match early {
            true => (config.early_exaggeration as f32, config.initial_momentum as f32),
            false => (1.0, config.final_momentum as f32),
        };
        let check = iteration % CHECK == 0;
        let divergence = gradient.compute(points, exaggeration, &mut slope, check);
        progress(Progress { divergence, ..Progress::new(Stage::Layout, iteration, config.max_iterations) });
        if check {
            let length = slope.as_flattened().iter().map(|&slope| f64::from(slope).powi(2)).sum::<f64>().sqrt();
            if !length.is_finite() {
                return Err(too_fast(learning_rate));
            }
            if !early && length <= config.min_gradient_norm {
                done = iteration;
                break;
            }
        }
        let coordinates = points.as_flattened_mut().iter_mut().zip(slope.as_flattened());
        let states = updates.as_flattened_mut().iter_mut().zip(gains.as_flattened_mut());
        for ((point, slope), (update, gain)) in coordinates.zip(states) {
            let same_way = *update * slope < 0.0;
            *gain = (if same_way { *gain + 0.2 } else { *gain * 0.8 }).max(LEAST_GAIN);
            *update = momentum * *update - learning_rate as f32 * *gain * slope;
            *point += *update;
        }
    }
    let divergence = gradient.compute(points, 1.0, &mut slope, true).expect("it was asked for");
    if !divergence.is_finite() {
        return Err(too_fast(learning_rate));
    }
    progress(Progress { divergence: Some(divergence), ..Progress::new(Stage::Layout, done, config.max_iterations) });
    Ok((divergence, done))
}

fn too_fast(learning_rate: f64) -> ReduceError {
    ReduceError::config(
        "learning_rate",
        format!("is {learning_rate}: the points ran away to infinity, a lower one is needed"),
    )
}
