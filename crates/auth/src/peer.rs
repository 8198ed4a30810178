//! Who is at the other end of a request's connection.

use std::net::SocketAddr;

/// The address the request comes from, in the extensions of the request. Whoever serves the router fills it;
/// without it failures are throttled per client alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
