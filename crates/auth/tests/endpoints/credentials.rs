//! Client authentication: who is let in, and that strangers learn nothing.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Request;
use portcullis_core::{
    app::AppState,
    client::{ClientState, SecretRecord},
    ids::{IdKey, SecretId},
    organization::OrganizationState,
    secret::SecretDigest,
    snapshot::{AppRecord, OrganizationRecord},
    test_util::{NOW, SECRET, SnapshotBuilder},
};

use crate::support::{FORM, KEY, Server, TOKEN, ask, basic, facts};

async fn verdict(authorization: &str, form: &str) -> String {
    Server::start()
        .send(ask(authorization, form))
        .await
        .verdict()
}

fn organization(facts: SnapshotBuilder, id: &str, state: OrganizationState) -> SnapshotBuilder {
    let mut facts = facts;
    for (key, record) in &mut facts.facts.organizations {
        if *key == IdKey::of(id) {
            let id = record.as_ref().unwrap().id.clone();
            *record = Some(Arc::new(OrganizationRecord { id, state }));
        }
    }
    facts
}

fn app(facts: SnapshotBuilder, state: AppState) -> SnapshotBuilder {
    let mut facts = facts;
    for (_, record) in &mut facts.facts.apps {
        let old = record.as_ref().unwrap();
        *record = Some(Arc::new(AppRecord {
            id: old.id.clone(),
            organization: old.organization,
            state,
            selected: old.selected.clone(),
        }));
    }
    facts
}

fn client_with(secret: &'static str) -> Server {
    Server::with(
        facts()
            .client(KEY, |client| {
                client.secrets[0] = Some(secret_record(secret));
            })
            .build(),
    )
}

