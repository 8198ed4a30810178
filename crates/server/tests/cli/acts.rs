//! Commands that change something.

use std::fs;

use crate::{
    run::Run,
    server::{Server, answer},
};

#[test]
fn an_act_whose_answer_was_lost_is_repeated_with_the_same_key() {
    let server = Server::start(|_, before| {
        if before == 0 {
            None
        } else {
            answer(201, r#"{"id":"s"}"#)
        }
    });

    let outcome = Run::manager(&server).run("subscription activate --app a --organization o");

    assert_eq!(outcome.code, 0, "{outcome:?}");
    let requests = server.received();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[0]
            .header("idempotency-key")
            .is_some_and(|key| key.len() == 36)
    );
    assert_eq!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn an_act_that_might_be_done_twice_is_not_repeated() {
    let server = Server::start(|_, _| None);

    let outcome = Run::manager(&server).run("key rotate --force");

    assert_eq!(outcome.code, 10, "{outcome:?}");
    assert!(outcome.stderr.contains("not known whether"), "{outcome:?}");
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_new_secret_is_printed_once_or_goes_into_a_file_of_its_owner() {
    let body = r#"{"id":"a","name":"Finder","api_key":"key","api_secret":"pcs_new","secret":{"id":"s","hint":"h"}}"#;
    let server = Server::answering(201, body);
    let run = Run::manager(&server);

    let printed = run.run("app create --name Finder --organization o");
    let kept = run.run("app create --name Finder --organization o --env-file new.env -o json");

    assert!(printed.stdout.contains("pcs_new"), "{printed:?}");
    assert!(printed.stderr.contains("only this once"), "{printed:?}");
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(
        !kept.stdout.contains("pcs_new") && !kept.stderr.contains("pcs_new"),
        "{kept:?}"
    );
    let path = run.folder.path().join("new.env");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "API_KEY=key\nAPI_SECRET=pcs_new\n"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn no_secret_is_made_when_its_file_cannot_be_written() {
    let server = Server::answering(201, r#"{"api_secret":"pcs_new"}"#);

    let outcome = Run::manager(&server)
        .run("app create --name Finder --organization o --env-file no/such/folder/.env");

    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(server.received().is_empty());
}

#[test]
fn deleting_needs_a_word_more_when_nobody_can_be_asked() {
    let server = Server::answering(200, r#"{"id":"1","state":"deleted"}"#);
    let run = Run::manager(&server);

    let refused = run.run("app delete 1");
    let before = server.received().len();
    let done = run.run("app delete 1 --yes");

    assert_eq!((refused.code, before), (2, 0), "{refused:?}");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(server.received()[0].method, "DELETE");
}

#[test]
fn nodes_that_have_not_confirmed_are_named_beside_the_data() {
    let server = Server::answering(
        202,
        r#"{"id":"s","state":"cancelled","effect":{"seq":7,"nodes":3,"confirmed":1,"lagging":["node-b","node-c"]}}"#,
    );
    let run = Run::manager(&server);

    let table = run.run("subscription end s");
    let json = run.run("subscription end s --wait none --output json");

    assert_eq!(table.code, 0, "{table:?}");
    assert_eq!(
        table.stderr,
        "note: done, but not yet confirmed by node-b, node-c\n"
    );
    assert!(!table.stdout.contains("lagging"), "{table:?}");
    assert!(json.stdout.contains("lagging"), "{json:?}");
    let targets: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/v1/subscriptions/s/end",
            "/v1/subscriptions/s/end?wait=none"
        ]
    );
}

#[test]
fn an_edit_sends_what_was_given_and_the_revision_it_is_meant_for() {
    let server = Server::answering(200, r#"{"id":"1"}"#);
    let run = Run::manager(&server);

    let nothing = run.run("app update 1");
    let edit = run.run("app update 1 --name New --api v1-a --api v1-b --if-revision 4");

    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert_eq!(edit.code, 0, "{edit:?}");
    let requests = server.received();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "PATCH");
    assert_eq!(requests[0].header("if-match"), Some("\"4\""));
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "name": "New", "apis": ["v1-a", "v1-b"] })
    );
}

#[test]
fn a_rotation_is_one_act_whose_secret_goes_into_a_file() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "GET" => answer(200, r#"{"id":"a","api_key":"key"}"#),
        _ => answer(
            201,
            r#"{"id":"s","secret":"pcs_new","others":[{"id":"o"}]}"#,
        ),
    });
    let run = Run::manager(&server);

    let rotated = run.run("secret rotate --app a --overlap 7d --replace-oldest --env-file .env");

    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(!rotated.stdout.contains("pcs_new"), "{rotated:?}");
    let path = run.folder.path().join(".env");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "API_KEY=key\nAPI_SECRET=pcs_new\n"
    );
    let requests = server.received();
    assert_eq!(requests[1].target, "/v1/apps/a/secrets/rotate");
    assert!(requests[1].header("idempotency-key").is_some());
    let body: serde_json::Value = serde_json::from_str(&requests[1].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "overlap": "7d", "replace_oldest": true })
    );
}

#[test]
fn findings_of_a_specification_are_lines_that_an_editor_jumps_to() {
    let body = r#"{"usable":false,"name":"","findings":[{"severity":"error","line":3,"column":2,"message":"It is missing.","pointer":"/info"}]}"#;
    let server = Server::answering(200, body);
    let run = Run::manager(&server);
    fs::write(run.folder.path().join("spec.yaml"), "openapi: 3.0.0\n").unwrap();

    let checked = run.run("api check-spec spec.yaml");
    let json = run.run("api check-spec spec.yaml -o json");
    let missing = run.run("api check-spec nothing.yaml");

    assert_eq!(
        (checked.code, json.code, missing.code),
        (7, 7, 2),
        "{checked:?}"
    );
    assert!(
        checked
            .stderr
            .starts_with("spec.yaml:3:2: error: It is missing.\n"),
        "{checked:?}"
    );
    assert!(json.stdout.contains("\"pointer\""), "{json:?}");
    let sent: serde_json::Value = serde_json::from_str(&server.received()[0].body).unwrap();
    assert_eq!(sent, serde_json::json!({ "spec": "openapi: 3.0.0\n" }));
}

#[test]
fn a_target_that_was_not_reached_is_a_failure_with_its_reason() {
    let body = r#"{"reachable":false,"outcome":"tls_failed","reason":"TLS failed: the certificate has expired."}"#;
    let server = Server::answering(200, body);

    let outcome =
        Run::manager(&server).run("api check-target https://example.com --organization o");

    assert_eq!(outcome.code, 10, "{outcome:?}");
    assert!(outcome.stdout.contains("tls_failed"), "{outcome:?}");
    assert!(
        outcome.stderr.contains("the certificate has expired"),
        "{outcome:?}"
    );
}

#[test]
fn an_export_is_copied_as_it_comes() {
    let server = Server::answering(200, "id,at\r\n\"1\",\"2\"\r\n");
    let refusing = Server::answering(403, r#"{"code":"forbidden","title":"No"}"#);

    let export = Run::manager(&server)
        .run("audit export --format csv --action app. --from 2026-01-01T00:00:00Z");
    let refused = Run::manager(&refusing).run("audit export");

    assert_eq!(export.stdout, "id,at\r\n\"1\",\"2\"\r\n", "{export:?}");
    assert_eq!(
        server.received()[0].target,
        "/v1/audit/export?format=csv&action=app.&from=2026-01-01T00%3A00%3A00Z"
    );
    assert_eq!(refused.code, 4, "{refused:?}");
}
