use crate::{Environment, Step};
use random::SplitMix64;

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = CART_MASS + POLE_MASS;
/// Half the pole's length.
const LENGTH: f64 = 0.5;
const POLE_MOMENT: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
/// Seconds between two steps.
const TAU: f64 = 0.02;
/// 12 degrees.
const MAX_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const MAX_POSITION: f64 = 2.4;
const MAX_STEPS: usize = 500;
/// Each number of the state begins within this of 0.
const START: f64 = 0.05;

/// A pole on a cart that is pushed left (action 0) or right (1), as Gymnasium's `CartPole-v1` has it (Barto, Sutton and Anderson,
/// "Neuronlike adaptive elements that can solve difficult learning control problems", 1983; equations of Florian, "Correct
/// equations for the dynamics of the cart-pole system", 2007). Each step is worth 1; an episode ends when the pole leans more than
/// 12 degrees or the cart is more than 2.4 from the middle, and is truncated after 500 steps.
///
/// An observation is the cart's position and velocity, and the pole's angle in radians and angular velocity. Positions are moved
/// by the velocities from before the step (explicit Euler), as Gymnasium does by default.
#[derive(Debug, Clone, Default)]
pub struct CartPole {
    state: [f64; 4],
    steps: usize,
}

impl CartPole {
    /// A cart in the middle, with its pole upright.
    pub fn new() -> Self {
        Self::default()
    }

    /// Position, velocity, angle and angular velocity, in full precision.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// Begins an episode in this state, rather than in a random one, and gives its first observation.
    pub fn reset_to(&mut self, state: [f64; 4]) -> Vec<f32> {
        *self = Self { state, steps: 0 };
        self.observation()
    }

    fn observation(&self) -> Vec<f32> {
        self.state.iter().map(|value| *value as f32).collect()
    }
}

impl Environment for CartPole {
    fn observation_size(&self) -> usize {
        4
    }

    fn num_actions(&self) -> usize {
        2
    }

    fn max_steps(&self) -> usize {
        MAX_STEPS
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        let mut random = SplitMix64::new(seed);
        self.reset_to(std::array::from_fn(|_| (2.0 * random.unit() - 1.0) * START))
    }

    fn step(&mut self, action: usize) -> Step {
        assert!(action < self.num_actions(), "action {action} of 2");
        self.state = moved(self.state, if action == 1 { FORCE } else { -FORCE });
        self.steps += 1;
        let [position, _, angle, _] = self.state;
        Step {
            observation: self.observation(),
            reward: 1.0,
            terminated: position.abs() > MAX_POSITION || angle.abs() > MAX_ANGLE,
            truncated: self.steps >= MAX_STEPS,
        }
    }
}

/// The state one step later.
fn moved([position, velocity, angle, angular_velocity]: [f64; 4], force: f64) -> [f64; 4] {
    let (sin, cos) = (angle.sin(), angle.cos());
    let push = (force + POLE_MOMENT * angular_velocity * angular_velocity * sin) / TOTAL_MASS;
    let angular_acceleration =
        (GRAVITY * sin - cos * push) / (LENGTH * (4.0 / 3.0 - POLE_MASS * cos * cos / TOTAL_MASS));
    let acceleration = push - POLE_MOMENT * angular_acceleration * cos / TOTAL_MASS;
    [
        position + TAU * velocity,
        velocity + TAU * acceleration,
        angle + TAU * angular_velocity,
        angular_velocity + TAU * angular_acceleration,
    ]
}
