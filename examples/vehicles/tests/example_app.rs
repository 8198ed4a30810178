//! The example app, driven as a browser drives it, against a platform on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use portcullis_vehicles::{ApiSecret, ExampleSettings, example_app};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

const SUBSCRIPTION_ID: &str = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e";
/// Claims: {"iss":"http://a","sub":"app","exp":9}.
const TOKEN: &str =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwOi8vYSIsInN1YiI6ImFwcCIsImV4cCI6OX0.c2lnbmF0dXJl";

/// Token server and gateway: what they answer, and what they were asked.
#[derive(Clone)]
struct Platform {
    url: String,
    state: Arc<PlatformState>,
}

struct PlatformState {
    token: Mutex<(u16, String)>,
    call: Mutex<(u16, String)>,
    token_requests: Mutex<usize>,
    calls: Mutex<Vec<(String, HeaderMap)>>,
}

impl Platform {
    async fn start() -> Self {
        let token = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN, "scope": "anonymous"});
        let state = Arc::new(PlatformState {
            token: Mutex::new((200, token.to_string())),
            call: Mutex::new((200, r#"{"items":[]}"#.to_owned())),
            token_requests: Mutex::default(),
            calls: Mutex::default(),
        });
        let router = Router::new()
            .route("/oauth2/default/v1/token", post(token_server))
            .fallback(any(gateway))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the runtime of the test"
        )]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    fn answers_token_requests(self, status: u16, body: &Value) -> Self {
        *self.state.token.lock().unwrap() = (status, body.to_string());
        self
    }

    fn answers_calls(self, status: u16, body: &impl ToString) -> Self {
        *self.state.call.lock().unwrap() = (status, body.to_string());
        self
    }

    fn settings(&self) -> ExampleSettings {
        ExampleSettings {
            auth_url: Some(format!("{}/oauth2/default", self.url)),
            api_key: Some("app-key".to_owned()),
            api_secret: Some(ApiSecret::from("pcs_the-secret")),
            api_call_url: Some(format!("{}/sample/vehicles/v1/vehicles?limit=3", self.url)),
            subscription_id: Some(SUBSCRIPTION_ID.to_owned()),
            ..ExampleSettings::default()
        }
    }

    fn app(&self) -> Router {
        example_app(self.settings())
    }

    fn token_requests(&self) -> usize {
        *self.state.token_requests.lock().unwrap()
    }
}

fn json_answer((status, body): (u16, String)) -> Response {
    let content_type = [
        ("content-type", "application/json"),
        ("error-source", "gateway"),
    ];
    (StatusCode::from_u16(status).unwrap(), content_type, body).into_response()
}

async fn token_server(State(state): State<Arc<PlatformState>>) -> Response {
    *state.token_requests.lock().unwrap() += 1;
    json_answer(state.token.lock().unwrap().clone())
}

async fn gateway(
    State(state): State<Arc<PlatformState>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    state.calls.lock().unwrap().push((uri.to_string(), headers));
    json_answer(state.call.lock().unwrap().clone())
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(app: &Router, method: &str, path: &str, accept: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept);
    send(app, request.body(Body::empty()).unwrap()).await
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap(),
    }
}

const JSON: &str = "application/json";
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test]
async fn a_login_shows_the_token_masked_with_its_claims() {
    let platform = Platform::start().await;

    let answer = ask(&platform.app(), "POST", "/token", JSON).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let shown = answer.json();
    assert_eq!(shown["token"], "eyJ...F0dXJl");
    assert_eq!(
        shown["claims"],
        json!({"iss": "http://a", "sub": "app", "exp": 9})
    );
    assert!(shown["expires_in"].as_u64().unwrap() > 3590);
    assert!(!answer.text.contains(TOKEN));
    assert!(!answer.text.contains("the-secret"));
}

#[tokio::test]
async fn the_whole_token_is_shown_only_when_asked_for() {
    let platform = Platform::start().await;
    let settings = ExampleSettings {
        show_token: true,
        ..platform.settings()
    };

    let answer = ask(&example_app(settings), "POST", "/token", JSON).await;

    assert_eq!(answer.json()["access_token"], TOKEN);
    assert_eq!(answer.json()["token"], "eyJ...F0dXJl");
}

#[tokio::test]
async fn vehicles_come_through_the_gateway_for_the_configured_customer() {
    let document = json!({"items": [{"merchandisableVehicleId": "veh-1"}], "total": 1});
    let platform = Platform::start().await.answers_calls(200, &document);

    let answer = ask(&platform.app(), "GET", "/vehicles", JSON).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), document);
    assert!(!answer.header("request-id").is_empty());
    let (path, headers) = platform.state.calls.lock().unwrap().remove(0);
    assert_eq!(path, "/sample/vehicles/v1/vehicles?limit=3");
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(headers["subscription-id"], SUBSCRIPTION_ID);
}

