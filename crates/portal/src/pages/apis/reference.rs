//! `/apis/{id}/reference`: the specification of an API, to be read. Rendered here from the reference that the
//! management API makes of it; every text in it is a stranger's and comes out as text or harmless Markdown.
//!
//! A long reference is shown in parts: the contents name every operation, and a page holds as many of them as fit.

use askama::Template;
use axum::extract::Path;
use portcullis_registry::wire::{
    Instance, Listed, Reference, ReferenceExample, ReferenceMedia, ReferenceOperation,
    ReferenceParameter, ReferenceResponse, ReferenceSecurity,
};

use super::{Asked, ENVIRONMENTS, Found, environment_word, find, instances, lifecycle_pill};
use crate::{
    failure::Failure,
    layout::{Section, Shell},
    markdown,
    page::{Answer, Page},
    view::{Markup, count, encoded},
};

mod schema;

/// How much HTML of operations a page holds, in bytes. Compressed it is less than a tenth.
const PAGE_BYTES: usize = 400 * 1024;
/// Longest description of an answer, in characters: it stands on one line.
const DESCRIPTION_CHARACTERS: usize = 300;
/// The group of operations that name none.
const UNTAGGED: &str = "Other operations";

/// An operation in the contents.
struct Entry {
    href: String,
    method: &'static str,
    title: String,
    is_deprecated: bool,
}

/// A group of operations.
struct Group {
    name: String,
    href: String,
    entries: Vec<Entry>,
    is_current: bool,
}

/// Operations of one group on the page.
struct Part {
    id: String,
    name: String,
    description: Option<Markup>,
    operations: Vec<Markup>,
}

/// A version that has a reference.
struct Other {
    href: String,
    label: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "apis/reference.html")]
struct ReferencePage {
    shell: Shell,
    name: String,
    path: String,
    version: String,
    environment: &'static str,
    lifecycle: Markup,
    proxy_url: String,
    spec_path: String,
    about: Option<Markup>,
    security: Vec<ReferenceSecurity>,
    others: Vec<Other>,
    groups: Vec<Group>,
    parts: Vec<Part>,
    /// How many operations there are.
    counted: String,
    /// The group that the page is narrowed to; empty for all.
    tag: String,
    next: Option<String>,
    is_truncated: bool,
}

#[derive(Template)]
#[template(path = "apis/operation.html")]
struct OperationPart<'a> {
    operation: &'a ReferenceOperation,
    method: &'static str,
    url: String,
    description: Option<Markup>,
    parameters: Vec<ParameterLine>,
    bodies: Vec<Body>,
    body_description: Option<Markup>,
    responses: Vec<ResponsePart>,
}

struct ParameterLine {
    name: String,
    place: String,
    kind: String,
    is_required: bool,
    is_deprecated: bool,
    about: Markup,
}

/// A body in one media type.
struct Body {
    media_type: String,
    schema: Option<Markup>,
    examples: Vec<(String, String)>,
}

struct ResponsePart {
    status: String,
    tone: &'static str,
    description: String,
    headers: Vec<ParameterLine>,
    bodies: Vec<Body>,
}

/// `GET /apis/{api_id}/reference`: of the version that counts most.
pub(crate) async fn of_api(page: Page, Path(id): Path<String>) -> Answer {
    let found = find(&page, &id).await?;
    let all = versions(&found).await?;
    let foremost = ENVIRONMENTS.iter().find_map(|environment| {
        all.iter()
            .rfind(|instance| instance.environment == *environment)
    });
    let foremost = foremost.ok_or(Failure::NotFound)?.clone();
    show(&page, &found, (&foremost, &all)).await
}

/// `GET /apis/{api_id}/instances/{instance_id}/reference`.
pub(crate) async fn of_instance(
    page: Page,
    Path((id, instance_id)): Path<(String, String)>,
) -> Answer {
    let found = find(&page, &id).await?;
    let instance = instances::instance(&found.management, (&id, &instance_id)).await?;
    let all = versions(&found).await?;
    show(&page, &found, (&instance, &all)).await
}

/// The instances that have a specification.
async fn versions(found: &Found) -> Result<Vec<Instance>, Failure> {
    let path = ("/v1/apis/{api_id}/instances", [found.api.id.as_str()]);
    let mut all = found
        .management
        .get::<Listed<Instance>>(path, &[])
        .await?
        .value
        .items;
    all.retain(|instance| instance.has_spec);
    Ok(all)
}

