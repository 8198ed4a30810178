//! A valid token whenever one is asked for: fetched once, shared, renewed before it ends. Calls
//! with the token are in `client`.
//!
//! There is no background task. The call that finds the token near its end fetches the next one,
//! and every other caller meanwhile waits for that same request: it is a shared future, polled by
//! whoever is still interested, so a cancelled caller takes nothing away from the others.
//!
//! Time is the monotonic clock and `expires_in`; the wall clock of the machine does not matter. A
//! machine that slept finds out by `TOKEN-EXPIRED`, which `client` answers with a new token.

use crate::error::{OAuthErrorCode, OAuthRefusal, TokenError};
use crate::http::{self, ReadError};
use crate::types::{AccessToken, ApiSecret, Claims, MalformedToken};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

const ANSWER_BYTES_MAX: usize = 64 * 1024;
const TRIES_MAX: u32 = 3;
/// Longer than this nobody waits inside one call; the error carries the rest.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// After a failed renewal the old token serves this long before the next try.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
const LIFE_MAX: Duration = Duration::from_hours(30 * 24);

/// A token and how long it lives.
///
/// ```no_run
/// # async fn run(source: portcullis_client::TokenSource) -> Result<(), portcullis_client::TokenError> {
/// let token = source.token().await?;
/// println!("{} for another {:?}", token.access_token(), token.expires_in());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Token {
    value: AccessToken,
    scope: String,
    refresh_at: Instant,
    expires_at: Instant,
}

impl Token {
    /// The token itself.
    ///
    /// ```
    /// # fn show(token: &portcullis_client::Token) {
    /// println!("masked: {}", token.access_token());
    /// # }
    /// ```
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.value
    }

    /// The scope granted, as the token server spelled it; may be empty.
    ///
    /// ```
    /// # fn show(token: &portcullis_client::Token) {
    /// assert_eq!(token.scope(), "anonymous");
    /// # }
    /// ```
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// What is left of its life; zero when it has ended.
    ///
    /// ```
    /// # fn show(token: &portcullis_client::Token) {
    /// println!("{} s left", token.expires_in().as_secs());
    /// # }
    /// ```
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }

    /// What the token says about itself, for display.
    ///
    /// # Errors
    /// [`MalformedToken`] when this token server does not issue JWTs.
    ///
    /// ```
    /// # fn show(token: &portcullis_client::Token) -> Result<(), portcullis_client::MalformedToken> {
    /// println!("issued by {:?}", token.claims()?.issuer());
    /// # Ok(())
    /// # }
    /// ```
    pub fn claims(&self) -> Result<Claims, MalformedToken> {
        self.value.claims()
    }
}

/// Gives a valid token by the client credentials grant (RFC 6749 s.4.4). Cheap to clone; all
/// clones share one token.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let source = portcullis_client::Client::builder()
///     .issuer("http://localhost:8080/oauth2/default")
///     .api_key("2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA")
///     .api_secret(std::env::var("API_SECRET")?)
///     .build_token_source()?;
/// let authorization = format!("Bearer {}", source.token().await?.access_token().expose());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSource {
    inner: Arc<Inner>,
}

pub(crate) struct TokenSettings {
    pub(crate) http: reqwest::Client,
    pub(crate) token_url: Url,
    pub(crate) api_key: String,
    pub(crate) api_secret: ApiSecret,
    pub(crate) scope: String,
    pub(crate) timeout: Duration,
}

type Fetch = Shared<BoxFuture<'static, Result<Token, TokenError>>>;

struct Inner {
    settings: TokenSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Weak, so that a request nobody waits for any more ends.
    in_flight: Option<WeakShared<BoxFuture<'static, Result<Token, TokenError>>>>,
    pause: Option<Pause>,
}

/// No request before `until`, because the last one failed with `error`.
struct Pause {
    until: Instant,
    error: TokenError,
}

impl TokenSource {
    pub(crate) fn new(settings: TokenSettings) -> Self {
        let state = Mutex::default();
        Self {
            inner: Arc::new(Inner { settings, state }),
        }
    }

    /// A valid token: the one in hand, or a new one when that is near its end.
    ///
    /// While the token server cannot be reached, the one in hand is given out until it ends.
    ///
    /// # Errors
    /// [`TokenError`] when there is no live token and none could be had. After `Retry-After` the
    /// same error comes at once, without a request, until that time has passed.
    ///
    /// ```no_run
    /// # async fn run(source: portcullis_client::TokenSource) {
    /// match source.token().await {
    ///     Ok(token) => println!("got {}", token.access_token()),
    ///     Err(error) => eprintln!("{error}. {}", error.remedy()),
    /// }
    /// # }
    /// ```
    pub async fn token(&self) -> Result<Token, TokenError> {
        let (live, fetch) = match self.look_up() {
            Found::Ready(answer) => return answer,
            Found::Fetch { live, fetch } => (live, fetch),
        };
        match (fetch.await, live) {
            (Err(error), Some(live)) if !live.expires_in().is_zero() => {
                tracing::warn!(%error, "the token could not be renewed; the old one is still good");
                Ok(live)
            }
            (answer, _) => answer,
        }
    }

