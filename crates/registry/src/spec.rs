//! Intake of API specifications: Swagger 2.0, OpenAPI 3.0 and 3.1, as JSON or YAML.
//!
//! Takes what an instance needs: title, description, version, base path, tags, and answers for the simulator; and
//! says what is wrong or could be better, each with its place in the text. The text is kept as it came; nothing it
//! refers to outside itself is ever fetched.

mod lint;
mod node;
mod positions;
/// The specification made ready to be read.
pub mod reference;
mod references;
mod simulations;
mod yaml;

use lint::Remark;
pub use lint::{Finding, Severity};
use node::Node;
use portcullis_core::{
    api::{Simulation, check_base_path},
    catalog::{CATEGORIES_MAX, CATEGORY_CHARACTERS_MAX},
};
use positions::{Place, START, places};

use crate::findings::sentence;

/// Largest specification we take, in bytes.
pub const SPEC_BYTES_MAX: usize = 1024 * 1024;
/// Longest version of a specification, in characters.
const VERSION_CHARACTERS_MAX: usize = 40;

/// What a specification says about its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// `swagger_2_0`, `openapi_3_0` or `openapi_3_1`.
    pub dialect: &'static str,
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
    /// How many operations it describes.
    pub operations: usize,
    /// Answers found in its examples, in its own order.
    pub simulations: Vec<Simulation>,
}

/// What was found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The specification; `None` when there are errors.
    pub spec: Option<Spec>,
    /// Errors first, then by place.
    pub findings: Vec<Finding>,
}

/// Why a specification was refused: everything that was found, not just the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Over [`SPEC_BYTES_MAX`].
    #[error("the specification is larger than 1 MiB")]
    TooLarge,
    /// It cannot be read, or lacks or holds something. Errors alone.
    #[error("the specification is not usable: {}", self.sentences().join(" "))]
    Findings(Vec<Finding>),
}

impl SpecError {
    /// What was found, a sentence each with its place.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::TooLarge => vec!["The specification is larger than 1 MiB.".to_owned()],
            Self::Findings(findings) => findings
                .iter()
                .map(|f| format!("Line {}, column {}: {}", f.line, f.column, f.message))
                .collect(),
        }
    }
}

/// Which family of specifications a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Swagger2,
    /// With its minor version.
    OpenApi3(u8),
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Swagger2 => "swagger_2_0",
            Self::OpenApi3(0) => "openapi_3_0",
            Self::OpenApi3(_) => "openapi_3_1",
        }
    }
}

/// Reads a specification. Takes up to a few hundred milliseconds of CPU: not for a core that serves calls.
///
/// # Errors
/// [`SpecError`].
pub fn read(text: &str) -> Result<Spec, SpecError> {
    if text.len() > SPEC_BYTES_MAX {
        return Err(SpecError::TooLarge);
    }
    let mut report = check(text);
    report
        .findings
        .retain(|finding| finding.severity == Severity::Error);
    report.spec.ok_or(SpecError::Findings(report.findings))
}

/// Reads a specification and says everything about it. Takes CPU as [`read`] does.
#[must_use]
pub fn check(text: &str) -> Report {
    let refused = |place: Place, message: String| Report {
        spec: None,
        findings: vec![finding(Severity::Error, place, message, &[])],
    };
    if text.len() > SPEC_BYTES_MAX {
        return refused(START, "The specification is larger than 1 MiB.".to_owned());
    }
    let (text, lines_before) = trimmed(text);
    let moved = |place: Place| Place {
        line: place.line + lines_before,
        ..place
    };
    let document = match parse(text) {
        Ok(document) => document,
        Err((place, reason)) => {
            let message = format!("The specification cannot be read: {reason}.");
            return refused(moved(place), message);
        }
    };
    let family = match family(&document) {
        Ok(family) => family,
        Err(reason) => return refused(moved(START), reason.to_owned()),
    };
    let (spec, mut remarks) = taken(&document, family);
    remarks.sort_by_key(|remark| remark.severity != Severity::Error);
    let paths: Vec<Vec<String>> = remarks.iter().map(|remark| remark.path.clone()).collect();
    let mut findings: Vec<Finding> = remarks
        .into_iter()
        .zip(places(text, &paths))
        .map(|(remark, place)| finding(remark.severity, moved(place), remark.message, &remark.path))
        .collect();
    findings.sort_by_key(|f| (f.severity != Severity::Error, f.line, f.column));
    let has_errors = findings.iter().any(|f| f.severity == Severity::Error);
    Report {
        spec: (!has_errors).then_some(spec),
        findings,
    }
}

