//! A token server in a test, and how its answers are shown.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use portcullis_auth::{AuthState, Issuer, IssuerAlias, PeerAddr, Settings, router};
use portcullis_core::{
    access_token::{self, VerifiedToken},
    clock::{Clock, ManualClock},
    recorder::{CallRecord, Recorder, TokenRecord},
    snapshot::{Snapshot, SnapshotHandle},
    test_util::{ISSUER, NOW, SECRET, SnapshotBuilder, rules},
};
use serde_json::Value;
use tower::ServiceExt;

/// The API Key of the app in every test.
pub(crate) const KEY: &str = "orders-app-key";
/// What a request for a token looks like.
pub(crate) const FORM: &str = "grant_type=client_credentials&scope=anonymous";
/// The token endpoint.
pub(crate) const TOKEN: &str = "/oauth2/default/v1/token";
/// The same of the deprecated issuer.
pub(crate) const OLD_TOKEN: &str = "/oauth2/legacy/v1/token";

/// Keeps what was recorded.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Vec<TokenRecord>>);

impl Records {
    pub(crate) fn tokens(&self) -> Vec<TokenRecord> {
        self.0.lock().unwrap().clone()
    }
}

impl Recorder for Records {
    fn call(&self, _: CallRecord) {}

    fn token(&self, record: TokenRecord) {
        self.0.lock().unwrap().push(record);
    }
}

/// A token server with an app `orders-app` and an API `orders-api`, and a deprecated issuer that ends in a day.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) snapshot: Arc<SnapshotHandle>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) records: Arc<Records>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(facts().build())
    }

    pub(crate) fn with(facts: Snapshot) -> Self {
        Self::tuned(facts, |settings| settings)
    }

    pub(crate) fn tuned(facts: Snapshot, tune: impl FnOnce(Settings) -> Settings) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let day = Duration::from_hours(24);
        let snapshot = SnapshotHandle::new(Arc::new(facts), clock.boot_time(), day * 2);
        let records = Arc::new(Records::default());
        let alias = IssuerAlias::new("/oauth2/legacy", NOW, NOW + day).unwrap();
        let settings = Settings::new(Issuer::parse(ISSUER).unwrap(), "api_providers");
        let settings = tune(settings.with_alias(alias).unwrap());
        let state = AuthState::new(
            snapshot.clone(),
            clock.clone(),
            records.clone(),
            Arc::new(settings),
        );
        Self {
            router: router(state),
            snapshot,
            clock,
            records,
        }
    }

    /// Sends a request from 192.0.2.1.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from("192.0.2.1", request).await
    }

    pub(crate) async fn send_from(&self, address: &str, mut request: Request<Body>) -> Answer {
        let peer = SocketAddr::new(address.parse().unwrap(), 40_000);
        request.extensions_mut().insert(PeerAddr(peer));
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Asks for a token with these Basic credentials, otherwise rightly.
    pub(crate) async fn ask_as(&self, key: &str, secret: &str) -> Answer {
        self.send(ask(&basic(key, secret), FORM)).await
    }
}

/// The facts of most tests.
pub(crate) fn facts() -> SnapshotBuilder {
    SnapshotBuilder::connected("orders-app", "orders-api")
}

pub(crate) fn basic(key: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")))
}

/// A request for a token with this `Authorization` and form.
pub(crate) fn ask(authorization: &str, form: &str) -> Request<Body> {
    Request::post(TOKEN)
        .header("authorization", authorization)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

/// The request of a right client with this form.
pub(crate) fn right(form: &str) -> Request<Body> {
    ask(&basic(KEY, SECRET), form)
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// Status and error code in one text.
    pub(crate) fn verdict(&self) -> String {
        if self.status == StatusCode::OK {
            return "200".to_owned();
        }
        format!("{} {}", self.status.as_u16(), self.error())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn token(&self) -> String {
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The claims of the token, as anybody can read them.
    pub(crate) fn claims(&self) -> Value {
        let token = self.token();
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// The token, when it is one of ours.
    pub(crate) fn verified(&self, facts: &Snapshot) -> VerifiedToken {
        access_token::verify(&self.token(), facts.keys(), &rules(), NOW).unwrap()
    }

    /// Status, headers in alphabetical order but Content-Length, and body with the token masked.
    pub(crate) fn shown(&self) -> String {
        let mut shown = format!("{}\n", self.status.as_u16());
        let mut names: Vec<_> = self.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| *name != "content-length") {
            for value in self.headers.get_all(name) {
                writeln!(shown, "{name}: {}", value.to_str().unwrap()).unwrap();
            }
        }
        let body = match serde_json::from_str::<Value>(&self.body) {
            Ok(json) if json["access_token"].is_string() => self
                .body
                .replace(json["access_token"].as_str().unwrap(), "[token]"),
            _ => self.body.clone(),
        };
        shown.push('\n');
        shown + &body
    }
}
