//! Episodes that a model plays.

use burn::tensor::{Int, Tensor, TensorData, activation::softmax, backend::Backend};
use data::{SplitMix64, stream_seed, trajectories::TrajectoryArtefact};
use environments::{Environment, EnvironmentConfig, History, LiveEpisode, Trajectory, rollout_together};
use training_loop::error::TaskError;

use crate::decision::{DecisionTransformer, Episodes};

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Asked {
    /// It does not listen.
    Nothing,
    /// A return, in the unit of the rewards.
    Return(f64),
}

impl Asked {
    fn amount(self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Return(amount) => amount,
        }
    }
}

/// Lets a model act.
#[derive(Debug, Clone)]
pub(super) struct Player {
    artefact: TrajectoryArtefact,
    context_len: usize,
    samples: bool,
}

/// The episodes of one asked return.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub asked: Asked,
    pub episodes: Vec<Trajectory>,
}

impl Played {
    pub fn returns(&self) -> Vec<f64> {
        self.episodes.iter().map(Trajectory::total_return).collect()
    }

    pub fn mean(&self) -> f64 {
        let returns = self.returns();
        returns.iter().sum::<f64>() / returns.len() as f64
    }

    pub fn deviation(&self) -> f64 {
        let (returns, mean) = (self.returns(), self.mean());
        let squares: f64 = returns.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / returns.len() as f64).sqrt()
    }

    /// For people.
    pub fn line(&self) -> String {
        let asked = match self.asked {
            Asked::Nothing => String::new(),
            Asked::Return(asked) => format!("asked for {asked}: "),
        };
        let (mean, deviation, count) = (self.mean(), self.deviation(), self.episodes.len());
        format!("{asked}achieved {mean:.2} (standard deviation {deviation:.2}, {count} episodes)")
    }
}

impl Player {
    pub fn new(artefact: TrajectoryArtefact, context_len: usize, samples: bool) -> Self {
        Self { artefact, context_len, samples }
    }

    /// The environment in which it plays.
    ///
    /// # Errors
    /// When none is known.
    pub fn environment(&self) -> Result<&EnvironmentConfig, TaskError> {
        Ok(self.artefact.environment.as_ref().ok_or(
            "the environment of these episodes is not known, so nothing can be played: name it as `data.environment`",
        )?)
    }

    /// Whether there is an environment to play in.
    pub fn can_play(&self) -> bool {
        self.artefact.environment.is_some()
    }

    /// `count` episodes for each of `asked`, all in step, so that the model answers once a step for all of them. The same seed begins
    /// the same episodes for each.
    pub fn play<B: Backend>(
        &self,
        model: &DecisionTransformer<B>,
        asked: &[Asked],
        count: usize,
        seed: u64,
        device: &B::Device,
    ) -> Result<Vec<Played>, TaskError> {
        let config = self.environment()?;
        let mut environments: Vec<Box<dyn Environment>> =
            (0..asked.len() * count).map(|_| config.build()).collect::<Result<_, _>>()?;
        let seeds: Vec<u64> =
            (0..asked.len() * count).map(|index| stream_seed(seed, (index % count) as u64, 0)).collect();
        let mut random = SplitMix64::new(stream_seed(seed, 0, 1));
        let policy = |live: &[LiveEpisode<'_>]| -> Result<Vec<usize>, TaskError> {
            let amounts = live.iter().map(|episode| asked[episode.index / count].amount());
            let histories: Vec<(&History, f64)> = live.iter().map(|episode| episode.history).zip(amounts).collect();
            Ok(self.actions(model, &histories, &mut random, device))
        };
        let mut episodes = rollout_together(&mut environments, &seeds, policy)?.into_iter();
        let played = |asked: &Asked| Played { asked: *asked, episodes: episodes.by_ref().take(count).collect() };
        Ok(asked.iter().map(played).collect())
    }

    /// One action for each episode; all have had as many steps.
    fn actions<B: Backend>(
        &self,
        model: &DecisionTransformer<B>,
        episodes: &[(&History, f64)],
        random: &mut SplitMix64,
        device: &B::Device,
    ) -> Vec<usize> {
        let done = episodes[0].0.num_steps();
        let first = (done + 1).saturating_sub(self.context_len);
        let (rows, steps) = (episodes.len(), done + 1 - first);
        let size = self.artefact.observation_size();
        let (mut returns, mut observations, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        for (history, asked) in episodes {
            observations.extend(self.artefact.scale_observations(&history.observations()[first * size..]));
            // The action that is asked for is not known, and not looked at.
            actions.extend(history.actions()[first..].iter().map(|action| *action as i32).chain([0]));
            let mut left = *asked;
            let gained = history.rewards().iter().map(|reward| f64::from(*reward));
            let lefts = std::iter::once(left).chain(gained.map(|reward| {
                left -= reward;
                left
            }));
            returns.extend(lefts.skip(first).map(|left| self.artefact.scale_return(left as f32)));
        }
        // An episode may be longer than any that was learned from.
        let last = self.artefact.max_steps - 1;
        let timesteps: Vec<i32> = (first..=done).map(|step| step.min(last) as i32).collect();
        let lengths = vec![steps; rows];
        let logits = model.forward(Episodes {
            returns: Tensor::from_data(TensorData::new(returns, [rows, steps]), device),
            observations: Tensor::from_data(TensorData::new(observations, [rows, steps, size]), device),
            actions: Tensor::<B, 2, Int>::from_data(TensorData::new(actions, [rows, steps]), device),
            timesteps: Tensor::<B, 2, Int>::from_data(TensorData::new(timesteps.repeat(rows), [rows, steps]), device),
            lengths: &lengths,
        });
        let last = logits.narrow(1, steps - 1, 1).squeeze_dim::<2>(1); // [rows, actions]
        if self.samples {
            let probabilities: Vec<f64> = softmax(last, 1).into_data().iter::<f64>().collect();
            return probabilities.chunks(self.artefact.num_actions).map(|row| drawn(row, random.unit())).collect();
        }
        last.argmax(1).into_data().iter::<i64>().map(|action| action as usize).collect()
    }
}

/// The action in whose share of the probability `place`, in `0..1`, falls.
fn drawn(probabilities: &[f64], place: f64) -> usize {
    let mut below = 0.0;
    let fits = |probability: &f64| {
        below += probability;
        place < below
    };
    probabilities.iter().position(fits).unwrap_or(probabilities.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_drawn_by_their_shares() {
        let shares = [0.25, 0.0, 0.5, 0.25];
        assert_eq!([0.0, 0.2, 0.25, 0.74, 0.75, 0.99].map(|place| drawn(&shares, place)), [0, 0, 2, 2, 3, 3]);
        assert_eq!(drawn(&[0.5, 0.499], 0.9999), 1, "what rounding leaves is the last one's");
    }
}
