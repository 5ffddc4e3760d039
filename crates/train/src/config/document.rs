//! The document as written: a tree of values that all know their place in the file or on the command line.

use std::{ops::Range, sync::Arc};

use miette::NamedSource;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
    value::Datetime,
};

use super::{
    error::{ConfigError, Problem},
    shape::{Shape, Table},
    source::{ConfigSource, Override},
};

/// A stretch of bytes in one of the sources of a [`Document`]: 0 is the file, then the overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Datetime),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Value {
    /// For messages: "a whole number".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The entries of a table; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Text(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Boolean(value) => toml::Value::Boolean(*value),
            Value::Datetime(value) => toml::Value::Datetime(*value),
            Value::List(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Value::Table(entries) => {
                toml::Value::Table(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_toml())).collect())
            }
        }
    }

    /// Writes the usual kind into every tagged table that names none: `[optimizer]` with nothing but a rate is the default
    /// optimiser with that rate. serde wants the tag.
    fn complete(&mut self, shape: &Shape) {
        let place = self.place;
        match (shape, &mut self.value) {
            (Shape::List(item), Value::List(nodes)) => nodes.iter_mut().for_each(|node| node.complete(item)),
            (Shape::Map(values), Value::Table(entries)) => {
                entries.iter_mut().for_each(|entry| entry.node.complete(values));
            }
            (Shape::Table(table), Value::Table(entries)) => complete_keys(entries, table),
            (Shape::Tagged { tag, usual, branches }, Value::Table(entries)) => {
                if let Some(usual) = usual.as_ref().filter(|_| entries.iter().all(|entry| entry.key != *tag)) {
                    let node = Self { value: Value::Text(usual.clone()), place };
                    entries.insert(0, Entry { key: tag.clone(), key_place: place, node });
                }
                let kind = entries.iter().find(|entry| entry.key == *tag).map(|entry| &entry.node.value);
                let branch = branches.iter().find(|(name, _)| matches!(kind, Some(Value::Text(kind)) if kind == name));
                if let Some((_, table)) = branch {
                    complete_keys(entries, table);
                }
            }
            _ => {}
        }
    }

    /// Puts `value` at `path`, making tables on the way; whatever was there is replaced.
    fn set(&mut self, path: &[(String, Place)], value: Self) {
        let Some(((key, key_place), rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self { value: Value::Table(Vec::new()), place: value.place };
        }
        let Value::Table(entries) = &mut self.value else { return };
        let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
            let node = Self { value: Value::Table(Vec::new()), place: *key_place };
            entries.push(Entry { key: key.clone(), key_place: *key_place, node });
            entries.len() - 1
        });
        let entry = &mut entries[index];
        if rest.is_empty() {
            entry.key_place = *key_place;
        }
        entry.node.set(rest, value);
    }
}

fn complete_keys(entries: &mut [Entry], table: &Table) {
    for entry in entries {
        if let Some(key) = table.key(&entry.key) {
            entry.node.complete(&key.shape);
        }
    }
}

/// A source as it is shown, and how a place in it is named.
#[derive(Debug)]
struct Shown {
    code: Arc<NamedSource<String>>,
    is_file: bool,
    spells_key: bool,
}

/// A config file with the command line's values put in.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Node,
    sources: Vec<Shown>,
}

impl Document {
    pub(super) fn read(source: &ConfigSource, overrides: &[Override]) -> Result<Self, ConfigError> {
        let code = Arc::new(NamedSource::new(&source.name, source.text.clone()).with_language("TOML"));
        let file = Shown { code, is_file: true, spells_key: true };
        let place = Place { source: 0, start: 0, end: 0 };
        let root = Node { value: Value::Table(Vec::new()), place };
        let mut document = Self { root, sources: vec![file] };

        let (table, errors) = DeTable::parse_recoverable(&source.text);
        // After the first error the parser guesses, so what follows may be no mistake at all; duplicate keys are certain.
        let certain = errors.iter().filter(|error| error.message() == DUPLICATE_KEY);
        let first = errors.iter().find(|error| error.message() != DUPLICATE_KEY);
        let problems = certain.chain(first).map(|error| document.not_toml(error, &source.text, place)).collect();
        ConfigError::unless_empty(problems)?;

        let mut problems = Vec::new();
        document.root = Node { value: document.tree(table.into_inner(), place, &mut problems), place };
        for given in overrides {
            document.apply(given, &mut problems);
        }
        ConfigError::unless_empty(problems)?;
        Ok(document)
    }

