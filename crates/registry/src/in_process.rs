//! The door for pages: calls of the management API within the process, as the person of a session.
//!
//! A page does nothing that a program could not do over HTTP: its calls go through the same router, so the
//! same table of routes, the same validation, the same problems, tags and idempotency keys hold for both, and
//! isolation is proved once. Only the way a caller is known differs: by an extension of the request, which
//! nothing from outside can carry, instead of a management token.

use std::net::IpAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use portcullis_core::permissions::Actor;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt;
use url::form_urlencoded;

use crate::{
    RegistryState,
    caller::InProcess,
    finish::REQUEST_ID,
    wire::{Effect, Problem},
};

/// Longest answer that is read whole, in bytes: a page of 500 entries with specifications is far below it.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The management API of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ManagementClient {
    router: Router,
}

impl ManagementClient {
    /// The management API over this state.
    #[must_use]
    pub fn new(state: RegistryState) -> Self {
        Self {
            router: crate::management(state),
        }
    }

    /// The management API as this person sees it. `address` is where the person's request came from.
    #[must_use]
    pub fn as_actor(&self, actor: Actor, address: Option<IpAddr>) -> Management {
        Management {
            router: self.router.clone(),
            caller: InProcess { actor, address },
            request_id: None,
        }
    }
}

/// The management API, called by one person.
///
/// Paths are templates of [`crate::routes::ROUTES`]; each parameter is filled in as one segment, whatever
/// stands in it:
///
/// ```no_run
/// # async fn page(api: portcullis_registry::in_process::Management, id: &str) -> Result<(), portcullis_registry::in_process::ManagementError> {
/// use portcullis_registry::wire::{App, Listed};
///
/// let apps = api.get::<Listed<App>>("/v1/apps", &[("limit", "20")]).await?;
/// let app = api.get::<App>(("/v1/apps/{app_id}", [id]), &[]).await?;
/// let input = serde_json::json!({ "name": "Fleet" });
/// let edited = api.patch::<App>(("/v1/apps/{app_id}", [id]), app.revision, &input).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Management {
    router: Router,
    caller: InProcess,
    request_id: Option<HeaderValue>,
}

/// A path of the management API with its parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPath(String);

impl From<&str> for ApiPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl<const N: usize> From<(&str, [&str; N])> for ApiPath {
    fn from((template, parameters): (&str, [&str; N])) -> Self {
        let mut parameters = parameters.into_iter();
        let segments: Vec<String> = template
            .split('/')
            .map(|segment| {
                let parameter = segment
                    .starts_with('{')
                    .then(|| parameters.next())
                    .flatten();
                parameter.map_or_else(|| segment.to_owned(), one_segment)
            })
            .collect();
        Self(segments.join("/"))
    }
}

/// Text as one segment of a path: no byte of it ends the segment or the path.
fn one_segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// What the management API answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The thing, or the page of things.
    pub value: T,
    /// Its version: what an edit names, so that nobody else's is overwritten. `None` for lists.
    pub revision: Option<i64>,
    /// How far an act has come; `None` for reads, and for acts that no decision depends on.
    pub effect: Option<Effect>,
}

impl<T> Answer<T> {
    /// Names of the nodes that had not applied the act when it was answered; empty when it is in effect.
    #[must_use]
    pub fn lagging(&self) -> &[String] {
        self.effect.as_ref().map_or(&[], |effect| &effect.lagging)
    }
}

/// Bytes to hand on: an export, a specification.
#[derive(Debug)]
pub struct Download {
    /// What they are.
    pub content_type: HeaderValue,
    /// The bytes, read as the reader takes them.
    pub body: Body,
}

/// The management API did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// It refused, and says why.
    #[error("{}: {}", .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// What must not happen: the answer could not be read.
    #[error("the management API answered what cannot be read: {0}")]
    Internal(String),
}

impl ManagementError {
    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => StatusCode::from_u16(problem.status).ok(),
            Self::Internal(_) => None,
        }
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable code of the refusal.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => &problem.code,
            Self::Internal(_) => "internal_error",
        }
    }
}

