use crate::{EnvironmentConfig, EnvironmentError, Expert, PolicyConfig, Trajectories, Trajectory, rollout};
use random::{SplitMix64, stream_seed};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which episodes are collected.
///
/// ```toml
/// [data.collect]
/// episodes = 500
/// policies = [
///     { kind = "random" },
///     { kind = "scripted", epsilon = 0.75 },
///     { kind = "scripted", epsilon = 0.5 },
///     { kind = "scripted", epsilon = 0.25 },
///     { kind = "scripted", epsilon = 0.0 },
/// ]
/// seed = 0
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CollectConfig {
    /// Episodes to collect.
    pub episodes: usize,
    /// Who acts: `{ kind = "random" }`, or `{ kind = "scripted", epsilon = 0.5 }`, which knows the environment and acts at random in
    /// that part of the steps. They take turns, an episode each, so that several of them make episodes from bad to good.
    pub policies: Vec<PolicyConfig>,
    /// The episodes follow from this number. The run's own seed plays no part in it, so that runs can be compared.
    pub seed: u64,
}

impl Default for CollectConfig {
    fn default() -> Self {
        let scripted = [0.75, 0.5, 0.25, 0.0].map(|epsilon| PolicyConfig::Scripted { epsilon });
        let policies = [PolicyConfig::Random {}].into_iter().chain(scripted).collect();
        Self { episodes: 500, policies, seed: 0 }
    }
}

impl CollectConfig {
    /// All values that can never work, as pairs of a key (as in `"collect.episodes"`) and the rest of a sentence that begins with
    /// that key.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.episodes == 0 {
            wrong.push(("collect.episodes", "is 0; it must be at least 1".to_owned()));
        }
        if self.policies.is_empty() {
            let message = "is empty; give at least one, as in `[{ kind = \"random\" }]`".to_owned();
            wrong.push(("collect.policies", message));
        }
        for (number, policy) in (1..).zip(&self.policies) {
            let epsilon = policy.epsilon();
            if !(0.0..=1.0).contains(&epsilon) {
                let message = format!("has an `epsilon` of {epsilon} in policy {number}; it must lie between 0 and 1");
                wrong.push(("collect.policies", message));
            }
        }
        wrong
    }
}

/// Lets the policies of `config` act in `environment`, on all cores. The episodes are the same whatever the number of threads.
///
/// # Errors
/// [`EnvironmentError::Config`] for the first impossible value of either configuration.
pub fn collect(environment: &EnvironmentConfig, config: &CollectConfig) -> Result<Trajectories, EnvironmentError> {
    EnvironmentError::first_of(config.validate())?;
    let expert = Expert::new(environment)?;
    let world = environment.build()?;
    let episodes = (0..config.episodes).into_par_iter().map(|number| episode(environment, config, &expert, number));
    Ok(Trajectories {
        environment: environment.name().to_owned(),
        observation_size: world.observation_size(),
        num_actions: world.num_actions(),
        episodes: episodes.collect::<Result<_, _>>()?,
    })
}

fn episode(
    environment: &EnvironmentConfig,
    config: &CollectConfig,
    expert: &Expert,
    number: usize,
) -> Result<Trajectory, EnvironmentError> {
    let policy = &config.policies[number % config.policies.len()];
    let [world_seed, policy_seed] = [0, 1].map(|stream| stream_seed(config.seed, stream, number as u64));
    let mut random = SplitMix64::new(policy_seed);
    let act = |history: &crate::History| policy.action(expert, history.observation(), &mut random);
    Ok(rollout(environment.build()?.as_mut(), world_seed, act))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: CollectConfig = toml::from_str(
            r#"
            episodes = 500
            policies = [
                { kind = "random" },
                { kind = "scripted", epsilon = 0.75 },
                { kind = "scripted", epsilon = 0.5 },
                { kind = "scripted", epsilon = 0.25 },
                { kind = "scripted", epsilon = 0.0 },
            ]
            seed = 0
            "#,
        )
        .unwrap();
        assert_eq!(config, CollectConfig::default());
        assert_eq!(toml::from_str::<CollectConfig>("").unwrap(), config);
        assert_eq!(toml::from_str::<CollectConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert!(config.validate().is_empty());
        for wrong in
            ["episode = 3", "policies = [{ kind = \"expert\" }]", "policies = [{ kind = \"random\", epsilon = 1 }]"]
        {
            assert!(toml::from_str::<CollectConfig>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let keys = |config: &CollectConfig| config.validate().iter().map(|(key, _)| *key).collect::<Vec<_>>();
        let config = CollectConfig { episodes: 0, policies: Vec::new(), seed: 0 };
        assert_eq!(keys(&config), ["collect.episodes", "collect.policies"]);
        let config =
            CollectConfig { policies: vec![PolicyConfig::Scripted { epsilon: 1.5 }], ..CollectConfig::default() };
        assert_eq!(keys(&config), ["collect.policies"]);
        let message = collect(&EnvironmentConfig::default(), &config).unwrap_err().to_string();
        assert!(message.contains("`epsilon` of 1.5 in policy 1"), "{message}");
    }
}
