//! What is said of a specification: errors that keep it from being taken, and what its provider should know
//! although it is taken. Style is advice.

use std::collections::{HashMap, HashSet};

use portcullis_core::api::Simulation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Family, node::Node, references::References};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The specification is not taken.
    Error,
    /// It is taken; its users would be better off otherwise.
    Warning,
    /// Good to know.
    Note,
}

/// Something that is said of a specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// `error`, `warning` or `note`.
    pub severity: Severity,
    /// Line in the text, from 1.
    pub line: usize,
    /// Column in its line, from 1, in characters.
    pub column: usize,
    /// A sentence for people.
    pub message: String,
    /// What it is about (RFC 6901); empty for the whole document.
    pub pointer: String,
}

/// A finding whose place in the text is not known yet.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) severity: Severity,
    pub(super) path: Vec<String>,
    pub(super) message: String,
}

impl Remark {
    pub(super) fn new(severity: Severity, path: &[&str], message: impl Into<String>) -> Self {
        Self {
            severity,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            message: message.into(),
        }
    }
}

pub(super) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// Most operations of which something is said.
const REMARKS_MAX: usize = 200;
const HEADER: &str = "Request-Id";

/// What a path is used for: `path`, `method`, and the operation behind it.
pub(super) fn operations<'a>(
    document: &'a Node,
    references: &mut References<'a>,
) -> Vec<(&'a str, &'static str, &'a Node, &'a Node)> {
    let paths = document.get("paths").and_then(Node::as_map);
    let mut operations = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        let Some(item) = references.follow(item) else {
            continue;
        };
        for method in METHODS {
            if let Some(operation) = item.get(method).filter(|node| node.as_map().is_some()) {
                operations.push((path.as_str(), method, item, operation));
            }
        }
    }
    operations
}

/// Advice about a specification that can be taken.
pub(super) fn advice(document: &Node, family: Family, simulations: &[Simulation]) -> Vec<Remark> {
    let mut references = References::of(document);
    let mut remarks = about_info(document, family);
    let operations = operations(document, &mut references);
    if operations.is_empty() {
        let message = "The specification describes no operation.";
        remarks.push(Remark::new(Severity::Warning, &["paths"], message));
    }
    let with_example: HashSet<(&str, &str)> = simulations
        .iter()
        .map(|simulation| (simulation.method.as_str(), simulation.path.as_str()))
        .collect();
    let mut first_use: HashMap<&str, String> = HashMap::new();
    let mut said = Vec::new();
    for (path, method, item, operation) in operations.iter().copied() {
        let upper = method.to_ascii_uppercase();
        let mut lacks = lacking((item, operation), &mut references);
        if !with_example.contains(&(upper.as_str(), path)) {
            lacks.push("an example of its answer");
        }
        let at = ["paths", path, method];
        if !lacks.is_empty() {
            let message = format!("{upper} {path} lacks {}.", lacks.join(", "));
            said.push(Remark::new(Severity::Warning, &at, message));
        }
        let id = operation.get("operationId").and_then(Node::as_words);
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let here = format!("{upper} {path}");
            if let Some(first) = first_use.get(id) {
                let message = format!("{here} has the operationId of {first}.");
                said.push(Remark::new(Severity::Warning, &at, message));
            } else {
                first_use.insert(id, here);
            }
        }
    }
    let more = said.len().saturating_sub(REMARKS_MAX);
    said.truncate(REMARKS_MAX);
    remarks.extend(said);
    if more > 0 {
        let message = format!("There is more of the same about {more} operations.");
        remarks.push(Remark::new(Severity::Note, &["paths"], message));
    }
    if !operations.is_empty() {
        let message = format!(
            "The simulator can answer {} of {} operations from examples.",
            simulations.len(),
            operations.len()
        );
        remarks.push(Remark::new(Severity::Note, &["paths"], message));
    }
    remarks
}

