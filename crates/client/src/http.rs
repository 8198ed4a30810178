//! The one HTTP client of the SDK: its limits, and how its failures read. Knows no endpoint.

use crate::builder::BuildError;
use httpdate::parse_http_date;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Response, redirect};
use std::error::Error as _;
use std::time::Duration;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(crate) const SUBSCRIPTION_ID: HeaderName = HeaderName::from_static("subscription-id");
pub(crate) const ERROR_SOURCE: HeaderName = HeaderName::from_static("error-source");

/// Waiting longer than this because a server said so would look like hanging for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// What the connections of a client are made with.
pub(crate) struct HttpSettings {
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) proxies: Proxies,
    pub(crate) schemes: Schemes,
    pub(crate) connect_timeout: Duration,
}

/// Whether `HTTP_PROXY` and its relatives count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxies {
    Ignored,
    FromEnvironment,
}

/// Which schemes the configured URLs use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schemes {
    HttpOnly,
    Https,
}

pub(crate) fn build(settings: &HttpSettings) -> Result<reqwest::Client, BuildError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis-client/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the secret, or the token, to where nobody asked it to go.
        .redirect(redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .http1_max_headers(100);
    if settings.proxies == Proxies::Ignored {
        builder = builder.no_proxy();
    }
    let certificates = certificates(settings.ca_pem.as_deref())?;
    // Without https there is nothing to verify, and a machine without any CA certificate must
    // still be able to talk to a development server.
    builder = match settings.schemes {
        Schemes::HttpOnly => builder.tls_certs_only(certificates),
        Schemes::Https => builder.tls_certs_merge(certificates),
    };
    builder
        .build()
        .map_err(|error| BuildError::Http(reason(&error)))
}

fn certificates(pem: Option<&[u8]>) -> Result<Vec<Certificate>, BuildError> {
    let Some(pem) = pem else {
        return Ok(Vec::new());
    };
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(BuildError::Certificate),
    }
}

/// The innermost cause of a failed request, which is what the system or the peer said; the layers
/// around it only name themselves. Without the URL.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut innermost = None;
    while let Some(error) = cause {
        innermost = Some(error);
        cause = error.source();
    }
    innermost.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    TooLong { bytes_max: usize },
    Failed(reqwest::Error),
}

/// The whole body, unless it is longer than `bytes_max`.
pub(crate) async fn read_body(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, ReadError> {
    let too_long = ReadError::TooLong { bytes_max };
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => return Err(too_long),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(ReadError::Failed(error)),
        }
    }
}

/// `Retry-After` (RFC 9110 s.10.2.3) in either form; a date is measured against the answer's own
/// `Date`, so that no two clocks are compared.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers.get(RETRY_AFTER)?)?;
    let delay = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let sent_at = parse_http_date(text(headers.get(DATE)?)?).ok()?;
        let retry_at = parse_http_date(value).ok()?;
        retry_at.duration_since(sent_at).unwrap_or_default()
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim)
}

/// A header as text, if it is there and is visible ASCII.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(text)
}

/// Text of a server in a form that may be shown: one line, at most 500 characters.
pub(crate) fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(500).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str, date: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        headers
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let sent_at = "Sun, 06 Nov 1994 08:49:37 GMT";

        let seconds = retry_after(&headers("7", None));
        let date = retry_after(&headers("Sun, 06 Nov 1994 08:49:47 GMT", Some(sent_at)));

        assert_eq!(seconds, Some(Duration::from_secs(7)));
        assert_eq!(date, Some(Duration::from_secs(10)));
    }

    #[test]
    fn an_absurd_retry_after_is_bounded_and_a_broken_one_ignored() {
        assert_eq!(
            retry_after(&headers("99999999999", None)),
            Some(RETRY_AFTER_MAX)
        );
        assert_eq!(retry_after(&headers("-1", None)), None);
        assert_eq!(retry_after(&headers("soon", None)), None);
    }
}
