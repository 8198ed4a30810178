//! Authorized calls: both papers sent, refusals read, a refused token replaced once. How tokens
//! are had is in `token_source`.

use crate::builder::{ClientBuilder, below};
use crate::error::CallError;
use crate::http::{self, ReadError};
use crate::refusal::ApiError;
use crate::token_source::{Token, TokenSource};
use crate::types::{Subscription, SubscriptionContext};
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// What a call sends.
///
/// ```
/// use portcullis_client::Body;
///
/// let vehicle = Body::Json(serde_json::json!({ "make": "Aurora", "model": "Lark" }));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Body {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(serde_json::Value),
    /// These bytes, as this media type.
    Bytes(String, Bytes),
    /// A stream, as this media type. It can be sent only once, so a call with it is never
    /// repeated, not even after `TOKEN-EXPIRED`.
    Stream(String, reqwest::Body),
}

/// A successful answer.
///
/// ```
/// # fn show(answer: &portcullis_client::Answer) {
/// println!("{} {:?}: {}", answer.status, answer.request_id, answer.text());
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// A 2xx status (or 304 to a conditional call).
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The id under which the operator finds this call.
    pub request_id: String,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, with unreadable bytes replaced.
    ///
    /// ```
    /// # fn show(answer: &portcullis_client::Answer) {
    /// println!("{}", answer.text());
    /// # }
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`CallError::Malformed`] when it is not JSON of this shape.
    ///
    /// ```
    /// # fn show(answer: &portcullis_client::Answer) -> Result<(), portcullis_client::CallError> {
    /// let vehicles: serde_json::Value = answer.json()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| CallError::Malformed {
            status: self.status.as_u16(),
            reason: format!("not the JSON that was expected: {error}"),
        })
    }
}

/// Makes calls for an app. Cheap to clone; all clones share one token and one connection pool.
///
/// ```no_run
/// # async fn run(client: portcullis_client::Client) -> Result<(), portcullis_client::CallError> {
/// use portcullis_client::{Body, Method};
///
/// let answer = client.call(Method::GET, "vehicles?make=Aurora", "test", Body::Empty).await?;
/// let vehicles: serde_json::Value = answer.json()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) token_source: TokenSource,
    pub(crate) api_base: Option<Url>,
    pub(crate) subscriptions_base: Option<Url>,
    pub(crate) call_timeout: Duration,
    pub(crate) answer_bytes_max: usize,
}

/// A request that can be sent more than once, unless its body is a stream.
struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    request_id: String,
    payload: Payload,
}