    /// Drops this token if it is still the one in hand: somebody refused it.
    ///
    /// ```no_run
    /// # async fn run(source: portcullis_client::TokenSource) -> Result<(), portcullis_client::TokenError> {
    /// let refused = source.token().await?;
    /// source.forget(&refused);
    /// let fresh = source.token().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(&self, refused: &Token) {
        let mut state = self.inner.state();
        if let Some(token) = &state.token
            && token.value == refused.value
        {
            state.token = None;
        }
    }

    fn look_up(&self) -> Found {
        let now = Instant::now();
        let mut state = self.inner.state();
        let live = state.token.clone().filter(|token| now < token.expires_at);
        if let Some(token) = &live
            && now < token.refresh_at
        {
            return Found::Ready(Ok(token.clone()));
        }
        if let Some(pause) = &state.pause
            && now < pause.until
        {
            let refusal = || Err(with_retry_after(&pause.error, pause.until - now));
            return Found::Ready(live.map_or_else(refusal, Ok));
        }
        let in_flight = state.in_flight.as_ref().and_then(WeakShared::upgrade);
        let fetch = in_flight.unwrap_or_else(|| {
            let inner = Arc::clone(&self.inner);
            let fetch: Fetch = async move { inner.fetch().await }.boxed().shared();
            state.in_flight = fetch.downgrade();
            fetch
        });
        Found::Fetch { live, fetch }
    }
}

enum Found {
    Ready(Result<Token, TokenError>),
    Fetch { live: Option<Token>, fetch: Fetch },
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("token_url", &self.inner.settings.token_url.as_str())
            .field("api_key", &self.inner.settings.api_key)
            .field("api_secret", &self.inner.settings.api_secret)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Nothing is done under this lock that can panic or wait.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One fetch, and its outcome written down before anybody who waits for it wakes up.
    async fn fetch(&self) -> Result<Token, TokenError> {
        let answer = self.request_with_retries().await;
        let now = Instant::now();
        let mut state = self.state();
        state.in_flight = None;
        match &answer {
            Ok(token) => {
                state.pause = None;
                state.token = Some(token.clone());
            }
            Err(error) => {
                let live = state.token.as_ref().is_some_and(|t| now < t.expires_at);
                let pause = requested_pause(error).or(live.then_some(RENEWAL_PAUSE));
                state.pause = pause.map(|pause| Pause {
                    until: now + pause,
                    error: error.clone(),
                });
            }
        }
        answer
    }

