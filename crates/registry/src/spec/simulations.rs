//! Answers for the simulator, taken from the examples of a specification.
//!
//! For each operation the first success is answered: 200, else the lowest 2xx, else `default`. Its body is the
//! example of the answer itself, else one put together from the examples of its schema. An operation whose
//! answer has a body but no example gets no simulation, so that the gateway can say so.

use indexmap::IndexMap;
use portcullis_core::api::Simulation;

use super::{Family, node::Node, references::References};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// Most simulations kept of one specification.
const SIMULATIONS_MAX: usize = 1_000;
/// Longest body of a simulation, and of all of them, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
const BODIES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Schemas looked at for one specification: references can make a small text unfold without end.
const VISITS_MAX: usize = 20_000;
/// Deepest schema looked at.
const SCHEMA_DEPTH_MAX: usize = 24;

/// Every answer of the document, in its order.
pub(super) fn collect(document: &Node, family: Family) -> Vec<Simulation> {
    let mut examples = Examples {
        references: References::of(document),
        visits: 0,
        open: Vec::new(),
    };
    let paths = document.get("paths").and_then(Node::as_map);
    let mut simulations = Vec::new();
    let mut bytes = 0;
    for (path, item) in paths.into_iter().flatten() {
        let Some(item) = examples.references.follow(item) else {
            continue;
        };
        if !path.starts_with('/') || path.len() > 500 {
            continue;
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let answer = examples.answer(document, operation, family);
            let Some((status, content_type, body)) = answer else {
                continue;
            };
            bytes += body.len();
            let fits = body.len() <= BODY_BYTES_MAX && bytes <= BODIES_BYTES_MAX;
            if !fits || simulations.len() >= SIMULATIONS_MAX {
                continue;
            }
            simulations.push(Simulation {
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                status,
                content_type,
                body,
            });
        }
    }
    simulations
}

struct Examples<'a> {
    references: References<'a>,
    visits: usize,
    /// Schemas that an example is being made for: one inside itself gets none.
    open: Vec<&'a Node>,
}

impl<'a> Examples<'a> {
    fn answer(
        &mut self,
        document: &'a Node,
        operation: &'a Node,
        family: Family,
    ) -> Option<(u16, String, String)> {
        let responses = operation.get("responses")?.as_map()?;
        let (status, response) = first_success(responses)?;
        let response = self.references.follow(response)?;
        let (content_type, body) = match family {
            Family::Swagger2 => self.swagger_body(document, operation, response)?,
            Family::OpenApi3(_) => self.openapi_body(response)?,
        };
        Some((status, content_type, body))
    }

    /// Swagger 2.0: `examples` by media type, else the schema.
    fn swagger_body(
        &mut self,
        document: &'a Node,
        operation: &'a Node,
        response: &'a Node,
    ) -> Option<(String, String)> {
        let examples = response.get("examples").and_then(Node::as_map);
        if let Some((media_type, example)) = examples.and_then(preferred) {
            return Some((media_type.clone(), body_text(media_type, example)));
        }
        let Some(schema) = response.get("schema") else {
            return Some((String::new(), String::new()));
        };
        let produced = operation
            .get("produces")
            .or_else(|| document.get("produces"));
        let media_type = produced
            .and_then(Node::as_list)
            .and_then(|types| types.iter().find_map(Node::as_text))
            .unwrap_or("application/json");
        if !is_json(media_type) {
            return None;
        }
        let example = self.of_schema(schema)?;
        Some((media_type.to_owned(), example.to_json()))
    }

