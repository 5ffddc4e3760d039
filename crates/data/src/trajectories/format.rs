//! The file format of episodes: JSON Lines in UTF-8, in a `.jsonl` file or compressed in a `.jsonl.gz`.
//!
//! The first line is a header, each further one a whole episode:
//!
//! ```json
//! {"format": "kiln-trajectories", "version": 1, "environment": "cart-pole", "observation_size": 4, "num_actions": 2}
//! {"observations": [[0.01, 0.02, 0.03, 0.04], [0.01, 0.21, 0.03, -0.24]], "actions": [1, 0], "rewards": [1.0, 1.0], "terminated": true}
//! ```
//!
//! - `environment` is free text; where it is the name of one of Kiln's environments, a model that learns from the file is tried in it.
//! - `observations` has one list of `observation_size` numbers a step: what was seen before the step's action.
//! - `actions` has one whole number a step, from 0 to below `num_actions`.
//! - `rewards` has one number a step: what the action was worth.
//! - `terminated` says whether the environment ended the episode (`true`) or a limit of steps did (`false`).
//!
//! Empty lines are passed over, and all numbers are finite. In Python, `episodes` being a list of such dictionaries:
//!
//! ```python
//! import json
//!
//! header = {"format": "kiln-trajectories", "version": 1, "environment": "my-game", "observation_size": 4, "num_actions": 2}
//! with open("episodes.jsonl", "w") as file:
//!     for line in [header, *episodes]:
//!         file.write(json.dumps(line) + "\n")
//! ```

use crate::DataError;
use crate::text::Encoding;
use crate::text::corpus::read_text;
use environments::{Trajectories, Trajectory};
use flate2::{Compression, write::GzEncoder};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const FORMAT: &str = "kiln-trajectories";
const VERSION: u32 = 1;

/// An example of the first line, for messages.
const HEADER: &str = "{\"format\": \"kiln-trajectories\", \"version\": 1, \"environment\": \"NAME\", \"observation_size\": 4, \
                      \"num_actions\": 2}";

/// What each field of a header has to be.
const HEADER_FIELDS: [Field; 5] = [
    Field { name: "format", expected: "the text \"kiln-trajectories\"", fits: fits::<String> },
    Field { name: "version", expected: "a whole number", fits: fits::<u32> },
    Field { name: "environment", expected: "a text", fits: fits::<String> },
    Field { name: "observation_size", expected: "a whole number", fits: fits::<usize> },
    Field { name: "num_actions", expected: "a whole number", fits: fits::<usize> },
];

/// What each field of an episode has to be.
const EPISODE_FIELDS: [Field; 4] = [
    Field { name: "observations", expected: "a list of lists of numbers", fits: fits::<Vec<Vec<f32>>> },
    Field { name: "actions", expected: "a list of whole numbers from 0", fits: fits::<Vec<u32>> },
    Field { name: "rewards", expected: "a list of numbers", fits: fits::<Vec<f32>> },
    Field { name: "terminated", expected: "true or false", fits: fits::<bool> },
];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    environment: String,
    observation_size: usize,
    num_actions: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Episode<Row> {
    observations: Vec<Row>,
    actions: Vec<u32>,
    rewards: Vec<f32>,
    terminated: bool,
}

/// A field of a line, to say what is wrong with it.
struct Field {
    name: &'static str,
    expected: &'static str,
    fits: fn(&Value) -> Result<(), serde_json::Error>,
}

fn fits<T: DeserializeOwned>(value: &Value) -> Result<(), serde_json::Error> {
    T::deserialize(value).map(|_| ())
}