#[tokio::test]
async fn fifty_visitors_share_one_token() {
    let platform = Platform::start().await;
    let app = platform.app();

    let mut visitors = JoinSet::new();
    for number in 0..50 {
        let app = app.clone();
        let (method, path) = if number % 2 == 0 {
            ("POST", "/token")
        } else {
            ("GET", "/vehicles")
        };
        visitors.spawn(async move { ask(&app, method, path, JSON).await.status });
    }
    let statuses = visitors.join_all().await;

    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!(platform.token_requests(), 1);
}

#[tokio::test]
async fn what_is_missing_in_the_settings_is_named() {
    let platform = Platform::start().await;
    let settings = ExampleSettings {
        api_secret: Some(ApiSecret::from(" ")),
        subscription_id: None,
        ..platform.settings()
    };
    let app = example_app(settings);

    let status = ask(&app, "GET", "/status", JSON).await;
    let token = ask(&app, "POST", "/token", JSON).await;
    let vehicles = ask(&app, "GET", "/vehicles", JSON).await;
    let page = ask(&app, "GET", "/", BROWSER).await;

    assert_eq!(status.json()["configured"], false);
    assert_eq!(page.status, 200);
    for answer in [token, vehicles] {
        assert_eq!(answer.status, 502);
        assert_eq!(answer.json()["code"], "NOT-CONFIGURED");
        assert_eq!(
            answer.json()["missing"],
            json!(["API_SECRET", "SUBSCRIPTION_ID"])
        );
    }
}

