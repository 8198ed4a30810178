//! Requests to the management API: sent, repeated where that is safe, and their failures read. Which
//! request a command makes is in the file of its noun.

use std::{error::Error as _, time::Duration};

use http::{
    HeaderName, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, IF_MATCH},
};
use reqwest::{Certificate, Response, redirect};
use serde_json::Value;
use url::Url;

use super::{
    failure::{Exit, Failure},
    settings::ManagementSettings,
    terminal,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Pages have at most some hundred entries; a spec has at most some megabytes.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An act waits up to two seconds for the other nodes, and up to five for the database.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An export is as long as the log.
const COPY_TIMEOUT: Duration = Duration::from_hours(1);

/// One request, as a value.
#[derive(Debug, Clone)]
pub(super) struct Request {
    method: Method,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    repeat: Repeat,
    revision: Option<i64>,
}

/// What it would mean to send a request once more when its answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Repeat {
    /// It might be done twice.
    Unsafe,
    /// Twice is the same as once.
    Idempotent,
    /// The server does what carries this key once.
    Keyed(String),
}

impl Request {
    fn new<const N: usize>(method: Method, segments: [&str; N]) -> Self {
        Self {
            method,
            segments: segments.map(str::to_owned).to_vec(),
            query: Vec::new(),
            body: None,
            repeat: Repeat::Unsafe,
            revision: None,
        }
    }

    pub(super) fn get<const N: usize>(segments: [&str; N]) -> Self {
        Self::new(Method::GET, segments).idempotent()
    }

    pub(super) fn post<const N: usize>(segments: [&str; N]) -> Self {
        Self::new(Method::POST, segments)
    }

    pub(super) fn patch<const N: usize>(segments: [&str; N]) -> Self {
        Self::new(Method::PATCH, segments)
    }

    pub(super) fn delete<const N: usize>(segments: [&str; N]) -> Self {
        Self::new(Method::DELETE, segments)
    }

    /// With this parameter, if it has a value.
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query
            .extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Twice is the same as once, so it may be repeated.
    pub(super) fn idempotent(mut self) -> Self {
        self.repeat = Repeat::Idempotent;
        self
    }

    /// The server does the same request with the same key once, so it may be repeated.
    pub(super) fn idempotency_key(mut self, key: String) -> Self {
        self.repeat = Repeat::Keyed(key);
        self
    }

    /// Only if the thing still has this revision (RFC 9110 s.13.1.1).
    pub(super) fn only_revision(mut self, revision: i64) -> Self {
        self.revision = Some(revision);
        self
    }

    fn is_repeatable(&self) -> bool {
        self.repeat != Repeat::Unsafe
    }

