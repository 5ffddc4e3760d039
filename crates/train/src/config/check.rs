//! A document against the shape of its config: unknown and missing keys, types, allowed values.

use super::{
    document::{Document, Entry, Node, Place, Value},
    error::{ConfigError, Problem},
    nearest::nearest,
    shape::{Key, Shape, Table, quoted},
};

/// Reports everything in `document` that `shape` has no room for.
pub(super) fn against_schema(document: &Document, shape: &Shape) -> Result<(), ConfigError> {
    let mut check = Check { document, everywhere: shape.paths(), problems: Vec::new() };
    check.node(&document.root, shape, &Path::root());
    ConfigError::unless_empty(check.problems)
}

/// Where the check is: the dotted key, and the place of its last name.
#[derive(Clone)]
struct Path {
    names: Vec<String>,
    place: Option<Place>,
}

impl Path {
    fn root() -> Self {
        Self { names: Vec::new(), place: None }
    }

    fn below(&self, entry: &Entry) -> Self {
        let mut names = self.names.clone();
        names.push(entry.key.clone());
        Self { names, place: Some(entry.key_place) }
    }

    fn item(&self, index: usize) -> Self {
        let mut names = self.names.clone();
        if let Some(last) = names.last_mut() {
            last.push_str(&format!("[{index}]"));
        }
        Self { names, place: self.place }
    }

    fn dotted(&self) -> String {
        self.names.join(".")
    }

    fn key(&self, name: &str) -> String {
        join(&self.names, name)
    }
}

fn join(names: &[String], name: &str) -> String {
    names.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
}

