//! The platform: answers as scripted, then as the real ones do.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use portcullis_client::{Client, ClientBuilder};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// What one request looked like.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

type Scripted = (u16, Vec<(&'static str, String)>, String);

/// Answers as scripted, then as the real ones do; remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Platform {
    url: String,
    pub(crate) state: Arc<PlatformState>,
}

pub(crate) struct PlatformState {
    tokens: Mutex<VecDeque<Scripted>>,
    calls: Mutex<VecDeque<Scripted>>,
    token_requests: Mutex<Vec<Seen>>,
    api_requests: Mutex<Vec<Seen>>,
    /// A permit for each token request that may be answered.
    pub(crate) gate: Semaphore,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::start_with(Semaphore::new(Semaphore::MAX_PERMITS)).await
    }

    pub(crate) async fn start_with(gate: Semaphore) -> Self {
        let state = Arc::new(PlatformState {
            tokens: Mutex::default(),
            calls: Mutex::default(),
            token_requests: Mutex::default(),
            api_requests: Mutex::default(),
            gate,
        });
        let router = Router::new()
            .route("/oauth2/default/v1/token", post(token))
            .fallback(any(api))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "the server of a test ends with its runtime"
        )]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub(crate) fn then_token(
        self,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Self {
        self.state
            .tokens
            .lock()
            .unwrap()
            .push_back(scripted(status, headers, body));
        self
    }

    pub(crate) fn then_call(
        self,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Self {
        self.state
            .calls
            .lock()
            .unwrap()
            .push_back(scripted(status, headers, body));
        self
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder()
            .issuer(format!("{}/oauth2/default", self.url))
            .api_key("app-key")
            .api_secret("pcs_the-secret")
            .api_base(format!("{}/sample/vehicles/v1", self.url))
            .subscriptions_base(&self.url)
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn token_requests(&self) -> Vec<Seen> {
        self.state.token_requests.lock().unwrap().clone()
    }

    pub(crate) fn api_requests(&self) -> Vec<Seen> {
        self.state.api_requests.lock().unwrap().clone()
    }
}

fn scripted(status: u16, headers: &[(&'static str, &str)], body: &str) -> Scripted {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    (status, headers.collect(), body.to_owned())
}

fn answer((status, headers, body): Scripted) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn token(
    State(state): State<Arc<PlatformState>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let path = uri.to_string();
    let count = {
        let mut requests = state.token_requests.lock().unwrap();
        requests.push(Seen {
            path,
            headers,
            body,
        });
        requests.len()
    };
    state.gate.acquire().await.unwrap().forget();
    let scripted = state.tokens.lock().unwrap().pop_front();
    answer(scripted.unwrap_or_else(|| {
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"e30.e30.{count}","scope":"anonymous"}}"#
        );
        (200, Vec::new(), body)
    }))
}

async fn api(
    State(state): State<Arc<PlatformState>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let path = uri.to_string();
    state.api_requests.lock().unwrap().push(Seen {
        path,
        headers,
        body,
    });
    let scripted = state.calls.lock().unwrap().pop_front();
    answer(scripted.unwrap_or_else(|| (200, Vec::new(), "{}".to_owned())))
}
