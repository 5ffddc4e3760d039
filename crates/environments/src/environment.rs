/// A world with numbered actions, in which an episode is a pure function of its seed and the actions.
///
/// The interface is that of Gymnasium (Towers et al., "Gymnasium: a standard interface for reinforcement learning environments",
/// arXiv:2407.17032), with discrete actions and the limit of steps built in.
pub trait Environment: Send {
    /// Numbers in an observation.
    fn observation_size(&self) -> usize;

    /// Actions there are; they are numbered from 0.
    fn num_actions(&self) -> usize;

    /// Steps after which an episode is truncated.
    fn max_steps(&self) -> usize;

    /// Begins an episode and gives its first observation, `[observation_size]`. The same seed and actions give the same episode.
    fn reset(&mut self, seed: u64) -> Vec<f32>;

    /// Takes one action. After an episode has ended, and before the first [`reset`](Self::reset), what it does is left open.
    ///
    /// # Panics
    /// If `action` is not below [`num_actions`](Self::num_actions): that is an error of the calling code.
    fn step(&mut self, action: usize) -> Step;
}

/// What an action led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is seen after it, `[observation_size]`.
    pub observation: Vec<f32>,
    /// What it was worth.
    pub reward: f32,
    /// Whether the world ended the episode: nothing more can be gained in it.
    pub terminated: bool,
    /// Whether the limit of steps ended it.
    pub truncated: bool,
}

impl Step {
    /// Whether the episode is over, for either reason.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}
