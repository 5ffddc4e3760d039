use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The letters of a map.
pub(super) const START: u8 = b'S';
pub(super) const FREE: u8 = b'F';
pub(super) const HOLE: u8 = b'H';
pub(super) const GOAL: u8 = b'G';
pub(super) const WALL: u8 = b'#';

/// A grid of cells in which someone walks. The default is the world of Russell and Norvig's book.
///
/// ```toml
/// [data.environment]
/// kind = "grid-world"
/// map = ["FFFG", "F#FH", "SFFF"]
/// slip_probability = 0.2
/// step_reward = -0.04
/// goal_reward = 1.0
/// hole_reward = -1.0
/// max_steps = 100
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridWorldConfig {
    /// The cells, a text for each row, from the top: `S` where an episode begins (one of them, drawn at random, where there are
    /// several), `F` free, `#` a wall, `G` a goal and `H` a hole, which both end it.
    pub map: Vec<String>,
    /// How often a step goes to one side of where it was meant to, half of the times to either: from 0 to 1.
    pub slip_probability: f64,
    /// What each step is worth.
    pub step_reward: f32,
    /// What entering a goal is worth, besides the step.
    pub goal_reward: f32,
    /// What entering a hole is worth, besides the step.
    pub hole_reward: f32,
    /// Steps after which an episode is truncated.
    pub max_steps: usize,
}

impl Default for GridWorldConfig {
    fn default() -> Self {
        Self::russell_norvig()
    }
}

impl GridWorldConfig {
    /// The 4x3 world of Russell and Norvig, "Artificial Intelligence: A Modern Approach", 3rd edition, section 17.1. A hole of
    /// value -1 stands for its second terminal state.
    pub fn russell_norvig() -> Self {
        Self {
            map: rows(&["FFFG", "F#FH", "SFFF"]),
            slip_probability: 0.2,
            step_reward: -0.04,
            goal_reward: 1.0,
            hole_reward: -1.0,
            max_steps: 100,
        }
    }

    /// Gymnasium's `FrozenLake-v1`: 4x4, slippery.
    pub fn frozen_lake_4x4() -> Self {
        Self::frozen_lake(&["SFFF", "FHFH", "FFFH", "HFFG"], 100)
    }

    /// Gymnasium's `FrozenLake8x8-v1`, slippery.
    pub fn frozen_lake_8x8() -> Self {
        let map = ["SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG"];
        Self::frozen_lake(&map, 200)
    }

    /// A step goes where it was meant to in one of three cases, and to either side in one.
    fn frozen_lake(map: &[&str], max_steps: usize) -> Self {
        Self {
            map: rows(map),
            slip_probability: 2.0 / 3.0,
            step_reward: 0.0,
            goal_reward: 1.0,
            hole_reward: 0.0,
            max_steps,
        }
    }

    /// All values that can never work, as pairs of a key (as in `"environment.map"`) and the rest of a sentence that begins with
    /// that key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(self.wrong_map().map(|message| ("environment.map", message)));
        if !(0.0..=1.0).contains(&self.slip_probability) {
            let message = format!("is {}; it must lie between 0 and 1", self.slip_probability);
            wrong.push(("environment.slip_probability", message));
        }
        for (key, reward) in [
            ("environment.step_reward", self.step_reward),
            ("environment.goal_reward", self.goal_reward),
            ("environment.hole_reward", self.hole_reward),
        ] {
            if !reward.is_finite() {
                wrong.push((key, format!("is {reward}; it must be a finite number")));
            }
        }
        if self.max_steps == 0 {
            wrong.push(("environment.max_steps", "is 0; it must be at least 1".to_owned()));
        }
        wrong
    }

    /// The rest of a sentence that begins with `environment.map`, where no one can walk there.
    fn wrong_map(&self) -> Option<String> {
        let width = self.map.first().map_or(0, |row| row.chars().count());
        if width == 0 {
            return Some("is empty; give a text for each row, as in `[\"SF\", \"FG\"]`".to_owned());
        }
        for (number, row) in (1..).zip(&self.map) {
            if let Some(letter) = row.chars().find(|letter| !"SFHG#".contains(*letter)) {
                return Some(format!(
                    "has {letter:?} in row {number}; the letters are `S` start, `F` free, `H` hole, `G` goal, `#` wall"
                ));
            }
            if row.len() != width {
                return Some(format!(
                    "has {} cells in row {number} and {width} in row 1; all rows must be as long",
                    row.len()
                ));
            }
        }
        let lacks = |letter: char| !self.map.iter().any(|row| row.contains(letter));
        [('S', "a start"), ('G', "a goal")]
            .into_iter()
            .find(|(letter, _)| lacks(*letter))
            .map(|(letter, name)| format!("has no `{letter}`; mark a cell as {name}"))
    }
}

fn rows(map: &[&str]) -> Vec<String> {
    map.iter().map(|row| (*row).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: GridWorldConfig = toml::from_str(
            r##"
            map = ["FFFG", "F#FH", "SFFF"]
            slip_probability = 0.2
            step_reward = -0.04
            goal_reward = 1.0
            hole_reward = -1.0
            max_steps = 100
            "##,
        )
        .unwrap();
        assert_eq!(config, GridWorldConfig::default());
        for config in [config, GridWorldConfig::frozen_lake_4x4(), GridWorldConfig::frozen_lake_8x8()] {
            assert_eq!(config.validate(), []);
        }
    }

    #[test]
    fn impossible_maps_are_named() {
        for (map, part) in [
            (vec![], "is empty"),
            (vec!["", "SG"], "is empty"),
            (vec!["SFG", "FXF"], "'X' in row 2"),
            (vec!["SFG", "FäF"], "'ä' in row 2"),
            (vec!["SFG", "FF"], "2 cells in row 2 and 3 in row 1"),
            (vec!["FFG"], "no `S`"),
            (vec!["SFH"], "no `G`"),
        ] {
            let found = GridWorldConfig { map: rows(&map), ..GridWorldConfig::default() }.validate();
            assert!(matches!(&found[..], [("environment.map", message)] if message.contains(part)), "{found:?}");
        }
    }

    #[test]
    fn impossible_numbers_are_named() {
        let config = GridWorldConfig {
            slip_probability: f64::NAN,
            step_reward: f32::INFINITY,
            max_steps: 0,
            ..GridWorldConfig::default()
        };
        let keys: Vec<&str> = config.validate().iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["environment.slip_probability", "environment.step_reward", "environment.max_steps"]);
    }
}
