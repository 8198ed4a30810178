//! Answers of a deprecated issuer: they say that it is one, until when, and what takes its place (RFC 9745,
//! RFC 8594); after that they say nothing else.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_core::clock::Timestamp;

use crate::{
    endpoints::Endpoint,
    error::TokenError,
    settings::{Issuer, IssuerAlias},
};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// One deprecated issuer.
#[derive(Debug)]
pub(crate) struct DeprecatedIssuer {
    path: String,
    ends_at: Timestamp,
    successor: Issuer,
    deprecation: HeaderValue,
    sunset: HeaderValue,
    endpoint: Arc<Endpoint>,
}

impl DeprecatedIssuer {
    pub(crate) fn new(alias: &IssuerAlias, successor: &Issuer, endpoint: Arc<Endpoint>) -> Self {
        Self {
            path: alias.path().to_owned(),
            ends_at: alias.ends_at(),
            successor: successor.clone(),
            deprecation: value(&format!("@{}", alias.deprecated_at().unix_seconds())),
            sunset: value(&http_date(alias.ends_at())),
            endpoint,
        }
    }

    /// The URL that takes the place of this path; the token endpoint's for what has none of its own.
    fn successor_of(&self, path: &str) -> String {
        match path.strip_prefix(&self.path) {
            Some(rest) if rest == "/v1/keys" || rest.starts_with("/.well-known/") => {
                format!("{}{rest}", self.successor)
            }
            // The only path elsewhere is the one of RFC 8414 section 3.1.
            None => format!("{}/.well-known/oauth-authorization-server", self.successor),
            Some(_) => self.successor.token_url(),
        }
    }

    fn mark(&self, headers: &mut HeaderMap, successor: &str) {
        headers.insert(DEPRECATION, self.deprecation.clone());
        headers.insert(SUNSET, self.sunset.clone());
        let link = format!("<{successor}>; rel=\"successor-version\"");
        headers.insert(header::LINK, value(&link));
    }
}

/// Adds the fields to every answer, and answers 410 itself once the end has come.
pub(crate) async fn mark(
    State(issuer): State<Arc<DeprecatedIssuer>>,
    request: Request,
    next: Next,
) -> Response {
    let successor = issuer.successor_of(request.uri().path());
    let mut response = if issuer.endpoint.state.clock.now() < issuer.ends_at {
        next.run(request).await
    } else {
        let error = TokenError::IssuerEnded {
            successor: successor.clone(),
        };
        issuer.endpoint.refuse(&error, None)
    };
    issuer.mark(response.headers_mut(), &successor);
    response
}

/// What we put in is visible ASCII: an issuer's URL, a number, a date.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The form of RFC 9110 section 5.6.7. Instants before 1970 count as its start.
fn http_date(at: Timestamp) -> String {
    let since = Duration::from_secs(u64::try_from(at.unix_seconds()).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since.min(Duration::from_secs(253_402_300_799)))
}