async fn show(page: &Page, found: &Found, (instance, all): (&Instance, &[Instance])) -> Answer {
    let Found {
        api, management, ..
    } = found;
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}/reference",
        [api.id.as_str(), instance.id.as_str()],
    );
    let reference = management.get::<Reference>(path, &[]).await?.value;
    let asked = Asked::of(page);
    let base = format!("/apis/{}/instances/{}", api.id, encoded(&instance.id));
    let proxy_url = format!(
        "{}{}",
        page.portal().site().gateway_url,
        instance.gateway_path
    );
    let contents = Contents {
        reference: &reference,
        path: format!("{base}/reference"),
        tag: asked.get("tag"),
        from: asked.get("from").parse().unwrap_or_default(),
    };
    let (parts, next) = contents.parts(&proxy_url)?;
    let title = format!("{} {} reference", api.name, instance.version);
    let shell = page.shell(Section::Apis, &title).crumb("APIs", "/apis");
    let other = |other: &Instance| Other {
        href: format!(
            "/apis/{}/instances/{}/reference",
            api.id,
            encoded(&other.id)
        ),
        label: format!("{} {}", environment_word(&other.environment), other.version),
        is_current: other.id == instance.id,
    };
    page.show(&ReferencePage {
        shell: shell.crumb(
            &api.name,
            format!("/apis/{}?environment={}", api.id, instance.environment),
        ),
        name: api.name.clone(),
        path: format!("/apis/{}", api.id),
        version: instance.version.clone(),
        environment: environment_word(&instance.environment),
        lifecycle: lifecycle_pill(&instance.lifecycle_status, &instance.lifecycle_text),
        proxy_url,
        spec_path: format!("{base}/spec"),
        about: prose(&reference.description).filter(|_| contents.is_first()),
        security: reference.security.clone(),
        others: all.iter().map(other).collect(),
        groups: contents.groups(&parts),
        counted: count(reference.operations.len(), "operation", "operations"),
        tag: contents.tag.clone(),
        next,
        is_truncated: reference.truncated,
        parts,
    })
}

fn prose(text: &str) -> Option<Markup> {
    (!text.trim().is_empty()).then(|| markdown::html(text))
}

/// The operations of a reference in their groups, and where the page is in them.
struct Contents<'a> {
    reference: &'a Reference,
    path: String,
    tag: String,
    from: usize,
}

impl<'a> Contents<'a> {
    fn is_first(&self) -> bool {
        self.tag.is_empty() && self.from == 0
    }

    /// The groups in the order of the document, each with its operations. An operation stands in the first of the
    /// groups that it names.
    fn grouped(&self) -> Vec<(&'a str, Vec<&'a ReferenceOperation>)> {
        let mut groups: Vec<(&str, Vec<&ReferenceOperation>)> = self
            .reference
            .tags
            .iter()
            .map(|tag| (tag.name.as_str(), Vec::new()))
            .collect();
        for operation in &self.reference.operations {
            let name = operation.tags.first().map_or(UNTAGGED, String::as_str);
            match groups.iter_mut().find(|(group, _)| *group == name) {
                Some((_, operations)) => operations.push(operation),
                None => groups.push((name, vec![operation])),
            }
        }
        groups.retain(|(_, operations)| !operations.is_empty());
        groups
    }

