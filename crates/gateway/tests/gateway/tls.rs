//! Providers over https.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use portcullis_gateway::UpstreamTls;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

use crate::support::{Plan, ok};

/// An https server for `localhost`, and the certificate it shows. It answers three requests on a connection.
fn https(names: &[&str]) -> (u16, rustls::pki_types::CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let der = certificate.der().clone();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], private)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            thread::spawn(move || {
                let mut bytes = [0; 8 * 1024];
                while matches!(stream.read(&mut bytes), Ok(count) if count > 0) {
                    let protocol = stream.conn.alpn_protocol().unwrap_or_default().to_vec();
                    let answer = ok(&String::from_utf8(protocol).unwrap());
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    (port, der)
}

#[test]
fn a_provider_whose_certificate_is_trusted_is_called_over_http_1_1() {
    let (port, root) = https(&["localhost", "127.0.0.1"]);
    for host in ["127.0.0.1", "localhost"] {
        let mut plan = Plan::to(&format!("https://{host}:{port}"));
        plan.tls = UpstreamTls::new(vec![root.clone()]).unwrap();
        let scene = plan.start();
        let mut caller = scene.caller();

        for _ in 0..3 {
            let answer = caller.ask(&scene.call("GET", "/cars/v1/x"));

            assert_eq!(
                (answer.status(), answer.text()),
                (200, "http/1.1"),
                "{host}"
            );
        }
    }
}

#[test]
fn a_certificate_nobody_trusts_or_of_another_name_is_not_called() {
    let (unknown, _) = https(&["localhost", "127.0.0.1"]);
    let (misnamed, root) = https(&["other.example"]);

    for (port, roots) in [(unknown, Vec::new()), (misnamed, vec![root])] {
        let mut plan = Plan::to(&format!("https://127.0.0.1:{port}"));
        plan.tls = UpstreamTls::new(roots).unwrap();
        let scene = plan.start();

        assert_eq!(
            scene.get().refusal(),
            (503, "TARGET-SYSTEM-UNREACHABLE".to_owned())
        );
        assert_eq!(scene.records.only().reason, "upstream_tls");
    }
}

#[test]
fn an_extra_root_that_is_no_certificate_is_an_error() {
    let nonsense = rustls::pki_types::CertificateDer::from(b"nonsense".to_vec());

    assert!(UpstreamTls::new(vec![nonsense]).is_err());
}