impl Management {
    /// The same, whose calls carry this Request-Id: that of the page.
    #[must_use]
    pub fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = HeaderValue::from_str(request_id).ok();
        self
    }

    /// Reads a thing, or a page of a list.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: impl Into<ApiPath>,
        query: &[(&str, &str)],
    ) -> Result<Answer<T>, ManagementError> {
        let request = self.request(Method::GET, path.into(), query);
        let (headers, value) = self.whole(request, Body::empty()).await?;
        Ok(Answer {
            value: typed(value)?,
            revision: revision(&headers),
            effect: None,
        })
    }

    /// Makes something, or acts. Without members to send, `input` is `&()`.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: impl Into<ApiPath>,
        input: &impl Serialize,
    ) -> Result<Answer<T>, ManagementError> {
        let request = self.request(Method::POST, path.into(), &[]);
        self.act(request, Some(json(input)?)).await
    }

    /// Makes something at most once, however often a form with this key is sent. The key is 1 to 255 visible
    /// ASCII characters.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn post_once<T: DeserializeOwned>(
        &self,
        path: impl Into<ApiPath>,
        key: &str,
        input: &impl Serialize,
    ) -> Result<Answer<T>, ManagementError> {
        let request = self.request(Method::POST, path.into(), &[]);
        let request = request.header(IDEMPOTENCY_KEY, key);
        self.act(request, Some(json(input)?)).await
    }

    /// Changes something. With a `revision`, only if it still is at that version; otherwise the error has
    /// status 412.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: impl Into<ApiPath>,
        revision: Option<i64>,
        input: &impl Serialize,
    ) -> Result<Answer<T>, ManagementError> {
        let mut request = self.request(Method::PATCH, path.into(), &[]);
        if let Some(revision) = revision {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        self.act(request, Some(json(input)?)).await
    }

    /// Deletes something, or takes something back.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: impl Into<ApiPath>,
    ) -> Result<Answer<T>, ManagementError> {
        let request = self.request(Method::DELETE, path.into(), &[]);
        self.act(request, None).await
    }

    /// Reads something that is handed on as it is, such as `application/x-ndjson` of the audit log.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn download(
        &self,
        path: impl Into<ApiPath>,
        query: &[(&str, &str)],
        accept: &'static str,
    ) -> Result<Download, ManagementError> {
        let request = self.request(Method::GET, path.into(), query);
        let request = request.header(header::ACCEPT, accept);
        let response = self.send(request, Body::empty()).await?;
        let (mut parts, body) = response.into_parts();
        let content_type = parts.headers.remove(header::CONTENT_TYPE);
        Ok(Download {
            content_type: content_type
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            body,
        })
    }

    fn request(
        &self,
        method: Method,
        ApiPath(path): ApiPath,
        query: &[(&str, &str)],
    ) -> http::request::Builder {
        let mut uri = path;
        if !query.is_empty() {
            let pairs = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(query)
                .finish();
            uri = format!("{uri}?{pairs}");
        }
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .extension(self.caller.clone());
        if let Some(id) = &self.request_id {
            request = request.header(REQUEST_ID, id);
        }
        request
    }

    async fn act<T: DeserializeOwned>(
        &self,
        request: http::request::Builder,
        body: Option<Bytes>,
    ) -> Result<Answer<T>, ManagementError> {
        let (request, body) = match body {
            Some(body) => (
                request.header(header::CONTENT_TYPE, "application/json"),
                Body::from(body),
            ),
            None => (request, Body::empty()),
        };
        let (headers, mut value) = self.whole(request, body).await?;
        let effect = value
            .as_object_mut()
            .and_then(|members| members.remove("effect"));
        Ok(Answer {
            value: typed(value)?,
            revision: revision(&headers),
            effect: effect.map(typed).transpose()?,
        })
    }

    /// The answer as JSON, read to its end.
    async fn whole(
        &self,
        request: http::request::Builder,
        body: Body,
    ) -> Result<(HeaderMap, Value), ManagementError> {
        let (parts, body) = self.send(request, body).await?.into_parts();
        Ok((parts.headers, read(body).await?))
    }

    /// The answer when it is one of success, else the problem in it.
    async fn send(
        &self,
        request: http::request::Builder,
        body: Body,
    ) -> Result<Response<Body>, ManagementError> {
        let request = request.body(body).map_err(internal)?;
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem = read(response.into_body()).await.and_then(typed);
        Err(problem.map_or_else(
            |_| internal(format!("status {status} without a problem")),
            |problem| ManagementError::Problem(Box::new(problem)),
        ))
    }
}

/// An act without members has no body.
fn json(input: &impl Serialize) -> Result<Bytes, ManagementError> {
    let value = serde_json::to_value(input).map_err(internal)?;
    Ok(match value {
        Value::Null => Bytes::new(),
        value => value.to_string().into(),
    })
}

async fn read(body: Body) -> Result<Value, ManagementError> {
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(internal)?;
    serde_json::from_slice(&bytes).map_err(internal)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ManagementError> {
    serde_json::from_value(value).map_err(internal)
}

/// The version that a tag names.
fn revision(headers: &HeaderMap) -> Option<i64> {
    let tag = headers.get(header::ETAG)?.to_str().ok()?;
    tag.trim_matches('"').parse().ok()
}

/// Errors of reading name places and types, never values of the answer that could be secrets.
fn internal(error: impl std::fmt::Display) -> ManagementError {
    ManagementError::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_one_segment_whatever_stands_in_it() {
        for (text, path) in [
            ("a1", "/v1/apps/a1/secrets"),
            ("../users", "/v1/apps/..%2Fusers/secrets"),
            ("a?b#c d+é", "/v1/apps/a%3Fb%23c%20d%2B%C3%A9/secrets"),
            ("{x}", "/v1/apps/%7Bx%7D/secrets"),
        ] {
            let filled = ApiPath::from(("/v1/apps/{app_id}/secrets", [text]));

            assert_eq!(filled.0, path);
        }
    }
}
