//! A new connection to a target: resolve, check every address, connect to a checked one, shake hands.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{
    address_policy::AddressPolicy,
    ids::OrganizationId,
    target::{Target, TargetHost},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::stream::Transport;
use crate::error::UpstreamError;

/// Addresses of a name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// What providers have to show to be believed over https.
#[derive(Clone)]
pub struct UpstreamTls(Arc<ClientConfig>);

impl std::fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamTls")
    }
}

/// The roots for https could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the roots for https targets cannot be used: {0}")]
pub struct UpstreamTlsError(#[from] rustls::Error);

impl UpstreamTls {
    /// Trusts the system's roots, as far as they can be read, and `extra_roots`. Reads files: call it once,
    /// when starting.
    ///
    /// # Errors
    /// [`UpstreamTlsError`] when one of `extra_roots` is no certificate.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, UpstreamTlsError> {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "some of the system's root certificates cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (_usable, unusable) = roots.add_parsable_certificates(native.certs);
        if unusable > 0 {
            tracing::debug!(
                unusable,
                "some of the system's root certificates cannot be used"
            );
        }
        for root in extra_roots {
            roots.add(root)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// How connections are made.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) policy: AddressPolicy,
    pub(super) tls: UpstreamTls,
    pub(super) timeout: Duration,
}

impl Connector {
    /// Connects on behalf of the provider's organization.
    pub(super) async fn connect(
        &self,
        target: &Target,
        organization: Option<&OrganizationId>,
    ) -> Result<Transport, UpstreamError> {
        let deadline = Instant::now() + self.timeout;
        let addresses = timeout_at(deadline, self.resolve(target, organization))
            .await
            .map_err(|_elapsed| UpstreamError::ConnectTimedOut)??;
        let stream = connect_to_any(&addresses, deadline).await?;
        // Calls are written in one piece; waiting for a fuller packet would only delay them.
        let _ = stream.set_nodelay(true);
        if !target.https {
            return Ok(Transport::Plain(stream));
        }
        let name = match &target.host {
            TargetHost::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| UpstreamError::Tls)?
            }
            TargetHost::Address(address) => ServerName::from(*address),
        };
        let handshake = TlsConnector::from(Arc::clone(&self.tls.0)).connect(name, stream);
        match timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(Transport::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                tracing::info!(target = %target.authority, %error, "TLS with a target failed");
                Err(UpstreamError::Tls)
            }
            Err(_elapsed) => Err(UpstreamError::ConnectTimedOut),
        }
    }

    /// The target's addresses. One that may not be reached is enough to refuse them all: a name that mixes
    /// them is trying something.
    async fn resolve(
        &self,
        target: &Target,
        organization: Option<&OrganizationId>,
    ) -> Result<Vec<SocketAddr>, UpstreamError> {
        let addresses: Vec<SocketAddr> = match &target.host {
            TargetHost::Address(address) => vec![SocketAddr::new(*address, target.port)],
            TargetHost::Name(name) => lookup_host((name.as_str(), target.port))
                .await
                .map_err(|_| UpstreamError::Unresolved)?
                .take(ADDRESSES_MAX)
                .collect(),
        };
        for address in &addresses {
            self.check(address.ip(), address.port(), organization).inspect_err(|_| {
                tracing::warn!(target = %target.authority, %address, "a target's address is not allowed");
            })?;
        }
        if addresses.is_empty() {
            Err(UpstreamError::Unresolved)
        } else {
            Ok(addresses)
        }
    }

    fn check(
        &self,
        ip: IpAddr,
        port: u16,
        organization: Option<&OrganizationId>,
    ) -> Result<(), UpstreamError> {
        self.policy
            .check(ip, port, organization)
            .map_err(|_| UpstreamError::Blocked)
    }
}

/// Tries one address after the other. Each gets its share of the time that is left, so that a first one which
/// swallows packets does not cost the others their turn.
async fn connect_to_any(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, UpstreamError> {
    let mut failure = UpstreamError::Refused;
    for (nth, address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - nth).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / untried;
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => {
                failure = UpstreamError::Reset;
            }
            Ok(Err(_)) => failure = UpstreamError::Refused,
            Err(_elapsed) => failure = UpstreamError::ConnectTimedOut,
        }
    }
    Err(failure)
}
