//! The example app: a page that logs in to Portcullis and shows the vehicles of one customer.
//!
//! What an app developer would write. The API Secret and the token stay on this server; the
//! browser gets the masked token, its claims, and the vehicles. Every failure becomes a JSON answer
//! that says what happened and what to do (`failure`), and the page shows it. It opens no sockets:
//! the router is served elsewhere.

mod failure;
mod page;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use failure::Failure;
use portcullis_client::{ApiSecret, Body, CallError, Client, Token};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the example app is told, each by the environment variable of the same name in capitals.
/// What is missing or wrong becomes an explained state of the page, never a crash.
#[derive(Debug, Clone, Default)]
pub struct ExampleSettings {
    /// `AUTH_URL`: the issuer.
    pub auth_url: Option<String>,
    /// `API_KEY`
    pub api_key: Option<String>,
    /// `API_SECRET`
    pub api_secret: Option<ApiSecret>,
    /// `API_CALL_URL`: the full gateway URL that answers with vehicles.
    pub api_call_url: Option<String>,
    /// `SUBSCRIPTION_ID`: the customer for whom vehicles are asked.
    pub subscription_id: Option<String>,
    /// `SHOW_TOKEN`: the whole token goes to the browser; for learning only.
    pub show_token: bool,
    /// A further CA certificate to trust, as PEM; for a development server with https.
    pub ca_pem: Option<Vec<u8>>,
}

/// The example app as a router.
pub fn example_app(settings: ExampleSettings) -> Router {
    let show_token = settings.show_token;
    let connection = connect(settings);
    if let Err(failure) = &connection {
        tracing::warn!(code = failure.code(), "{}", failure.message());
    }
    let app = Arc::new(App {
        connection,
        show_token,
    });
    Router::new()
        .route("/status", get(status))
        .route("/token", get(other).post(token))
        .route("/vehicles", get(vehicles))
        .route("/app.css", get(async || page::css()))
        .route("/app.js", get(async || page::javascript()))
        .route("/favicon.svg", get(async || page::icon()))
        .route("/", get(async || page::html()))
        .method_not_allowed_fallback(async || Failure::no_such_method())
        .fallback(other)
        .layer(middleware::from_fn(not_from_another_site))
        .layer(middleware::map_response(answer_headers))
        .with_state(app)
}

struct App {
    connection: Result<Connection, Failure>,
    show_token: bool,
}

/// All that is needed to call the API for one customer.
struct Connection {
    client: Client,
    auth_url: String,
    api_key: String,
    api_call_url: String,
    subscription_id: String,
}

fn connect(settings: ExampleSettings) -> Result<Connection, Failure> {
    let text = |value: Option<String>| {
        let value = value.map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let secret = settings
        .api_secret
        .filter(|secret| !secret.expose().is_empty());
    let (auth_url, api_key) = (text(settings.auth_url), text(settings.api_key));
    let api_call_url = text(settings.api_call_url);
    let subscription_id = text(settings.subscription_id);
    let (
        Some(auth_url),
        Some(api_key),
        Some(api_secret),
        Some(api_call_url),
        Some(subscription_id),
    ) = (
        &auth_url,
        &api_key,
        &secret,
        &api_call_url,
        &subscription_id,
    )
    else {
        let given = [
            ("AUTH_URL", auth_url.is_some()),
            ("API_KEY", api_key.is_some()),
            ("API_SECRET", secret.is_some()),
            ("API_CALL_URL", api_call_url.is_some()),
            ("SUBSCRIPTION_ID", subscription_id.is_some()),
        ];
        let missing = given.into_iter().filter(|(_, given)| !given);
        return Err(Failure::not_configured(
            missing.map(|(name, _)| name).collect(),
        ));
    };
    let mut builder = Client::builder()
        .issuer(auth_url)
        .api_key(api_key)
        .api_secret(api_secret.clone())
        .api_base(without_query(api_call_url)?)
        .call_timeout(Duration::from_mins(1))
        .answer_bytes_max(ANSWER_BYTES_MAX);
    if let Some(pem) = settings.ca_pem {
        builder = builder.ca_pem(pem);
    }
    Ok(Connection {
        client: builder.build().map_err(|error| Failure::unusable(&error))?,
        auth_url: auth_url.clone(),
        api_key: api_key.clone(),
        api_call_url: api_call_url.clone(),
        subscription_id: subscription_id.clone(),
    })
}

/// The call may carry filters; what bounds where the token goes may not.
fn without_query(api_call_url: &str) -> Result<String, Failure> {
    let mut url = Url::parse(api_call_url)
        .map_err(|error| Failure::unusable(&format!("API_CALL_URL is not a URL: {error}")))?;
    url.set_query(None);
    url.set_fragment(None);
    Ok(url.into())
}

/// What the page shows before anybody has clicked.
async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    Json(match &app.connection {
        Ok(connection) => json!({
            "configured": true,
            "token_server": connection.auth_url,
            "api": connection.api_call_url,
            "api_key": connection.api_key,
            "subscription_id": connection.subscription_id,
        }),
        Err(failure) => json!({ "configured": false, "failure": failure }),
    })
}