fn about_info(document: &Node, family: Family) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut warn = |path: &[&str], message: &str| {
        remarks.push(Remark::new(Severity::Warning, path, message));
    };
    let info = |member: &str| {
        let found = document.get("info").and_then(|info| info.get(member));
        found.and_then(Node::as_words).map_or("", str::trim)
    };
    if info("description").is_empty() {
        warn(
            &["info"],
            "The description (info.description) is missing: it is what people read first.",
        );
    }
    if info("title").chars().count() > 100 {
        warn(
            &["info", "title"],
            "The title is longer than the 100 characters a name may have.",
        );
    }
    if !is_semantic(info("version")) {
        warn(
            &["info", "version"],
            "The version is not a semantic one, such as 1.4.0.",
        );
    }
    let (path, written): (&[&str], _) = match family {
        Family::Swagger2 => (
            &["basePath"],
            document.get("basePath").and_then(Node::as_text),
        ),
        Family::OpenApi3(_) => {
            let servers = document.get("servers").and_then(Node::as_list);
            let first = servers.and_then(<[Node]>::first);
            (
                &["servers", "0", "url"],
                first.and_then(|server| server.get("url")?.as_text()),
            )
        }
    };
    let is_root = |url: &str| super::path_of_url(url).trim_end_matches('/').is_empty();
    if written.is_some_and(|written| written.ends_with('/') && !is_root(written)) {
        warn(path, "The base path ends in /, which is left out.");
    }
    if written.is_none_or(is_root) {
        let path = if written.is_some() { path } else { &[] };
        warn(
            path,
            "The specification names no base path: it has to be given when an instance is made.",
        );
    }
    remarks
}

/// Whether the text is a version as semver.org says.
fn is_semantic(version: &str) -> bool {
    let without_build = version.split('+').next().unwrap_or_default();
    let core = without_build.split('-').next().unwrap_or_default();
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    core.split('.').count() == 3 && core.split('.').all(number)
}

/// What an operation should have and has not.
fn lacking<'a>(
    (item, operation): (&'a Node, &'a Node),
    references: &mut References<'a>,
) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    let words = |member: &str| {
        let found = operation.get(member).and_then(Node::as_words);
        found.is_some_and(|words| !words.trim().is_empty())
    };
    if !words("operationId") {
        lacks.push("an operationId");
    }
    let tags = operation.get("tags").and_then(Node::as_list);
    if tags.is_none_or(<[Node]>::is_empty) {
        lacks.push("tags");
    }
    if !words("description") && !words("summary") {
        lacks.push("a description");
    }
    let of = |node: &'a Node| node.get("parameters").and_then(Node::as_list);
    let parameters = of(operation).into_iter().chain(of(item)).flatten();
    let is_header = |parameter: &'a Node, references: &mut References<'a>| {
        let parameter = references.follow(parameter);
        parameter.is_some_and(|parameter| {
            let member = |name| {
                parameter
                    .get(name)
                    .and_then(Node::as_text)
                    .unwrap_or_default()
            };
            member("in") == "header" && member("name").eq_ignore_ascii_case(HEADER)
        })
    };
    if !parameters
        .into_iter()
        .any(|parameter| is_header(parameter, references))
    {
        lacks.push("the request header Request-Id");
    }
    let responses = operation.get("responses").and_then(Node::as_map);
    let has_header = |response: &'a Node, references: &mut References<'a>| {
        let headers = references
            .follow(response)
            .and_then(|response| response.get("headers")?.as_map());
        headers.is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case(HEADER)))
    };
    let mut responses = responses.into_iter().flat_map(indexmap::IndexMap::values);
    if !responses.all(|response| has_header(response, references)) {
        lacks.push("the response header Request-Id");
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::is_semantic;

    #[test]
    fn a_semantic_version_has_three_numbers() {
        for good in ["1.0.0", "0.1.10", "1.2.3-rc.1+build"] {
            assert!(is_semantic(good), "{good}");
        }
        for bad in ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.x", "1.0.0.0"] {
            assert!(!is_semantic(bad), "{bad}");
        }
    }
}
