//! What a config may hold: the JSON schema of its type, read once into the few forms that a config has.

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

/// Deeper than any config; ends the reading of a type that contains itself.
const DEEPEST: usize = 24;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Any,
    Boolean,
    Number,
    Integer {
        least: Option<i64>,
        most: Option<i64>,
    },
    Text {
        allowed: Vec<String>,
    },
    List(Box<Shape>),
    /// As many values as there are shapes.
    Tuple(Vec<Shape>),
    /// Keys of the user's choice.
    Map(Box<Shape>),
    Table(Table),
    /// A table whose key `tag` says which of several tables it is; `usual` where it does not say.
    Tagged {
        tag: String,
        usual: Option<String>,
        branches: Vec<(String, Table)>,
    },
    /// One of several that no tag tells apart.
    Either(Vec<Shape>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub(super) about: String,
    pub(super) keys: Vec<Key>,
}

/// A key that a table may have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) about: String,
    pub(super) shape: Shape,
}

impl Table {
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn with(mut self, other: Self) -> Self {
        for key in other.keys {
            if self.key(&key.name).is_none() {
                self.keys.push(key);
            }
        }
        self
    }
}

impl Shape {
    pub(super) fn of<C: JsonSchema>() -> Self {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<C>();
        let root = schema.as_value();
        Reader { root }.shape(root, 0)
    }

    /// For messages: "a whole number".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::Boolean => "true or false".into(),
            Self::Number => "a number".into(),
            Self::Integer { least: Some(least), most: Some(most) } if *most < 1 << 31 => {
                format!("a whole number from {least} to {most}")
            }
            Self::Integer { least: Some(least), .. } => format!("a whole number of at least {least}"),
            Self::Integer { .. } => "a whole number".into(),
            Self::Text { allowed } if allowed.is_empty() => "text".into(),
            Self::Text { allowed } => format!("one of {}", quoted(allowed)),
            Self::List(item) if **item == Self::Any => "a list".into(),
            Self::List(item) => format!("a list, each of whose values is {}", item.describe()),
            Self::Tuple(items) => format!("a list of {} values", items.len()),
            Self::Map(_) | Self::Table(_) => "a table".into(),
            Self::Tagged { tag, branches, .. } => {
                let names: Vec<String> = branches.iter().map(|(name, _)| name.clone()).collect();
                format!("a table whose `{tag}` is one of {}", quoted(&names))
            }
            Self::Either(shapes) => shapes.iter().map(Self::describe).collect::<Vec<_>>().join(", or "),
        }
    }

    /// Every key anywhere below, as its path.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect_paths(&mut Vec::new(), &mut found);
        found
    }

    fn collect_paths(&self, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match self {
            Self::Table(table) => table.collect_paths(at, found),
            Self::Tagged { branches, .. } => branches.iter().for_each(|(_, table)| table.collect_paths(at, found)),
            Self::Either(shapes) => shapes.iter().for_each(|shape| shape.collect_paths(at, found)),
            _ => {}
        }
    }
}

impl Table {
    fn collect_paths(&self, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        for key in &self.keys {
            at.push(key.name.clone());
            if !found.contains(at) {
                found.push(at.clone());
            }
            key.shape.collect_paths(at, found);
            at.pop();
        }
    }
}

/// `"a", "b"`.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

struct Reader<'a> {
    root: &'a Json,
}

