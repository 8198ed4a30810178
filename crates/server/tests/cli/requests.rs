//! Which request of the management API each command makes.

use std::fs;

use crate::{run::Run, server::Server};

/// Command, method, path with query, body; `""` stands for no body.
const REQUESTS: [(&str, &str, &str, &str); 53] = [
    ("user list --search ada", "GET", "/v1/users?q=ada", ""),
    ("user get u", "GET", "/v1/users/u", ""),
    (
        "user create --email a@x.org --name Ada --member-of o=viewer",
        "POST",
        "/v1/users",
        r#"{"email":"a@x.org","full_name":"Ada","is_operator":false,"memberships":[{"organization_id":"o","role":"viewer"}]}"#,
    ),
    (
        "user update u --operator true",
        "PATCH",
        "/v1/users/u",
        r#"{"is_operator":true}"#,
    ),
    ("user disable u", "POST", "/v1/users/u/disable", ""),
    ("user enable u", "POST", "/v1/users/u/enable", ""),
    (
        "user reset-password u",
        "POST",
        "/v1/users/u/send_password_reset",
        "",
    ),
    (
        "member list o --limit 5",
        "GET",
        "/v1/organizations/o/members?limit=5",
        "",
    ),
    (
        "member set-role o u admin",
        "PATCH",
        "/v1/organizations/o/members/u",
        r#"{"role":"admin"}"#,
    ),
    (
        "member remove o u",
        "DELETE",
        "/v1/organizations/o/members/u",
        "",
    ),
    (
        "invitation list o",
        "GET",
        "/v1/organizations/o/invitations",
        "",
    ),
    (
        "invitation create o --email a@x.org --role owner",
        "POST",
        "/v1/organizations/o/invitations",
        r#"{"email":"a@x.org","role":"owner"}"#,
    ),
    (
        "invitation revoke o i",
        "DELETE",
        "/v1/organizations/o/invitations/i",
        "",
    ),
    (
        "invitation resend o i",
        "POST",
        "/v1/organizations/o/invitations/i/resend",
        "",
    ),
    (
        "org list --limit 5 --after c",
        "GET",
        "/v1/organizations?limit=5&after=c",
        "",
    ),
    ("org get o", "GET", "/v1/organizations/o", ""),
    (
        "org create --name N --country-code US --namespace n",
        "POST",
        "/v1/organizations",
        r#"{"name":"N","country_code":"US","namespaces":["n"]}"#,
    ),
    (
        "org update o --website http://w",
        "PATCH",
        "/v1/organizations/o",
        r#"{"website":"http://w"}"#,
    ),
    (
        "org add-namespace o n",
        "POST",
        "/v1/organizations/o/namespaces",
        r#"{"namespace":"n"}"#,
    ),
    ("org suspend o", "POST", "/v1/organizations/o/suspend", ""),
    ("org resume o", "POST", "/v1/organizations/o/resume", ""),
    (
        "app create --name N --organization o --description D --callback-url http://c --api v1-a",
        "POST",
        "/v1/apps",
        r#"{"name":"N","organization_id":"o","description":"D","callback_url":"http://c","apis":["v1-a"]}"#,
    ),
    (
        "app enable a --wait none",
        "POST",
        "/v1/apps/a/enable?wait=none",
        "",
    ),
    ("app disable a", "POST", "/v1/apps/a/disable", ""),
    (
        "app revoke-tokens a",
        "POST",
        "/v1/apps/a/revoke_tokens",
        "",
    ),
    ("app delete a -y", "DELETE", "/v1/apps/a", ""),
    ("secret list --app a", "GET", "/v1/apps/a/secrets", ""),
    (
        "secret create --api v1-a",
        "POST",
        "/v1/apis/v1-a/secrets",
        "",
    ),
    (
        "secret expire s --app a --at 2027-01-31T12:00:00Z",
        "POST",
        "/v1/apps/a/secrets/s/expire",
        r#"{"at":"2027-01-31T12:00:00Z"}"#,
    ),
    (
        "secret expire s --api v1-a --compromised",
        "POST",
        "/v1/apis/v1-a/secrets/s/expire",
        r#"{"compromised":true}"#,
    ),
    (
        "api list --organization o --provider p",
        "GET",
        "/v1/apis?organization_id=o&provider_id=p",
        "",
    ),
    (
        "api create --name N --organization o --id v1-n --visibility public",
        "POST",
        "/v1/apis",
        r#"{"name":"N","organization_id":"o","id":"v1-n","visibility":"public"}"#,
    ),
    (
        "api update v1-a --visibility private",
        "PATCH",
        "/v1/apis/v1-a",
        r#"{"visibility":"private"}"#,
    ),
    (
        "api share v1-a --with o",
        "POST",
        "/v1/apis/v1-a/shares",
        r#"{"organization_id":"o"}"#,
    ),
    (
        "api unshare v1-a --with o",
        "DELETE",
        "/v1/apis/v1-a/shares/o",
        "",
    ),
    (
        "api revoke-tokens v1-a",
        "POST",
        "/v1/apis/v1-a/revoke_tokens",
        "",
    ),
    ("api delete v1-a --yes", "DELETE", "/v1/apis/v1-a", ""),
    (
        "api instance list v1-a",
        "GET",
        "/v1/apis/v1-a/instances",
        "",
    ),
    (
        "api instance get v1-a i",
        "GET",
        "/v1/apis/v1-a/instances/i",
        "",
    ),
    (
        "api instance update v1-a i --target-url http://t --streaming true --remove-spec",
        "PATCH",
        "/v1/apis/v1-a/instances/i",
        r#"{"target_url":"http://t","streaming":true,"spec":null}"#,
    ),
    (
        "api instance delete v1-a i --yes",
        "DELETE",
        "/v1/apis/v1-a/instances/i",
        "",
    ),
    (
        "subscription list --app a --buyer b --state active",
        "GET",
        "/v1/subscriptions?app_id=a&buyer_id=b&state=active",
        "",
    ),
    (
        "subscription activate --app a --organization o --ends-at 2027-01-31T12:00:00Z",
        "POST",
        "/v1/apps/a/subscriptions",
        r#"{"organization_id":"o","ends_at":"2027-01-31T12:00:00Z"}"#,
    ),
    (
        "subscription suspend s",
        "POST",
        "/v1/subscriptions/s/suspend",
        "",
    ),
    (
        "key rotate --purpose outbound --force",
        "POST",
        "/v1/keys/rotate",
        r#"{"purpose":"outbound","force":true}"#,
    ),
    (
        "audit list --actor me@example.com --action app.create --kind app --entity a",
        "GET",
        "/v1/audit?actor=me%40example.com&action=app.create&entity_kind=app&entity_id=a",
        "",
    ),
    ("node forget n", "POST", "/v1/nodes/n/forget", ""),
    (
        "job list --state given_up --kind mail --limit 3",
        "GET",
        "/v1/jobs?state=given_up&kind=mail&limit=3",
        "",
    ),
    ("job get j", "GET", "/v1/jobs/j", ""),
    ("job retry j", "POST", "/v1/jobs/j/retry", ""),
    ("mail test", "POST", "/v1/mail/test", ""),
    ("setting list", "GET", "/v1/settings", ""),
    (
        "setting set --registration open --installation-name Autohaus --support-email help@example.com",
        "PATCH",
        "/v1/settings",
        r#"{"registration":"open","installation_name":"Autohaus","support_email":"help@example.com"}"#,
    ),
];

