/// One episode: what was seen, done and gained at each of its steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trajectory {
    /// What was seen before each action, row-major `[steps, observation_size]`. What the last action led to is not kept.
    pub observations: Vec<f32>,
    /// What was done, `[steps]`.
    pub actions: Vec<u32>,
    /// What it was worth, `[steps]`.
    pub rewards: Vec<f32>,
    /// Whether the world ended the episode, and not a limit of steps.
    pub terminated: bool,
}

impl Trajectory {
    /// Steps of the episode.
    pub fn num_steps(&self) -> usize {
        self.actions.len()
    }

    /// The sum of all rewards, undiscounted.
    pub fn total_return(&self) -> f64 {
        self.rewards.iter().map(|reward| f64::from(*reward)).sum()
    }

    /// Of each step, the sum of its reward and all later ones, undiscounted: `[steps]`.
    pub fn returns_to_go(&self) -> Vec<f32> {
        let mut sum = 0.0;
        let mut returns: Vec<f32> = self
            .rewards
            .iter()
            .rev()
            .map(|reward| {
                sum += f64::from(*reward);
                sum as f32
            })
            .collect();
        returns.reverse();
        returns
    }
}

/// Episodes of one environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trajectories {
    /// The environment's name: free text, and where it is one of ours what
    /// [`EnvironmentConfig::named`](crate::EnvironmentConfig::named) knows.
    pub environment: String,
    /// Numbers in an observation.
    pub observation_size: usize,
    /// Actions there are.
    pub num_actions: usize,
    /// The episodes, each of at least one step.
    pub episodes: Vec<Trajectory>,
}

impl Trajectories {
    /// Steps of all episodes.
    pub fn num_steps(&self) -> usize {
        self.episodes.iter().map(Trajectory::num_steps).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_return_to_go_is_the_reward_and_what_follows(rewards in proptest::collection::vec(-100i32..100, 1..60)) {
            let rewards: Vec<f32> = rewards.into_iter().map(|reward| reward as f32 / 4.0).collect();
            let trajectory =
                Trajectory { actions: vec![0; rewards.len()], rewards: rewards.clone(), ..Trajectory::default() };
            let returns = trajectory.returns_to_go();
            prop_assert_eq!(f64::from(returns[0]), trajectory.total_return());
            prop_assert_eq!(returns.last(), rewards.last());
            for (step, pair) in returns.windows(2).enumerate() {
                prop_assert_eq!(pair[0], rewards[step] + pair[1]);
            }
        }
    }
}