struct Check<'a> {
    document: &'a Document,
    /// Every key of the whole config, to say where one belongs.
    everywhere: Vec<Vec<String>>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn node(&mut self, node: &Node, shape: &Shape, path: &Path) {
        match (shape, &node.value) {
            (Shape::Any, _) | (Shape::Boolean, Value::Boolean(_)) => {}
            (Shape::Number, Value::Float(_) | Value::Integer(_)) => {}
            (Shape::Integer { least, most }, Value::Integer(number)) => {
                if least.is_some_and(|least| *number < least) || most.is_some_and(|most| *number > most) {
                    self.out_of_range(node, shape, *number, path);
                }
            }
            (Shape::Text { allowed }, Value::Text(text)) => {
                if !allowed.is_empty() && !allowed.contains(text) {
                    self.unknown_value(node.place, text, allowed, &path.dotted());
                }
            }
            (Shape::List(item), Value::List(nodes)) => {
                nodes.iter().enumerate().for_each(|(index, node)| self.node(node, item, &path.item(index)));
            }
            (Shape::Tuple(items), Value::List(nodes)) if items.len() == nodes.len() => {
                let pairs = items.iter().zip(nodes).enumerate();
                pairs.for_each(|(index, (item, node))| self.node(node, item, &path.item(index)));
            }
            (Shape::Map(values), Value::Table(entries)) => {
                entries.iter().for_each(|entry| self.node(&entry.node, values, &path.below(entry)));
            }
            (Shape::Table(table), Value::Table(_)) => self.table(node, table, None, path),
            (Shape::Tagged { tag, branches, .. }, Value::Table(_)) => self.tagged(node, tag, branches, path),
            (Shape::Either(shapes), value) => self.either(node, value, shapes, shape, path),
            _ => self.wrong_type(node, shape, path),
        }
    }

    fn table(&mut self, node: &Node, table: &Table, kinds: Option<Kinds<'_>>, path: &Path) {
        for entry in node.entries() {
            match table.key(&entry.key) {
                Some(key) => self.node(&entry.node, &key.shape, &path.below(entry)),
                None => self.unknown_key(entry, table, kinds, path),
            }
        }
        for key in table.keys.iter().filter(|key| key.required && node.entry(&key.name).is_none()) {
            self.missing_key(key, path);
        }
    }

    fn tagged(&mut self, node: &Node, tag: &str, branches: &[(String, Table)], path: &Path) {
        let names: Vec<String> = branches.iter().map(|(name, _)| name.clone()).collect();
        let Some(entry) = node.entry(tag) else {
            let shape = Shape::Text { allowed: names };
            self.missing_key(&Key { name: tag.into(), required: true, about: String::new(), shape }, path);
            return;
        };
        let Value::Text(kind) = &entry.node.value else {
            return self.wrong_type(&entry.node, &Shape::Text { allowed: names }, &path.below(entry));
        };
        match branches.iter().find(|(name, _)| name == kind) {
            Some((_, table)) => self.table(node, table, Some(Kinds { tag, kind, entry, branches }), path),
            None => self.unknown_value(entry.node.place, kind, &names, &path.key(tag)),
        }
    }

    /// Takes the alternative that fits; where none does, complains about the one that fits best.
    fn either(&mut self, node: &Node, value: &Value, shapes: &[Shape], all: &Shape, path: &Path) {
        let mut fewest: Option<Vec<Problem>> = None;
        for shape in shapes.iter().filter(|shape| same_kind(shape, value)) {
            let before = self.problems.len();
            self.node(node, shape, path);
            let found = self.problems.split_off(before);
            if fewest.as_ref().is_none_or(|fewest| found.len() < fewest.len()) {
                fewest = Some(found);
            }
        }
        match fewest {
            Some(found) => self.problems.extend(found),
            None => self.wrong_type(node, all, path),
        }
    }

    fn unknown_key(&mut self, entry: &Entry, table: &Table, kinds: Option<Kinds<'_>>, path: &Path) {
        let dotted = path.key(&entry.key);
        let in_file = self.document.in_file(entry.key_place);
        let here = table.keys.iter().map(|key| key.name.as_str());
        // On the command line a key is dotted, so that is how the right one is told.
        let named = |name: &str| if in_file { name.to_string() } else { path.key(name) };

        let label = if let Some(near) = nearest(&entry.key, here) {
            format!("did you mean `{}`?", named(near))
        } else if let Some(kinds) = kinds.filter(|kinds| !kinds.having(&entry.key).is_empty()) {
            let others = quoted(&kinds.having(&entry.key));
            format!("belongs to {} {others}, not to \"{}\"", kinds.tag, kinds.kind)
        } else if let Some(belongs) = self.belongs(&entry.key, &path.names, in_file) {
            belongs
        } else {
            "not a key of this config".into()
        };

        let names: Vec<&str> = table.keys.iter().map(|key| key.name.as_str()).collect();
        let mut help = match names.is_empty() {
            true => "no keys are allowed here".to_string(),
            false => format!("allowed here: {}", names.join(", ")),
        };
        // `--set x.kind=…` over a file that holds the keys of another kind.
        if let Some(kinds) = kinds
            && in_file
            && !self.document.in_file(kinds.entry.node.place)
        {
            let (table, tag, kind) = (path.dotted(), kinds.tag, kinds.kind);
            help.push_str(&format!("\nto replace the whole table: --set '{table}={{ {tag} = \"{kind}\" }}'"));
        }
        let problem = self
            .document
            .problem(Some(entry.key_place))
            .message(format!("unknown key `{dotted}`"))
            .label(label)
            .help(help);
        self.problems.push(problem);
    }

    /// Where else in the config a key of that name, or nearly that name, is.
    fn belongs(&self, name: &str, here: &[String], in_file: bool) -> Option<String> {
        let elsewhere = |wanted: &str| -> Vec<&Vec<String>> {
            let last = |path: &&Vec<String>| path.last().is_some_and(|last| last == wanted);
            self.everywhere.iter().filter(last).filter(|path| path[..path.len() - 1] != *here).collect()
        };
        let exact = elsewhere(name);
        if exact.is_empty() {
            let all = self.everywhere.iter().filter_map(|path| path.last()).map(String::as_str);
            let near = elsewhere(nearest(name, all)?);
            return near.first().map(|path| format!("did you mean `{}`?", path.join(".")));
        }
        let places: Vec<String> = exact
            .iter()
            .take(3)
            .map(|path| match path.split_last() {
                Some((_, [])) if in_file => "at the top of the file, above the first [table]".into(),
                Some((_, table)) if in_file => format!("in [{}]", table.join(".")),
                _ => format!("as `{}`", path.join(".")),
            })
            .collect();
        Some(format!("`{name}` belongs {}", places.join(" or ")))
    }

    fn missing_key(&mut self, key: &Key, path: &Path) {
        let dotted = path.key(&key.name);
        let about = key.about.lines().next().unwrap_or_default();
        let mut help = format!("it is {}", key.shape.describe());
        if !about.is_empty() {
            help.push_str(&format!("\n{about}"));
        }
        let problem = self
            .document
            .problem(path.place)
            .message(format!("missing key `{dotted}`"))
            .label(format!("`{}` has to be given here", key.name))
            .help(help);
        self.problems.push(problem);
    }

    fn unknown_value(&mut self, place: Place, text: &str, allowed: &[String], dotted: &str) {
        let label = match nearest(text, allowed.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "not one of the allowed values".into(),
        };
        let problem = self
            .document
            .problem(Some(place))
            .message(format!("unknown value \"{text}\" of `{dotted}`"))
            .label(label)
            .help(format!("allowed: {}", quoted(allowed)));
        self.problems.push(problem);
    }

    fn out_of_range(&mut self, node: &Node, shape: &Shape, number: i64, path: &Path) {
        let dotted = path.dotted();
        let problem = self
            .document
            .problem(Some(node.place))
            .message(format!("`{dotted}` must be {}, not {number}", shape.describe()));
        self.problems.push(problem);
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, path: &Path) {
        let dotted = path.dotted();
        // A whole table is pointed at by its name: its text may be pages long.
        let place = match (&node.value, path.place) {
            (Value::Table(_), Some(place)) => place,
            _ => node.place,
        };
        let mut problem = self.document.problem(Some(place)).message(format!(
            "`{dotted}` must be {}, not {}",
            shape.describe(),
            node.value.kind()
        ));
        if let Some(help) = self.conversion(node, shape, path) {
            problem = problem.help(help);
        }
        self.problems.push(problem);
    }

    /// How the value would be written in the right type.
    fn conversion(&self, node: &Node, shape: &Shape, path: &Path) -> Option<String> {
        let in_file = self.document.in_file(node.place);
        let name = path.names.last()?;
        let write = |value: &str| match in_file {
            true => format!("write {name} = {value}"),
            false if self.document.spells_key(node.place) => format!("write --set '{}={value}'", path.dotted()),
            false => format!("it should be {value}"),
        };
        match (&node.value, shape) {
            (Value::Text(text), Shape::Number) => text.parse::<f64>().is_ok().then(|| write(text)),
            (Value::Text(text), Shape::Integer { .. }) => text.parse::<i64>().is_ok().then(|| write(text)),
            (Value::Text(text), Shape::Boolean) => {
                let text = text.to_lowercase();
                ["true", "false"].contains(&text.as_str()).then(|| write(&text))
            }
            #[expect(clippy::cast_possible_truncation, reason = "only shown, and only where nothing is cut off")]
            (Value::Float(number), Shape::Integer { .. }) => {
                (number.fract() == 0.0 && number.abs() < 1e15).then(|| write(&(*number as i64).to_string()))
            }
            (Value::Integer(number), Shape::Text { .. }) => Some(write(&format!("\"{number}\""))),
            (Value::Boolean(value), Shape::Text { .. }) => Some(write(&format!("\"{value}\""))),
            (Value::Text(text), Shape::Tagged { tag, branches, .. }) => {
                let kind = branches.iter().map(|(name, _)| name).find(|name| *name == text);
                let kind = kind.or_else(|| branches.first().map(|(name, _)| name))?;
                Some(write(&format!("{{ {tag} = \"{kind}\" }}")))
            }
            (Value::Text(_) | Value::Integer(_) | Value::Float(_), Shape::List(item)) if fits(item, &node.value) => {
                Some("put it in brackets: [ ]".into())
            }
            _ => None,
        }
    }
}

