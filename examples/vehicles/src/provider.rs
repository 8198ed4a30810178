//! The sample provider: a small API over data in memory, which believes nobody but the platform.
//!
//! It is what an API developer would write: the gateway in front has authorized the call, and this
//! checks that it really was the gateway (`platform_token`), then looks at the `Subscription-Id`
//! to know whose data is meant (`tenants`). It opens no sockets: the router is served elsewhere.

mod answer;
mod catalog;
mod customers;
mod fields;
mod keys;
mod paging;
mod picture;
mod platform_token;
mod tenants;
mod vehicles;

pub use platform_token::ExpectedClient;

use crate::http::{self, HttpError};
use answer::Failure;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use keys::Keys;
use platform_token::Verifier;
use std::sync::Arc;
use tenants::Tenants;

/// The path below which the API answers; the gateway forwards it as part of the path.
pub const BASE_PATH: &str = "/vehicles/v1";

/// The API described in OpenAPI 3.0, with an example for every answer.
pub const SPEC: &str = include_str!("../openapi.json");

const BODY_BYTES_MAX: usize = 64 * 1024;

const ABOUT: &str = "\
This is the sample provider: a small API with vehicles and customers, at /vehicles/v1.
It answers only calls that come through the gateway: call the gateway's URL of this API with an
access token and a Subscription-Id, and look there for what it answers.
";

/// What the sample provider must know about the platform.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The issuer of the platform's tokens, exactly as in their `iss`.
    pub issuer: String,
    /// The keys endpoint; [`ProviderSettings::keys_url_of`] gives the usual one.
    pub keys_url: String,
    /// This API's own Client ID.
    pub client_id: ExpectedClient,
    /// A further CA certificate to trust, as PEM, when the keys endpoint is https in development.
    pub ca_pem: Option<Vec<u8>>,
}

impl ProviderSettings {
    /// The keys endpoint of an issuer.
    #[must_use]
    pub fn keys_url_of(issuer: &str) -> String {
        format!("{}/v1/keys", issuer.trim_end_matches('/'))
    }
}

/// The sample provider as a router.
///
/// # Errors
/// [`HttpError`] when the CA certificate is not PEM or TLS cannot be set up.
pub fn provider(settings: ProviderSettings) -> Result<Router, HttpError> {
    let http = http::client(&settings.keys_url, settings.ca_pem.as_deref())?;
    let verifier = Arc::new(Verifier {
        keys: Keys::new(http, settings.keys_url),
        issuer: settings.issuer,
        client_id: settings.client_id,
    });
    let api = Router::new()
        .route("/vehicles", get(vehicles::list).post(vehicles::add))
        .route(
            "/vehicles/{id}",
            get(vehicles::one).delete(vehicles::remove),
        )
        .route("/customers", get(customers::list).post(customers::add))
        .route(
            "/customers/{id}",
            get(customers::one).delete(customers::remove),
        )
        .method_not_allowed_fallback(async || answer::no_such_method())
        .fallback(async || answer::no_such_path())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(verifier, only_the_platform))
        .with_state(Arc::new(Tenants::default()));
    Ok(Router::new()
        .route("/", get(async || ABOUT))
        .nest(BASE_PATH, api)
        .method_not_allowed_fallback(async || answer::no_such_method())
        .fallback(async || answer::no_such_path())
        .layer(middleware::map_response(answer_headers)))
}

async fn only_the_platform(
    State(verifier): State<Arc<Verifier>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    verifier.verify(request.headers()).await?;
    Ok(next.run(request).await)
}

/// Every answer belongs to one subscription, and says honestly what it is.
async fn answer_headers(mut response: Response) -> Response {
    // The framework answers this one in plain text.
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("The body is over {BODY_BYTES_MAX} bytes.");
        let failure = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY-TOO-LARGE", message);
        response = failure.into_response();
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