/// Reads a file of episodes, decompressed if its name ends in `.gz`. The file's lines are read on all cores.
///
/// # Errors
/// [`DataError`] for a file that cannot be read, has no episode, or has a line that is not what the format says; the message names
/// the line and the field.
pub fn read_trajectories(path: &Path) -> Result<Trajectories, DataError> {
    let text = read_text(path, Encoding::Utf8)?;
    let mut lines: Vec<(usize, &str)> = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    let bad = |line: usize, message: String| DataError::BadLine { path: path.to_owned(), line, message };
    let (line, header) = lines.remove(0);
    let header = read_header(header).map_err(|message| bad(line, message))?;
    if lines.is_empty() {
        let message = "has a header and no episode; each further line is one".to_owned();
        return Err(DataError::BadTrajectories { path: path.to_owned(), message });
    }
    let read: Vec<Result<Trajectory, DataError>> = lines
        .into_par_iter()
        .map(|(number, line)| read_episode(line, &header).map_err(|message| bad(number, message)))
        .collect();
    Ok(Trajectories {
        environment: header.environment,
        observation_size: header.observation_size,
        num_actions: header.num_actions,
        // Of several bad lines the first is named, whichever was read first.
        episodes: read.into_iter().collect::<Result<_, _>>()?,
    })
}

/// Writes a file of episodes, compressed if its name ends in `.gz`. A file that is there is overwritten.
///
/// # Errors
/// [`DataError::BadTrajectories`] for episodes that the format cannot hold, [`DataError::Io`].
pub fn write_trajectories(path: &Path, trajectories: &Trajectories) -> Result<(), DataError> {
    let Trajectories { environment, observation_size, num_actions, episodes } = trajectories;
    let (observation_size, num_actions) = (*observation_size, *num_actions);
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        environment: environment.clone(),
        observation_size,
        num_actions,
    };
    let bad = |message: String| DataError::BadTrajectories { path: path.to_owned(), message };
    header.fault().map_or(Ok(()), |fault| Err(bad(format!("cannot be written: {fault}"))))?;
    if episodes.is_empty() {
        return Err(bad("cannot be written: there is no episode".to_owned()));
    }
    for (number, episode) in (1..).zip(episodes) {
        if let Some(fault) = fault(episode, &header) {
            return Err(bad(format!("episode {number} cannot be written: {fault}")));
        }
    }
    let file = BufWriter::new(File::create(path).map_err(DataError::writing(path))?);
    let written = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
        let mut file = GzEncoder::new(file, Compression::default());
        write_lines(&mut file, &header, episodes).and_then(|()| file.finish()?.flush())
    } else {
        let mut file = file;
        write_lines(&mut file, &header, episodes).and_then(|()| file.flush())
    };
    written.map_err(DataError::writing(path))
}

fn write_lines(file: &mut impl Write, header: &Header, episodes: &[Trajectory]) -> io::Result<()> {
    write_line(file, header)?;
    for Trajectory { observations, actions, rewards, terminated } in episodes {
        let observations: Vec<&[f32]> = observations.chunks_exact(header.observation_size).collect();
        let (actions, rewards) = (actions.clone(), rewards.clone());
        write_line(file, &Episode { observations, actions, rewards, terminated: *terminated })?;
    }
    Ok(())
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    // At once: a compressor takes its time over every number by itself.
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

impl Header {
    /// What no file has.
    fn fault(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("`format` is {:?}; {FORMAT:?} is expected", self.format));
        }
        if self.version != VERSION {
            return Some(format!("`version` is {}; version {VERSION} is the one that can be read", self.version));
        }
        let sizes = [("observation_size", self.observation_size), ("num_actions", self.num_actions)];
        let possible = 1..=i32::MAX as usize;
        let (name, size) = sizes.into_iter().find(|(_, size)| !possible.contains(size))?;
        Some(format!("`{name}` is {size}; it must be at least 1, and at most {}", i32::MAX))
    }
}

/// The header in a line, or what is wrong with it.
fn read_header(line: &str) -> Result<Header, String> {
    let header: Header = serde_json::from_str(line).map_err(|error| {
        format!("{}. The first line is expected to be a header like {HEADER}", explain(line, &error, &HEADER_FIELDS))
    })?;
    header.fault().map_or(Ok(header), Err)
}