#[tokio::test]
async fn without_any_settings_the_page_still_comes() {
    let app = example_app(ExampleSettings::default());

    let page = ask(&app, "GET", "/", BROWSER).await;
    let token = ask(&app, "POST", "/token", JSON).await;

    assert!(page.text.contains("Login to Portcullis"));
    assert_eq!(token.json()["missing"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn settings_that_are_no_urls_are_an_explained_state() {
    let platform = Platform::start().await;
    let auth = ExampleSettings {
        auth_url: Some("localhost:8080".to_owned()),
        ..platform.settings()
    };
    let call = ExampleSettings {
        api_call_url: Some("not a url".to_owned()),
        ..platform.settings()
    };
    let certificate = ExampleSettings {
        ca_pem: Some(b"nonsense".to_vec()),
        ..platform.settings()
    };

    for settings in [auth, call, certificate] {
        let answer = ask(&example_app(settings), "POST", "/token", JSON).await;

        assert_eq!(answer.status, 502);
        assert_eq!(answer.json()["code"], "INVALID-CONFIGURATION");
    }
}

#[tokio::test]
async fn a_token_server_that_is_away_is_told_apart_from_one_that_refuses() {
    let platform = Platform::start().await;
    let away = ExampleSettings {
        auth_url: Some("http://127.0.0.1:1/oauth2/default".to_owned()),
        ..platform.settings()
    };
    let refused = json!({"error": "invalid_client", "error_description": "no such client"});

    let away = ask(&example_app(away), "POST", "/token", JSON).await;
    let platform = platform.answers_token_requests(401, &refused);
    let refused = ask(&platform.app(), "GET", "/vehicles", JSON).await;

    assert_eq!((away.status, refused.status), (502, 502));
    assert_eq!(away.json()["code"], "TOKEN-SERVER-UNREACHABLE");
    assert_eq!(refused.json()["code"], "INVALID-CLIENT");
    assert!(
        refused.json()["remedy"]
            .as_str()
            .unwrap()
            .contains("API_SECRET")
    );
}

#[tokio::test]
async fn each_refusal_of_the_gateway_keeps_its_code_remedy_and_request_id() {
    let codes = [
        (403, "SUBSCRIPTION-MISMATCH"),
        (403, "API-SUBSCRIPTION-INACTIVE"),
        (404, "API-DOES-NOT-EXIST"),
        (429, "QUOTA-EXCEEDED"),
        (503, "TARGET-SYSTEM-UNREACHABLE"),
        (504, "TARGET-SYSTEM-TIMED-OUT"),
    ];
    for (status, code) in codes {
        let body = json!({"code": code, "message": "what happened", "status": status,
            "requestId": "r-1", "source": "GATEWAY", "remedy": "what to do"});
        let platform = Platform::start().await.answers_calls(status, &body);

        let answer = ask(&platform.app(), "GET", "/vehicles", JSON).await;

        let failure = answer.json();
        assert_eq!(answer.status, 502);
        assert_eq!(failure["code"], code);
        assert_eq!(failure["message"], "What happened.");
        assert_eq!(failure["remedy"], "what to do");
        assert_eq!(failure["requestId"], "r-1");
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_or_answers_nonsense_is_an_explained_state() {
    let platform = Platform::start().await;
    let away = ExampleSettings {
        api_call_url: Some("http://127.0.0.1:1/sample/vehicles".to_owned()),
        ..platform.settings()
    };

    let away = ask(&example_app(away), "GET", "/vehicles", JSON).await;
    let nonsense = platform.answers_calls(200, &"<html>hello</html>");
    let nonsense = ask(&nonsense.app(), "GET", "/vehicles", JSON).await;

    assert_eq!(away.json()["code"], "GATEWAY-UNREACHABLE");
    assert_eq!(nonsense.json()["code"], "UNEXPECTED-ANSWER");
    assert!(nonsense.json()["requestId"].is_string());
}

#[tokio::test]
async fn a_platform_that_restarted_with_other_keys_is_met_with_a_new_token() {
    let expired = json!({"code": "INVALID-TOKEN", "message": "signed by a key that is gone"});
    let platform = Platform::start().await;
    let app = platform.app();
    ask(&app, "GET", "/vehicles", JSON).await;

    let platform = platform.answers_calls(401, &expired);
    let during = ask(&app, "GET", "/vehicles", JSON).await;
    let platform = platform.answers_calls(200, &"[]");
    let after = ask(&app, "GET", "/vehicles", JSON).await;

    assert_eq!(during.json()["code"], "INVALID-TOKEN");
    assert_eq!(after.status, 200);
    assert_eq!(platform.token_requests(), 2);
}

#[tokio::test]
async fn a_browser_gets_the_page_at_any_path_and_a_program_gets_404() {
    let app = Platform::start().await.app();

    for path in ["/", "/some/where", "/token"] {
        let page = ask(&app, "GET", path, BROWSER).await;

        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("<h1>Vehicle Finder</h1>"), "{path}");
    }
    let unknown = ask(&app, "GET", "/some/where", JSON).await;
    let token = ask(&app, "GET", "/token", JSON).await;
    let posted = ask(&app, "POST", "/vehicles", JSON).await;
    assert_eq!(
        (unknown.status, unknown.json()["code"].clone()),
        (404, json!("NOT-FOUND"))
    );
    assert_eq!((token.status, token.header("allow")), (405, "POST"));
    assert_eq!((posted.status, posted.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn the_page_runs_under_a_policy_without_inline_code() {
    let app = Platform::start().await.app();

    let page = ask(&app, "GET", "/", BROWSER).await;

    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("img-src 'self' data:"));
    assert!(!policy.contains("unsafe"));
    assert!(!page.text.contains("<style") && !page.text.contains("style="));
    assert!(!page.text.contains("onclick") && !page.text.contains("<script>"));
    for (path, content_type) in [
        ("/app.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        assert!(page.text.contains(path));
        let file = ask(&app, "GET", path, "*/*").await;
        assert_eq!(
            (file.status, file.header("content-type")),
            (200, content_type)
        );
    }
}

#[tokio::test]
async fn another_site_cannot_make_the_app_act() {
    let platform = Platform::start().await;
    let request = Request::post("/token").header("sec-fetch-site", "cross-site");

    let answer = send(&platform.app(), request.body(Body::empty()).unwrap()).await;

    assert_eq!(answer.status, 403);
    assert_eq!(platform.token_requests(), 0);
}

/// The colours of the style sheet: in light, and in dark.
fn palettes(css: &str) -> [Vec<(String, [f64; 3])>; 2] {
    let (light, dark) = css.split_once("prefers-color-scheme: dark").unwrap();
    [light, dark].map(|part| {
        let lines = part.lines().filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
            let hex = u32::from_str_radix(value.trim_end_matches(';'), 16).ok()?;
            let channel = |shift: u32| f64::from((hex >> shift) & 0xff) / 255.0;
            Some((name.to_owned(), [channel(16), channel(8), channel(0)]))
        });
        lines.collect()
    })
}

/// WCAG 2.2, relative luminance and contrast ratio.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |color: [f64; 3]| {
        let [r, g, b] = color.map(|c| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[tokio::test]
async fn text_and_controls_have_enough_contrast_in_both_themes() {
    let app = Platform::start().await.app();
    let css = ask(&app, "GET", "/app.css", "*/*").await.text;
    let pairs = [
        ("text", "page", 4.5),
        ("text", "surface", 4.5),
        ("text", "code", 4.5),
        ("muted", "page", 4.5),
        ("muted", "surface", 4.5),
        ("muted", "code", 4.5),
        ("accent", "surface", 4.5),
        ("accent-strong", "surface", 4.5),
        ("on-accent", "accent", 4.5),
        ("on-accent", "accent-strong", 4.5),
        ("bad-text", "bad-surface", 4.5),
        ("bad", "bad-surface", 3.0),
        ("focus", "page", 3.0),
        ("focus", "surface", 3.0),
    ];
    for palette in palettes(&css) {
        let color = |name: &str| palette.iter().find(|(known, _)| known == name).unwrap().1;
        for (front, back, least) in pairs {
            let ratio = contrast(color(front), color(back));

            assert!(ratio >= least, "{front} on {back}: {ratio:.2}");
        }
    }
}