fn secret_record(secret: &str) -> SecretRecord {
    SecretRecord {
        id: SecretId::random().key(),
        digest: SecretDigest::of(secret.as_bytes()),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_request_without_credentials_is_challenged() {
    let request = Request::post(TOKEN)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(FORM))
        .unwrap();

    let answer = Server::start().send(request).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    401
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    www-authenticate: Basic realm="portcullis"

    {"error":"invalid_client","error_description":"Send the API Key and the API Secret as HTTP Basic credentials."}
    "#);
}

#[tokio::test]
async fn what_is_no_basic_value_is_refused() {
    let latin = format!("Basic {}", STANDARD.encode(b"orders-app-key:\xe9"));
    let no_colon = format!("Basic {}", STANDARD.encode("orders-app-key"));
    for authorization in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic =",
        "Basic a-b_",
        &latin,
        &no_colon,
        "Bearer abc",
        "Digest username=x",
        "",
        &basic(KEY, SECRET)["Basic ".len()..],
    ] {
        let answer = verdict(authorization, FORM).await;
        assert_eq!(answer, "401 invalid_client", "{authorization}");
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_padding_may_be_missing() {
    let right = basic(KEY, SECRET);

    for authorization in [
        right.replace("Basic", "basic"),
        right.replace("Basic", "BASIC"),
        right.replace("Basic ", "Basic   "),
        right.trim_end_matches('=').to_owned(),
    ] {
        assert_eq!(
            verdict(&authorization, FORM).await,
            "200",
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_secret_get_the_same_answer() {
    let server = Server::start();

    let unknown = server.ask_as("nobody", SECRET).await;
    let wrong = server.ask_as(KEY, "wrong").await;

    assert_eq!(unknown, wrong);
    insta::assert_snapshot!(wrong.shown(), @r#"
    401
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    www-authenticate: Basic realm="portcullis"

    {"error":"invalid_client","error_description":"The client credentials were not accepted. Check the API Key and the API Secret, that the app is enabled, and that the secret has not expired."}
    "#);
}

#[tokio::test]
async fn a_secret_that_is_almost_right_is_wrong() {
    let long = format!("{SECRET}{}", "x".repeat(100));
    for secret in [
        "",
        &SECRET[..SECRET.len() - 1],
        &SECRET[1..],
        &format!("{SECRET}x"),
        &long,
        &SECRET.to_uppercase(),
        &SECRET.to_lowercase(),
        &format!("{SECRET}\0"),
        &format!("{SECRET} "),
        &format!(" {SECRET}"),
        &format!("{SECRET}\t"),
        &format!("{SECRET}\n\n"),
        &format!("{SECRET}\n\r"),
        &format!("\n{SECRET}"),
    ] {
        let answer = verdict(&basic(KEY, secret), FORM).await;
        assert_eq!(answer, "401 invalid_client", "{secret:?}");
    }
    for key in ["", "orders-app-key ", "Orders-App-Key", "orders-app-ke"] {
        assert_eq!(
            verdict(&basic(key, SECRET), FORM).await,
            "401 invalid_client"
        );
    }
}

#[tokio::test]
async fn one_line_end_after_the_secret_is_forgiven() {
    for end in ["\n", "\r", "\r\n"] {
        let secret = format!("{SECRET}{end}");
        assert_eq!(verdict(&basic(KEY, &secret), FORM).await, "200", "{end:?}");
    }
}

#[tokio::test]
async fn credentials_are_taken_raw_and_percent_encoded() {
    let encoded = |text: &str| text.replace('-', "%2D").replace('_', "%5f");

    let both = basic(&encoded(KEY), &encoded(SECRET));
    let secret_alone = basic(KEY, &encoded(SECRET));

    assert_eq!(verdict(&both, FORM).await, "200");
    assert_eq!(verdict(&secret_alone, FORM).await, "200");
}

#[tokio::test]
async fn a_secret_that_looks_encoded_is_taken_as_it_stands() {
    let server = client_with("a%41+b:c%zz");
    for (secret, expected) in [
        ("a%41+b:c%zz", "200"),
        ("a%2541%2Bb%3Ac%25zz", "200"),
        ("aA b:c%zz", "401 invalid_client"),
    ] {
        assert_eq!(
            server.ask_as(KEY, secret).await.verdict(),
            expected,
            "{secret}"
        );
    }
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let (right, wrong) = (basic(KEY, SECRET), basic("x", "y"));
    for (first, second) in [(&right, &right), (&right, &wrong), (&wrong, &right)] {
        let mut request = ask(first, FORM);
        request
            .headers_mut()
            .append("authorization", second.parse().unwrap());

        let answer = Server::start().send(request).await;

        assert_eq!(answer.verdict(), "400 invalid_request");
    }
}

#[tokio::test]
async fn credentials_stand_in_one_place() {
    let right = basic(KEY, SECRET);
    for (rest, expected) in [
        (format!("client_id={KEY}"), "200"),
        ("client_id=".to_owned(), "200"),
        ("client_id=another".to_owned(), "400 invalid_request"),
        (format!("client_secret={SECRET}"), "400 invalid_request"),
        (
            format!("client_id={KEY}&client_secret={SECRET}"),
            "400 invalid_request",
        ),
        ("client_secret=wrong".to_owned(), "400 invalid_request"),
    ] {
        let form = format!("{FORM}&{rest}");
        assert_eq!(verdict(&right, &form).await, expected, "{rest}");
    }
}

#[tokio::test]
async fn a_client_may_send_its_secret_in_the_body() {
    for (credentials, expected) in [
        (format!("client_id={KEY}&client_secret={SECRET}"), "200"),
        (
            format!("client_id={KEY}&client_secret=wrong"),
            "401 invalid_client",
        ),
        (
            format!("client_id=nobody&client_secret={SECRET}"),
            "401 invalid_client",
        ),
        (format!("client_id={KEY}"), "401 invalid_client"),
        (format!("client_secret={SECRET}"), "401 invalid_client"),
    ] {
        let request = Request::post(TOKEN)
            .body(Body::from(format!("{FORM}&{credentials}")))
            .unwrap();

        let answer = Server::start().send(request).await;

        assert_eq!(answer.verdict(), expected, "{credentials}");
    }
}

#[tokio::test]
async fn an_assertion_is_not_a_credential() {
    let assertion = "client_assertion=eyJhbGciOiJub25lIn0.e30.&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!("{FORM}&client_id={KEY}&{assertion}");
    let request = Request::post(TOKEN).body(Body::from(form.clone())).unwrap();

    assert_eq!(
        Server::start().send(request).await.verdict(),
        "401 invalid_client"
    );
    assert_eq!(
        verdict(&basic(KEY, SECRET), &form).await,
        "401 invalid_client"
    );
}

#[tokio::test]
async fn whoever_may_not_act_is_refused_as_a_stranger_is() {
    let stranger = Server::start().ask_as("nobody", SECRET).await;
    for (who, facts) in [
        ("app", app(facts(), AppState::Disabled)),
        ("deleted app", app(facts(), AppState::Deleted)),
        (
            "client",
            facts().client(KEY, |client| client.state = ClientState::Disabled),
        ),
        (
            "owner",
            organization(facts(), "owner", OrganizationState::Suspended),
        ),
    ] {
        let answer = Server::with(facts.build()).ask_as(KEY, SECRET).await;
        assert_eq!(answer, stranger, "{who}");
    }
    let provider = organization(facts(), "provider", OrganizationState::Suspended);
    let answer = Server::with(provider.build())
        .ask_as("orders-api-key", SECRET)
        .await;
    assert_eq!(answer, stranger);
}

#[tokio::test]
async fn two_secrets_work_until_each_one_ends() {
    let facts = facts().client(KEY, |client| {
        client.secrets[1] = Some(secret_record("the-new-one"));
        if let Some(old) = &mut client.secrets[0] {
            old.expires_at = Some(NOW + Duration::from_mins(1));
        }
    });
    let server = Server::with(facts.build());

    let before = (
        server.ask_as(KEY, SECRET).await.verdict(),
        server.ask_as(KEY, "the-new-one").await.verdict(),
    );
    server.clock.advance(Duration::from_mins(1));
    let after = (
        server.ask_as(KEY, SECRET).await.verdict(),
        server.ask_as(KEY, "the-new-one").await.verdict(),
    );

    assert_eq!(before, ("200".to_owned(), "200".to_owned()));
    assert_eq!(after, ("401 invalid_client".to_owned(), "200".to_owned()));
}