    fn link(&self, tag: &str, from: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !tag.is_empty() {
            query.append_pair("tag", tag);
        }
        if from > 0 {
            query.append_pair("from", &from.to_string());
        }
        match query.finish() {
            query if query.is_empty() => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// As many operations as a page holds, from where it begins; and where the next page begins.
    fn parts(&self, proxy_url: &str) -> Result<(Vec<Part>, Option<String>), Failure> {
        let mut parts = Vec::new();
        let (mut bytes, mut at) = (0, 0);
        for (number, (name, operations)) in self.grouped().into_iter().enumerate() {
            if !self.tag.is_empty() && self.tag != name {
                continue;
            }
            let mut shown = Vec::new();
            for operation in operations {
                at += 1;
                if at <= self.from {
                    continue;
                }
                let html = rendered(operation, proxy_url)?;
                bytes += html.len();
                // The first one is shown however long it is.
                if bytes > PAGE_BYTES && !(parts.is_empty() && shown.is_empty()) {
                    parts.extend(self.part(number, name, shown));
                    return Ok((parts, Some(self.link(&self.tag, at - 1))));
                }
                shown.push(Markup::made(html));
            }
            parts.extend(self.part(number, name, shown));
        }
        Ok((parts, None))
    }

    fn part(&self, number: usize, name: &str, operations: Vec<Markup>) -> Option<Part> {
        let tag = self.reference.tags.iter().find(|tag| tag.name == name);
        (!operations.is_empty()).then(|| Part {
            id: format!("tag-{number}"),
            name: name.to_owned(),
            description: tag.and_then(|tag| prose(&tag.description)),
            operations,
        })
    }

    /// The contents. What is on the page is linked within it.
    fn groups(&self, parts: &[Part]) -> Vec<Group> {
        let shown: usize = parts.iter().map(|part| part.operations.len()).sum();
        let range = self.from..self.from + shown;
        let mut overall = 0;
        let group = |(name, operations): (&str, Vec<&ReferenceOperation>)| {
            let is_tag = self.tag == name;
            let start = if self.tag.is_empty() { overall } else { 0 };
            overall += operations.len();
            let is_shown =
                |at: usize| (self.tag.is_empty() || is_tag) && range.contains(&(start + at));
            let entry = |(at, operation): (usize, &&ReferenceOperation)| {
                let anchor = format!("#op-{}", operation.index);
                Entry {
                    href: if is_shown(at) {
                        anchor
                    } else {
                        format!("{}{anchor}", self.link(name, at))
                    },
                    method: method_class(&operation.method),
                    title: if operation.summary.trim().is_empty() {
                        operation.path.clone()
                    } else {
                        operation.summary.clone()
                    },
                    is_deprecated: operation.deprecated,
                }
            };
            let entries: Vec<Entry> = operations.iter().enumerate().map(entry).collect();
            Group {
                name: name.to_owned(),
                href: self.link(name, 0),
                is_current: parts.iter().any(|part| part.name == name),
                entries,
            }
        };
        self.grouped().into_iter().map(group).collect()
    }
}

/// A method as its pill is classed; what is none of the known ones is neutral.
fn method_class(method: &str) -> &'static str {
    match method {
        "GET" => "get",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "HEAD" => "head",
        "OPTIONS" => "options",
        _ => "other",
    }
}

fn rendered(operation: &ReferenceOperation, proxy_url: &str) -> Result<String, Failure> {
    let body = operation.request_body.as_ref();
    let part = OperationPart {
        operation,
        method: method_class(&operation.method),
        url: format!("{proxy_url}{}", operation.path),
        description: prose(&operation.description),
        parameters: operation.parameters.iter().map(parameter).collect(),
        body_description: body.and_then(|body| prose(&body.description)),
        bodies: body.map_or_else(Vec::new, |body| body.content.iter().map(media).collect()),
        responses: operation.responses.iter().map(response).collect(),
    };
    part.render()
        .map_err(|error| Failure::Internal(format!("a template failed: {error}")))
}

fn parameter(of: &ReferenceParameter) -> ParameterLine {
    ParameterLine {
        name: of.name.clone(),
        place: of.place.clone(),
        kind: schema::kind(&of.schema),
        is_required: of.required,
        is_deprecated: of.deprecated,
        about: schema::about_parameter(of),
    }
}

fn media(of: &ReferenceMedia) -> Body {
    let named = |example: &ReferenceExample| {
        let title = match (example.name.as_str(), example.summary.as_str()) {
            ("", "") => "Example".to_owned(),
            (name, "") | ("", name) => format!("Example: {name}"),
            (name, summary) => format!("Example: {name}, {summary}"),
        };
        (title, example.text.clone())
    };
    Body {
        media_type: of.media_type.clone(),
        schema: of.schema.as_ref().map(schema::html),
        examples: of.examples.iter().map(named).collect(),
    }
}

fn response(of: &ReferenceResponse) -> ResponsePart {
    ResponsePart {
        tone: match of.status.as_bytes().first() {
            Some(b'2') => "good",
            Some(b'4' | b'5') => "bad",
            _ => "neutral",
        },
        status: of.status.clone(),
        description: markdown::line(&of.description, DESCRIPTION_CHARACTERS),
        headers: of.headers.iter().map(parameter).collect(),
        bodies: of.content.iter().map(media).collect(),
    }
}