impl Reader<'_> {
    fn shape(&self, schema: &Json, depth: usize) -> Shape {
        let Some(schema) = schema.as_object() else { return Shape::Any };
        if depth > DEEPEST {
            return Shape::Any;
        }
        let depth = depth + 1;
        let mut shape = self.own(schema, depth);
        if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(|name| self.definition(name)) {
            shape = both(shape, self.shape(target, depth));
        }
        for part in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            shape = both(shape, self.shape(part, depth));
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(parts) = schema.get(word).and_then(Json::as_array) {
                let parts = parts.iter().filter(|part| !is_null(part)).map(|part| self.shape(part, depth)).collect();
                shape = both(shape, either(parts));
            }
        }
        shape
    }

    fn definition(&self, reference: &str) -> Option<&Json> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// What the schema says by itself, references and alternatives aside.
    fn own(&self, schema: &Map<String, Json>, depth: usize) -> Shape {
        let text = |value: &Json| value.as_str().map(str::to_string);
        if let Some(value) = schema.get("const") {
            return text(value).map_or(Shape::Any, |value| Shape::Text { allowed: vec![value] });
        }
        if let Some(values) = schema.get("enum").and_then(Json::as_array) {
            return Shape::Text { allowed: values.iter().filter_map(text).collect() };
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).filter(|&t| t != "null").collect(),
            _ => Vec::new(),
        };
        if types.is_empty() {
            return if schema.contains_key("properties") { self.table(schema, depth) } else { Shape::Any };
        }
        either(types.into_iter().map(|name| self.typed(name, schema, depth)).collect())
    }

    fn typed(&self, name: &str, schema: &Map<String, Json>, depth: usize) -> Shape {
        let bound = |word: &str| schema.get(word).and_then(Json::as_i64);
        match name {
            "boolean" => Shape::Boolean,
            "integer" => Shape::Integer { least: bound("minimum"), most: bound("maximum") },
            "number" => Shape::Number,
            "string" => Shape::Text { allowed: Vec::new() },
            "array" => match schema.get("prefixItems").and_then(Json::as_array) {
                Some(items) => Shape::Tuple(items.iter().map(|item| self.shape(item, depth)).collect()),
                None => self.list(schema, depth),
            },
            "object" => self.table(schema, depth),
            _ => Shape::Any,
        }
    }

    fn list(&self, schema: &Map<String, Json>, depth: usize) -> Shape {
        let item = schema.get("items").map_or(Shape::Any, |item| self.shape(item, depth));
        let count = |word: &str| schema.get(word).and_then(Json::as_u64).and_then(|count| usize::try_from(count).ok());
        match (count("minItems"), count("maxItems")) {
            (Some(least), Some(most)) if least == most => Shape::Tuple(vec![item; most]),
            _ => Shape::List(Box::new(item)),
        }
    }

    fn table(&self, schema: &Map<String, Json>, depth: usize) -> Shape {
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
            let values = schema.get("additionalProperties").map_or(Shape::Any, |values| self.shape(values, depth));
            return Shape::Map(Box::new(values));
        };
        let required: Vec<&str> =
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let keys = properties.iter().map(|(name, value)| Key {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            about: self.about(value, depth),
            shape: with_usual(self.shape(value, depth), value.get("default")),
        });
        let about = schema.get("description").and_then(Json::as_str).unwrap_or_default().to_string();
        Shape::Table(Table { keys: keys.collect(), about })
    }

    /// The doc comment of a field, or of its type where the field has none.
    fn about(&self, schema: &Json, depth: usize) -> String {
        if let Some(about) = schema.get("description").and_then(Json::as_str) {
            return about.to_string();
        }
        if depth > DEEPEST {
            return String::new();
        }
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|name| self.definition(name));
        let parts = schema.get("anyOf").and_then(Json::as_array).into_iter().flatten();
        let only = target.into_iter().chain(parts.filter(|part| !is_null(part))).next();
        only.map_or(String::new(), |only| self.about(only, depth + 1))
    }
}

/// A tagged table whose default names a kind has that kind where the tag is left out.
fn with_usual(mut shape: Shape, default: Option<&Json>) -> Shape {
    if let Shape::Tagged { tag, usual, .. } = &mut shape {
        *usual = default.and_then(|default| default.get(tag.as_str())).and_then(Json::as_str).map(str::to_string);
    }
    shape
}

fn is_null(schema: &Json) -> bool {
    schema.get("type").and_then(Json::as_str) == Some("null")
}

/// A value that must fit both.
fn both(one: Shape, other: Shape) -> Shape {
    match (one, other) {
        (Shape::Any, shape) | (shape, Shape::Any) => shape,
        // `type: object` beside a reference or alternatives says nothing more.
        (Shape::Map(_), shape @ (Shape::Table(_) | Shape::Tagged { .. })) => shape,
        (shape @ (Shape::Table(_) | Shape::Tagged { .. }), Shape::Map(_)) => shape,
        (Shape::Table(one), Shape::Table(other)) => Shape::Table(one.with(other)),
        (Shape::Table(table), Shape::Tagged { tag, usual, branches })
        | (Shape::Tagged { tag, usual, branches }, Shape::Table(table)) => Shape::Tagged {
            tag,
            usual,
            branches: branches.into_iter().map(|(name, branch)| (name, branch.with(table.clone()))).collect(),
        },
        (one, _) => one,
    }
}

/// A value that must fit one of `shapes`.
fn either(mut shapes: Vec<Shape>) -> Shape {
    if shapes.len() == 1 {
        return shapes.remove(0);
    }
    if let Some(allowed) = all_texts(&shapes) {
        return Shape::Text { allowed };
    }
    if let Some(tagged) = tagged(&shapes) {
        return tagged;
    }
    if shapes.is_empty() || shapes.contains(&Shape::Any) {
        return Shape::Any;
    }
    Shape::Either(shapes)
}

/// The allowed texts of an enum without fields, each variant of which may have its own schema.
fn all_texts(shapes: &[Shape]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for shape in shapes {
        match shape {
            Shape::Text { allowed } if !allowed.is_empty() => all.extend(allowed.iter().cloned()),
            _ => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

fn tagged(shapes: &[Shape]) -> Option<Shape> {
    let tables: Vec<&Table> = shapes
        .iter()
        .map(|shape| if let Shape::Table(table) = shape { Some(table) } else { None })
        .collect::<Option<_>>()?;
    let constant = |key: &Key| match &key.shape {
        Shape::Text { allowed } if key.required && allowed.len() == 1 => Some(allowed[0].clone()),
        _ => None,
    };
    let first = tables.first()?;
    let tag = first.keys.iter().find(|candidate| {
        tables.iter().all(|table| table.key(&candidate.name).is_some_and(|key| constant(key).is_some()))
    })?;
    let tag = tag.name.clone();
    let branches = tables.iter().map(|table| Some((constant(table.key(&tag)?)?, (*table).clone())));
    Some(Shape::Tagged { branches: branches.collect::<Option<_>>()?, tag, usual: None })
}