    /// OpenAPI 3: `content` by media type, with `example`, `examples` or a schema.
    fn openapi_body(&mut self, response: &'a Node) -> Option<(String, String)> {
        let content = response.get("content").and_then(Node::as_map);
        let Some((media_type, media)) = content.and_then(preferred) else {
            return Some((String::new(), String::new()));
        };
        if let Some(example) = media.get("example") {
            return Some((media_type.clone(), body_text(media_type, example)));
        }
        let named = media.get("examples").and_then(Node::as_map);
        for example in named.into_iter().flat_map(IndexMap::values) {
            let value = self
                .references
                .follow(example)
                .and_then(|example| example.get("value"));
            if let Some(value) = value {
                return Some((media_type.clone(), body_text(media_type, value)));
            }
        }
        if !is_json(media_type) {
            return None;
        }
        let example = self.of_schema(media.get("schema")?)?;
        Some((media_type.clone(), example.to_json()))
    }

    /// The example of a schema, or one put together from those of its parts.
    fn of_schema(&mut self, schema: &'a Node) -> Option<Node> {
        self.visits += 1;
        let schema = self.references.follow(schema)?;
        let inside_itself = self.open.iter().any(|open| std::ptr::eq(*open, schema));
        if inside_itself || self.visits > VISITS_MAX || self.open.len() > SCHEMA_DEPTH_MAX {
            return None;
        }
        self.open.push(schema);
        let example = self.of_parts(schema);
        self.open.pop();
        example
    }

    fn of_parts(&mut self, schema: &'a Node) -> Option<Node> {
        let given = schema
            .get("example")
            .or_else(|| schema.get("examples")?.as_list()?.first())
            .or_else(|| schema.get("const"))
            .or_else(|| schema.get("default"))
            .or_else(|| schema.get("enum")?.as_list()?.first());
        if let Some(given) = given {
            return Some(given.clone());
        }
        if let Some(items) = schema.get("items") {
            return Some(Node::List(vec![self.of_schema(items)?]));
        }
        let mut members = IndexMap::new();
        let all_of = schema.get("allOf").and_then(Node::as_list);
        for part in all_of.into_iter().flatten() {
            if let Some(Node::Map(part)) = self.of_schema(part) {
                members.extend(part);
            }
        }
        let properties = schema.get("properties").and_then(Node::as_map);
        for (name, property) in properties.into_iter().flatten() {
            if let Some(example) = self.of_schema(property) {
                members.insert(name.clone(), example);
            }
        }
        if !members.is_empty() {
            return Some(Node::Map(members));
        }
        let choices = schema.get("oneOf").or_else(|| schema.get("anyOf"));
        let choices = choices.and_then(Node::as_list).into_iter().flatten();
        choices.take(8).find_map(|choice| self.of_schema(choice))
    }
}

/// 200, else the lowest 2xx, else `default` as 200.
fn first_success(responses: &IndexMap<String, Node>) -> Option<(u16, &Node)> {
    let mut successes: Vec<(u16, &Node)> = responses
        .iter()
        .filter_map(|(status, response)| Some((status.parse().ok()?, response)))
        .filter(|(status, _)| (200..300).contains(status))
        .collect();
    successes.sort_by_key(|(status, _)| *status);
    let range = || responses.get("2XX").or_else(|| responses.get("default"));
    successes.first().copied().or_else(|| Some((200, range()?)))
}

/// The JSON entry of a map by media type, else the first.
fn preferred(by_media_type: &IndexMap<String, Node>) -> Option<(&String, &Node)> {
    by_media_type
        .iter()
        .find(|(media_type, _)| is_json(media_type))
        .or_else(|| by_media_type.first())
        .filter(|(media_type, _)| is_field_value(media_type))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    is_field_value(media_type) && (essence == "application/json" || essence.ends_with("+json"))
}

/// Whether the text can stand in a `Content-Type` field.
fn is_field_value(text: &str) -> bool {
    text.len() <= 200
        && text.contains('/')
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// How an example is sent: text of other types than JSON as it stands, everything else as JSON. People also
/// paste the JSON itself as a text.
fn body_text(media_type: &str, example: &Node) -> String {
    match example {
        Node::Text(text) if !is_json(media_type) || super::node::from_json(text).is_ok() => {
            text.clone()
        }
        other => other.to_json(),
    }
}
