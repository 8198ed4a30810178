//! Listening sockets: bound here, or handed to us by whoever started the process.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::settings::{Control, Limits, Settings};

/// Connections the kernel keeps until they are accepted; it has a limit of its own.
const BACKLOG: i32 = 4096;

/// The listening sockets of one port. They accept from the moment this exists; what serves them may
/// come later.
#[derive(Debug)]
pub struct Bound {
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) control: Control,
    pub(crate) refusal_fields: &'static [(&'static str, &'static str)],
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address as it was asked for.
    pub address: SocketAddr,
    /// What the system said; `AddrInUse` means that another process holds the port.
    #[source]
    pub source: io::Error,
}

impl Bound {
    /// Binds one listening socket for each address. They are all bound, or none is.
    ///
    /// `SO_REUSEPORT` is not set, on purpose: closing one of two listeners resets the connections in its
    /// queue, and a second process of the same user could bind the port without anybody noticing.
    ///
    /// # Errors
    /// Names the first address that cannot be bound.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let listeners = settings
            .addresses
            .iter()
            .map(|address| {
                listen(*address).map_err(|source| BindError {
                    address: *address,
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            listeners,
            control: Control::new(settings.limits),
            refusal_fields: &[],
        })
    }

    /// Takes sockets that already listen: from systemd, or from the process before this one.
    ///
    /// # Errors
    /// When a socket is not a listening one, or cannot be made non-blocking.
    pub fn from_std(listeners: Vec<TcpListener>) -> io::Result<Self> {
        for listener in &listeners {
            if !socket2::SockRef::from(listener).is_listener()? {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "an inherited socket does not listen",
                ));
            }
            listener.set_nonblocking(true)?;
        }
        Ok(Self {
            listeners,
            control: Control::new(Limits::default()),
            refusal_fields: &[],
        })
    }

    /// Fields that every refusal of this port has, beside its own; names in lower case, as the gateway's
    /// `error-source`.
    #[must_use]
    pub const fn with_refusal_fields(
        mut self,
        fields: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.refusal_fields = fields;
        self
    }

    /// The addresses listened on, with the ports that the system chose.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The same sockets once more. While the copies live, the port stays open and connections queue up,
    /// even when this process has stopped accepting: that is how a successor takes over.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn duplicate(&self) -> io::Result<Vec<TcpListener>> {
        self.listeners.iter().map(TcpListener::try_clone).collect()
    }

    /// Counters and limits of this port, before it serves and while it does.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Elsewhere this option lets two processes listen on one port; on Unix it only skips the wait for old
    // connections.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(addresses: &[SocketAddr]) -> Settings {
        Settings {
            addresses: addresses.to_vec(),
            limits: Limits::default(),
            tls: None,
            name: "test",
        }
    }

    #[test]
    fn a_port_in_use_is_refused_with_its_address() {
        let first = Bound::bind(&settings(&["127.0.0.1:0".parse().unwrap()])).unwrap();
        let taken = first.local_addresses();

        let refused = Bound::bind(&settings(&taken)).unwrap_err();

        assert_eq!(refused.address, taken[0]);
        assert_eq!(refused.source.kind(), io::ErrorKind::AddrInUse);
        assert!(
            refused
                .to_string()
                .starts_with(&format!("cannot listen on {}: ", taken[0]))
        );
    }

    #[test]
    fn an_address_of_another_machine_is_refused_by_name() {
        let foreign: SocketAddr = "192.0.2.1:8080".parse().unwrap();

        let refused = Bound::bind(&settings(&[foreign])).unwrap_err();

        assert_eq!(refused.address, foreign);
    }

    #[test]
    fn an_inherited_socket_must_listen() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();

        let refused = Bound::from_std(vec![socket.into()]);

        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_duplicate_keeps_the_port() {
        let bound = Bound::bind(&settings(&["127.0.0.1:0".parse().unwrap()])).unwrap();
        let address = bound.local_addresses()[0];
        let copies = bound.duplicate().unwrap();

        drop(bound);

        assert!(std::net::TcpStream::connect(address).is_ok());
        assert_eq!(
            Bound::from_std(copies).unwrap().local_addresses(),
            [address]
        );
    }
}
