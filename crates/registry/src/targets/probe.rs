//! The connection test of a target: resolve, look at every address, connect, shake hands, send one GET, and tell how
//! each step went. Redirects are not followed and the body of the answer is never looked at, so that the test shows
//! nothing of a target but whether it is there.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use portcullis_core::{
    address_policy::AddressPolicy,
    clock::BootTime,
    ids::{OrganizationId, UserId},
    target::{Target, TargetHost},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

/// How long a whole test may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Tests of one person within [`WINDOW`].
const TESTS_MAX: usize = 10;
const WINDOW: Duration = Duration::from_mins(1);
/// Tests that are under way at once.
const AT_ONCE_MAX: usize = 8;

/// How connection tests are made, and who made some lately. Cheap to clone.
#[derive(Clone, Default)]
pub struct TargetChecks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    extra_roots: Vec<CertificateDer<'static>>,
    tls: OnceLock<Arc<ClientConfig>>,
    lately: Mutex<HashMap<UserId, Vec<BootTime>>>,
    turns: OnceLock<Semaphore>,
}

impl std::fmt::Debug for TargetChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TargetChecks")
    }
}

/// What stands against another test now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// When to come again.
    pub(crate) retry_after: Duration,
}

impl TargetChecks {
    /// Trusts the system's roots and these, as the gateway does.
    #[must_use]
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Shared {
            extra_roots,
            ..Shared::default()
        }))
    }

    /// Counts a test of this person.
    pub(crate) fn count(&self, person: &UserId, now: BootTime) -> Result<(), TooMany> {
        let mut lately = self.0.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, tests| {
            tests.retain(|at| now.since(*at) < WINDOW);
            !tests.is_empty()
        });
        let tests = lately.entry(person.clone()).or_default();
        if let Some(first) = tests.first().filter(|_| tests.len() >= TESTS_MAX) {
            return Err(TooMany {
                retry_after: WINDOW.saturating_sub(now.since(*first)),
            });
        }
        tests.push(now);
        Ok(())
    }

    /// The roots are read once, when they are first needed.
    fn tls(&self) -> Option<Arc<ClientConfig>> {
        if let Some(config) = self.0.tls.get() {
            return Some(config.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.0.extra_roots.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(self.0.tls.get_or_init(|| Arc::new(config)).clone())
    }

    /// Tests a target on behalf of a provider. Takes at most five seconds once it has its turn.
    pub(crate) async fn probe(
        &self,
        target: &Target,
        policy: &AddressPolicy,
        provider: &OrganizationId,
    ) -> Probed {
        let turns = self.0.turns.get_or_init(|| Semaphore::new(AT_ONCE_MAX));
        let _turn = turns.acquire().await;
        let mut probed = Probed::default();
        let begun = Instant::now();
        let steps = self.steps(target, (policy, provider), (&mut probed, begun + LIMIT));
        let outcome = match timeout_at(begun + LIMIT, steps).await {
            Ok(Ok(())) => Outcome::Answered,
            Ok(Err(outcome)) => outcome,
            Err(_elapsed) => Outcome::TimedOut,
        };
        probed.outcome = outcome;
        probed
    }

    async fn steps(
        &self,
        target: &Target,
        (policy, provider): (&AddressPolicy, &OrganizationId),
        (probed, deadline): (&mut Probed, Instant),
    ) -> Result<(), Outcome> {
        let begun = Instant::now();
        let addresses = resolve(target).await?;
        probed.resolve = Some(begun.elapsed());
        for address in &addresses {
            if let Err(blocked) = policy.check(*address, target.port, Some(provider)) {
                return Err(Outcome::Refused(format!(
                    "{address} port {}: {blocked}; an operator can allow it with outgoing.allowed_networks",
                    target.port
                )));
            }
        }
        let begun = Instant::now();
        let (stream, address) = connect(&addresses, target.port, deadline).await?;
        probed.connect = Some(begun.elapsed());
        probed.address = Some(address);
        if !target.https {
            return exchange(target, stream, probed).await;
        }
        let begun = Instant::now();
        let config = self
            .tls()
            .ok_or_else(|| Outcome::Tls("the roots cannot be used".to_owned()))?;
        let name = match &target.host {
            TargetHost::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
                Outcome::Tls("the host is no name a certificate can have".to_owned())
            })?,
            TargetHost::Address(address) => ServerName::from(*address),
        };
        let handshake = TlsConnector::from(config).connect(name, stream).await;
        let stream = handshake.map_err(|error| Outcome::Tls(tls_cause(&error)))?;
        probed.tls = Some(begun.elapsed());
        exchange(target, stream, probed).await
    }
}

