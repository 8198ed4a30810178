//! Where addresses and secrets come from.

use std::fs;

use crate::{TOKEN, run::Run, server::Server};

#[test]
fn settings_are_found_in_the_file_of_the_development_server() {
    let server = Server::answering(200, r#"{"items":[],"next":null}"#);
    let file = format!(
        "MANAGEMENT_URL={}\nMANAGEMENT_TOKEN=pcm_of_the_file\n",
        server.url
    );
    let of_file = Run::new().dev_env(0o600, &file);
    let of_both = Run::new()
        .dev_env(0o600, &file)
        .with("MANAGEMENT_TOKEN", TOKEN);

    let outcomes = [of_file.run("node list"), of_both.run("node list")];

    assert!(
        outcomes.iter().all(|outcome| outcome.code == 0),
        "{outcomes:?}"
    );
    let requests = server.received();
    assert_eq!(
        requests[0].header("authorization"),
        Some("Bearer pcm_of_the_file")
    );
    assert_eq!(
        requests[1].header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
}

#[test]
fn the_token_of_the_file_is_not_sent_to_another_server() {
    let stranger = Server::answering(200, r#"{"items":[],"next":null}"#);
    let run = Run::new().dev_env(
        0o600,
        "MANAGEMENT_URL=http://localhost:8080\nMANAGEMENT_TOKEN=pcm_of_the_file\n",
    );

    let outcome = run.run(&format!("node list --management-url {}", stranger.url));

    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("belongs to MANAGEMENT_URL http://localhost:8080"),
        "{outcome:?}"
    );
    assert!(stranger.received().is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_with_secrets_that_everybody_may_read_is_refused() {
    let run = Run::new().dev_env(
        0o644,
        "MANAGEMENT_URL=http://localhost:8080\nMANAGEMENT_TOKEN=pcm_1\n",
    );

    let outcome = run.run("app list");

    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("chmod 600"), "{outcome:?}");
    assert!(!outcome.stderr.contains("pcm_1"));
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named_and_only_then() {
    let (server, authority) = Server::https(200, r#"{"items":[],"next":null}"#);
    let stranger = Run::manager(&server);
    let trusting = Run::manager(&server).with("CA_CERT", "ca.pem");
    fs::write(trusting.folder.path().join("ca.pem"), authority).unwrap();

    let refused = stranger.run("node list");
    let trusted = trusting.run("node list");
    let missing = stranger.with("CA_CERT", "no.pem").run("node list");

    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(trusted.code, 0, "{trusted:?}");
    assert_eq!(missing.code, 2, "{missing:?}");
    assert_eq!(server.received().len(), 1);
}