    /// Only 503 is tried again: every other answer would be the same a second later.
    async fn request_with_retries(&self) -> Result<Token, TokenError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.request().await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            let Some(wait) = wait_before_retry(&error, tries, random()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?wait, "the token server is busy; trying again");
            #[expect(
                clippy::disallowed_methods,
                reason = "bounded: TRIES_MAX - 1 times, RETRY_WAIT_MAX each"
            )]
            tokio::time::sleep(wait).await;
        }
    }

    async fn request(&self) -> Result<Token, TokenError> {
        let settings = &self.settings;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", settings.scope.as_str()),
        ];
        let sent_at = Instant::now();
        let response = settings
            .http
            .post(settings.token_url.clone())
            .basic_auth(&settings.api_key, Some(settings.api_secret.expose()))
            .header(ACCEPT, "application/json")
            .header(CACHE_CONTROL, "no-cache")
            .form(&form)
            .timeout(settings.timeout)
            .send()
            .await
            .map_err(|error| self.failed(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        let token = match status {
            StatusCode::OK => read_token(&body, sent_at, random()),
            status => return Err(self.refused(status, &headers, &body)),
        };
        let token = token.map_err(|reason| self.malformed(status, reason))?;
        tracing::debug!(token = %token.value, "got an access token");
        Ok(token)
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, TokenError> {
        let status = response.status();
        match http::read_body(response, ANSWER_BYTES_MAX).await {
            Ok(body) => Ok(body),
            Err(ReadError::Failed(error)) => Err(self.failed(&error)),
            Err(ReadError::TooLong { bytes_max }) => {
                Err(self.malformed(status, format!("the answer is over {bytes_max} bytes")))
            }
        }
    }

    fn failed(&self, error: &reqwest::Error) -> TokenError {
        let url = self.settings.token_url.to_string();
        if error.is_timeout() {
            return TokenError::TimedOut { url };
        }
        let reason = http::reason(error);
        TokenError::Unreachable { url, reason }
    }

    fn malformed(&self, status: StatusCode, reason: impl Into<String>) -> TokenError {
        TokenError::Malformed {
            url: self.settings.token_url.to_string(),
            status: status.as_u16(),
            reason: reason.into(),
        }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> TokenError {
        let members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        // A load balancer in front answers these two without knowing OAuth.
        let busy = matches!(status.as_u16(), 429 | 503);
        let code = match text("error") {
            Some(code) => OAuthErrorCode::from(http::shown(code).as_str()),
            None if busy => OAuthErrorCode::TemporarilyUnavailable,
            None if status.is_redirection() => {
                return self.malformed(status, "it redirects; give the URL it redirects to");
            }
            None => return self.malformed(status, "no JSON object with a member 'error'"),
        };
        TokenError::Refused(OAuthRefusal {
            code,
            description: text("error_description")
                .map(http::shown)
                .unwrap_or_default(),
            status: status.as_u16(),
            retry_after: http::retry_after(headers),
            request_id: http::header(headers, &http::REQUEST_ID).map(http::shown),
        })
    }
}

fn read_token(body: &[u8], sent_at: Instant, random: u16) -> Result<Token, String> {
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the answer is not a JSON object")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let access_token = text("access_token").ok_or("it has no string 'access_token'")?;
    if access_token.is_empty() || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its 'access_token' cannot be sent in a header".to_owned());
    }
    match text("token_type") {
        Some(token_type) if token_type.eq_ignore_ascii_case("bearer") => {}
        _ => return Err("its 'token_type' is not Bearer".to_owned()),
    }
    // Some servers send the number as text.
    let life_s = match members.get("expires_in") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let life_s = life_s
        .filter(|seconds| *seconds > 0)
        .ok_or("its 'expires_in' is not a positive number of seconds")?;
    let life = Duration::from_secs(life_s).min(LIFE_MAX);
    Ok(Token {
        value: AccessToken::from(access_token),
        scope: text("scope").unwrap_or_default().to_owned(),
        // Counted from before the request was sent: the token is never younger than that.
        refresh_at: sent_at + refresh_after(life, random),
        expires_at: sent_at + life,
    })
}

/// At 90 % of its life, up to 2 % earlier so that a fleet does not renew in step, and never later
/// than 30 s before its end. A token too short for that is renewed at half its life.
fn refresh_after(life: Duration, random: u16) -> Duration {
    let latest = life.saturating_sub(Duration::from_secs(30)).max(life / 2);
    let jitter = life / 50 * u32::from(random) / u32::from(u16::MAX);
    (life / 10 * 9).saturating_sub(jitter).min(latest)
}

/// `None`: do not try again.
fn wait_before_retry(error: &TokenError, tries: u32, random: u16) -> Option<Duration> {
    let TokenError::Refused(refusal) = error else {
        return None;
    };
    if refusal.status != 503 || tries >= TRIES_MAX {
        return None;
    }
    let backoff = Duration::from_millis(250) * 2u32.pow(tries - 1);
    let jitter = backoff / 4 * u32::from(random) / u32::from(u16::MAX);
    let wait = refusal.retry_after.unwrap_or(backoff + jitter);
    (wait <= RETRY_WAIT_MAX).then_some(wait)
}

fn requested_pause(error: &TokenError) -> Option<Duration> {
    match error {
        TokenError::Refused(refusal) => refusal.retry_after,
        _ => None,
    }
}

/// The same error, with what is left of its `Retry-After`.
fn with_retry_after(error: &TokenError, left: Duration) -> TokenError {
    let mut error = error.clone();
    if let TokenError::Refused(refusal) = &mut error
        && refusal.retry_after.is_some()
    {
        refusal.retry_after = Some(left);
    }
    error
}

/// Spreads clients in time; nothing secret depends on it.
fn random() -> u16 {
    let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> TokenError {
        TokenError::Refused(OAuthRefusal {
            code: OAuthErrorCode::TemporarilyUnavailable,
            description: String::new(),
            status,
            retry_after: retry_after.map(Duration::from_secs),
            request_id: None,
        })
    }

    #[test]
    fn an_hour_is_renewed_in_its_last_tenth_with_some_spread() {
        let hour = Duration::from_hours(1);

        assert_eq!(refresh_after(hour, 0), Duration::from_mins(54));
        assert_eq!(refresh_after(hour, u16::MAX), Duration::from_secs(3168));
    }

    #[test]
    fn a_short_token_is_renewed_thirty_seconds_before_its_end_or_at_half_life() {
        for random in [0, u16::MAX] {
            assert_eq!(
                refresh_after(Duration::from_mins(2), random),
                Duration::from_secs(90)
            );
            assert_eq!(
                refresh_after(Duration::from_secs(40), random),
                Duration::from_secs(20)
            );
        }
    }

    #[test]
    fn only_a_short_503_is_waited_for() {
        assert_eq!(
            wait_before_retry(&refused(503, Some(2)), 1, 0),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            wait_before_retry(&refused(503, None), 2, 0),
            Some(Duration::from_millis(500))
        );
        assert_eq!(wait_before_retry(&refused(503, Some(60)), 1, 0), None);
        assert_eq!(wait_before_retry(&refused(503, None), TRIES_MAX, 0), None);
        assert_eq!(wait_before_retry(&refused(429, Some(1)), 1, 0), None);
    }
}