/// The episode in a line, or what is wrong with it.
fn read_episode(line: &str, header: &Header) -> Result<Trajectory, String> {
    let episode: Episode<Vec<f32>> =
        serde_json::from_str(line).map_err(|error| explain(line, &error, &EPISODE_FIELDS))?;
    let size = header.observation_size;
    if let Some((step, row)) = (1..).zip(&episode.observations).find(|(_, row)| row.len() != size) {
        return Err(format!(
            "`observations` has {} numbers at step {step}; `observation_size` of the header is {size}",
            row.len()
        ));
    }
    let Episode { observations, actions, rewards, terminated } = episode;
    let trajectory = Trajectory { observations: observations.concat(), actions, rewards, terminated };
    fault(&trajectory, header).map_or(Ok(trajectory), Err)
}

/// What an episode of such a header cannot have.
fn fault(episode: &Trajectory, header: &Header) -> Option<String> {
    let Header { observation_size, num_actions, .. } = header;
    let steps = episode.num_steps();
    if steps == 0 {
        return Some("`actions` is empty; an episode has at least one step".to_owned());
    }
    let numbers = episode.observations.len();
    if numbers != steps * observation_size {
        let rows = numbers / observation_size;
        return Some(format!("`observations` has {rows} rows and `actions` {steps}; each step has one of both"));
    }
    if episode.rewards.len() != steps {
        return Some(format!(
            "`rewards` has {} numbers and `actions` {steps}; each step has one",
            episode.rewards.len()
        ));
    }
    if let Some(step) = episode.actions.iter().position(|action| *action as usize >= *num_actions) {
        return Some(format!(
            "`actions` has {} at step {}; `num_actions` of the header is {num_actions}, so the last is {}",
            episode.actions[step],
            step + 1,
            num_actions - 1
        ));
    }
    let infinite = |name: &str, numbers: &[f32], width: usize| {
        let place = numbers.iter().position(|number| !number.is_finite())?;
        Some(format!("`{name}` has a number at step {} that is not finite", place / width + 1))
    };
    infinite("observations", &episode.observations, *observation_size)
        .or_else(|| infinite("rewards", &episode.rewards, 1))
        .or_else(|| {
            let gained: f64 = episode.rewards.iter().map(|reward| f64::from(reward.abs())).sum();
            (gained > f64::from(f32::MAX)).then(|| "`rewards` are too large to be added up".to_owned())
        })
}

/// What is wrong with a line that could not be read, by field.
fn explain(line: &str, error: &serde_json::Error, fields: &[Field]) -> String {
    let object: Map<String, Value> = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return "an object, `{…}`, is expected".to_owned(),
        Err(error) => return no_json(&error),
    };
    for Field { name, expected, fits } in fields {
        match object.get(*name).map(fits) {
            None => return format!("`{name}` is missing; {expected} is expected"),
            Some(Err(error)) => return format!("`{name}` is not {expected}: {error}"),
            Some(Ok(())) => {}
        }
    }
    match object.keys().find(|key| !fields.iter().any(|field| field.name == key.as_str())) {
        Some(unknown) => {
            let known: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
            format!("`{unknown}` is no field; these are {}", known.join(", "))
        }
        None => match fields.iter().find(|field| object.get(field.name).is_some_and(has_too_large)) {
            Some(Field { name, .. }) => {
                format!("`{name}` has a number that is too large; the largest is {:e}", f32::MAX)
            }
            None => reason(error),
        },
    }
}

/// Whether there is a number in it that single precision does not have.
fn has_too_large(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() > f64::from(f32::MAX)),
        Value::Array(values) => values.iter().any(has_too_large),
        _ => false,
    }
}

fn no_json(error: &serde_json::Error) -> String {
    let (reason, character) = (reason(error), error.column());
    format!(
        "no JSON: {reason} at character {character}. Numbers that are not finite (NaN, Infinity) have no place in it"
    )
}

/// A parser's message without its place, whose line is always the first.
fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}
