//! Intake of API specifications: Swagger 2.0, OpenAPI 3.0 and 3.1, as JSON or YAML.
//!
//! Takes what an instance needs: title, description, version, base path, and answers for the simulator. Style is
//! not judged. The text is kept as it came; nothing it refers to outside itself is ever fetched.

mod node;
mod reference;
mod simulations;
mod yaml;

use node::Node;
use portcullis_core::{
    api::{Simulation, check_base_path},
    catalog::{CATEGORIES_MAX, CATEGORY_CHARACTERS_MAX},
};

/// Largest specification we take, in bytes.
pub const SPEC_BYTES_MAX: usize = 1024 * 1024;

/// What a specification says about its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// `info.title`.
    pub title: String,
    /// `info.description`; may be empty.
    pub description: String,
    /// `info.version`.
    pub version: String,
    /// Swagger `basePath`, or the path of the first server; `None` when it names none.
    pub base_path: Option<String>,
    /// Names of its tags, at most ten.
    pub categories: Vec<String>,
    /// Answers found in its examples, in its own order.
    pub simulations: Vec<Simulation>,
}

/// Why a specification was refused: everything that was found, not just the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Over [`SPEC_BYTES_MAX`].
    #[error("the specification is larger than 1 MiB")]
    TooLarge,
    /// Neither JSON nor YAML, or over a limit of structure.
    #[error("the specification cannot be read: {0}")]
    Unreadable(String),
    /// It can be read but lacks or holds something; one sentence each.
    #[error("the specification is not usable: {}", .0.join("; "))]
    Findings(Vec<String>),
}

impl SpecError {
    /// What was found, one sentence each.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        match self {
            Self::Findings(findings) => findings.clone(),
            other => vec![other.to_string()],
        }
    }
}

/// Which family of specifications a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Swagger2,
    OpenApi3,
}

/// Reads a specification. Takes up to a few hundred milliseconds of CPU: not for a core that serves calls.
///
/// # Errors
/// [`SpecError`].
pub fn read(text: &str) -> Result<Spec, SpecError> {
    if text.len() > SPEC_BYTES_MAX {
        return Err(SpecError::TooLarge);
    }
    let document = parse(text)?;
    let family = family(&document)?;
    let mut findings = Vec::new();
    let mut info = |member: &str| {
        let found = document.get("info").and_then(|info| info.get(member));
        match found.and_then(Node::as_words).map(str::trim) {
            Some(words) if !words.is_empty() => words.to_owned(),
            _ if member == "description" => String::new(),
            _ => {
                findings.push(format!("info.{member} is missing"));
                String::new()
            }
        }
    };
    let (title, description, version) = (info("title"), info("description"), info("version"));
    let base_path = base_path(&document, family, &mut findings);
    let paths = document.get("paths");
    if paths.is_some_and(|paths| paths.as_map().is_none()) {
        findings.push("paths is not a map of path templates".to_owned());
    }
    findings.extend(reference::foreign(&document).map(|reference| {
        format!(
            "the reference {reference} leaves the document; put what it names into the document"
        )
    }));
    if !findings.is_empty() {
        return Err(SpecError::Findings(findings));
    }
    let simulations = simulations::collect(&document, family);
    let categories = categories(&document);
    Ok(Spec {
        title,
        description,
        version,
        base_path,
        categories,
        simulations,
    })
}

/// The names of the document's tags, else those that its operations carry; at most ten, each once.
fn categories(document: &Node) -> Vec<String> {
    let listed = document.get("tags").and_then(Node::as_list);
    let listed = listed
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.get("name"));
    let mut names: Vec<&Node> = listed.collect();
    if names.is_empty() {
        let paths = document.get("paths").and_then(Node::as_map);
        let operations = paths
            .into_iter()
            .flat_map(|paths| paths.values())
            .filter_map(Node::as_map)
            .flat_map(|item| item.values());
        let tags = operations.filter_map(|operation| operation.get("tags")?.as_list());
        names = tags.flatten().collect();
    }
    let mut categories: Vec<String> = Vec::new();
    for name in names.into_iter().filter_map(Node::as_words) {
        let line = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let fits = (1..=CATEGORY_CHARACTERS_MAX).contains(&line.chars().count())
            && !line.chars().any(char::is_control);
        if fits && categories.len() < CATEGORIES_MAX && !categories.contains(&line) {
            categories.push(line);
        }
    }
    categories
}

fn parse(text: &str) -> Result<Node, SpecError> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let unreadable = |reason: String| SpecError::Unreadable(reason);
    if text.starts_with('{') {
        return node::from_json(text).map_err(|error| unreadable(error.to_string()));
    }
    if text.starts_with('<') {
        return Err(unreadable("it is neither JSON nor YAML".to_owned()));
    }
    yaml::from_yaml(text).map_err(|error| unreadable(error.to_string()))
}

fn family(document: &Node) -> Result<Family, SpecError> {
    let version = |member: &str| document.get(member).and_then(Node::as_words);
    let finding = |text: &str| Err(SpecError::Findings(vec![text.to_owned()]));
    match (version("swagger"), version("openapi")) {
        (Some("2.0"), None) => Ok(Family::Swagger2),
        (None, Some(v)) if ["3.0.", "3.1."].iter().any(|family| v.starts_with(family)) => {
            Ok(Family::OpenApi3)
        }
        _ if version("asyncapi").is_some() => finding("AsyncAPI documents are not taken yet"),
        _ => finding("it is neither Swagger 2.0 nor OpenAPI 3.0 or 3.1: see its first member"),
    }
}

/// The base path without a trailing `/`. A wrong one is a finding, an absent one is not.
fn base_path(document: &Node, family: Family, findings: &mut Vec<String>) -> Option<String> {
    let (member, path) = match family {
        Family::Swagger2 => ("basePath", document.get("basePath")?.as_text()?.to_owned()),
        Family::OpenApi3 => {
            let server = document.get("servers")?.as_list()?.first()?;
            ("servers[0].url", path_of_url(&server_url(server)?))
        }
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return None;
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    if let Err(error) = check_base_path(&path) {
        findings.push(format!("{member}: {error}"));
    }
    Some(path)
}

/// The URL of a server with its variables replaced by their defaults.
fn server_url(server: &Node) -> Option<String> {
    let mut url = server.get("url")?.as_text()?.to_owned();
    let variables = server.get("variables").and_then(Node::as_map);
    for (name, variable) in variables.into_iter().flatten().take(20) {
        if let Some(default) = variable.get("default").and_then(Node::as_words) {
            url = url.replace(&format!("{{{name}}}"), default);
        }
        if url.len() > 2_000 {
            return None;
        }
    }
    Some(url)
}

fn path_of_url(url: &str) -> String {
    let after_scheme = url.split_once("://").map(|(_, rest)| rest);
    match after_scheme {
        Some(rest) => rest
            .split_once('/')
            .map_or_else(String::new, |(_, path)| format!("/{path}")),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