    /// Fills in what the shape of the config makes certain.
    pub(super) fn complete(&mut self, shape: &Shape) {
        self.root.complete(shape);
    }

    fn apply(&mut self, given: &Override, problems: &mut Vec<Problem>) {
        let code = Arc::new(NamedSource::new("command line", given.typed.clone()));
        self.sources.push(Shown { code, is_file: false, spells_key: given.spells_key() });
        let source = self.sources.len() - 1;
        let value_place = Place { source, start: given.value_start, end: given.value_start + given.value.len() };

        let path = match self.override_path(given, source) {
            Ok(path) => path,
            Err(problem) => return problems.push(*problem),
        };
        let value = match DeValue::parse(&given.value) {
            _ if given.literal => Value::Text(given.value.clone()),
            Ok(value) => {
                let origin = Place { source, start: given.value_start, end: given.value_start };
                self.value(value.into_inner(), value_place, origin, problems)
            }
            // A bare word is text. What begins like a list, a table or quoted text was meant as one.
            Err(_) if !given.value.starts_with(['[', '{', '"', '\'']) => Value::Text(given.value.clone()),
            Err(error) => {
                let origin = Place { source, start: given.value_start, end: given.value_start };
                let problem = self.not_toml(&error, &given.value, origin);
                let advice = format!(
                    "text inside needs double quotes, and the shell eats them unless the whole is in single quotes: \
                     --set '{}={{ kind = \"char\" }}'",
                    given.key
                );
                return problems.push(problem.help(advice));
            }
        };
        self.root.set(&path, Node { value, place: value_place });
    }

    fn override_path(&self, given: &Override, source: usize) -> Result<Vec<(String, Place)>, Box<Problem>> {
        let line = format!("{} = 0", given.key);
        let origin = Place { source, start: given.key_start, end: given.key_start };
        let table = DeTable::parse(&line).map_err(|error| {
            let problem = self.not_toml(&error, &given.key, origin);
            let problem = problem.message(format!("`{}` is not a key", given.key));
            Box::new(problem.help("a key is names joined by dots, such as optimizer.learning_rate"))
        })?;
        let whole_flag = Place { source, start: 0, end: given.value_start.saturating_sub(1) };
        let mut path = Vec::new();
        let mut table = table.into_inner();
        while let Some((key, value)) = table.into_iter().next() {
            let place = if given.spells_key() { shifted(origin, key.span()) } else { whole_flag };
            path.push((key.into_inner().into_owned(), place));
            table = match value.into_inner() {
                DeValue::Table(inner) => inner,
                _ => break,
            };
        }
        Ok(path)
    }

    fn not_toml(&self, error: &toml::de::Error, text: &str, origin: Place) -> Problem {
        let span = error.span().unwrap_or(text.len()..text.len());
        // An error at the very end has no text to point at.
        let span = if span.is_empty() { span.start.saturating_sub(1)..span.start } else { span };
        let message = match error.message() {
            DUPLICATE_KEY => {
                let name = text.get(span.clone()).unwrap_or_default();
                format!("the key `{name}` is given twice in its table")
            }
            other => format!("not valid TOML: {}", other.replace('\n', "; ")),
        };
        let problem = self.problem(Some(shifted(origin, span.clone()))).message(message);
        let line = line_at(text, span.start);
        match advice(line) {
            Some(advice) => problem.help(advice),
            None => problem,
        }
    }

    fn tree(&self, table: DeTable<'_>, origin: Place, problems: &mut Vec<Problem>) -> Value {
        let entries = table.into_iter().map(|(key, node)| Entry {
            key_place: shifted(origin, key.span()),
            key: key.into_inner().into_owned(),
            node: self.node(node, origin, problems),
        });
        let mut entries: Vec<Entry> = entries.collect();
        // The map of the parser is sorted by name.
        entries.sort_by_key(|entry| entry.key_place);
        Value::Table(entries)
    }

    fn node(&self, node: Spanned<DeValue<'_>>, origin: Place, problems: &mut Vec<Problem>) -> Node {
        let place = shifted(origin, node.span());
        Node { value: self.value(node.into_inner(), place, origin, problems), place }
    }

