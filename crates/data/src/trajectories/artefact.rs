use crate::DataError;
use environments::EnvironmentConfig;
use serde::{Deserialize, Serialize};

/// What a model of episodes was trained on besides its configuration, and without which its weights mean nothing: to be kept beside
/// them, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrajectoryArtefact {
    /// The environment in which a model can be tried, where it is known.
    pub environment: Option<EnvironmentConfig>,
    /// Actions there are.
    pub num_actions: usize,
    /// The most steps that an episode has, of those there are and of those that the environment allows.
    pub max_steps: usize,
    /// What a return is divided by before a model sees it; above 0.
    pub return_scale: f32,
    /// The highest return of the training part, in the rewards' unit: what a model can be asked for.
    pub best_return: f32,
    /// Of each number of an observation, what is taken off before a model sees it, `[observation_size]`.
    pub mean: Vec<f32>,
    /// Of each, what the rest is divided by, `[observation_size]`; above 0.
    pub std: Vec<f32>,
}

impl TrajectoryArtefact {
    /// Numbers in an observation.
    pub fn observation_size(&self) -> usize {
        self.mean.len()
    }

    /// Observations as a model sees them.
    ///
    /// # Shapes
    /// Row-major `[.., observation_size]`, both ways.
    pub fn scale_observations(&self, observations: &[f32]) -> Vec<f32> {
        let scales = self.mean.iter().zip(&self.std).cycle();
        observations.iter().zip(scales).map(|(value, (mean, std))| (value - mean) / std).collect()
    }

    /// A return as a model sees it.
    pub fn scale_return(&self, value: f32) -> f32 {
        value / self.return_scale
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers are JSON")
    }

    /// From what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`DataError::BadTrajectoryArtefact`] for anything else.
    pub fn from_json(json: &str) -> Result<Self, DataError> {
        let bad = |reason: String| DataError::BadTrajectoryArtefact { reason };
        let artefact: Self = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        artefact.fault().map_or(Ok(artefact), |reason| Err(bad(reason)))
    }

    /// What no training leaves behind.
    fn fault(&self) -> Option<String> {
        let Self { num_actions, max_steps, return_scale, mean, std, .. } = self;
        if mean.is_empty() || mean.len() != std.len() {
            return Some(format!("{} means and {} standard deviations", mean.len(), std.len()));
        }
        let usable = |scale: f32| scale.is_finite() && scale > 0.0;
        let scales_work = mean.iter().all(|mean| mean.is_finite()) && std.iter().all(|std| usable(*std));
        (*num_actions == 0 || *max_steps == 0 || !usable(*return_scale) || !scales_work).then(|| {
            format!("num_actions {num_actions}, max_steps {max_steps}, return_scale {return_scale}, or a scale of 0")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artefact() -> TrajectoryArtefact {
        TrajectoryArtefact {
            environment: Some(EnvironmentConfig::default()),
            num_actions: 2,
            max_steps: 500,
            return_scale: 250.0,
            best_return: 500.0,
            mean: vec![1.0, 0.1],
            std: vec![2.0, 0.3],
        }
    }

    #[test]
    fn survives_json() {
        assert_eq!(TrajectoryArtefact::from_json(&artefact().to_json()).unwrap(), artefact());
    }

    #[test]
    fn scales_by_column() {
        assert_eq!(artefact().scale_observations(&[3.0, 0.1, -1.0, 0.4]), [1.0, 0.0, -1.0, (0.4 - 0.1) / 0.3]);
        assert_eq!(artefact().scale_return(125.0), 0.5);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let zero = TrajectoryArtefact { std: vec![1.0, 0.0], ..artefact() };
        let uneven = TrajectoryArtefact { std: vec![1.0], ..artefact() };
        for wrong in [zero.to_json(), uneven.to_json(), "{}".to_owned()] {
            let message = TrajectoryArtefact::from_json(&wrong).unwrap_err().to_string();
            assert!(message.contains("trajectories.json"), "{message}");
        }
    }
}