/// The kind that a tagged table says it is, and the other kinds.
#[derive(Clone, Copy)]
struct Kinds<'a> {
    tag: &'a str,
    kind: &'a str,
    entry: &'a Entry,
    branches: &'a [(String, Table)],
}

impl Kinds<'_> {
    /// The kinds that have such a key.
    fn having(&self, key: &str) -> Vec<String> {
        self.branches.iter().filter(|(_, table)| table.key(key).is_some()).map(|(name, _)| name.clone()).collect()
    }
}

/// Whether the value is of the sort that the shape wants, contents aside.
fn same_kind(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Boolean => matches!(value, Value::Boolean(_)),
        Shape::Number => matches!(value, Value::Float(_) | Value::Integer(_)),
        Shape::Integer { .. } => matches!(value, Value::Integer(_)),
        Shape::Text { .. } => matches!(value, Value::Text(_)),
        Shape::List(_) | Shape::Tuple(_) => matches!(value, Value::List(_)),
        Shape::Map(_) | Shape::Table(_) | Shape::Tagged { .. } => matches!(value, Value::Table(_)),
        Shape::Either(shapes) => shapes.iter().any(|shape| same_kind(shape, value)),
    }
}

fn fits(shape: &Shape, value: &Value) -> bool {
    same_kind(shape, value) && *shape != Shape::Any
}