/// The token as the browser may see it.
#[derive(Serialize)]
struct ShownToken {
    token: String,
    token_type: &'static str,
    scope: String,
    expires_in: u64,
    claims: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

async fn token(State(app): State<Arc<App>>) -> Result<Json<ShownToken>, Failure> {
    let connection = app.connection.as_ref().map_err(Clone::clone)?;
    let token = connection.client.token_source().token().await;
    let token = token.map_err(|error| Failure::from(CallError::Token(error)).logged())?;
    let expires_in = token.expires_in().as_secs();
    tracing::info!(token = %token.access_token(), expires_in, "access token");
    Ok(Json(ShownToken {
        token: token.access_token().masked(),
        token_type: "Bearer",
        scope: token.scope().to_owned(),
        expires_in,
        claims: claims(&token),
        access_token: app
            .show_token
            .then(|| token.access_token().expose().to_owned()),
    }))
}

/// `None` when the token server does not issue JWTs.
fn claims(token: &Token) -> Option<Map<String, Value>> {
    match serde_json::to_value(token.claims().ok()?).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}

async fn vehicles(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let connection = app.connection.as_ref().map_err(Clone::clone)?;
    let Connection {
        client,
        api_call_url,
        subscription_id,
        ..
    } = connection;
    let answer = client.call(Method::GET, api_call_url, subscription_id, Body::Empty);
    let answer = answer
        .await
        .map_err(|error| Failure::from(error).logged())?;
    if serde_json::from_slice::<&serde_json::value::RawValue>(&answer.body).is_err() {
        return Err(Failure::not_json(&answer).logged());
    }
    tracing::info!(request_id = %answer.request_id, bytes = answer.body.len(), "vehicles");
    let mut response = answer.body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(request_id) = HeaderValue::from_str(&answer.request_id) {
        headers.insert(HeaderName::from_static("request-id"), request_id);
    }
    Ok(response)
}

/// Any other path is a place in the page for a browser, and nothing for a program.
async fn other(request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && names_html(request.headers()) {
        return page::html().into_response();
    }
    if request.uri().path() == "/token" {
        return ([(ALLOW, "POST")], Failure::no_such_method()).into_response();
    }
    Failure::no_such_path().into_response()
}

/// Browsers name it; programs that take anything do not mean a page.
fn names_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.contains("text/html"))
    })
}

/// Other sites may not make this server act, even though they could not read the answer.
async fn not_from_another_site(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let acts = matches!(request.uri().path(), "/token" | "/vehicles" | "/status");
    if acts && site.is_some_and(|site| site == "cross-site") && !names_html(request.headers()) {
        return Failure::from_another_site().into_response();
    }
    next.run(request).await
}

async fn answer_headers(mut response: Response) -> Response {
    const FIELDS: [(&str, &str); 5] = [
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    let is_data = response.status() != StatusCode::OK || is_json(response.headers());
    let headers = response.headers_mut();
    for (name, value) in FIELDS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let cache = if is_data { "no-store" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/json")
}
