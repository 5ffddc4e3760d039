use crate::{CartPole, Environment, EnvironmentError, GridWorld, GridWorldConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which environment.
///
/// ```toml
/// environment = { kind = "cart-pole" }     # or "frozen-lake-4x4", "frozen-lake-8x8", "russell-norvig", "grid-world"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EnvironmentConfig {
    /// A pole to be balanced on a cart: Gymnasium's `CartPole-v1`. Two actions, observations of four numbers, 500 steps.
    CartPole {},
    /// A way over slippery ice with holes: Gymnasium's `FrozenLake-v1`. Four actions, 16 cells, 100 steps.
    #[serde(rename = "frozen-lake-4x4")]
    FrozenLake4x4 {},
    /// The same with 64 cells and 200 steps: Gymnasium's `FrozenLake8x8-v1`.
    #[serde(rename = "frozen-lake-8x8")]
    FrozenLake8x8 {},
    /// The 4x3 world of Russell and Norvig's book. Four actions, 12 cells, 100 steps.
    RussellNorvig {},
    /// A map of your own.
    GridWorld(GridWorldConfig),
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        Self::CartPole {}
    }
}

impl EnvironmentConfig {
    /// The environment of this name, where that has no settings.
    pub fn named(name: &str) -> Option<Self> {
        let known = [Self::CartPole {}, Self::FrozenLake4x4 {}, Self::FrozenLake8x8 {}, Self::RussellNorvig {}];
        known.into_iter().find(|known| known.name() == name)
    }

    /// As a configuration names it: `"cart-pole"`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CartPole {} => "cart-pole",
            Self::FrozenLake4x4 {} => "frozen-lake-4x4",
            Self::FrozenLake8x8 {} => "frozen-lake-8x8",
            Self::RussellNorvig {} => "russell-norvig",
            Self::GridWorld(_) => "grid-world",
        }
    }

    /// All values that can never work, as pairs of a key (as in `"environment.map"`) and the rest of a sentence that begins with
    /// that key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::GridWorld(grid) => grid.validate(),
            _ => Vec::new(),
        }
    }

    /// Builds the environment; [`Environment::reset`] begins an episode.
    ///
    /// # Errors
    /// [`EnvironmentError::Config`] for the first finding of [`validate`](Self::validate).
    pub fn build(&self) -> Result<Box<dyn Environment>, EnvironmentError> {
        match self.grid() {
            Some(grid) => Ok(Box::new(GridWorld::new(&grid)?)),
            None => Ok(Box::new(CartPole::new())),
        }
    }

    /// The grid, where the environment is one.
    pub fn grid(&self) -> Option<GridWorldConfig> {
        match self {
            Self::CartPole {} => None,
            Self::FrozenLake4x4 {} => Some(GridWorldConfig::frozen_lake_4x4()),
            Self::FrozenLake8x8 {} => Some(GridWorldConfig::frozen_lake_8x8()),
            Self::RussellNorvig {} => Some(GridWorldConfig::russell_norvig()),
            Self::GridWorld(grid) => Some(grid.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_is_read_by_its_name_and_strictly() {
        for name in ["cart-pole", "frozen-lake-4x4", "frozen-lake-8x8", "russell-norvig", "grid-world"] {
            let config: EnvironmentConfig = toml::from_str(&format!("kind = \"{name}\"")).unwrap();
            assert_eq!(config.name(), name);
            assert_eq!(EnvironmentConfig::named(name), (name != "grid-world").then_some(config.clone()));
            let written = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<EnvironmentConfig>(&written).unwrap(), config, "{written}");
            assert!(toml::from_str::<EnvironmentConfig>(&format!("kind = \"{name}\"\nspeed = 3")).is_err(), "{name}");
            config.build().unwrap();
        }
        assert!(toml::from_str::<EnvironmentConfig>("kind = \"pong\"").is_err());
    }

    #[test]
    fn what_cannot_be_built_says_why() {
        let config = GridWorldConfig { map: Vec::new(), ..GridWorldConfig::default() };
        let message = EnvironmentConfig::GridWorld(config).build().err().unwrap().to_string();
        assert!(message.starts_with("`environment.map` is empty"), "{message}");
    }

    #[test]
    fn the_schema_carries_the_descriptions() {
        let schema = serde_json::to_string(&schemars::schema_for!(EnvironmentConfig)).unwrap();
        for part in ["cart-pole", "frozen-lake-8x8", "additionalProperties\":false", "half of the times to either"] {
            assert!(schema.contains(part), "{part} in {schema}");
        }
    }
}
