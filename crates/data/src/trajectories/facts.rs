use serde::{Deserialize, Serialize};

/// What a run should know and report about its episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrajectoryFacts {
    /// The file as the configuration names it, or `collected`.
    pub source: String,
    /// The name of the environment.
    pub environment: String,
    /// Numbers in an observation.
    pub observation_size: usize,
    /// Actions there are.
    pub num_actions: usize,
    /// Episodes of the source.
    pub num_episodes: usize,
    /// Steps of all of them.
    pub num_steps: usize,
    /// Episodes that the environment ended, and not a limit of steps.
    pub num_terminated: usize,
    /// Steps of the longest episode.
    pub longest: usize,
    /// Episodes that are left out because they are not among the `filter_top` with the highest return.
    pub num_left_out: usize,
    /// Episodes of the training part and of the validation part.
    pub part_episodes: [usize; 2],
    /// Steps of the training part and of the validation part.
    pub part_steps: [usize; 2],
    /// The returns of all episodes of the source.
    pub returns: Returns,
    /// The returns of the episodes of the training part.
    pub train_returns: Returns,
}

/// How the returns of episodes are distributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// Their mean.
    pub mean: f64,
    /// The lowest, those below which a tenth, two tenths and so on of all lie, and the highest.
    pub deciles: [f64; 11],
}

impl Returns {
    /// Of at least one return.
    pub(super) fn of(mut returns: Vec<f64>) -> Self {
        returns.sort_by(f64::total_cmp);
        let last = returns.len() - 1;
        Self {
            mean: returns.iter().sum::<f64>() / returns.len() as f64,
            deciles: std::array::from_fn(|tenth| returns[(tenth * last + 5) / 10]),
        }
    }

    /// The lowest.
    pub fn min(&self) -> f64 {
        self.deciles[0]
    }

    /// The highest.
    pub fn max(&self) -> f64 {
        self.deciles[10]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciles_are_in_order_and_reach_both_ends() {
        let returns = Returns::of((0..=20).rev().map(f64::from).collect());
        assert_eq!(returns.deciles, std::array::from_fn(|tenth| 2.0 * tenth as f64));
        assert_eq!((returns.min(), returns.mean, returns.max()), (0.0, 10.0, 20.0));
        assert_eq!(Returns::of(vec![-3.0]).deciles, [-3.0; 11]);
    }
}
