//! Grids of cells in which someone walks.

mod config;
mod value_iteration;

pub use config::GridWorldConfig;
pub use value_iteration::{greedy_action, optimal_values};

use crate::{Environment, EnvironmentError, Step};
use config::{FREE, GOAL, HOLE, START, WALL};
use random::SplitMix64;

/// Left, down, right, up: rows and columns to go, in the order of Gymnasium's actions.
const DIRECTIONS: [(isize, isize); 4] = [(0, -1), (1, 0), (0, 1), (-1, 0)];

/// A grid of cells. The actions are left (0), down (1), right (2) and up (3); a step may slip to either side of where it was meant
/// to go, and one into a wall or over the edge stays where it is. Goals and holes end the episode. An observation is one number a
/// cell, row by row: 1 for where one stands and 0 elsewhere.
///
/// With [`GridWorldConfig::frozen_lake_4x4`] it is Gymnasium's `FrozenLake-v1`, with [`GridWorldConfig::russell_norvig`] the world
/// of Russell and Norvig's book.
#[derive(Debug, Clone)]
pub struct GridWorld {
    /// A letter a cell, row by row.
    cells: Vec<u8>,
    width: usize,
    starts: Vec<usize>,
    config: GridWorldConfig,
    random: SplitMix64,
    cell: usize,
    steps: usize,
}

impl GridWorld {
    /// Builds the grid.
    ///
    /// # Errors
    /// [`EnvironmentError::Config`] for the first finding of [`GridWorldConfig::validate`].
    pub fn new(config: &GridWorldConfig) -> Result<Self, EnvironmentError> {
        EnvironmentError::first_of(config.validate())?;
        let cells: Vec<u8> = config.map.concat().into_bytes();
        let starts: Vec<usize> = (0..cells.len()).filter(|cell| cells[*cell] == START).collect();
        Ok(Self {
            width: config.map[0].len(),
            cell: starts[0],
            cells,
            starts,
            config: config.clone(),
            random: SplitMix64::new(0),
            steps: 0,
        })
    }

    /// Cells of the grid, walls included.
    pub fn num_cells(&self) -> usize {
        self.cells.len()
    }

    /// The cells in which an episode may begin.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Where one stands: row times width and column.
    pub fn cell(&self) -> usize {
        self.cell
    }

    /// Whether entering this cell ends an episode.
    pub fn is_terminal(&self, cell: usize) -> bool {
        matches!(self.cells[cell], GOAL | HOLE)
    }

    /// Whether one can be in this cell and go on.
    pub fn is_open(&self, cell: usize) -> bool {
        matches!(self.cells[cell], START | FREE)
    }

    /// What a step that ends in this cell is worth.
    pub fn reward(&self, cell: usize) -> f32 {
        let GridWorldConfig { step_reward, goal_reward, hole_reward, .. } = self.config;
        step_reward
            + match self.cells[cell] {
                GOAL => goal_reward,
                HOLE => hole_reward,
                _ => 0.0,
            }
    }

    /// The cells in which an action may end, with the probability of each: to one side, as meant, to the other side.
    pub fn outcomes(&self, cell: usize, action: usize) -> [(f64, usize); 3] {
        let slip = self.config.slip_probability;
        let [side, meant] = [slip / 2.0, 1.0 - slip];
        [(side, 3), (meant, 0), (side, 1)]
            .map(|(probability, turn)| (probability, self.next(cell, (action + turn) % 4)))
    }

    /// The cell in the direction of an action.
    fn next(&self, cell: usize, action: usize) -> usize {
        let (down, right) = DIRECTIONS[action];
        let row = (cell / self.width).checked_add_signed(down);
        let column = (cell % self.width).checked_add_signed(right).filter(|column| *column < self.width);
        match (row, column) {
            (Some(row), Some(column)) => {
                let next = row * self.width + column;
                if self.cells.get(next).is_some_and(|letter| *letter != WALL) { next } else { cell }
            }
            _ => cell,
        }
    }

    fn observation(&self) -> Vec<f32> {
        let mut observation = vec![0.0; self.num_cells()];
        observation[self.cell] = 1.0;
        observation
    }
}

impl Environment for GridWorld {
    fn observation_size(&self) -> usize {
        self.num_cells()
    }

    fn num_actions(&self) -> usize {
        DIRECTIONS.len()
    }

    fn max_steps(&self) -> usize {
        self.config.max_steps
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        self.random = SplitMix64::new(seed);
        self.cell = self.starts[self.random.below(self.starts.len())];
        self.steps = 0;
        self.observation()
    }

    fn step(&mut self, action: usize) -> Step {
        assert!(action < self.num_actions(), "action {action} of 4");
        let [(side, left), (_, meant), (_, right)] = self.outcomes(self.cell, action);
        let draw = self.random.unit();
        self.cell = match draw {
            draw if draw < side => left,
            draw if draw < 2.0 * side => right,
            _ => meant,
        };
        self.steps += 1;
        Step {
            observation: self.observation(),
            reward: self.reward(self.cell),
            terminated: self.is_terminal(self.cell),
            truncated: self.steps >= self.config.max_steps,
        }
    }
}
