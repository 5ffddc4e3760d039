use crate::{EnvironmentConfig, EnvironmentError, GridWorld, greedy_action, optimal_values};
use random::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a reward one step later counts in the plans of an [`Expert`] of grids: below 1, so that it hurries.
const DISCOUNT: f64 = 0.99;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PolicyConfig {
    /// Any action, each as likely.
    Random {},
    /// One who knows the environment, and errs: with a probability of `epsilon`, from 0 to 1, any action, else the expert's. On the
    /// cart, that pushes to where the pole leans and falls; in a grid, it goes where most can be gained.
    Scripted {
        /// How often it acts at random; 0 if left out.
        #[serde(default)]
        epsilon: f64,
    },
}

impl PolicyConfig {
    /// How often it acts at random.
    pub const fn epsilon(&self) -> f64 {
        match self {
            Self::Random {} => 1.0,
            Self::Scripted { epsilon } => *epsilon,
        }
    }

    /// The action after this observation, with random numbers from `random`.
    pub fn action(&self, expert: &Expert, observation: &[f32], random: &mut SplitMix64) -> usize {
        if random.unit() < self.epsilon() { random.below(expert.num_actions()) } else { expert.action(observation) }
    }
}

/// One who knows an environment and always acts by a fixed rule: what a model's return can be measured against.
#[derive(Debug, Clone)]
pub struct Expert(Rule);

#[derive(Debug, Clone)]
enum Rule {
    /// Pushes to where the pole leans and falls.
    CartPole,
    /// The best action of each cell.
    Grid(Vec<usize>),
}

impl Expert {
    /// The expert of this environment. For grids it plans by [`optimal_values`] with a discount of 0.99.
    ///
    /// # Errors
    /// As [`EnvironmentConfig::build`].
    pub fn new(environment: &EnvironmentConfig) -> Result<Self, EnvironmentError> {
        let Some(grid) = environment.grid() else { return Ok(Self(Rule::CartPole)) };
        let world = GridWorld::new(&grid)?;
        let values = optimal_values(&world, DISCOUNT);
        let best = (0..world.num_cells()).map(|cell| greedy_action(&world, &values, DISCOUNT, cell));
        Ok(Self(Rule::Grid(best.collect())))
    }

    /// Its action after this observation.
    pub fn action(&self, observation: &[f32]) -> usize {
        match (&self.0, observation) {
            (Rule::CartPole, [_, _, angle, angular_velocity]) => usize::from(angle + angular_velocity > 0.0),
            (Rule::CartPole, _) => 0,
            (Rule::Grid(best), cells) => {
                best.iter().zip(cells).find(|(_, here)| **here > 0.5).map_or(0, |(best, _)| *best)
            }
        }
    }

    fn num_actions(&self) -> usize {
        match self.0 {
            Rule::CartPole => 2,
            Rule::Grid(_) => 4,
        }
    }
}
