//! `[[stages]]`: runs that come before the one of a config.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::config::Problems;

use crate::config::Override;

/// Tables of a config of which `set` changes single keys. Those with a `kind` may be replaced whole.
const BLOCKS: [&str; 4] = ["data", "model", "task", "training"];
/// Keys that a stage has by other means.
const OWN: [&str; 3] = ["name", "runs", "stages"];

/// A run that comes before the one of the config.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// Name of its run.
    pub name: String,
    /// Its config file, relative to this one. Default: this file, without its stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// What differs from that file, by dotted key: `set = { "data.source" = "photos", "training.epochs" = 5 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, serde_json::Value>,
    /// Whether the report of this config's run shows its curves and scores beside its own.
    pub compare: bool,
}

impl Stage {
    /// What `set` says, as if it stood on the command line.
    pub fn overrides(&self) -> Vec<Override> {
        let set = |(key, value): (&String, &serde_json::Value)| {
            let said = format!("stage \"{}\", set \"{key}\" =", self.name);
            match value {
                serde_json::Value::String(text) => Override::text_flag(&said, key, text),
                other => Override::flag(&said, key, in_toml(other)),
            }
        };
        self.set.iter().map(set).collect()
    }
}

/// `[stages]` as the value of one key.
pub fn list_in_toml(stages: &[Stage]) -> String {
    in_toml(&stages)
}

fn in_toml(value: &impl Serialize) -> String {
    // Whatever came out of a TOML file goes into one.
    value.serialize(toml_edit::ser::ValueSerializer::new()).map_or_else(|_| String::new(), |value| value.to_string())
}

/// Checks all stages of a config.
pub fn validate(stages: &[Stage], problems: &mut Problems) {
    let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
    for (index, stage) in stages.iter().enumerate() {
        problems.nested(&format!("stages[{index}]"), |problems| {
            let before = &stages[..index];
            let unique = before.iter().all(|other| other.name != stage.name);
            problems.check(
                plain(&stage.name),
                "name",
                "names the folder of a run below `runs`: one word without a path",
            );
            problems.check(unique, "name", format!("\"{}\" is the name of an earlier stage", stage.name));
            problems.nested("set", |problems| {
                for (key, value) in &stage.set {
                    let message = format!("write single keys in quotes: \"{key}.…\" = …");
                    problems.check(!(value.is_object() && BLOCKS.contains(&key.as_str())), key, message);
                    problems.check(!OWN.contains(&key.as_str()), key, "cannot be set for a stage");
                }
            });
        });
    }
}
