//! Targets on loopback that answer well, badly and not at all.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn loopback() -> AddressPolicy {
    AddressPolicy {
        allow_loopback: true,
        ..AddressPolicy::default()
    }
}

async fn probe(checks: &TargetChecks, url: &str) -> Probed {
    let target = Target::parse(url).unwrap();
    checks
        .probe(&target, &loopback(), &OrganizationId::random())
        .await
}

/// Answers one connection with these bytes after it has read a head, which it gives back.
async fn answering(bytes: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[expect(clippy::disallowed_methods, reason = "it ends with its one connection")]
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await.unwrap();
            head.push(byte);
        }
        stream.write_all(bytes).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (port, served)
}

#[tokio::test]
async fn a_target_that_answers_is_told_with_its_status_and_not_followed() {
    let answer = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 6\r\n\r\nsecret";
    let (port, served) = answering(answer).await;

    let probed = probe(
        &TargetChecks::default(),
        &format!("http://127.0.0.1:{port}/base"),
    )
    .await;

    assert_eq!(
        (probed.outcome, probed.status),
        (Outcome::Answered, Some(302))
    );
    assert!(probed.connect.is_some() && probed.first_byte.is_some() && probed.tls.is_none());
    let head = served.await.unwrap();
    assert!(head.starts_with("GET /base HTTP/1.1\r\n"), "{head}");
    assert!(
        !head.to_ascii_lowercase().contains("authorization"),
        "{head}"
    );
}

#[tokio::test]
async fn what_is_no_http_is_said_to_be_none() {
    let (port, _served) = answering(b"SSH-2.0-OpenSSH_9.9\r\n").await;

    let probed = probe(
        &TargetChecks::default(),
        &format!("http://127.0.0.1:{port}"),
    )
    .await;

    assert!(
        matches!(probed.outcome, Outcome::Http(_)),
        "{:?}",
        probed.outcome
    );
    assert_eq!(probed.status, None);
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);

    let probed = probe(
        &TargetChecks::default(),
        &format!("http://127.0.0.1:{port}"),
    )
    .await;

    assert!(matches!(&probed.outcome, Outcome::Connect(why) if why.contains("nobody listens")));
}

#[tokio::test]
async fn an_address_that_the_gateway_would_refuse_is_not_connected_to() {
    for url in [
        "http://127.0.0.1:9",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "https://localhost",
    ] {
        let target = Target::parse(url).unwrap();
        let policy = AddressPolicy::default();

        let probed = TargetChecks::default()
            .probe(&target, &policy, &OrganizationId::random())
            .await;

        assert!(matches!(probed.outcome, Outcome::Refused(_)), "{url}");
        assert!(
            probed.connect.is_none() && probed.address.is_none(),
            "{url}"
        );
    }
}

/// A TLS listener with a certificate for `name`; serves until the runtime ends.
async fn tls_listener(name: &str) -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the runtime of the test"
    )]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    (port, certificate)
}

#[tokio::test]
async fn a_certificate_is_checked_and_its_fault_named() {
    let (port, certificate) = tls_listener("localhost").await;
    let trusting = TargetChecks::new(vec![certificate]);

    let good = probe(&trusting, &format!("https://localhost:{port}")).await;
    let unknown = probe(
        &TargetChecks::default(),
        &format!("https://localhost:{port}"),
    )
    .await;
    let misnamed = probe(&trusting, &format!("https://127.0.0.1:{port}")).await;

    assert_eq!((good.outcome, good.status), (Outcome::Answered, Some(204)));
    assert!(good.tls.is_some());
    assert!(
        matches!(&unknown.outcome, Outcome::Tls(why) if why.contains("nobody we trust")),
        "{:?}",
        unknown.outcome
    );
    assert!(
        matches!(&misnamed.outcome, Outcome::Tls(why) if why.contains("another name")),
        "{:?}",
        misnamed.outcome
    );
}

#[test]
fn a_person_tests_ten_times_a_minute() {
    let checks = TargetChecks::default();
    let (person, other) = (UserId::random(), UserId::random());
    let at = |seconds: u64| BootTime::from_us(seconds * 1_000_000);

    for _ in 0..10 {
        assert_eq!(checks.count(&person, at(5)), Ok(()));
    }
    let refused = checks.count(&person, at(35)).unwrap_err();

    assert_eq!(refused.retry_after, Duration::from_secs(30));
    assert_eq!(checks.count(&other, at(35)), Ok(()));
    assert_eq!(checks.count(&person, at(65)), Ok(()));
}