    fn url(&self, base: &Url) -> Result<Url, Failure> {
        let mut url = base.clone();
        let Ok(mut path) = url.path_segments_mut() else {
            return Err(Failure::usage(
                "MANAGEMENT_URL is not usable: it has no path",
            ));
        };
        path.pop_if_empty().push("v1").extend(&self.segments);
        drop(path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// A success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `null` when the answer has no body.
    pub(super) body: Value,
}

/// A registry, and who asks it.
#[derive(Debug)]
pub(super) struct ManagementApi {
    http: reqwest::Client,
    settings: ManagementSettings,
}

impl ManagementApi {
    pub(super) fn new(settings: ManagementSettings) -> Result<Self, Failure> {
        let https = settings.url.scheme() == "https";
        let http = http_client(https, settings.ca_pem.as_deref())?;
        Ok(Self { http, settings })
    }

    /// The answer to this request.
    ///
    /// # Errors
    /// [`Failure`] for every answer that is no success, and when there is none.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let url = request.url(&self.settings.url)?;
        let response = match self.send_once(request, &url).await {
            // Nobody knows whether it was done. Asking again with the same key does it at most once.
            Err(error) if request.is_repeatable() && !error.is_connect() => {
                self.send_once(request, &url).await
            }
            outcome => outcome,
        };
        let response = response.map_err(|error| unanswered(request, &url, &error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_body(response, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| error.into_failure(&url))?;
        if !status.is_success() {
            return Err(Failure::from_answer(status, &headers, &body));
        }
        let body = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&body)
        };
        let body = body.map_err(|_| {
            let what = format!("{url} answered {status} with something that is no JSON");
            Failure::new(Exit::Unclassified, "unexpected_answer", what)
                .fix("check that MANAGEMENT_URL is the registry's address")
        })?;
        Ok(Answer { status, body })
    }

    /// Copies the answer to standard output as it comes, however long it is.
    ///
    /// # Errors
    /// [`Failure`] for every answer that is no success, and when there is none or it breaks off.
    pub(super) async fn copy(&self, request: &Request) -> Result<(), Failure> {
        let url = request.url(&self.settings.url)?;
        let asked = self
            .http
            .request(request.method.clone(), url.clone())
            .header(AUTHORIZATION, self.settings.authorization.clone())
            .timeout(COPY_TIMEOUT);
        let sent = asked.send().await;
        let mut response = sent.map_err(|error| unanswered(request, &url, &error))?;
        let status = response.status();
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = read_body(response, ANSWER_BYTES_MAX).await;
            let body = body.map_err(|error| error.into_failure(&url))?;
            return Err(Failure::from_answer(status, &headers, &body));
        }
        let broken = |error: reqwest::Error| network(&url, &error);
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            terminal::write_data(&chunk)?;
        }
        Ok(())
    }

    async fn send_once(&self, request: &Request, url: &Url) -> Result<Response, reqwest::Error> {
        let mut builder = self
            .http
            .request(request.method.clone(), url.clone())
            .header(AUTHORIZATION, self.settings.authorization.clone())
            .header(ACCEPT, "application/json")
            .timeout(ANSWER_TIMEOUT);
        if let Repeat::Keyed(key) = &request.repeat {
            builder = builder.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(revision) = request.revision {
            builder = builder.header(IF_MATCH, format!("\"{revision}\""));
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        builder.send().await
    }
}

/// The HTTP client of the command line: no redirects, which would carry a secret elsewhere, and no proxies.
pub(super) fn http_client(https: bool, ca_pem: Option<&[u8]>) -> Result<reqwest::Client, Failure> {
    let certificates = match ca_pem.map(Certificate::from_pem_bundle) {
        None => Vec::new(),
        Some(Ok(certificates)) if !certificates.is_empty() => certificates,
        Some(_) => {
            return Err(Failure::usage(
                "CA_CERT names a file without a PEM certificate",
            ));
        }
    };
    let builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    // Without https there is nothing to verify, and a machine may have no CA certificates at all.
    let builder = if https {
        builder.tls_certs_merge(certificates)
    } else {
        builder.tls_certs_only(certificates)
    };
    builder.build().map_err(|error| {
        Failure::new(
            Exit::Unclassified,
            "tls",
            format!("TLS cannot be set up: {}", reason(&error)),
        )
    })
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    TooLong { bytes_max: usize },
    Failed(reqwest::Error),
}

impl ReadError {
    pub(super) fn into_failure(self, url: &Url) -> Failure {
        match self {
            Self::Failed(error) => network(url, &error),
            Self::TooLong { bytes_max } => {
                let what = format!(
                    "{} answered more than {bytes_max} bytes",
                    without_query(url)
                );
                Failure::new(Exit::Unclassified, "answer_too_long", what)
            }
        }
    }
}

/// The whole body, unless it is longer than `bytes_max`.
pub(super) async fn read_body(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Failed)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(ReadError::TooLong { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// No answer, or a broken one.
pub(super) fn network(url: &Url, error: &reqwest::Error) -> Failure {
    let url = without_query(url);
    if error.is_timeout() {
        return Failure::new(
            Exit::Network,
            "timed_out",
            format!("{url} did not answer in time"),
        )
        .fix("try again; if it persists, look at the server's load");
    }
    Failure::new(
        Exit::Network,
        "unreachable",
        format!("{url} cannot be reached"),
    )
    .cause(reason(error))
    .fix("check that it runs, and that the address is right")
}

fn unanswered(request: &Request, url: &Url, error: &reqwest::Error) -> Failure {
    let failure = network(url, error);
    match &request.repeat {
        // Nothing was sent.
        _ if error.is_connect() => failure,
        Repeat::Idempotent => failure,
        Repeat::Unsafe => {
            failure.cause("it is not known whether the act was done: look before you repeat it")
        }
        Repeat::Keyed(key) => failure
            .cause("it is not known whether the act was done")
            .fix(format!(
                "repeat the command with --idempotency-key {key}: that does it at most once"
            )),
    }
}

/// Scheme, host, port and path: a query may carry what is nobody's business.
fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

/// The causes of a failed request in one line, without its URL.
fn reason(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        // Several layers repeat the text of the one below them.
        if !text.contains(&line) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{line}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        let base = Url::parse("https://h/base/").unwrap();

        let url = Request::get(["apps", "a/b?c#d%"]).url(&base).unwrap();

        assert_eq!(url.as_str(), "https://h/base/v1/apps/a%2Fb%3Fc%23d%25");
    }

    #[test]
    fn a_parameter_without_a_value_is_left_out() {
        let base = Url::parse("http://h").unwrap();

        let request = Request::get(["apps"])
            .query("after", None::<String>)
            .query("limit", Some(5));

        assert_eq!(
            request.url(&base).unwrap().as_str(),
            "http://h/v1/apps?limit=5"
        );
    }

    #[test]
    fn only_what_cannot_be_done_twice_is_repeated() {
        assert!(Request::get(["apps"]).is_repeatable());
        assert!(
            Request::post(["apps"])
                .idempotency_key("k".to_owned())
                .is_repeatable()
        );
        assert!(Request::delete(["apps", "1"]).idempotent().is_repeatable());
        assert!(!Request::post(["keys", "rotate"]).is_repeatable());
    }
}
