//! TLS on a port: versions, ALPN, reload, handshakes that stall, and the guard behind it.

#![expect(clippy::unwrap_used, reason = "what sets up a test is part of it")]

#[cfg(test)]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use portcullis_listener::{Event, Limits, TlsSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};

use crate::support::{PATIENCE, Server, get, until};

struct Identity {
    cert: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn settings(&self) -> Arc<TlsSettings> {
        Arc::new(TlsSettings::from_pem(self.cert.as_bytes(), self.key.as_bytes()).unwrap())
    }
}

/// A caller that trusts this identity only.
fn client(
    trusted: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.cert.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(server: &Server, config: &Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        socket,
    )
}

/// Everything until the server says that it has no more.
fn exchange(stream: &mut Stream, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn last(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_http_1_1() {
    let identity = Identity::new();
    let server = Server::with(Limits::default(), Some(identity.settings()));

    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(&server, &client(&identity, &[version], &["h2", "http/1.1"]));
        let answer = exchange(&mut stream, &last("/peer")).unwrap();

        assert!(answer.ends_with("tls: true }"), "{answer}");
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    }
}

#[test]
fn a_caller_that_speaks_only_http_2_is_refused_in_the_handshake() {
    let identity = Identity::new();
    let server = Server::with(Limits::default(), Some(identity.settings()));
    let mut stream = connect(&server, &client(&identity, rustls::ALL_VERSIONS, &["h2"]));

    let refused = exchange(&mut stream, &last("/")).unwrap_err();

    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    until("the failure is counted", || {
        server.control.counters().get(Event::TlsFailed) == 1
    });
}

#[test]
fn a_reload_changes_the_certificate_of_new_connections_only() {
    let (old, new) = (Identity::new(), Identity::new());
    let settings = old.settings();
    let server = Server::with(Limits::default(), Some(Arc::clone(&settings)));
    let mut before = connect(&server, &client(&old, rustls::ALL_VERSIONS, &[]));
    before.write_all(get("/before").as_bytes()).unwrap();
    let mut first_byte = [0];
    before.read_exact(&mut first_byte).unwrap();

    settings
        .reload(new.cert.as_bytes(), new.key.as_bytes())
        .unwrap();

    let mut after = connect(&server, &client(&new, rustls::ALL_VERSIONS, &[]));
    assert!(
        exchange(&mut after, &last("/after"))
            .unwrap()
            .ends_with("GET /after 0 ")
    );
    assert!(
        exchange(
            &mut connect(&server, &client(&old, rustls::ALL_VERSIONS, &[])),
            &last("/")
        )
        .is_err()
    );
    assert!(
        exchange(&mut before, &last("/still"))
            .unwrap()
            .ends_with("GET /still 0 ")
    );
}

#[test]
fn a_handshake_that_stalls_is_ended() {
    let identity = Identity::new();
    let limits = Limits {
        handshake_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::with(limits, Some(identity.settings()));

    let mut caller = server.connect();
    caller.send([0x16, 3, 1]);
    caller.assert_closed_silently();

    until("it is counted", || {
        server.control.counters().get(Event::HandshakeTimeout) == 1
    });
}

#[test]
fn the_guard_stands_behind_tls_too() {
    let identity = Identity::new();
    let server = Server::with(Limits::default(), Some(identity.settings()));
    let config = client(&identity, rustls::ALL_VERSIONS, &["http/1.1"]);
    let bad = "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    let answer = exchange(
        &mut connect(&server, &config),
        &format!("{}{bad}{}", get("/good"), get("/after")),
    )
    .unwrap();

    let (good, refused) = answer.split_once("GET /good 0 ").unwrap();
    assert!(good.starts_with("HTTP/1.1 200 OK\r\n"), "{good}");
    assert!(
        refused.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{refused}"
    );
    assert!(
        refused.ends_with(r#"{"reason":"both_framings"}"#),
        "{refused}"
    );
    assert_eq!(server.calls(), 1);
}

#[test]
fn plain_http_on_a_tls_port_gets_no_answer_and_no_service() {
    let identity = Identity::new();
    let server = Server::with(Limits::default(), Some(identity.settings()));

    let exchange = server.exchange(get("/"));

    assert_eq!(exchange.replies.len(), 0);
    assert_eq!(server.calls(), 0);
}

#[test]
fn a_tls_caller_that_stops_reading_is_let_go() {
    let identity = Identity::new();
    let limits = Limits {
        write_progress_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::with(limits, Some(identity.settings()));
    let mut stream = connect(&server, &client(&identity, rustls::ALL_VERSIONS, &[]));

    stream.write_all(get("/endless").as_bytes()).unwrap();

    until("the stalled write is noticed", || {
        server.control.counters().get(Event::WriteTimeout) == 1
    });
    until("the connection is closed", || {
        server.control.counters().open() == 0
    });
}
