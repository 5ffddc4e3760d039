//! Where a config comes from: a file, and what the command line sets on top of it.

use std::{
    fmt,
    io::ErrorKind,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    error::{ConfigError, Problem},
    nearest::nearest,
};

/// The text of a config and the name it is reported under.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    pub(super) name: String,
    pub(super) text: String,
}

impl ConfigSource {
    /// Reads a file. One that is missing is looked for below `configs/`, to name what was probably meant.
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let unreadable = |message: String| Problem::new(&*name).message(message);
        if path.is_dir() {
            let problem = unreadable("is a folder, and --config wants a file".into());
            return Err(with_hint(problem, hint_from(&toml_files(path), "")).into());
        }
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let hint = hint_from(&toml_files(Path::new("configs")), &stem(path));
                with_hint(unreadable("there is no such file".into()), hint)
            }
            _ => unreadable(format!("cannot be read: {error}")),
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            unreadable(format!("line {line} is not UTF-8 text")).help("save the file as UTF-8")
        })?;
        Ok(Self::text(name, text))
    }

    /// A config that is in memory already.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

fn with_hint(problem: Problem, hint: Option<String>) -> Problem {
    match hint {
        Some(hint) => problem.help(hint),
        None => problem.help("run it from the folder that holds `configs`, or give the whole path"),
    }
}

fn hint_from(known: &[PathBuf], wanted: &str) -> Option<String> {
    let named = |name: &str| known.iter().find(|path| stem(path) == name);
    let stems: Vec<String> = known.iter().map(|path| stem(path)).collect();
    if let Some(path) = nearest(wanted, stems.iter().map(String::as_str)).and_then(named) {
        return Some(format!("did you mean --config {}?", path.display()));
    }
    let few: Vec<String> = known.iter().take(8).map(|path| path.display().to_string()).collect();
    (!few.is_empty()).then(|| format!("there is {}; `train list` shows all", few.join(", ")))
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// All `.toml` files below `folder`, sorted; those directly in it first.
pub fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let mut found: Vec<_> = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    found.extend(folders.iter().flat_map(|folder| toml_files(folder)));
    found
}

/// One value given on the command line, which replaces that of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// As typed: `--set training.max_steps=200`, `--max-steps 200`.
    pub(super) typed: String,
    /// The dotted key, and where it stands in `typed`.
    pub(super) key: String,
    pub(super) key_start: usize,
    /// The value in TOML, and where it stands in `typed`.
    pub(super) value: String,
    pub(super) value_start: usize,
    /// Whether `value` is the very text, not TOML.
    pub(super) literal: bool,
}

impl Override {
    /// The value of a flag of its own, such as `--max-steps 200` for `training.max_steps`. `value` is TOML.
    pub fn flag(flag: &str, key: &str, value: impl fmt::Display) -> Self {
        Self::from_flag(flag, key, value.to_string(), false)
    }

    /// The same for a flag whose value is text.
    pub fn text_flag(flag: &str, key: &str, value: &str) -> Self {
        Self::from_flag(flag, key, value.to_string(), true)
    }

    fn from_flag(flag: &str, key: &str, value: String, literal: bool) -> Self {
        Self {
            typed: format!("{flag} {value}"),
            key: key.into(),
            // The key does not appear in a flag; the flag stands for it.
            key_start: 0,
            value_start: flag.len() + 1,
            value,
            literal,
        }
    }

    /// Whether the key itself is spelled out in what was typed.
    pub(super) fn spells_key(&self) -> bool {
        self.typed[self.key_start..].starts_with(&self.key)
    }
}

/// Reads the value of `--set`.
impl FromStr for Override {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        const FLAG: &str = "--set ";
        let (key, value) = typed.split_once('=').ok_or("write it as key=value, for example training.max_steps=200")?;
        let (key, value) = (key.trim_end(), value.trim());
        if key.trim().is_empty() {
            return Err("there is no key before the `=`".into());
        }
        if value.is_empty() {
            return Err(format!("there is no value after the `=`; for an empty text write '{key}=\"\"'"));
        }
        Ok(Self {
            typed: format!("{FLAG}{key}={value}"),
            key: key.into(),
            key_start: FLAG.len(),
            value: value.into(),
            value_start: FLAG.len() + key.len() + 1,
            literal: false,
        })
    }
}
