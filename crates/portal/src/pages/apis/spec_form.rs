//! What the forms about instances have in common: the specification, what it says and what is wrong with it, where
//! calls go, how the instance stands in the directory.

use portcullis_registry::{
    in_process::{Management, ManagementError},
    wire::{Finding, Organization, Severity, SpecCheck},
};
use serde_json::{Map, Value, json};

use super::ENVIRONMENTS;
use crate::{
    failure::Failure,
    form::{Choice, Form},
    sent::Sent,
};

/// Largest specification, in bytes, and how people say it.
const SPEC_BYTES_MAX: usize = 1024 * 1024;
const SPEC_MAX: &str = "A specification has at most 1 MB.";
/// How many findings are shown with their lines; the others are counted.
const FINDINGS_MAX: usize = 50;
/// Lines before and after the one of a finding.
const AROUND: usize = 2;
/// Longest line of a listing, in characters.
const LINE_CHARACTERS_MAX: usize = 160;

/// The specification of a form: the file that was chosen, else the text that was pasted. `None` when there is
/// neither.
///
/// # Errors
/// What is wrong with the file, a sentence.
pub(super) fn text_of(sent: &Sent) -> Result<Option<String>, String> {
    let Some(upload) = sent.upload("spec_file") else {
        return match sent.some("spec") {
            Some(text) if text.len() > SPEC_BYTES_MAX => Err(SPEC_MAX.to_owned()),
            text => Ok(text.map(str::to_owned)),
        };
    };
    let name = &upload.file_name;
    if upload.is_cut || upload.bytes.len() > SPEC_BYTES_MAX {
        return Err(format!("{name} is too large. {SPEC_MAX}"));
    }
    match upload.text() {
        Some(text) if text.contains('\0') => Err(format!("{name} is no text file.")),
        Some(text) if text.trim().is_empty() => Err(format!("{name} is empty.")),
        Some(text) => Ok(Some(text.replace("\r\n", "\n"))),
        None => Err(format!(
            "{name} cannot be read as text. Save it as UTF-8 and choose it again."
        )),
    }
}

/// A line of a listing.
pub(super) struct ListedLine {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) is_found: bool,
}

/// A finding with the lines it is about.
pub(super) struct Found {
    pub(super) tone: &'static str,
    pub(super) word: &'static str,
    pub(super) place: String,
    pub(super) message: String,
    pub(super) lines: Vec<ListedLine>,
}

/// What a specification says, for the read-only part of a form.
pub(super) struct Derived {
    pub(super) check: SpecCheck,
    pub(super) dialect: &'static str,
    /// How many operations it describes.
    pub(super) operations: String,
    pub(super) found: Vec<Found>,
    pub(super) not_shown: usize,
    /// Where calls would go; empty while that is not known.
    pub(super) proxy_url: String,
}

impl Derived {
    /// Looks at a specification.
    pub(super) async fn of(management: &Management, text: &str) -> Result<Self, Failure> {
        let check = match management
            .post::<SpecCheck>("/v1/spec_checks", &json!({ "spec": text }))
            .await
        {
            Ok(check) => check.value,
            Err(ManagementError::Problem(problem)) if matches!(problem.status, 413 | 422) => {
                let said = problem
                    .errors
                    .first()
                    .map_or(SPEC_MAX, |error| error.detail.as_str());
                refused(said)
            }
            Err(error) => return Err(error.into()),
        };
        let lines: Vec<&str> = text.lines().collect();
        let shown = check.findings.iter().take(FINDINGS_MAX);
        Ok(Self {
            dialect: match check.dialect.as_str() {
                "swagger_2_0" => "Swagger 2.0",
                "openapi_3_0" => "OpenAPI 3.0",
                "openapi_3_1" => "OpenAPI 3.1",
                _ => "",
            },
            found: shown.map(|finding| found(finding, &lines)).collect(),
            not_shown: check.findings.len().saturating_sub(FINDINGS_MAX),
            proxy_url: String::new(),
            operations: crate::view::count(check.operations, "operation", "operations"),
            check,
        })
    }