#[test]
fn each_command_makes_the_request_it_stands_for() {
    for (command, method, target, body) in REQUESTS {
        let server = Server::answering(200, r#"{"items":[],"next":null}"#);

        let outcome = Run::manager(&server).run(command);

        assert_eq!(outcome.code, 0, "{command}: {outcome:?}");
        let request = server.received().swap_remove(0);
        let sent: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        let expected: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            (method, target),
            "{command}"
        );
        assert_eq!(sent, expected, "{command}");
    }
}

#[test]
fn a_specification_is_sent_as_it_stands_in_its_file() {
    let server = Server::answering(
        201,
        r#"{"id":"i","warnings":["The target answers slowly."]}"#,
    );
    let run = Run::manager(&server);
    let spec = "openapi: 3.1.0\ninfo: { title: \"Vehicles\", version: 1.0.0 }\n";
    fs::write(run.folder.path().join("spec.yaml"), spec).unwrap();

    let outcome = run
        .run("api instance create v1-a --environment test --target-url http://t --spec spec.yaml");
    let missing =
        run.run("api instance create v1-a --environment test --target-url http://t --spec no.yaml");

    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(outcome.stderr, "warning: The target answers slowly.\n");
    assert_eq!(missing.code, 2, "{missing:?}");
    let requests = server.received();
    assert_eq!(
        (requests.len(), requests[0].target.as_str()),
        (1, "/v1/apis/v1-a/instances")
    );
    let sent: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    let expected =
        serde_json::json!({ "environment": "test", "target_url": "http://t", "spec": spec });
    assert_eq!(sent, expected);
}
