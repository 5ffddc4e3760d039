use super::{DIRECTIONS, GridWorld};

/// Values are exact to about this.
const TOLERANCE: f64 = 1e-12;

/// Sweeps over the grid after which values count as found: without a discount they may grow for ever.
const MAX_SWEEPS: usize = 100_000;

/// What can be gained from each cell on, by who acts best and without a limit of steps: value iteration (Bellman, 1957; Sutton and
/// Barto, "Reinforcement Learning", 2nd edition, section 4.4).
///
/// `[num_cells]`, row by row. Goals, holes and walls have value 0: nothing can be gained from there on, and what entering a goal is
/// worth belongs to the step that enters it. A reward that lies `n` steps ahead counts `discount` to the power of `n`. With a
/// `discount` of 1 and a step that is worth more than 0, or in cells from which nothing ends an episode, values have no bound, and
/// those after many sweeps are given.
pub fn optimal_values(world: &GridWorld, discount: f64) -> Vec<f64> {
    let mut values = vec![0.0; world.num_cells()];
    for _ in 0..MAX_SWEEPS {
        let mut change: f64 = 0.0;
        for cell in (0..world.num_cells()).filter(|cell| world.is_open(*cell)) {
            let best = (0..DIRECTIONS.len())
                .map(|action| action_value(world, &values, discount, cell, action))
                .fold(f64::NEG_INFINITY, f64::max);
            change = change.max((best - values[cell]).abs());
            values[cell] = best;
        }
        if change < TOLERANCE {
            break;
        }
    }
    values
}

/// The best action in a cell by these values, the first of equals.
pub fn greedy_action(world: &GridWorld, values: &[f64], discount: f64, cell: usize) -> usize {
    let value = |action: usize| action_value(world, values, discount, cell, action);
    // What differs by less than the values' own error counts as equal, so that rounding decides nothing.
    (1..DIRECTIONS.len()).fold(0, |best, action| if value(action) > value(best) + 1e-9 { action } else { best })
}

/// What an action gains, and what acting best gains after it.
fn action_value(world: &GridWorld, values: &[f64], discount: f64, cell: usize, action: usize) -> f64 {
    let outcomes = world.outcomes(cell, action).into_iter();
    outcomes.map(|(probability, next)| probability * (f64::from(world.reward(next)) + discount * values[next])).sum()
}
