//! Schemas of a reference: resolved, merged and limited.

use super::{
    super::{node::Node, references::References},
    ReferenceProperty, ReferenceSchema,
};

/// Deepest schema that is resolved.
const DEPTH_MAX: usize = 10;
/// Schemas of one reference, the smallest among them: a small text can unfold without end.
const SCHEMAS_MAX: usize = 30_000;
/// Longest text, in characters.
const TEXT_CHARACTERS_MAX: usize = 10_000;
/// Longest value that is shown, in characters.
const VALUE_CHARACTERS_MAX: usize = 2_000;
/// Most values of an enumeration, members of an object and choices that are shown.
const ENTRIES_MAX: usize = 300;

/// Resolves the schemas of one document.
pub(super) struct Schemas<'a> {
    pub(super) references: References<'a>,
    /// How many more may be resolved.
    budget: usize,
    /// Those that are being resolved: one inside itself is a cycle.
    open: Vec<&'a Node>,
    /// Whether anything was left out.
    pub(super) truncated: bool,
}

impl<'a> Schemas<'a> {
    pub(super) fn of(document: &'a Node) -> Self {
        Self {
            references: References::of(document),
            budget: SCHEMAS_MAX,
            open: Vec::new(),
            truncated: false,
        }
    }

    pub(super) fn schema(&mut self, node: &'a Node) -> ReferenceSchema {
        self.budget = self.budget.saturating_sub(1);
        let name = node
            .get("$ref")
            .and_then(Node::as_text)
            .map(name_of_reference)
            .unwrap_or_default();
        let unknown = |kind: &str| ReferenceSchema {
            name: name.clone(),
            kind: kind.to_owned(),
            ..ReferenceSchema::default()
        };
        let Some(target) = self.references.follow(node) else {
            return unknown("any");
        };
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) {
            return ReferenceSchema {
                cycle: true,
                ..unknown(&kind(target))
            };
        }
        if self.budget == 0 || self.open.len() >= DEPTH_MAX {
            self.truncated = true;
            return ReferenceSchema {
                truncated: true,
                ..unknown(&kind(target))
            };
        }
        self.open.push(target);
        let mut schema = unknown(&kind(target));
        self.fill(&mut schema, target);
        self.open.pop();
        schema
    }

    fn fill(&mut self, schema: &mut ReferenceSchema, node: &'a Node) {
        schema.format = words(node, "format");
        schema.description = text(node, "description");
        schema.deprecated = is_true(node, "deprecated");
        schema.read_only = is_true(node, "readOnly");
        schema.write_only = is_true(node, "writeOnly");
        schema.default = value(node.get("default"));
        schema.example = value(example(node));
        let values = node.get("enum").and_then(Node::as_list).unwrap_or_default();
        let single = node.get("const").into_iter();
        let values = values.iter().chain(single).take(ENTRIES_MAX);
        schema.values = values.map(|node| value(Some(node))).collect();
        schema.limits = limits(node);
        self.parts(schema, node);
        let required = node
            .get("required")
            .and_then(Node::as_list)
            .unwrap_or_default();
        let is_required = |name: &str| required.iter().any(|node| node.as_text() == Some(name));
        let properties = node.get("properties").and_then(Node::as_map);
        for (name, property) in properties.into_iter().flatten().take(ENTRIES_MAX) {
            if self.is_spent(schema) {
                break;
            }
            let property = ReferenceProperty {
                name: name.clone(),
                required: is_required(name),
                schema: self.schema(property),
            };
            schema
                .properties
                .retain(|known| known.name != property.name);
            schema.properties.push(property);
        }
        for property in &mut schema.properties {
            property.required |= is_required(&property.name);
        }
        let items = node
            .get("items")
            .or_else(|| node.get("additionalProperties"))
            .filter(|items| items.as_map().is_some());
        if let Some(items) = items {
            schema.items = Some(Box::new(self.schema(items)));
        }
        for word in ["oneOf", "anyOf"] {
            let choices = node.get(word).and_then(Node::as_list).unwrap_or_default();
            for choice in choices.iter().take(ENTRIES_MAX) {
                if self.is_spent(schema) {
                    break;
                }
                let choice = self.schema(choice);
                schema.choices.push(choice);
            }
        }
    }

    /// Whether no more schemas may be resolved; what is left out is marked.
    fn is_spent(&mut self, schema: &mut ReferenceSchema) -> bool {
        let spent = self.budget == 0;
        self.truncated |= spent;
        schema.truncated |= spent;
        spent
    }

    /// Merges the parts of `allOf`: to a reader they are one thing.
    fn parts(&mut self, schema: &mut ReferenceSchema, node: &'a Node) {
        let parts = node
            .get("allOf")
            .and_then(Node::as_list)
            .unwrap_or_default();
        for part in parts.iter().take(ENTRIES_MAX) {
            if self.is_spent(schema) {
                break;
            }
            let part = self.schema(part);
            if schema.kind == "any" {
                schema.kind = part.kind;
            }
            if schema.description.is_empty() {
                schema.description = part.description;
            }
            if schema.name.is_empty() && parts.len() == 1 {
                schema.name = part.name;
            }
            for property in part.properties {
                schema
                    .properties
                    .retain(|known| known.name != property.name);
                schema.properties.push(property);
            }
            schema.limits.extend(part.limits);
            schema.choices.extend(part.choices);
            schema.items = schema.items.take().or(part.items);
            schema.cycle |= part.cycle;
            schema.truncated |= part.truncated;
        }
    }
}

