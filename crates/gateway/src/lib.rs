//! Role gateway: authorizes and forwards each call.
//!
//! | module | what it holds |
//! |---|---|
//! | `request_life` | the life of a call, step by step |
//! | `bearer`, `verified_tokens` | who calls |
//! | `path`, `headers`, `forwarded`, `identity` | what passes, what is refused, what is added |
//! | `outbound_tokens` | what takes the place of the app's token |
//! | `forward`, `request_body`, `response_body` | the call on its way to the provider, and the answer on its way back |
//! | `upstream` | connections to providers |
//! | `simulator`, `cors` | calls that are answered here |
//! | `error`, `answer`, `record` | what callers and logs are told |
//!
//! One [`serve`] runs one thread for each core, and each has its own connections and its own verified tokens:
//! nothing on the way of a call is shared but the snapshot, the outbound tokens and the recorder.

mod answer;
mod bearer;
mod cors;
mod error;
mod forward;
mod forwarded;
mod headers;
mod identity;
mod outbound_tokens;
mod path;
mod patience;
mod record;
mod request_body;
mod request_life;
mod response_body;
mod settings;
mod simulator;
mod upstream;
mod verified_tokens;

use std::{cell::RefCell, convert::Infallible, fmt, io, pin::Pin, rc::Rc, sync::Arc};

use http::{Request, Response};
use hyper::service::Service;
use portcullis_core::{
    clock::Clock, recorder::Recorder, snapshot::SnapshotHandle, throttle::Throttle,
};
use portcullis_listener::{Body, Bound, PerCore, serve_per_core};
use tokio_util::sync::CancellationToken;

pub use crate::{
    answer::refusal_body,
    outbound_tokens::{OutboundSigner, OutboundTokens},
    settings::{Cors, Limits, Settings, Timeouts},
    upstream::{UpstreamTls, UpstreamTlsError},
};
use crate::{
    forwarded::Introduction, identity::Identities, response_body::ResponseBody, upstream::Upstream,
    verified_tokens::VerifiedTokens,
};

/// What all cores share.
#[derive(Debug)]
pub struct GatewayState {
    /// The facts calls are decided from.
    pub snapshot: Arc<SnapshotHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the records of calls go.
    pub recorder: Arc<dyn Recorder>,
    /// Tokens for providers; an [`OutboundSigner`] has to run beside the gateway.
    pub outbound: OutboundTokens,
    /// Failed authentications, shared with the token server: an API Secret cannot be guessed at faster here
    /// than there.
    pub throttle: Arc<Throttle>,
    /// Which providers are believed over https.
    pub tls: UpstreamTls,
    /// Rules, limits and clocks.
    pub settings: Settings,
}

/// Serves the gateway's port on `workers` threads until `shutdown`.
///
/// # Errors
/// When a thread cannot be made.
pub fn serve(
    state: Arc<GatewayState>,
    bound: Bound,
    listener: portcullis_listener::Settings,
    workers: usize,
    shutdown: CancellationToken,
) -> io::Result<PerCore> {
    let make = move |_core| GatewayService(Gateway::new(Arc::clone(&state)));
    serve_per_core(bound, listener, refusal_body, workers, make, shutdown)
}

/// One core of the gateway.
struct Gateway {
    state: Arc<GatewayState>,
    upstream: Rc<Upstream>,
    verified: RefCell<VerifiedTokens>,
    identities: Identities,
    introduction: Introduction,
}

impl Gateway {
    fn new(state: Arc<GatewayState>) -> Rc<Self> {
        let settings = &state.settings;
        Rc::new(Self {
            upstream: Upstream::new(settings, state.tls.clone(), Arc::clone(&state.clock)),
            verified: RefCell::new(VerifiedTokens::new(settings.limits.verified_tokens_max)),
            identities: Identities::new(),
            introduction: Introduction::new(&settings.installation_id, &settings.trusted_proxies),
            state,
        })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway({:?})", self.upstream)
    }
}

struct GatewayService(Rc<Gateway>);

impl Service<Request<Body>> for GatewayService {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>>>>;

    fn call(&self, request: Request<Body>) -> Self::Future {
        let gateway = Rc::clone(&self.0);
        Box::pin(async move { Ok(request_life::handle(gateway, request).await) })
    }
}
