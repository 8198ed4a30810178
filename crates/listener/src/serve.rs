//! Serves a port on the runtime of the caller: auth, registry, operations.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::service::Service;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::{Admission, accept};
use crate::body::Body;
use crate::bound::Bound;
use crate::connection::{Port, serve_connection};
use crate::counters::Event;
use crate::refusal::{RefusalBody, Refusals};
use crate::reply::BoxError;
use crate::settings::Settings;

/// How a port ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections whose request was still being answered when the time to drain was over.
    pub cut: u64,
}

/// Serves until `shutdown`, then drains: no more connections, one last request for those that are open,
/// and `drain_timeout` for what is being answered. The service is cloned for each connection.
///
/// A tower service, such as a router that takes any body, fits through
/// `hyper_util::service::TowerToHyperService`, after its request is mapped to its own body type; [`Body`]
/// is an ordinary `http_body::Body`.
pub async fn serve<S, B>(
    bound: Bound,
    settings: Settings,
    refusal_body: RefusalBody,
    service: S,
    shutdown: CancellationToken,
) -> Drained
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let refusals = Refusals {
        body: refusal_body,
        fields: bound.refusal_fields,
    };
    let (control, listeners) = (bound.control, into_tokio(bound.listeners, settings.name));
    control.set_limits(settings.limits);
    let port = Port {
        control: control.clone(),
        refusals,
        tls: settings.tls.as_ref().map(|tls| tls.acceptor()),
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
    };
    let connections = TaskTracker::new();
    accept(
        listeners,
        Admission::new(control.clone()),
        shutdown,
        |accepted| {
            connections.spawn(serve_connection(accepted, port.clone(), service.clone()));
        },
    )
    .await;
    drain(&connections, &port.cut, control.limits().drain_timeout).await;
    Drained {
        cut: control.counters().get(Event::Cut),
    }
}

/// Waits for the connections, and cuts those that take too long.
pub(crate) async fn drain(
    connections: &TaskTracker,
    cut: &CancellationToken,
    drain_timeout: Duration,
) {
    connections.close();
    if timeout(drain_timeout, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
}

/// The sockets as those of the current runtime.
pub(crate) fn into_tokio(
    listeners: Vec<std::net::TcpListener>,
    name: &'static str,
) -> Arc<[TcpListener]> {
    listeners
        .into_iter()
        .filter_map(|listener| {
            TcpListener::from_std(listener)
                .inspect_err(|error| tracing::error!(port = name, %error, "a listening socket cannot be used"))
                .ok()
        })
        .collect()
}