fn finding(severity: Severity, place: Place, message: String, path: &[String]) -> Finding {
    let segment = |segment: &String| format!("/{}", segment.replace('~', "~0").replace('/', "~1"));
    Finding {
        severity,
        line: place.line,
        column: place.column,
        message,
        pointer: path.iter().map(segment).collect(),
    }
}

/// What the document says, and everything there is to say about it.
fn taken(document: &Node, family: Family) -> (Spec, Vec<Remark>) {
    let mut remarks = Vec::new();
    let mut info = |member: &str| {
        let found = document.get("info").and_then(|info| info.get(member));
        match found.and_then(Node::as_words).map(str::trim) {
            Some(words) if !words.is_empty() => words.to_owned(),
            _ if member == "description" => String::new(),
            _ => {
                let message = format!("The {member} (info.{member}) is missing.");
                let path = ["info", member];
                remarks.push(Remark::new(Severity::Error, &path, message));
                String::new()
            }
        }
    };
    let (title, description, version) = (info("title"), info("description"), info("version"));
    if version.chars().count() > VERSION_CHARACTERS_MAX {
        let message = format!("The version has more than {VERSION_CHARACTERS_MAX} characters.");
        remarks.push(Remark::new(Severity::Error, &["info", "version"], message));
    }
    let base_path = base_path(document, family, &mut remarks);
    let paths = document.get("paths");
    if paths.is_some_and(|paths| paths.as_map().is_none()) {
        let message = "The paths are not a map of path templates.";
        remarks.push(Remark::new(Severity::Error, &["paths"], message));
    }
    for (path, message) in references::doubtful(document) {
        remarks.push(Remark {
            severity: Severity::Warning,
            path,
            message,
        });
    }
    let simulations = simulations::collect(document, family);
    remarks.extend(lint::advice(document, family, &simulations));
    let spec = Spec {
        dialect: family.name(),
        title,
        description,
        version,
        base_path,
        categories: categories(document),
        operations: lint::operations(document, &mut references::References::of(document)).len(),
        simulations,
    };
    (spec, remarks)
}

/// The text from its first character on that means something, and how many lines stand before.
fn trimmed(text: &str) -> (&str, usize) {
    let rest = text.trim_start_matches('\u{feff}').trim_start();
    let before = text.len() - rest.len();
    let before = text.get(..before).unwrap_or_default();
    (rest, before.matches('\n').count())
}

fn parse(text: &str) -> Result<Node, (Place, String)> {
    if text.starts_with('{') {
        return node::from_json(text).map_err(|error| {
            let place = Place {
                line: error.line().max(1),
                column: error.column().max(1),
            };
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            (place, reason.to_owned())
        });
    }
    if text.starts_with('<') {
        return Err((START, "it is neither JSON nor YAML".to_owned()));
    }
    yaml::from_yaml(text).map_err(|error| {
        let (line, column) = error.place();
        (Place { line, column }, error.to_string())
    })
}

/// Reads a text that was taken before.
fn parsed(text: &str) -> Result<(Node, Family), SpecError> {
    let refused = |place: Place, message: String| {
        SpecError::Findings(vec![finding(Severity::Error, place, message, &[])])
    };
    if text.len() > SPEC_BYTES_MAX {
        return Err(SpecError::TooLarge);
    }
    let (text, _) = trimmed(text);
    let document = parse(text).map_err(|(place, reason)| refused(place, reason))?;
    let family = family(&document).map_err(|reason| refused(START, reason.to_owned()))?;
    Ok((document, family))
}

fn family(document: &Node) -> Result<Family, &'static str> {
    let version = |member: &str| document.get(member).and_then(Node::as_words);
    match (version("swagger"), version("openapi")) {
        (Some("2.0"), None) => Ok(Family::Swagger2),
        (None, Some(v)) if v.starts_with("3.0.") => Ok(Family::OpenApi3(0)),
        (None, Some(v)) if v.starts_with("3.1.") => Ok(Family::OpenApi3(1)),
        _ if version("asyncapi").is_some() => Err("AsyncAPI documents are not taken yet."),
        _ => {
            Err("This is neither Swagger 2.0 nor OpenAPI 3.0 or 3.1: its first member says which.")
        }
    }
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

/// The base path without a trailing `/`. A wrong one is a finding, an absent one is not.
fn base_path(document: &Node, family: Family, remarks: &mut Vec<Remark>) -> Option<String> {
    let (at, path): (&[&str], _) = match family {
        Family::Swagger2 => (
            &["basePath"],
            document.get("basePath")?.as_text()?.to_owned(),
        ),
        Family::OpenApi3(_) => {
            let server = document.get("servers")?.as_list()?.first()?;
            (&["servers", "0", "url"], path_of_url(&server_url(server)?))
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
        let message = sentence(&error.to_string());
        remarks.push(Remark::new(Severity::Error, at, message));
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
