//! A config written out: every key, in the order of its declaration, with what it means.

use schemars::JsonSchema;
use serde::Serialize;
use toml_edit::{InlineTable, Value};

use super::shape::{Key, Shape, Table};

/// What stands beside the keys and values of a written config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comments {
    /// Only the names of keys that are not set.
    Unset,
    /// What each key means, too.
    Explain,
}

/// Writes `config` as TOML that reads back to an equal value.
pub fn to_toml<C: Serialize + JsonSchema>(config: &C, comments: Comments) -> Result<String, String> {
    let value = config
        .serialize(toml_edit::ser::ValueSerializer::new())
        .map_err(|error| format!("this config cannot be written as TOML: {error}"))?;
    let Value::InlineTable(table) = value else {
        return Err("this config cannot be written as TOML: it is not a table".into());
    };
    let mut writer = Writer { text: String::new(), comments };
    writer.table(&table, &Shape::of::<C>(), &[]);
    Ok(writer.text)
}

const WIDTH: usize = 100;

struct Writer {
    text: String,
    comments: Comments,
}

impl Writer {
    /// Keys with plain values come first: after a `[header]` they would belong to that table.
    fn table(&mut self, table: &InlineTable, shape: &Shape, path: &[&str]) {
        let keys = keys_of(shape, table);
        let mut inner = Vec::new();
        for key in &keys {
            match table.get(&key.name) {
                Some(Value::InlineTable(below)) => inner.push((key, below)),
                Some(value) => self.value(key, value),
                None => self.unset(key),
            }
        }
        for (key, below) in inner {
            let path: Vec<&str> = path.iter().copied().chain([key.name.as_str()]).collect();
            self.header(key, &path);
            self.table(below, &key.shape, &path);
        }
    }

    fn value(&mut self, key: &Key, value: &Value) {
        self.explain(key, true);
        self.line(&format!("{} = {}", name(&key.name), one_line(value)));
    }

    fn unset(&mut self, key: &Key) {
        self.explain(key, true);
        self.line(&format!("# {} is not set", name(&key.name)));
    }

    fn header(&mut self, key: &Key, path: &[&str]) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.explain(key, false);
        let path: Vec<String> = path.iter().map(|part| name(part)).collect();
        self.line(&format!("[{}]", path.join(".")));
    }

    fn explain(&mut self, key: &Key, spaced: bool) {
        if self.comments == Comments::Unset {
            return;
        }
        // A blank line tells the comment of one key from that of the next, but nothing comes between a header and its first key.
        if spaced && !self.text.is_empty() && !self.text.ends_with("]\n") {
            self.text.push('\n');
        }
        let mut about = key.about.split_whitespace().collect::<Vec<_>>().join(" ");
        // "`[training]`: how long to train" stands above `[training]` already.
        if let Some((_, rest)) = about.split_once("]`: ").filter(|_| about.starts_with("`[")) {
            about = capitalised(rest);
        }
        if let Shape::Text { allowed } = &key.shape
            && allowed.len() > 1
        {
            let one_of = format!("One of {}.", super::shape::quoted(allowed));
            about = if about.is_empty() { one_of } else { format!("{} {one_of}", with_full_stop(&about)) };
        }
        for line in wrapped(&about) {
            self.line(&format!("# {line}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The keys that the table can have, in order; then those that it has nevertheless.
fn keys_of(shape: &Shape, table: &InlineTable) -> Vec<Key> {
    let mut keys = match shape {
        Shape::Table(known) => known.keys.clone(),
        Shape::Tagged { tag, branches, .. } => {
            let kind = table.get(tag).and_then(Value::as_str);
            let branch = branches.iter().find(|(name, _)| Some(name.as_str()) == kind);
            branch.map_or(Vec::new(), |(_, branch)| tag_explained(branch, tag, branches))
        }
        Shape::Either(shapes) => {
            // Which alternative it was is no longer known; the keys tell.
            let fits = |shape: &&Shape| match shape {
                Shape::Table(known) => table.iter().all(|(name, _)| known.key(name).is_some()),
                Shape::Tagged { tag, .. } => table.contains_key(tag),
                _ => false,
            };
            return keys_of(shapes.iter().find(fits).unwrap_or(&Shape::Any), table);
        }
        _ => Vec::new(),
    };
    for (name, _) in table {
        if !keys.iter().any(|key| key.name == name) {
            let shape = if let Shape::Map(values) = shape { (**values).clone() } else { Shape::Any };
            keys.push(Key { name: name.into(), required: false, about: String::new(), shape });
        }
    }
    keys
}

/// The keys of one kind, whose tag lists all kinds.
fn tag_explained(branch: &Table, tag: &str, branches: &[(String, Table)]) -> Vec<Key> {
    let mut keys = branch.keys.clone();
    if let Some(key) = keys.iter_mut().find(|key| key.name == tag) {
        // The comment of the variant says what this kind is; that of the tag, if any, says less.
        key.about = branch.about.clone();
        key.shape = Shape::Text { allowed: branches.iter().map(|(name, _)| name.clone()).collect() };
    }
    keys
}

/// A key as TOML writes it, in quotes where it needs them.
fn name(key: &str) -> String {
    toml_edit::Key::new(key).to_string()
}

/// The value without the line breaks that toml_edit likes to write inside of text.
fn one_line(value: &Value) -> String {
    match value.as_str() {
        // JSON's escapes are TOML's too; the one character that only TOML escapes is left to toml_edit.
        Some(text) if text.contains('\n') && !text.contains('\u{7f}') => serde_json::json!(text).to_string(),
        _ => {
            let mut value = value.clone();
            value.decor_mut().clear();
            value.to_string()
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn with_full_stop(text: &str) -> String {
    if text.ends_with(['.', '!', '?', ':']) { text.into() } else { format!("{text}.") }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
