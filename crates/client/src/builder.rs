//! How a client is put together. Everything that can be wrong with its settings fails here, once.

use crate::client::Client;
use crate::http::{self, HttpSettings, Proxies, Schemes};
use crate::token_source::{TokenSettings, TokenSource};
use crate::types::ApiSecret;
use std::time::Duration;
use url::Url;

/// What is wrong with the settings; nothing was sent yet.
///
/// ```
/// use portcullis_client::{BuildError, Client};
///
/// let error = Client::builder().issuer("http://localhost:8080/oauth2/default").build();
/// assert!(matches!(error, Err(BuildError::Missing("api_key"))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// This setting is needed and was not given, or is empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// This setting is no http or https URL, or has a part that does not belong there.
    #[error("{setting} is not usable: {reason}")]
    Url {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A value with characters that cannot stand in an HTTP header.
    #[error("{0} has characters that cannot be sent")]
    NotPrintable(&'static str),
    /// The CA certificate is not PEM.
    #[error("the CA certificate is not a PEM certificate")]
    Certificate,
    /// TLS could not be set up, e.g. the machine has no CA certificates at all.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(String),
}

/// Collects the settings of a [`Client`] or a [`TokenSource`].
///
/// ```
/// use portcullis_client::Client;
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .issuer("http://localhost:8080/oauth2/default")
///     .api_key("2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA")
///     .api_secret("pcs_not-a-real-one")
///     .api_base("http://localhost:8081/sample/vehicles/v1")
///     .call_timeout(Duration::from_secs(20))
///     .build()?;
/// # Ok::<(), portcullis_client::BuildError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    issuer: String,
    api_key: String,
    api_secret: Option<ApiSecret>,
    scope: String,
    api_base: Option<String>,
    subscriptions_base: Option<String>,
    ca_pem: Option<Vec<u8>>,
    proxies: Proxies,
    connect_timeout: Duration,
    token_timeout: Duration,
    call_timeout: Duration,
    answer_bytes_max: usize,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            issuer: String::new(),
            api_key: String::new(),
            api_secret: None,
            scope: "anonymous".to_owned(),
            api_base: None,
            subscriptions_base: None,
            ca_pem: None,
            proxies: Proxies::Ignored,
            connect_timeout: Duration::from_secs(5),
            token_timeout: Duration::from_secs(10),
            // The gateway itself gives up on an API after 55 seconds; its answer says more.
            call_timeout: Duration::from_mins(1),
            answer_bytes_max: 16 * 1024 * 1024,
        }
    }

    /// The token server's URL, without `/v1/token`. Required.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.issuer("https://id.example.com/oauth2/default");
    /// ```
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.issuer = url.into();
        self
    }

    /// The app's API Key (`client_id`). Required.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.api_key("2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA");
    /// ```
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        api_key.into().trim().clone_into(&mut self.api_key);
        self
    }

    /// The app's API Secret (`client_secret`). Required.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.api_secret("pcs_not-a-real-one");
    /// ```
    pub fn api_secret(mut self, api_secret: impl Into<ApiSecret>) -> Self {
        self.api_secret = Some(api_secret.into());
        self
    }

    /// The scope to ask for; `anonymous` unless set.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.scope("anonymous");
    /// ```
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// The gateway URL of the API that is called; paths of [`Client::call`] go below it, and the
    /// token is never sent anywhere else.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.api_base("https://api.example.com/sample/vehicles/v1");
    /// ```
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.api_base = Some(url.into());
        self
    }

    /// Where [`Client::subscriptions`] and [`Client::context`] ask: the registry's URL, or the
    /// full URL of the subscription list.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.subscriptions_base("https://registry.example.com");
    /// ```
    pub fn subscriptions_base(mut self, url: impl Into<String>) -> Self {
        self.subscriptions_base = Some(url.into());
        self
    }

    /// A further CA certificate to trust, as PEM; for a development server with https.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.ca_pem(b"-----BEGIN CERTIFICATE-----\n...".to_vec());
    /// ```
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Uses the proxies named by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; otherwise none.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.proxies_from_environment();
    /// ```
    pub fn proxies_from_environment(mut self) -> Self {
        self.proxies = Proxies::FromEnvironment;
        self
    }

    /// How long a connection may take to come up; 5 s unless set.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.connect_timeout(std::time::Duration::from_secs(2));
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one token request may take; 10 s unless set.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.token_timeout(std::time::Duration::from_secs(5));
    /// ```
    pub fn token_timeout(mut self, timeout: Duration) -> Self {
        self.token_timeout = timeout;
        self
    }

    /// How long one call may take, body included; 60 s unless set.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.call_timeout(std::time::Duration::from_secs(20));
    /// ```
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// The longest answer that is read; 16 MiB unless set.
    ///
    /// ```
    /// # let builder = portcullis_client::Client::builder();
    /// let builder = builder.answer_bytes_max(1024 * 1024);
    /// ```
    pub fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`BuildError`] when a setting is missing or unusable.
    ///
    /// ```
    /// assert!(portcullis_client::Client::builder().build().is_err());
    /// ```
    pub fn build(self) -> Result<Client, BuildError> {
        let api_base = optional_url("api_base", self.api_base.as_deref())?;
        let registry = self.subscriptions_base.as_deref().map(registry_url);
        let subscriptions_base = optional_url("subscriptions_base", registry)?;
        let call_timeout = self.call_timeout;
        let answer_bytes_max = self.answer_bytes_max;
        let others = [&api_base, &subscriptions_base];
        let https = others.into_iter().flatten().any(is_https);
        let (http, token_source) = self.token_source(https)?;
        Ok(Client {
            http,
            token_source,
            api_base,
            subscriptions_base,
            call_timeout,
            answer_bytes_max,
        })
    }

    /// Only the source of tokens, for an app that makes its calls otherwise.
    ///
    /// # Errors
    /// [`BuildError`] when a setting is missing or unusable.
    ///
    /// ```
    /// let token_source = portcullis_client::Client::builder()
    ///     .issuer("http://localhost:8080/oauth2/default")
    ///     .api_key("2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA")
    ///     .api_secret("pcs_not-a-real-one")
    ///     .build_token_source()?;
    /// # Ok::<(), portcullis_client::BuildError>(())
    /// ```
    pub fn build_token_source(self) -> Result<TokenSource, BuildError> {
        Ok(self.token_source(false)?.1)
    }

    fn token_source(self, https: bool) -> Result<(reqwest::Client, TokenSource), BuildError> {
        let issuer = required_url("issuer", &self.issuer)?;
        if self.api_key.is_empty() {
            return Err(BuildError::Missing("api_key"));
        }
        let api_secret = self.api_secret.filter(|secret| !secret.is_blank());
        let api_secret = api_secret.ok_or(BuildError::Missing("api_secret"))?;
        for (setting, value) in [
            ("api_key", self.api_key.as_str()),
            ("api_secret", api_secret.expose()),
        ] {
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(BuildError::NotPrintable(setting));
            }
        }
        let loopback = matches!(issuer.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !is_https(&issuer) && !loopback {
            tracing::warn!(issuer = %issuer, "the API Secret is sent without encryption: use https");
        }
        let schemes = if https || is_https(&issuer) {
            Schemes::Https
        } else {
            Schemes::HttpOnly
        };
        let http = http::build(&HttpSettings {
            ca_pem: self.ca_pem,
            proxies: self.proxies,
            schemes,
            connect_timeout: self.connect_timeout,
        })?;
        let token_source = TokenSource::new(TokenSettings {
            http: http.clone(),
            token_url: below(&issuer, "v1/token")?,
            api_key: self.api_key,
            api_secret,
            scope: self.scope,
            timeout: self.token_timeout,
        });
        Ok((http, token_source))
    }
}