    /// What is wrong with the specification as a whole; `None` when it can be taken.
    pub(super) fn refusal(&self) -> Option<String> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let errors = self.check.findings.iter().filter(is_error).count();
        let noun = crate::view::count(errors, "error", "errors");
        (!self.check.usable).then(|| format!("The specification has {noun}: see below."))
    }

    /// Where calls would go with these choices.
    pub(super) fn locate(&mut self, gateway: &str, form: &Form, namespaces: &[String]) {
        let chosen = form.value("namespace");
        let only = namespaces.first().filter(|_| namespaces.len() == 1);
        let namespace = if chosen.is_empty() {
            only.map_or("", String::as_str)
        } else {
            chosen
        };
        let typed = Some(form.value("base_path")).filter(|path| !path.is_empty());
        let path = typed.or(self.check.base_path.as_deref());
        let suffix = match form.value("environment") {
            "production" => "",
            "test" => "-test",
            "dev" => "-dev",
            _ => return,
        };
        if let Some(path) = path.filter(|_| !namespace.is_empty()) {
            self.proxy_url = format!("{gateway}/{namespace}{suffix}{path}");
        }
    }
}

fn refused(message: &str) -> SpecCheck {
    SpecCheck {
        findings: vec![Finding {
            severity: Severity::Error,
            line: 1,
            column: 1,
            message: message.to_owned(),
            pointer: String::new(),
        }],
        ..SpecCheck::default()
    }
}

fn found(finding: &Finding, lines: &[&str]) -> Found {
    let (tone, word) = match finding.severity {
        Severity::Error => ("error", "Error"),
        Severity::Warning => ("warning", "Warning"),
        Severity::Note => ("info", "Note"),
    };
    let first = finding.line.saturating_sub(AROUND).max(1);
    let listing = lines.iter().enumerate().map(|(at, line)| (at + 1, line));
    let listing = listing
        .skip(first - 1)
        .take_while(|(number, _)| *number <= finding.line + AROUND);
    Found {
        tone,
        word,
        place: format!("line {}, column {}", finding.line, finding.column),
        message: finding.message.clone(),
        lines: listing
            .map(|(number, line)| ListedLine {
                number,
                text: shortened(line),
                is_found: number == finding.line,
            })
            .collect(),
    }
}

