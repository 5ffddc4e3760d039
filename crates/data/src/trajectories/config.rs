use crate::DataError;
use crate::split::wrong_fractions;
use environments::{CollectConfig, EnvironmentConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data section of a job that learns to act: which episodes, how they are split, and how they become batches.
///
/// Every key has a default, and an unknown key is an error:
///
/// ```toml
/// [data]
/// # path = "episodes.jsonl.gz"     # left out, episodes are collected as `collect` says
/// environment = { kind = "cart-pole" }
/// filter_top = 1.0
/// validation_fraction = 0.1
/// split_seed = 0
/// context_len = 20
/// batch_size = 64
/// normalize_observations = true
/// # return_scale = 500.0           # left out, the largest return of the training part
///
/// [data.collect]
/// episodes = 500
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrajectoryConfig {
    /// A `.jsonl` or `.jsonl.gz` file of episodes, relative to the current directory, or beginning with `$KILN_DATA/`. Left out,
    /// episodes are collected in `environment`, the same ones each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The environment in which episodes are collected, and in which a model is tried: `{ kind = "cart-pole" }`,
    /// `"frozen-lake-4x4"`, `"frozen-lake-8x8"`, `"russell-norvig"` or `"grid-world"`. Left out, it is the one that the file names,
    /// if any, and `cart-pole` where there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentConfig>,
    /// Which episodes are collected. It plays no part where there is a file.
    pub collect: CollectConfig,
    /// The part of all episodes that is kept, those with the highest returns: above 0 and at most 1. Below 1 a model that imitates
    /// what is left is filtered behaviour cloning.
    pub filter_top: f64,
    /// The part of the episodes that is kept for validation: above 0 and below 1.
    pub validation_fraction: f64,
    /// Which episodes fall into which part. The run's own seed plays no part in it, so that runs can be compared.
    pub split_seed: u64,
    /// Steps in a window: what a model sees at once.
    pub context_len: usize,
    /// Windows in a batch; the last batch of an epoch may have fewer.
    pub batch_size: usize,
    /// Whether each number of an observation is brought to mean 0 and standard deviation 1 over the training part. Numbers that are
    /// only ever 0 or 1 stay as they are.
    pub normalize_observations: bool,
    /// What returns are divided by before a model sees them, above 0. Left out, it is the largest return to go of the training
    /// part, without its sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_scale: Option<f64>,
}

impl Default for TrajectoryConfig {
    fn default() -> Self {
        Self {
            path: None,
            environment: None,
            collect: CollectConfig::default(),
            filter_top: 1.0,
            validation_fraction: 0.1,
            split_seed: 0,
            context_len: 20,
            batch_size: 64,
            normalize_observations: true,
            return_scale: None,
        }
    }
}

impl TrajectoryConfig {
    /// All values that can never work, as pairs of a key (relative to the data section, as in `"collect.episodes"`) and the rest of
    /// a sentence that begins with that key. Nothing is read.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        wrong.extend(self.path.as_deref().and_then(wrong_path).map(|message| ("path", message)));
        wrong.extend(self.environment.iter().flat_map(EnvironmentConfig::validate));
        wrong.extend(self.collect.validate());
        if !(self.filter_top > 0.0 && self.filter_top <= 1.0) {
            wrong.push(("filter_top", format!("is {}; it must be above 0 and at most 1", self.filter_top)));
        }
        wrong.extend(wrong_fractions(self.validation_fraction, 0.0));
        for (key, size) in [("context_len", self.context_len), ("batch_size", self.batch_size)] {
            if size == 0 {
                wrong.push((key, "is 0; it must be at least 1".to_owned()));
            }
        }
        if let Some(scale) = self.return_scale
            && !(scale as f32 > 0.0 && (scale as f32).is_finite())
        {
            wrong.push(("return_scale", format!("is {scale}; it must be a finite number above 0")));
        }
        wrong
    }

    /// The first finding of [`validate`](Self::validate), as an error.
    pub(super) fn checked(&self) -> Result<(), DataError> {
        DataError::first_of(self.validate())
    }
}

/// The rest of a sentence that begins with `path`, where that can never work.
fn wrong_path(path: &str) -> Option<String> {
    if path.trim().is_empty() {
        return Some("is empty; give a .jsonl or .jsonl.gz file, or leave it out to collect episodes".to_owned());
    }
    let name = path.to_lowercase();
    let known = [".jsonl", ".jsonl.gz"].iter().any(|extension| name.ends_with(extension));
    (!known).then(|| format!("is `{path}`; a file of episodes that ends in .jsonl or .jsonl.gz is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_toml_is_the_default() {
        let config: TrajectoryConfig = toml::from_str(
            r#"
            environment = { kind = "cart-pole" }
            filter_top = 1.0
            validation_fraction = 0.1
            split_seed = 0
            context_len = 20
            batch_size = 64
            normalize_observations = true

            [collect]
            episodes = 500
            "#,
        )
        .unwrap();
        let default = TrajectoryConfig::default();
        assert_eq!(config, TrajectoryConfig { environment: Some(EnvironmentConfig::default()), ..default.clone() });
        assert_eq!(toml::from_str::<TrajectoryConfig>("").unwrap(), default);
        assert!(default.validate().is_empty() && config.validate().is_empty());
    }

    #[test]
    fn survives_toml_and_json() {
        let config = TrajectoryConfig {
            path: Some("a/b.jsonl.gz".to_owned()),
            environment: Some(EnvironmentConfig::GridWorld(Default::default())),
            filter_top: 0.25,
            return_scale: Some(10.0),
            ..TrajectoryConfig::default()
        };
        assert!(config.validate().is_empty(), "{:?}", config.validate());
        for config in [config, TrajectoryConfig::default()] {
            let written = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<TrajectoryConfig>(&written).unwrap(), config, "{written}");
            let written = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrajectoryConfig>(&written).unwrap(), config, "{written}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        for wrong in [
            "context_length = 3",
            "environment = \"cart-pole\"",
            "environment = { kind = \"cart-pole\", gravity = 3 }",
            "collect = { episode = 3 }",
            "collect = { policies = [{ kind = \"scripted\", noise = 3 }] }",
        ] {
            assert!(toml::from_str::<TrajectoryConfig>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn impossible_values_are_named() {
        let config: TrajectoryConfig = toml::from_str(
            r#"
            path = "episodes.json"
            environment = { kind = "grid-world", map = [] }
            collect = { episodes = 0 }
            filter_top = 0.0
            validation_fraction = 1.0
            context_len = 0
            batch_size = 0
            return_scale = -1.0
            "#,
        )
        .unwrap();
        let found = config.validate();
        let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
        let expected = [
            "path",
            "environment.map",
            "collect.episodes",
            "filter_top",
            "validation_fraction",
            "context_len",
            "batch_size",
            "return_scale",
        ];
        assert_eq!(keys, expected, "{found:?}");
    }

    #[test]
    fn the_schema_carries_the_descriptions() {
        let schema = serde_json::to_string(&schemars::schema_for!(TrajectoryConfig)).unwrap();
        for part in ["Steps in a window", "russell-norvig", "They take turns", "additionalProperties\":false"] {
            assert!(schema.contains(part), "{part} in {schema}");
        }
    }
}