/// The list's own URL is what the platform publishes, so it is accepted for its base.
fn registry_url(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    url.strip_suffix("/v1/solution/subscriptions")
        .unwrap_or(url)
}

fn is_https(url: &Url) -> bool {
    url.scheme() == "https"
}

fn optional_url(setting: &'static str, text: Option<&str>) -> Result<Option<Url>, BuildError> {
    text.map(|text| required_url(setting, text)).transpose()
}

fn required_url(setting: &'static str, text: &str) -> Result<Url, BuildError> {
    let wrong = |reason: &str| BuildError::Url {
        setting,
        reason: reason.to_owned(),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(BuildError::Missing(setting));
    }
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not contain credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not contain a query or a fragment"));
    }
    Ok(url)
}

/// `base/path`, with exactly one slash between them.
pub(crate) fn below(base: &Url, path: &str) -> Result<Url, BuildError> {
    let text = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|error| BuildError::Url {
        setting: "path",
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> ClientBuilder {
        ClientBuilder::new()
            .issuer("http://localhost/oauth2/default/")
            .api_key("key")
            .api_secret("secret")
    }

    #[test]
    fn each_missing_setting_is_named() {
        let no_issuer = complete().issuer(" ").build();
        let no_key = complete().api_key("").build();
        let no_secret = complete().api_secret(" ").build();

        assert_eq!(no_issuer.err(), Some(BuildError::Missing("issuer")));
        assert_eq!(no_key.err(), Some(BuildError::Missing("api_key")));
        assert_eq!(no_secret.err(), Some(BuildError::Missing("api_secret")));
    }

    #[test]
    fn a_url_that_is_no_plain_http_url_is_refused() {
        for url in [
            "localhost:8080",
            "ftp://h/",
            "http://a:b@h/",
            "http://h/?x=1",
            "::",
        ] {
            let built = complete().issuer(url).build();

            assert!(matches!(built, Err(BuildError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_pem_is_refused() {
        let built = complete().ca_pem("nonsense").build();

        assert_eq!(built.err(), Some(BuildError::Certificate));
    }

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        let builder = complete().api_secret("pcs_very-secret");

        assert!(!format!("{builder:?}").contains("very-secret"));
    }
}