    fn value(&self, value: DeValue<'_>, place: Place, origin: Place, problems: &mut Vec<Problem>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
                    let message = format!("{number} is too large: TOML counts to {}", i64::MAX);
                    problems.push(self.problem(Some(place)).message(message));
                    0
                }))
            }
            // The parser let only numbers, `inf` and `nan` through, all of which Rust reads.
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(value) => Value::Datetime(value),
            DeValue::Array(items) => {
                Value::List(items.into_iter().map(|item| self.node(item, origin, problems)).collect())
            }
            DeValue::Table(table) => self.tree(table, origin, problems),
        }
    }

    /// A problem with its place; without one it is the whole file's.
    pub(super) fn problem(&self, place: Option<Place>) -> Problem {
        let shown = &self.sources[place.map_or(0, |place| place.source)];
        let location = match place {
            _ if !shown.is_file => shown.code.inner().clone(),
            Some(place) => {
                let before = shown.code.inner().get(..place.start).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                format!("{}:{line}:{column}", shown.code.name())
            }
            None => shown.code.name().to_string(),
        };
        let problem = Problem::new(location).shown_in(shown.code.clone());
        match place {
            Some(place) => problem.at(place),
            None => problem,
        }
    }

    /// Whether a place is in the file, where a key stands in its table, and not on the command line, where it is dotted.
    pub(super) fn in_file(&self, place: Place) -> bool {
        self.sources[place.source].is_file
    }

    /// Whether the key is spelled out there; a flag such as `--max-steps` only stands for one.
    pub(super) fn spells_key(&self, place: Place) -> bool {
        self.sources[place.source].spells_key
    }

    pub(super) fn to_toml(&self) -> toml::Value {
        self.root.to_toml()
    }

    /// What serde did not take although the schema did, at a path as serde writes it.
    pub(super) fn rejected(&self, path: &str, error: &toml::de::Error) -> ConfigError {
        // Inside an enum serde no longer knows the key: "lr_scheduler.?".
        let known: Vec<&str> = path.split('.').filter(|name| !name.is_empty() && *name != "?").collect();
        self.impossible(&known.join("."), &error.message().replace('\n', " ")).into()
    }

    /// `Err` if any impossible value was found: dotted key and message.
    pub(super) fn accept(&self, found: Vec<(String, String)>) -> Result<(), ConfigError> {
        ConfigError::unless_empty(found.into_iter().map(|(key, message)| self.impossible(&key, &message)).collect())
    }

    fn impossible(&self, key: &str, message: &str) -> Problem {
        let mut node = &self.root;
        let mut deepest = None;
        let mut left_out = None;
        for name in key.split('.').filter(|name| !name.is_empty()) {
            let (name, index) = list_index(name);
            let Some(entry) = node.entry(name) else {
                left_out = Some(name);
                break;
            };
            node = &entry.node;
            deepest = Some(if matches!(node.value, Value::Table(_)) { entry.key_place } else { node.place });
            if let (Value::List(items), Some(index)) = (&node.value, index)
                && let Some(item) = items.get(index)
            {
                node = item;
                deepest = Some(item.place);
            }
        }
        let text = if key.is_empty() { message.to_string() } else { format!("`{key}`: {message}") };
        let problem = self.problem(deepest).message(text);
        match left_out {
            Some(name) => problem.label(format!("`{name}` is left out here")),
            None => problem,
        }
    }

    /// A config that TOML cannot hold.
    pub(super) fn unwritable(&self, message: String) -> ConfigError {
        self.problem(None).message(message).into()
    }
}

const DUPLICATE_KEY: &str = "duplicate key";

fn shifted(origin: Place, span: Range<usize>) -> Place {
    Place { source: origin.source, start: origin.start + span.start, end: origin.start + span.end }
}

/// `betas[1]`, as serde's path names the items of a list.
fn list_index(name: &str) -> (&str, Option<usize>) {
    match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((name, index)) => (name, index.parse().ok()),
        None => (name, None),
    }
}

fn line_at(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// What people write who know Python or YAML better.
fn advice(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    if let Some((key, value)) = line.split_once('=') {
        let (key, value) = (key.trim(), value.trim());
        return match value {
            "" => Some(format!("`{key}` has no value; leave the line out for the default")),
            "True" | "False" => Some(format!("write {key} = {}", value.to_lowercase())),
            "None" | "null" | "nil" => Some(format!("leave `{key}` out: that is how nothing is written")),
            _ if value.chars().next().is_some_and(|c| c.is_alphabetic() || "./~$".contains(c)) => {
                Some(format!("text needs quotes: {key} = \"{value}\""))
            }
            _ => None,
        };
    }
    match line.split_once(':') {
        Some((key, value)) if !line.starts_with(['[', '{', '"']) => {
            Some(format!("TOML uses `=`: {} = {}", key.trim(), value.trim()))
        }
        _ => None,
    }
}
