//! How answers are printed, and failures told.

use crate::{
    TOKEN,
    run::Run,
    server::{Server, answer},
};

#[test]
fn each_failure_has_its_exit_code_and_leaves_standard_output_empty() {
    let codes = [
        (400, 7),
        (401, 3),
        (403, 4),
        (404, 5),
        (409, 6),
        (412, 6),
        (422, 7),
        (429, 8),
        (500, 9),
        (503, 9),
        (418, 1),
    ];
    for (status, code) in codes {
        let server = Server::answering(
            status,
            r#"{"type":"http://h/docs/errors/a_code","title":"What it is","status":0,"detail":"What happened",
                "code":"a_code","remedy":"What to do","request_id":"r-1"}"#,
        );

        let outcome = Run::manager(&server).run("app get 1");

        assert_eq!(outcome.code, code, "{status}: {outcome:?}");
        assert_eq!(outcome.stdout, "");
        assert_eq!(
            outcome.stderr,
            "error[a_code]: What it is\n  cause: What happened\n  fix: What to do\n  request id: r-1\n"
        );
    }
}

#[test]
fn a_server_that_is_not_there_or_breaks_off_is_a_network_failure() {
    let nobody = Run::new()
        .with("MANAGEMENT_URL", "http://127.0.0.1:1")
        .with("MANAGEMENT_TOKEN", TOKEN);
    let silent = Server::start(|_, _| None);

    let unreachable = nobody.run("app list");
    let broken = Run::manager(&silent).run("app list");

    assert_eq!(unreachable.code, 10, "{unreachable:?}");
    assert_eq!(broken.code, 10, "{broken:?}");
    assert!(
        unreachable.stderr.starts_with("error[unreachable]: "),
        "{unreachable:?}"
    );
}

#[test]
fn a_wrong_command_line_is_told_with_what_was_meant() {
    let outcome = Run::new().run("subscripton list");

    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("subscription"), "{outcome:?}");
}

#[test]
fn a_missing_setting_is_named() {
    let outcome = Run::new().run("app list");

    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .starts_with("error[usage]: MANAGEMENT_URL is not set\n  fix: "),
        "{outcome:?}"
    );
}

#[test]
fn a_list_is_a_table_with_whole_ids_or_the_answer_itself() {
    let body = r#"{"items":[{"id":"6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e","name":"Finder","state":"enabled",
        "api_key":"2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA","apis":["v1-vehicles"],"organization_id":"o"}],"next":null}"#;
    let server = Server::answering(200, body);
    let run = Run::manager(&server);

    let table = run.run("app list --organization o");
    let json = run.run("app --output json list");

    assert_eq!(table.code, 0, "{table:?}");
    let mut lines = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(
        lines.next().unwrap(),
        "ID NAME STATE API KEY APIS ORGANIZATION"
    );
    assert_eq!(
        lines.next().unwrap(),
        "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e Finder enabled 2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA v1-vehicles o"
    );
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        told,
        serde_json::from_str::<serde_json::Value>(body).unwrap()
    );
    let requests = server.received();
    assert_eq!(requests[0].target, "/v1/apps?organization_id=o");
    assert_eq!(
        requests[0].header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
}

#[test]
fn one_page_says_that_there_are_more_and_all_follows_them() {
    let server = Server::start(|request, _| {
        let last = request.target.contains("after=c1");
        let page = if last {
            r#"{"items":[{"id":"2"}],"next":null}"#
        } else {
            r#"{"items":[{"id":"1"}],"next":"c1"}"#
        };
        answer(200, page)
    });
    let run = Run::manager(&server);

    let one = run.run("audit list --output json");
    let all = run.run("audit list --output json --all");

    assert!(one.stderr.contains("--after c1"), "{one:?}");
    assert!(!one.stdout.contains(r#""2""#));
    let told: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(
        told,
        serde_json::json!({ "items": [{ "id": "1" }, { "id": "2" }], "next": null })
    );
    assert_eq!(all.stderr, "");
}
