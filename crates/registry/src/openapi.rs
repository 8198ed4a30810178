//! The OpenAPI document: made of the handlers, completed by what holds for all of them.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
        path::{Operation, ParameterIn},
        response::Response,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    endpoints,
    problem::{FieldError, KINDS, Problem},
    routes::{self, Needs},
};

const SCHEME: &str = "management_token";

/// The whole document.
pub(crate) fn document() -> OpenApi {
    let (_, mut document) = endpoints::router().split_for_parts();
    "Portcullis management API".clone_into(&mut document.info.title);
    document.info.description = Some(
        "Organizations, apps, APIs, subscriptions, keys and the audit log. Takes management tokens \
         (`pcm_...`) alone; access tokens of apps and APIs open nothing here. Acts that decisions depend on \
         answer 200 when every node has applied them, and 202 with the names of those that have not after two \
         seconds. Refusals are problems (RFC 9457) with a stable `code`."
            .to_owned(),
    );
    document.info.contact = None;
    let components = document.components.get_or_insert_default();
    for (name, schema) in [
        (Problem::name(), Problem::schema()),
        (FieldError::name(), FieldError::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(SCHEME, scheme);
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete(method, path, operation);
            }
        }
    }
    document
}

/// Adds what every operation of this kind can answer, and what it takes to use it.
fn complete(method: &str, path: &str, operation: &mut Operation) {
    let needs = routes::needs(method, path);
    let is_act = method != "GET";
    let has_query = operation.parameters.iter().flatten().any(|parameter| {
        matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query)
    });
    let mut statuses = vec![500, 503];
    if needs != Some(Needs::Nothing) {
        operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
        statuses.extend([400, 401, 403]);
    }
    if path.contains('{') || has_query {
        statuses.push(404);
    }
    if has_query || operation.request_body.is_some() {
        statuses.push(422);
    }
    if operation.request_body.is_some() {
        statuses.extend([404, 413, 415]);
    }
    if is_act {
        statuses.extend([409, 429]);
    }
    if method == "PATCH" {
        statuses.push(412);
    }
    let responses = &mut operation.responses.responses;
    if is_act && let Some(RefOr::T(done)) = responses.get("200") {
        let mut partly = done.clone();
        "Done; some node has not confirmed it yet.".clone_into(&mut partly.description);
        responses.insert("202".to_owned(), RefOr::T(partly));
    }
    for status in statuses {
        responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(problem(status)));
    }
    describe(responses);
}

/// The problem of a status, with the codes that it can have.
fn problem(status: u16) -> Response {
    let codes: Vec<&str> = KINDS
        .iter()
        .filter(|kind| kind.status.as_u16() == status)
        .map(|kind| kind.code)
        .collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .build();
    ResponseBuilder::new()
        .description(format!("Refused; `code` is one of: {}.", codes.join(", ")))
        .content("application/problem+json", content)
        .build()
}

/// A description is required of every answer.
fn describe(responses: &mut BTreeMap<String, RefOr<Response>>) {
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let text = if status == "201" { "Made." } else { "Done." };
            text.clone_into(&mut response.description);
        }
    }
}
