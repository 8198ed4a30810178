//! Takes connections from the listening sockets and decides whether there is room for them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::counters::Event;
use crate::settings::Control;

/// The pause after the system had no descriptor or memory for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection that there is room for.
#[derive(Debug)]
pub(crate) struct Accepted<T = TcpStream> {
    pub(crate) stream: T,
    pub(crate) peer: SocketAddr,
    pub(crate) local_addr: SocketAddr,
    pub(crate) ticket: Ticket,
}

/// Counts the open connections of one port, in all and by source.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    control: Control,
    sources: Mutex<HashMap<IpAddr, usize>>,
}

/// One place among the open connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(crate) fn new(control: Control) -> Arc<Self> {
        Arc::new(Self {
            control,
            sources: Mutex::default(),
        })
    }

    /// A place for a connection from this address, unless the port or the address has too many.
    fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Ticket, Event> {
        let limits = self.control.limits();
        let source = source(peer.ip());
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if self.control.counters().open() >= limits.connections_max as u64 {
            return Err(Event::OverPortLimit);
        }
        let count = sources.entry(source).or_insert(0);
        if *count >= limits.connections_per_source_max {
            return Err(Event::OverSourceLimit);
        }
        *count += 1;
        self.control.counters().opened();
        Ok(Ticket {
            admission: Arc::clone(self),
            source,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut sources = self
            .admission
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.source);
            }
        }
        self.admission.control.counters().closed();
    }
}

/// What counts as one source: an IPv4 address, or the /64 network that one IPv6 host usually has.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Accepts until shutdown and gives each connection to `deliver`.
pub(crate) async fn accept(
    listeners: Arc<[TcpListener]>,
    admission: Arc<Admission>,
    shutdown: CancellationToken,
    mut deliver: impl FnMut(Accepted),
) {
    let counters = Arc::clone(admission.control.counters());
    let mut turn = 0;
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = poll_fn(|cx| poll_accept(&listeners, &mut turn, cx)) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                counters.count(Event::AcceptFailed);
                if !is_exhausted {
                    tracing::error!(%error, "cannot accept connections; trying again every {PAUSE:?}");
                }
                is_exhausted = true;
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = sleep_until(Instant::now() + PAUSE) => continue,
                }
            }
        };
        if std::mem::take(&mut is_exhausted) {
            tracing::info!("accepting connections again");
        }
        counters.count(Event::Accepted);
        let Ok(local_addr) = stream.local_addr() else {
            continue;
        };
        match admission.admit(peer) {
            Ok(ticket) => deliver(Accepted {
                stream,
                peer,
                local_addr,
                ticket,
            }),
            Err(event) => counters.count(event),
        }
    }
}

/// The next connection of any listener; none of them can starve the others.
fn poll_accept(
    listeners: &[TcpListener],
    turn: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
    *turn = turn.wrapping_add(1);
    for nth in 0..listeners.len() {
        let index = turn.wrapping_add(nth) % listeners.len();
        if let Some(listener) = listeners.get(index)
            && let Poll::Ready(accepted) = listener.poll_accept(cx)
        {
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
}

/// Errors of one connection that ended before it was accepted; the socket itself is well.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Limits;

    fn admission(port: usize, per_source: usize) -> Arc<Admission> {
        Admission::new(Control::new(Limits {
            connections_max: port,
            connections_per_source_max: per_source,
            ..Limits::default()
        }))
    }

    fn from(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 4711)
    }

    #[test]
    fn a_source_over_its_limit_does_not_take_the_place_of_others() {
        let admission = admission(10, 2);
        let _held: Vec<_> = (0..2)
            .map(|_| admission.admit(from("192.0.2.1")).unwrap())
            .collect();

        assert_eq!(
            admission.admit(from("192.0.2.1")).unwrap_err(),
            Event::OverSourceLimit
        );
        assert!(admission.admit(from("192.0.2.2")).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let admission = admission(10, 1);
        let _held = admission.admit(from("2001:db8::1")).unwrap();

        assert_eq!(
            admission.admit(from("2001:db8::ffff:1")).unwrap_err(),
            Event::OverSourceLimit
        );
        assert!(admission.admit(from("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let admission = admission(10, 1);
        let _held = admission.admit(from("::ffff:192.0.2.1")).unwrap();

        assert_eq!(
            admission.admit(from("192.0.2.1")).unwrap_err(),
            Event::OverSourceLimit
        );
    }

    #[test]
    fn a_closed_connection_gives_its_place_back() {
        let admission = admission(1, 1);
        let first = admission.admit(from("192.0.2.1")).unwrap();
        assert_eq!(
            admission.admit(from("192.0.2.2")).unwrap_err(),
            Event::OverPortLimit
        );

        drop(first);

        assert!(admission.admit(from("192.0.2.2")).is_ok());
        assert!(admission.sources.lock().unwrap().is_empty());
    }
}