/// How a test went: as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    pub(crate) outcome: Outcome,
    /// The address that was connected to.
    pub(crate) address: Option<IpAddr>,
    pub(crate) resolve: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    pub(crate) tls: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) status: Option<u16>,
}

/// How it ended. Texts are for people.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was an answer, whatever its status.
    Answered,
    /// The gateway's own rules forbid the address.
    Refused(String),
    /// The name does not resolve.
    Dns(String),
    /// No connection.
    Connect(String),
    /// No TLS.
    Tls(String),
    /// What came is no HTTP.
    Http(String),
    /// It took longer than five seconds.
    #[default]
    TimedOut,
}

async fn resolve(target: &Target) -> Result<Vec<IpAddr>, Outcome> {
    match &target.host {
        TargetHost::Address(address) => Ok(vec![*address]),
        TargetHost::Name(name) => match super::addresses_of(name, target.port).await {
            Ok(addresses) if addresses.is_empty() => {
                Err(Outcome::Dns(format!("{name} has no address")))
            }
            Ok(addresses) => Ok(addresses),
            Err(_) => Err(Outcome::Dns(format!("{name} does not resolve"))),
        },
    }
}

/// Tries one address after the other, each with its share of the time that is left.
async fn connect(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<(TcpStream, IpAddr), Outcome> {
    let mut why = Outcome::TimedOut;
    for (nth, address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - nth).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / untried;
        let to = SocketAddr::new(*address, port);
        match timeout_at(Instant::now() + share, TcpStream::connect(to)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => {
                let reason = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
                    io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
                    kind => kind.to_string(),
                };
                why = Outcome::Connect(format!("{address} port {port}: {reason}"));
            }
            Err(_elapsed) => {}
        }
    }
    Err(why)
}

/// Why TLS failed, in words of ours where the cause is known.
fn tls_cause(error: &io::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<E>());
    match cause {
        Some(E::InvalidCertificate(cause)) => match cause {
            C::Expired | C::ExpiredContext { .. } => "the certificate has expired".to_owned(),
            C::NotValidYet | C::NotValidYetContext { .. } => {
                "the certificate is not valid yet".to_owned()
            }
            C::UnknownIssuer => "the certificate was issued by nobody we trust".to_owned(),
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                "the certificate is for another name".to_owned()
            }
            C::Revoked => "the certificate was revoked".to_owned(),
            other => format!("the certificate is not valid: {other}"),
        },
        Some(E::AlertReceived(alert)) => format!("the target ended the handshake: {alert:?}"),
        Some(E::InvalidMessage(_)) => "the target does not speak TLS on this port".to_owned(),
        Some(other) => other.to_string(),
        None => error.kind().to_string(),
    }
}

/// Sends one GET and reads the head of its answer.
async fn exchange(
    target: &Target,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    probed: &mut Probed,
) -> Result<(), Outcome> {
    let broken = |error: hyper::Error| {
        if error.is_parse() {
            Outcome::Http("the answer is not HTTP/1.1".to_owned())
        } else {
            Outcome::Http("the connection ended before an answer".to_owned())
        }
    };
    let begun = Instant::now();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with this test of a target"
    )]
    let driven = tokio::spawn(connection);
    let path = if target.path.is_empty() {
        "/"
    } else {
        &target.path
    };
    let request = Request::get(path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, "portcullis-target-check")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Outcome::Http("the path cannot be sent".to_owned()))?;
    let answer = sender.send_request(request).await;
    // Given up with the body unread.
    driven.abort();
    let answer = answer.map_err(broken)?;
    probed.first_byte = Some(begun.elapsed());
    probed.status = Some(answer.status().as_u16());
    Ok(())
}

#[cfg(test)]
mod tests;
