//! One function for each role, and the service that stands on the portal port.
//!
//! Runtimes go by latency class: gateway cores (one thread each), token workers (they sign inline), control
//! (refresher, operations port), and one for registry, portal and jobs. None waits for another: a request on
//! the portal port is read by a token worker, answered there when it is the token server's, and handed to the
//! registry's runtime otherwise.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::{Router, body::Body as AxumBody, extract::ConnectInfo};
use http::{Request, Response, StatusCode};
use hyper::service::Service;
use portcullis_auth::{AuthState, PeerAddr};
use portcullis_listener::{Body, Bound, Limits, Peer, Refusal, Settings};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{config::listeners::Listeners, port_holder, tls::Certificate};

/// Binds a port; of a port that is taken the error names the holder.
///
/// # Errors
/// When an address cannot be bound.
pub fn bind(settings: &Settings) -> Result<Bound> {
    Bound::bind(settings).map_err(|error| {
        let taken = error.source.kind() == std::io::ErrorKind::AddrInUse;
        let address = error.address;
        if taken {
            let holder = port_holder::holder_of(address);
            anyhow!(
                "the {} port {address} is taken by {holder}; stop it or choose another port",
                settings.name
            )
        } else {
            anyhow!(error)
        }
    })
}

/// What a listener is told.
#[must_use]
pub fn listener_settings(
    name: &'static str,
    addresses: Vec<SocketAddr>,
    limits: Limits,
    certificate: Option<&Certificate>,
) -> Settings {
    Settings {
        addresses,
        limits,
        tls: certificate.map(|certificate| certificate.settings.clone()),
        name,
    }
}

/// Limits of a port, as configured.
#[must_use]
pub fn limits(listeners: &Listeners) -> Limits {
    Limits {
        connections_max: listeners.connections_max,
        connections_per_source_max: listeners.connections_per_source_max,
        drain_timeout: listeners.drain.get(),
        ..Limits::default()
    }
}

/// Serves a router on the current runtime until `shutdown`; returns when the last connection has ended.
pub async fn serve_router(
    bound: Bound,
    settings: Settings,
    router: Router,
    shutdown: CancellationToken,
) {
    let name = settings.name;
    let service = PortService {
        inline: Some(router),
        elsewhere: None,
        inline_paths: Arc::new([]),
    };
    let drained =
        portcullis_listener::serve(bound, settings, refusal_body, service, shutdown).await;
    tracing::debug!(port = name, cut = drained.cut, "the port is drained");
}

/// Serves the portal port: the token server's paths inline on this runtime, all others on `registry`.
pub async fn serve_portal_port(
    bound: Bound,
    settings: Settings,
    routers: PortalRouters,
    shutdown: CancellationToken,
) {
    let service = PortService {
        inline: routers.auth,
        elsewhere: routers.registry,
        inline_paths: routers.auth_paths.into(),
    };
    let drained =
        portcullis_listener::serve(bound, settings, refusal_body, service, shutdown).await;
    tracing::debug!(port = "portal", cut = drained.cut, "the port is drained");
}

/// What the portal port serves, by the roles of the node.
pub struct PortalRouters {
    /// The token server.
    pub auth: Option<Router>,
    /// The paths that are the token server's, with all below them.
    pub auth_paths: Vec<String>,
    /// Registry and portal, and the runtime that runs them.
    pub registry: Option<(Router, Handle)>,
}

/// The paths of the token server: the issuer's, its aliases', and the well-known form that puts them last.
#[must_use]
pub fn auth_paths(state: &AuthState) -> Vec<String> {
    let settings = &state.settings;
    let mut paths = vec![settings.issuer().path().to_owned()];
    paths.extend(
        settings
            .aliases()
            .iter()
            .map(|alias| alias.path().to_owned()),
    );
    paths.push("/.well-known/oauth-authorization-server".to_owned());
    paths
}

#[derive(Clone)]
struct PortService {
    inline: Option<Router>,
    elsewhere: Option<(Router, Handle)>,
    inline_paths: Arc<[String]>,
}

impl PortService {
    fn is_inline(&self, path: &str) -> bool {
        self.elsewhere.is_none()
            || self.inline_paths.iter().any(|own| {
                path.strip_prefix(own.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<AxumBody>, Infallible>> + Send>>;

impl Service<Request<Body>> for PortService {
    type Response = Response<AxumBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Body>) -> Answer {
        let mut request = request.map(AxumBody::new);
        if let Some(peer) = request.extensions().get::<Peer>().copied() {
            request.extensions_mut().insert(PeerAddr(peer.addr));
            request.extensions_mut().insert(ConnectInfo(peer.addr));
        }
        if self.is_inline(request.uri().path()) {
            return match &self.inline {
                Some(router) => Box::pin(router.clone().oneshot(request)),
                None => Box::pin(async { Ok(status_alone(StatusCode::NOT_FOUND)) }),
            };
        }
        match &self.elsewhere {
            Some((router, runtime)) => {
                let answer = AbortOnDrop(runtime.spawn(router.clone().oneshot(request)));
                Box::pin(async { Ok(answer.joined().await) })
            }
            None => Box::pin(async { Ok(status_alone(StatusCode::NOT_FOUND)) }),
        }
    }
}

/// A task of another runtime that is cancelled when the caller goes away, as it would be here.
struct AbortOnDrop(JoinHandle<Result<Response<AxumBody>, Infallible>>);

impl AbortOnDrop {
    async fn joined(mut self) -> Response<AxumBody> {
        match (&mut self.0).await {
            Ok(Ok(response)) => response,
            // A panic in a handler ends that request alone; the panic hook has logged it.
            Err(_) => status_alone(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn status_alone(status: StatusCode) -> Response<AxumBody> {
    let text = format!(
        r#"{{"error":"invalid_request","error_description":"{status}","status":{}}}"#,
        status.as_u16()
    );
    let mut response = Response::new(AxumBody::from(text));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

/// What a caller is told whose request was refused before it reached a service: the shape of the token
/// endpoint, which problem readers understand too.
#[must_use]
pub fn refusal_body(refusal: &Refusal) -> (&'static str, String) {
    let body = serde_json::json!({
        "error": "invalid_request",
        "error_description": refusal.to_string(),
        "title": "The request was refused",
        "detail": refusal.to_string(),
        "status": refusal.status().as_u16(),
    });
    ("application/json", body.to_string())
}

/// Runs the example app alone: `portcullis example-app`.
///
/// # Errors
/// When the port cannot be bound.
pub fn serve_example_app(settings: portcullis_vehicles::ExampleSettings, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let addresses = loopback(port);
    let settings_of_port = listener_settings("example app", addresses, Limits::default(), None);
    let bound = bind(&settings_of_port)?;
    let router = portcullis_vehicles::example_app(settings);
    runtime.block_on(async {
        let mut signals = crate::shutdown::Signals::listen()?;
        crate::cli::say(&format!(
            "Server listening on port: {port} (http://localhost:{port})"
        ));
        let shutdown = CancellationToken::new();
        let served = serve_router(bound, settings_of_port, router, shutdown.clone());
        tokio::pin!(served);
        tokio::select! {
            () = &mut served => return Ok(()),
            _ = signals.next() => shutdown.cancel(),
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), served).await;
        Ok(())
    })
}

/// `127.0.0.1` and `::1` at this port; without IPv6 on the machine the first alone.
#[must_use]
pub fn loopback(port: u16) -> Vec<SocketAddr> {
    let mut addresses = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    let v6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
    if std::net::TcpListener::bind(SocketAddr::new(v6.ip(), 0)).is_ok() {
        addresses.push(v6);
    }
    addresses
}
