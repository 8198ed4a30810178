//! A platform on loopback for the tests: its keys endpoint, and tokens signed with its keys.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use portcullis_vehicles::{ExpectedClient, ProviderSettings, provider};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

pub(crate) const CLIENT_ID: &str = "ApiClientId0123456789abcdefghijk";
pub(crate) const SUBSCRIPTION_ID: &str = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e";

/// A key pair of the platform.
pub(crate) struct Key {
    pub(crate) kid: String,
    signing: EncodingKey,
    jwk: Value,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = pair.as_der().unwrap();
        let pem = STANDARD.encode(pkcs8.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        let public = pair.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        Self {
            kid: kid.to_owned(),
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            jwk: json!({"kty":"RSA","use":"sig","alg":"RS256","kid":kid,"n":n,"e":e}),
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.signing).unwrap()
    }
}

/// A platform whose published keys can be changed.
pub(crate) struct Platform {
    pub(crate) issuer: String,
    state: Arc<PlatformState>,
}

#[derive(Default)]
struct PlatformState {
    published: Mutex<Option<Value>>,
    fetches: AtomicUsize,
}

impl Platform {
    pub(crate) async fn publishing(keys: &[&Key]) -> Self {
        let state = Arc::new(PlatformState::default());
        let router = Router::new()
            .route("/oauth2/default/v1/keys", get(published))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the runtime of the test"
        )]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = format!("http://{address}/oauth2/default");
        let platform = Self { issuer, state };
        platform.publish(keys);
        platform
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk.clone()).collect();
        *self.state.published.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    /// From now on the keys endpoint answers 500.
    pub(crate) fn breaks(&self) {
        *self.state.published.lock().unwrap() = None;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// What the gateway's token for the sample API says.
    pub(crate) fn claims(&self) -> Value {
        let now = get_current_timestamp();
        json!({
            "iss": self.issuer, "aud": "api_providers", "sub": CLIENT_ID, "cid": CLIENT_ID,
            "scp": ["anonymous"], "iat": now, "exp": now + 300, "token_use": "outbound",
        })
    }

    pub(crate) fn settings(&self, client_id: ExpectedClient) -> ProviderSettings {
        ProviderSettings {
            issuer: self.issuer.clone(),
            keys_url: ProviderSettings::keys_url_of(&self.issuer),
            client_id,
            ca_pem: None,
        }
    }

    pub(crate) fn provider(&self) -> Router {
        provider(self.settings(ExpectedClient::known(CLIENT_ID))).unwrap()
    }
}

async fn published(State(state): State<Arc<PlatformState>>) -> Response<Body> {
    state.fetches.fetch_add(1, Ordering::SeqCst);
    let published = state.published.lock().unwrap().clone();
    match published {
        Some(keys) => axum::Json(keys).into_response(),
        None => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}
