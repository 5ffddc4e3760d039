use crate::{Environment, Step, Trajectory};

/// An episode so far, as a policy sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    observation_size: usize,
    observations: Vec<f32>,
    actions: Vec<u32>,
    rewards: Vec<f32>,
    terminated: bool,
}

impl History {
    fn new(first_observation: Vec<f32>) -> Self {
        Self {
            observation_size: first_observation.len(),
            observations: first_observation,
            actions: Vec::new(),
            rewards: Vec::new(),
            terminated: false,
        }
    }

    /// Actions taken so far: the number of the step to come, from 0.
    pub fn num_steps(&self) -> usize {
        self.actions.len()
    }

    /// What is seen now, `[observation_size]`.
    pub fn observation(&self) -> &[f32] {
        &self.observations[self.num_steps() * self.observation_size..]
    }

    /// Everything seen, that before each action and what is seen now: row-major `[num_steps + 1, observation_size]`.
    pub fn observations(&self) -> &[f32] {
        &self.observations
    }

    /// Everything done, `[num_steps]`.
    pub fn actions(&self) -> &[u32] {
        &self.actions
    }

    /// What each action was worth, `[num_steps]`.
    pub fn rewards(&self) -> &[f32] {
        &self.rewards
    }

    /// Takes one step; whether the episode goes on.
    fn advance(&mut self, action: usize, step: Step) -> bool {
        let goes_on = !step.done();
        self.terminated = step.terminated;
        self.actions.push(action as u32);
        self.rewards.push(step.reward);
        self.observations.extend(step.observation);
        goes_on
    }

    fn into_trajectory(mut self) -> Trajectory {
        self.observations.truncate(self.num_steps() * self.observation_size);
        let Self { observations, actions, rewards, terminated, .. } = self;
        Trajectory { observations, actions, rewards, terminated }
    }
}

/// One whole episode of `environment`, begun with `seed`. `policy` is asked for an action at each step.
///
/// # Panics
/// If `policy` gives an action that the environment does not have: that is an error of the calling code.
pub fn rollout(environment: &mut dyn Environment, seed: u64, mut policy: impl FnMut(&History) -> usize) -> Trajectory {
    let mut history = History::new(environment.reset(seed));
    loop {
        let action = policy(&history);
        if !history.advance(action, environment.step(action)) {
            return history.into_trajectory();
        }
    }
}

/// An episode that is not over yet, among those of [`rollout_together`].
#[derive(Debug, Clone, Copy)]
pub struct LiveEpisode<'a> {
    /// The place of its environment.
    pub index: usize,
    /// The episode so far.
    pub history: &'a History,
}

/// One whole episode of each of `environments`, begun with the seed in the same place and taken in step: `policy` is asked once a
/// step for an action in each episode that goes on, in their order. All of these have had as many steps. What it gives has the
/// length of what it was given, so that a model answers for all of them in one pass.
///
/// The episodes are in the order of the environments.
///
/// # Errors
/// That of `policy`, which ends all episodes.
///
/// # Panics
/// If there are not as many seeds as environments, or actions as episodes, or if an environment lacks an action: these are errors of
/// the calling code.
pub fn rollout_together<E>(
    environments: &mut [Box<dyn Environment>],
    seeds: &[u64],
    mut policy: impl FnMut(&[LiveEpisode<'_>]) -> Result<Vec<usize>, E>,
) -> Result<Vec<Trajectory>, E> {
    assert_eq!(environments.len(), seeds.len(), "environments and seeds");
    let begin = |(environment, seed): (&mut Box<dyn Environment>, &u64)| History::new(environment.reset(*seed));
    let mut histories: Vec<History> = environments.iter_mut().zip(seeds).map(begin).collect();
    let mut live: Vec<usize> = (0..environments.len()).collect();
    while !live.is_empty() {
        let episodes: Vec<LiveEpisode<'_>> =
            live.iter().map(|index| LiveEpisode { index: *index, history: &histories[*index] }).collect();
        let actions = policy(&episodes)?;
        assert_eq!(actions.len(), live.len(), "actions and episodes");
        let mut actions = actions.into_iter();
        live.retain(|index| {
            let action = actions.next().unwrap_or_default();
            histories[*index].advance(action, environments[*index].step(action))
        });
    }
    Ok(histories.into_iter().map(History::into_trajectory).collect())
}