/// What kind of value it is, in words.
fn kind(node: &Node) -> String {
    let mut kinds: Vec<&str> = match node.get("type") {
        Some(Node::Text(kind)) => vec![kind],
        Some(Node::List(kinds)) => kinds.iter().filter_map(Node::as_text).take(8).collect(),
        _ if node.get("properties").is_some() || node.get("additionalProperties").is_some() => {
            vec!["object"]
        }
        _ if node.get("items").is_some() => vec!["array"],
        _ => vec!["any"],
    };
    if is_true(node, "nullable") || is_true(node, "x-nullable") {
        kinds.push("null");
    }
    shortened(&kinds.join(" or "), 200)
}

/// Limits in words, in the order of the list.
fn limits(node: &Node) -> Vec<String> {
    let number = |name: &str| match node.get(name) {
        Some(Node::Number(digits)) => Some(shortened(digits, 40)),
        _ => None,
    };
    let mut limits = Vec::new();
    for (name, before, after) in [
        ("minimum", "at least ", ""),
        ("maximum", "at most ", ""),
        ("exclusiveMinimum", "more than ", ""),
        ("exclusiveMaximum", "less than ", ""),
        ("multipleOf", "a multiple of ", ""),
        ("minLength", "at least ", " characters"),
        ("maxLength", "at most ", " characters"),
        ("minItems", "at least ", " entries"),
        ("maxItems", "at most ", " entries"),
        ("minProperties", "at least ", " members"),
        ("maxProperties", "at most ", " members"),
    ] {
        limits.extend(number(name).map(|number| format!("{before}{number}{after}")));
    }
    if is_true(node, "uniqueItems") {
        limits.push("no entry twice".to_owned());
    }
    if let Some(pattern) = node.get("pattern").and_then(Node::as_text) {
        limits.push(format!("pattern {}", shortened(pattern, 300)));
    }
    limits
}

/// The example of a schema, parameter or media type.
pub(super) fn example(node: &Node) -> Option<&Node> {
    node.get("example")
        .or_else(|| node.get("x-example"))
        .or_else(|| node.get("examples")?.as_list()?.first())
}

/// The last part of a reference: what people call the thing.
fn name_of_reference(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or_default();
    shortened(&last.replace("~1", "/").replace("~0", "~"), 200)
}

pub(super) fn is_true(node: &Node, member: &str) -> bool {
    matches!(node.get(member), Some(Node::Bool(true)))
}

/// A line of text.
pub(super) fn words(node: &Node, member: &str) -> String {
    let words = node
        .get(member)
        .and_then(Node::as_words)
        .unwrap_or_default();
    shortened(words.trim(), 500)
}

/// Text of several lines.
pub(super) fn text(node: &Node, member: &str) -> String {
    let words = node
        .get(member)
        .and_then(Node::as_words)
        .unwrap_or_default();
    shortened(words.trim(), TEXT_CHARACTERS_MAX)
}

/// A value as JSON; empty when there is none.
pub(super) fn value(node: Option<&Node>) -> String {
    node.map(|node| shortened(&node.to_json(), VALUE_CHARACTERS_MAX))
        .unwrap_or_default()
}

/// A text of at most so many characters, with a mark where it was cut.
pub(super) fn shortened(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
