//! Strict reading of a config file: TOML and `--set` in, one checked value out.
//!
//! Three stages, each of which reports everything it finds at once: the TOML itself; the document against the JSON schema of
//! the config type (unknown keys, types, allowed values, each with its place in the file); the values against
//! [`Validate`]. serde stays the arbiter between the last two.

mod check;
mod document;
mod error;
mod nearest;
mod resolved;
mod shape;
mod source;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use training_loop::config::{Problems, Validate};

use self::{
    document::{Document, Value},
    shape::Shape,
};
pub use self::{
    error::ConfigError,
    nearest::nearest,
    resolved::{Comments, to_toml},
    source::{ConfigSource, Override, toml_files},
};

/// A config that passed every check.
#[derive(Debug, Clone)]
pub struct Loaded<C> {
    /// The values, trusted from here on.
    pub config: C,
    resolved: String,
    annotated: String,
}

impl<C> Loaded<C> {
    /// Every key with its value, defaults included: reading it back gives an equal config.
    pub fn resolved_toml(&self) -> &str {
        &self.resolved
    }

    /// The same with what each key means above it.
    pub fn annotated_toml(&self) -> &str {
        &self.annotated
    }
}

/// Reads `source`, applies `overrides` and checks the result.
pub fn load<C>(source: &ConfigSource, overrides: &[Override]) -> Result<Loaded<C>, ConfigError>
where
    C: Serialize + DeserializeOwned + JsonSchema + Validate,
{
    let mut document = Document::read(source, overrides)?;
    let shape = Shape::of::<C>();
    document.complete(&shape);
    check::against_schema(&document, &shape)?;

    let config: C = serde_path_to_error::deserialize(document.to_toml())
        .map_err(|error| document.rejected(&error.path().to_string(), error.inner()))?;

    let mut problems = Problems::default();
    config.validate(&mut problems);
    document.accept(problems.into_found())?;

    let write = |comments| to_toml(&config, comments).map_err(|message| document.unwritable(message));
    Ok(Loaded { resolved: write(Comments::Unset)?, annotated: write(Comments::Explain)?, config })
}

/// The value of the top-level key `job`, which decides the type to [`load`]. `jobs` are the known ones.
pub fn peek_job(source: &ConfigSource, overrides: &[Override], jobs: &[&str]) -> Result<String, ConfigError> {
    let document = Document::read(source, overrides)?;
    let known = jobs.iter().map(|job| format!("\"{job}\"")).collect::<Vec<_>>().join(", ");

    let Some(entry) = document.root.entry("job") else {
        let near = document.root.entries().iter().find(|entry| nearest(&entry.key, ["job"]).is_some());
        let problem = document
            .problem(near.map(|near| near.key_place))
            .message("missing key `job`: which kind of training this is")
            .label("did you mean `job`?")
            .help(format!("write it at the top, above the first [table]; there is {known}"));
        return Err(problem.into());
    };
    match &entry.node.value {
        Value::Text(job) if jobs.contains(&job.as_str()) => Ok(job.clone()),
        Value::Text(job) => {
            let label = match nearest(job, jobs.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "no such job".into(),
            };
            Err(document
                .problem(Some(entry.node.place))
                .message(format!("unknown value \"{job}\" of `job`"))
                .label(label)
                .help(format!("allowed: {known}"))
                .into())
        }
        other => Err(document
            .problem(Some(entry.node.place))
            .message(format!("`job` must be text, not {}", other.kind()))
            .label("text is written between quotes")
            .help(format!("allowed: {known}"))
            .into()),
    }
}

/// The JSON schema of a config type, for editors.
pub fn schema<C: JsonSchema>() -> String {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<C>();
    // A schema is plain JSON: writing it as text cannot fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

/// One schema for the configs of all `jobs`, given as name and schema.
pub fn schema_of_any<'a>(jobs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut definitions = serde_json::Map::new();
    let mut alternatives = Vec::new();
    for (job, schema) in jobs {
        // Two jobs may each define a `Config`.
        let schema = schema.replace("\"#/$defs/", &format!("\"#/$defs/{job}."));
        let Ok(serde_json::Value::Object(mut schema)) = serde_json::from_str(&schema) else { continue };
        schema.remove("$schema");
        if let Some(serde_json::Value::Object(own)) = schema.remove("$defs") {
            definitions.extend(own.into_iter().map(|(name, schema)| (format!("{job}.{name}"), schema)));
        }
        alternatives.push(schema);
    }
    let schema = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config",
        "anyOf": alternatives,
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}