impl Client {
    /// A builder without any settings.
    ///
    /// ```
    /// let builder = portcullis_client::Client::builder();
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// The source of this client's tokens.
    ///
    /// ```no_run
    /// # async fn run(client: portcullis_client::Client) -> Result<(), portcullis_client::TokenError> {
    /// println!("{}", client.token_source().token().await?.access_token());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token_source(&self) -> &TokenSource {
        &self.token_source
    }

    /// Calls the API for the customer behind `subscription_id`.
    ///
    /// `target` is a path below the API base (empty for the base itself; it may carry a query), or
    /// a full URL on the same host. `TOKEN-EXPIRED` and `INVALID-TOKEN` are answered by one
    /// repetition with a new token, if the body can be sent again. Answers with a status below 400
    /// come back as they are; redirects are not followed.
    ///
    /// # Errors
    /// [`CallError`]: no token, refused by gateway or API, not reachable, too late, too long.
    ///
    /// ```no_run
    /// # async fn run(client: portcullis_client::Client) {
    /// use portcullis_client::{Body, CallError, Method};
    ///
    /// match client.call(Method::DELETE, "vehicles/1", "test", Body::Empty).await {
    ///     Ok(answer) => println!("{}", answer.status),
    ///     Err(CallError::Refused(refusal)) => eprintln!("{refusal}. {}", refusal.remedy),
    ///     Err(error) => eprintln!("{error}. {}", error.remedy()),
    /// }
    /// # }
    /// ```
    pub async fn call(
        &self,
        method: Method,
        target: &str,
        subscription_id: &str,
        body: Body,
    ) -> Result<Answer, CallError> {
        let url = self.target(target)?;
        let mut headers = HeaderMap::new();
        headers.insert(http::SUBSCRIPTION_ID, subscription_header(subscription_id)?);
        self.send(Call::new(method, url, headers, body)).await
    }

    /// The subscriptions of this app, oldest first as the registry sends them.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::InvalidCall`] without [`ClientBuilder::subscriptions_base`].
    ///
    /// ```no_run
    /// # async fn run(client: portcullis_client::Client) -> Result<(), portcullis_client::CallError> {
    /// for subscription in client.subscriptions().await? {
    ///     println!("{} {}", subscription.subscription_id, subscription.org_name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, CallError> {
        #[derive(Deserialize)]
        struct Listed {
            subscriptions: Vec<Subscription>,
        }
        let url = self.registry("v1/solution/subscriptions")?;
        let call = Call::new(Method::GET, url, HeaderMap::new(), Body::Empty);
        let listed: Listed = self.send(call).await?.json()?;
        Ok(listed.subscriptions)
    }

    /// Who is behind a `Subscription-Id`.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::InvalidCall`] without [`ClientBuilder::subscriptions_base`].
    ///
    /// ```no_run
    /// # async fn run(client: portcullis_client::Client) -> Result<(), portcullis_client::CallError> {
    /// let context = client.context("6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e").await?;
    /// println!("{}", context.organization.name);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn context(&self, subscription_id: &str) -> Result<SubscriptionContext, CallError> {
        subscription_header(subscription_id)?;
        let mut url = self.registry("subscriptions")?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend([subscription_id, "context"]);
        }
        let call = Call::new(Method::GET, url, HeaderMap::new(), Body::Empty);
        self.send(call).await?.json()
    }

    fn registry(&self, path: &str) -> Result<Url, CallError> {
        let missing = || CallError::InvalidCall("subscriptions_base was not set".to_owned());
        let base = self.subscriptions_base.as_ref().ok_or_else(missing)?;
        below(base, path).map_err(|error| CallError::InvalidCall(error.to_string()))
    }

    /// The URL to call. It stays at or below the API base, or for a full URL on its host and port:
    /// a token must not be sent to wherever a configuration file or a link points.
    fn target(&self, target: &str) -> Result<Url, CallError> {
        let invalid = |reason: &str| CallError::InvalidCall(format!("{target:?}: {reason}"));
        let Some(base) = &self.api_base else {
            return Err(invalid("api_base was not set"));
        };
        if target.starts_with("http://") || target.starts_with("https://") {
            let url = Url::parse(target).map_err(|error| invalid(&error.to_string()))?;
            if url.origin() != base.origin() {
                return Err(invalid("the token is sent only to the host of api_base"));
            }
            return Ok(url);
        }
        let path = target.trim_start_matches('/');
        let url = match path.chars().next() {
            None => Ok(base.clone()),
            Some('?') => Url::parse(&format!("{base}{path}")),
            Some(_) => Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))),
        };
        let url = url.map_err(|error| invalid(&error.to_string()))?;
        let base_path = base.path().trim_end_matches('/');
        match url.path().strip_prefix(base_path) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(url),
            _ => Err(invalid("the path leaves the API base")),
        }
    }

    async fn send(&self, mut call: Call) -> Result<Answer, CallError> {
        let token = self.token_source.token().await?;
        let error = match self.send_once(&mut call, &token).await {
            Err(CallError::Refused(refusal)) if refusal.is_about_the_token() => refusal,
            outcome => return outcome,
        };
        // Whoever calls next must not be given this token again, even if this call cannot repeat.
        self.token_source.forget(&token);
        if !call.payload.is_replayable() {
            return Err(CallError::Refused(error));
        }
        tracing::debug!(code = %error.code, "the token was refused; trying with a new one");
        let token = self.token_source.token().await?;
        self.send_once(&mut call, &token).await
    }

    async fn send_once(&self, call: &mut Call, token: &Token) -> Result<Answer, CallError> {
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .header(AUTHORIZATION, bearer(token)?)
            .timeout(self.call_timeout);
        if let Some(body) = call.payload.next() {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| call.failed(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match http::read_body(response, self.answer_bytes_max).await {
            Ok(body) => Bytes::from(body),
            Err(ReadError::Failed(error)) => return Err(call.failed(&error)),
            Err(ReadError::TooLong { bytes_max }) => {
                let status = status.as_u16();
                let reason = format!("the answer is over {bytes_max} bytes");
                return Err(CallError::Malformed { status, reason });
            }
        };
        if status.is_client_error() || status.is_server_error() {
            let refusal = ApiError::from_answer(status, &headers, body, &call.request_id);
            return Err(CallError::Refused(Box::new(refusal)));
        }
        let request_id = http::header(&headers, &http::REQUEST_ID);
        Ok(Answer {
            status,
            request_id: request_id.unwrap_or(&call.request_id).to_owned(),
            headers,
            body,
        })
    }
}

impl Call {
    fn new(method: Method, url: Url, mut headers: HeaderMap, body: Body) -> Self {
        let request_id = uuid::Uuid::new_v4().to_string();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(http::REQUEST_ID, value);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let content_type = match &body {
            Body::Empty => None,
            Body::Json(_) => Some("application/json"),
            Body::Bytes(media_type, _) | Body::Stream(media_type, _) => Some(media_type.as_str()),
        };
        if let Some(Ok(value)) = content_type.map(HeaderValue::from_str) {
            headers.insert(CONTENT_TYPE, value);
        }
        Self {
            method,
            url,
            headers,
            request_id,
            payload: Payload::from(body),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> CallError {
        let mut url = self.url.clone();
        url.set_query(None);
        let url = url.to_string();
        if error.is_timeout() {
            return CallError::TimedOut { url };
        }
        let reason = http::reason(error);
        CallError::Unreachable { url, reason }
    }
}

/// The body of a call as often as it can be sent.
enum Payload {
    Bytes(Option<Bytes>),
    Stream(Option<reqwest::Body>),
}

impl Payload {
    /// The body to send now; a stream only the first time.
    fn next(&mut self) -> Option<reqwest::Body> {
        match self {
            Self::Bytes(bytes) => bytes.clone().map(reqwest::Body::from),
            Self::Stream(stream) => stream.take(),
        }
    }

    fn is_replayable(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}

impl From<Body> for Payload {
    fn from(body: Body) -> Self {
        match body {
            Body::Empty => Self::Bytes(None),
            Body::Json(value) => Self::Bytes(Some(Bytes::from(value.to_string()))),
            Body::Bytes(_, bytes) => Self::Bytes(Some(bytes)),
            Body::Stream(_, stream) => Self::Stream(Some(stream)),
        }
    }
}

fn subscription_header(subscription_id: &str) -> Result<HeaderValue, CallError> {
    let text = subscription_id.trim();
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match HeaderValue::from_str(text) {
        Ok(value) if printable => Ok(value),
        _ => Err(CallError::InvalidCall(
            "the Subscription-Id is empty or has characters that cannot be sent".to_owned(),
        )),
    }
}

fn bearer(token: &Token) -> Result<HeaderValue, CallError> {
    let text = Zeroizing::new(format!("Bearer {}", token.access_token().expose()));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| CallError::InvalidCall("the token cannot be sent in a header".to_owned()))?;
    // Keeps it out of the debug output of the HTTP layers below.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(api_base: &str) -> Client {
        let builder = Client::builder()
            .issuer("http://localhost/oauth2/default")
            .api_key("key")
            .api_secret("secret");
        builder.api_base(api_base).build().unwrap()
    }

    #[test]
    fn a_target_is_a_path_below_the_base_or_a_url_on_its_host() {
        let client = client("http://localhost:8081/sample/vehicles/v1");

        let target = |target: &str| client.target(target).map(String::from);

        assert_eq!(
            target("vehicles").unwrap(),
            "http://localhost:8081/sample/vehicles/v1/vehicles"
        );
        assert_eq!(
            target("/vehicles/?a=1").unwrap(),
            "http://localhost:8081/sample/vehicles/v1/vehicles/?a=1"
        );
        assert_eq!(
            target("").unwrap(),
            "http://localhost:8081/sample/vehicles/v1"
        );
        assert_eq!(
            target("?a=1").unwrap(),
            "http://localhost:8081/sample/vehicles/v1?a=1"
        );
        assert_eq!(
            target("http://localhost:8081/other").unwrap(),
            "http://localhost:8081/other"
        );
    }

    #[test]
    fn the_token_is_not_sent_to_another_host_or_above_the_base() {
        let client = client("http://localhost:8081/sample/vehicles/v1");

        for target in [
            "http://localhost:8082/x",
            "https://localhost:8081/x",
            "http://evil.example/x",
            "../../admin",
            "%2e%2e/%2e%2e/admin",
            "../v1-other/vehicles",
        ] {
            let refused = client.target(target);

            assert!(
                matches!(refused, Err(CallError::InvalidCall(_))),
                "{target}"
            );
        }
    }

    #[test]
    fn a_subscription_id_that_would_break_the_header_is_refused() {
        for id in ["", "  ", "a b", "a\r\nX: y", "é"] {
            assert!(subscription_header(id).is_err(), "{id:?}");
        }
    }
}