fn shortened(line: &str) -> String {
    let mut text: String = line.chars().take(LINE_CHARACTERS_MAX).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// The namespaces of a provider.
pub(super) async fn namespaces(
    management: &Management,
    organization: &str,
) -> Result<Vec<String>, Failure> {
    let path = ("/v1/organizations/{organization_id}", [organization]);
    Ok(management
        .get::<Organization>(path, &[])
        .await?
        .value
        .namespaces)
}

pub(super) fn environment_choices() -> Vec<Choice> {
    let detail = |environment| match environment {
        "production" => "For customers. Needs an activation to be called.",
        "test" => "For developers of apps: the Test Subscription ID of an app opens it.",
        _ => "For you, while you build it.",
    };
    let choice = |environment| {
        Choice::new(environment, super::environment_word(environment)).detailed(detail(environment))
    };
    ENVIRONMENTS.into_iter().map(choice).collect()
}

pub(super) fn namespace_choices(namespaces: &[String]) -> Vec<Choice> {
    namespaces
        .iter()
        .map(|namespace| Choice::new(namespace, namespace))
        .collect()
}

pub(super) fn lifecycle_choices() -> Vec<Choice> {
    vec![
        Choice::new("beta", "Beta"),
        Choice::new("general_release", "General Release"),
        Choice::new("deprecated", "Deprecated"),
        Choice::new("custom", "Custom"),
    ]
}

pub(super) fn base_path_choices() -> Vec<Choice> {
    vec![
        Choice::new("keep", "Keep it")
            .detailed("The target sees the base path before the path of the operation."),
        Choice::new("strip", "Leave it out")
            .detailed("The target sees the path of the operation alone."),
    ]
}

/// What forms about instances send alike, as members of the management API.
pub(super) fn serving(sent: &Sent) -> Map<String, Value> {
    let status = sent.some("lifecycle_status").unwrap_or("general_release");
    let mut input = Map::new();
    input.insert("target_url".to_owned(), json!(sent.get("target_url")));
    input.insert("lifecycle_status".to_owned(), json!(status));
    if status == "custom" {
        input.insert(
            "lifecycle_text".to_owned(),
            json!(sent.get("lifecycle_text")),
        );
    }
    for name in ["show_in_directory", "streaming", "pass_origin_fields"] {
        input.insert(name.to_owned(), json!(sent.is_checked(name)));
    }
    for name in ["version", "base_path_upstream"] {
        if let Some(value) = sent.some(name) {
            input.insert(name.to_owned(), json!(value));
        }
    }
    input
}

/// The same for an instance that is to be made.
pub(super) fn new_instance(sent: &Sent, spec: Option<&str>) -> Value {
    let mut input = serving(sent);
    input.insert("environment".to_owned(), json!(sent.get("environment")));
    for name in ["namespace", "base_path"] {
        if let Some(value) = sent.some(name) {
            input.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(spec) = spec {
        input.insert("spec".to_owned(), json!(spec));
    }
    Value::Object(input)
}

/// What to show when the management API refused: as [`Sent::refused`], and what is about a value that the form
/// has not got stands beside the field it comes from.
pub(super) fn refused_as(sent: &Sent, form: Form, error: ManagementError) -> Result<Form, Failure> {
    let ManagementError::Problem(mut problem) = error else {
        return Err(error.into());
    };
    if !matches!(problem.status, 409 | 413 | 422) {
        return Err(ManagementError::Problem(problem).into());
    }
    let field = match problem.code.as_str() {
        "api_exists" => Some("id"),
        "base_path_taken" | "path_root_taken" if sent.some("base_path").is_some() => {
            Some("base_path")
        }
        "base_path_taken" | "path_root_taken" | "payload_too_large" => Some("spec"),
        _ => None,
    };
    if let Some(field) = field.filter(|_| problem.errors.is_empty()) {
        let detail = format!(
            "{}. {}",
            problem.detail.trim_end_matches('.'),
            problem.remedy
        );
        return Ok(form
            .wrong(field, detail)
            .with_status(http::StatusCode::UNPROCESSABLE_ENTITY));
    }
    for error in &mut problem.errors {
        if matches!(error.field.as_str(), "name" | "description" | "categories") {
            error.detail = format!("{}: {}", error.field, error.detail);
            "spec".clone_into(&mut error.field);
        }
    }
    Ok(form.refused(&problem))
}

/// An id for an API, as most have: `v1-vehicles` of "Vehicles" 1.4.2.
pub(super) fn proposed_id(name: &str, version: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().take(60) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let major = version
        .trim_start_matches(['v', 'V'])
        .split('.')
        .next()
        .unwrap_or_default();
    let is_number = (1..=4).contains(&major.len()) && major.bytes().all(|b| b.is_ascii_digit());
    match (is_number, slug) {
        (_, "") => String::new(),
        (true, slug) => format!("v{major}-{slug}"),
        (false, slug) => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_proposed_of_version_and_name() {
        for (name, version, id) in [
            ("Vehicles", "1.4.2", "v1-vehicles"),
            (" Service & Parts — Store ", "v7", "v7-service-parts-store"),
            ("Orders", "2026-11", "orders"),
            ("Ωμέγα", "1", ""),
        ] {
            assert_eq!(proposed_id(name, version), id, "{name}");
        }
    }

    #[test]
    fn a_finding_shows_the_lines_around_it() {
        let finding = |line| Finding {
            severity: Severity::Warning,
            line,
            column: 3,
            message: "M".to_owned(),
            pointer: String::new(),
        };
        let long = "x".repeat(500);
        let lines = ["1", "2", "3", &long, "5"];

        let numbers = |line| {
            let found = found(&finding(line), &lines);
            found
                .lines
                .iter()
                .map(|one| (one.number, one.is_found))
                .collect::<Vec<_>>()
        };

        assert_eq!(numbers(1), [(1, true), (2, false), (3, false)]);
        assert_eq!(numbers(4), [(2, false), (3, false), (4, true), (5, false)]);
        assert_eq!(numbers(99), []);
        let shown = found(&finding(4), &lines);
        assert_eq!(shown.lines[2].text.chars().count(), LINE_CHARACTERS_MAX + 1);
        assert_eq!(shown.place, "line 4, column 3");
    }
}
