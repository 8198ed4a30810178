//! The API Directory, the page of an API, publishing, and what a provider does.

use std::fmt::Write as _;

use axum::{body::Body, http::Request};
use http::header;
use portcullis_core::{
    ids::OrganizationId,
    organization::MemberRole::{ApiDeveloper, AppDeveloper, Viewer},
};
use portcullis_registry::wire::{Api, Instance, Listed};
use serde_json::json;

use crate::{
    market::{api, app, management},
    support::{Browser, PUBLIC_URL, Seen, World},
};

const SPEC: &str = "openapi: 3.0.3\n\
info:\n  title: Orders\n  version: 2.1.0\n  description: All about *orders*.\n\
servers:\n  - url: https://x.example.com/orders/v2\n\
tags:\n  - name: Sales\n\
paths:\n  /orders:\n    get:\n      tags: [Sales]\n      summary: List orders\n      responses:\n        '200':\n          description: All\n";

/// Sends the fields of a form as a browser does when it has a file.
async fn upload(browser: &Browser<'_>, page: &Seen, action: &str, sent: Upload<'_>) -> Seen {
    let mut fields = page.form(action);
    fields.retain(|(name, _)| !sent.fields.iter().any(|(changed, _)| changed == name));
    let own = sent
        .fields
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    fields.extend(own);
    let mut body = Vec::new();
    for (name, value) in &fields {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some((name, bytes)) = sent.file {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"spec_file\"; filename=\"{name}\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let request = Request::post(action)
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
        .header("sec-fetch-site", "same-origin")
        .header(header::ORIGIN, PUBLIC_URL)
        .body(Body::from(body));
    browser.send(request.unwrap()).await
}

struct Upload<'a> {
    fields: &'a [(&'a str, &'a str)],
    file: Option<(&'a str, &'a [u8])>,
}

/// Its instances, that of Test first: those made at one instant stand in no order of their own.
async fn instances(world: &World, id: &str) -> Vec<Instance> {
    let path = ("/v1/apis/{api_id}/instances", [id]);
    let listed = management(world)
        .get::<Listed<Instance>>(path, &[])
        .await
        .unwrap();
    let mut instances = listed.value.items;
    instances.sort_by_key(|instance| instance.environment != "test");
    instances
}

/// A provider's organization with an API developer at its browser.
async fn provider(world: &World) -> (OrganizationId, Browser<'_>) {
    let organization = world.organization("acme").await;
    let browser = world.member(&organization, ApiDeveloper).await;
    (organization, browser)
}

#[tokio::test]
async fn the_directory_shows_what_may_be_called_and_finds_it() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let other = world.organization("other").await;
    api(&world, &acme, "Vehicles").await;
    api(&world, &acme, "Parts").await;
    let hidden = json!({ "organization_id": acme, "name": "Hidden" });
    management(&world)
        .post::<Api>("/v1/apis", &hidden)
        .await
        .unwrap();
    let reader = world.member(&other, AppDeveloper).await;

    let all = reader.get("/apis").await.expect(200);
    let found = reader.get("/apis?q=vehi").await.expect(200);
    let nothing = reader.get("/apis?q=%3Cscript%3E").await.expect(200);
    let mine = publisher.get("/apis?mine=1").await.expect(200);
    let twice = reader
        .get("/apis?q=vehi&q=other&unknown=1")
        .await
        .expect(200);

    assert!(all.has("Vehicles") && all.has("Parts") && !all.has("Hidden"));
    assert!(all.has("acme") && all.has("General Release") && all.has("1.2.0"));
    assert!(!all.has("New API"), "an app developer publishes nothing");
    assert!(found.has("Vehicles") && !found.has(">Parts<"));
    assert!(nothing.has("No API matches") && nothing.has("value=\"&#60;script&#62;\""));
    assert!(mine.has("Hidden") && mine.has("New API"));
    assert!(twice.has("Vehicles"));
    let by_publisher = reader
        .get(&format!("/apis?publisher={acme}"))
        .await
        .expect(200);
    assert!(by_publisher.has("Vehicles"));
}

#[tokio::test]
async fn an_empty_directory_teaches_each_what_they_can_do() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let developer = world.member(&acme, AppDeveloper).await;

    let first = publisher.get("/apis").await.expect(200);
    let waiting = developer.get("/apis").await.expect(200);
    let mine = developer.get("/apis?mine=1").await.expect(200);

    assert!(first.has("Publish your first API") && first.has("portcullis api create"));
    assert!(waiting.has("There is no API for you yet") && waiting.has(acme.as_str()));
    assert!(mine.has("Your organization provides no API yet"));
}

#[tokio::test]
async fn an_api_is_published_in_two_steps_without_scripts() {
    let world = World::new().await;
    let (_, publisher) = provider(&world).await;
    let form = publisher.get("/apis/new").await.expect(200);
    let file = Some(("orders.yaml", SPEC.as_bytes()));

    let fields = [
        ("act", "check"),
        ("environment", "test"),
        ("target_url", "https://8.8.8.8/x"),
    ];
    let checked = upload(
        &publisher,
        &form,
        "/apis/new",
        Upload {
            fields: &fields,
            file,
        },
    )
    .await;
    let checked = checked.expect(200);

    assert!(checked.has("Can be published") && checked.has("OpenAPI 3.0, 1 operation"));
    assert!(checked.has("http://localhost:8081/acme-test/orders/v2"));
    assert!(checked.has("value=\"v2-orders\"") && checked.has("value=\"https://8.8.8.8/x\""));
    assert!(checked.has("Warning") && checked.has("line "));

    let fields = [("act", "create")];
    let made = upload(
        &publisher,
        &checked,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;

    assert_eq!(made.location(), "/apis/v2-orders");
    let page = publisher.get("/apis/v2-orders").await.expect(200);
    assert!(page.has("Orders is published.") && page.has("Store the Client Secret now"));
    assert!(page.has("<em>orders</em>") && page.has("Version 2.1.0") && page.has("Call your API"));
    let again = publisher.get("/apis/v2-orders").await.expect(200);
    assert!(!again.has("Store the Client Secret now"), "shown once");
    let twice = upload(
        &publisher,
        &checked,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    assert_eq!(twice.location(), "/apis/v2-orders");
    assert_eq!(instances(&world, "v2-orders").await.len(), 1);
}

#[tokio::test]
async fn a_bad_upload_gets_a_message_beside_the_field() {
    let world = World::new().await;
    let (_, publisher) = provider(&world).await;
    let form = publisher.get("/apis/new").await.expect(200);
    let large = vec![b'x'; 20 * 1024 * 1024];
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 0..9 {
        let (from, to) = (char::from(b'a' + n), char::from(b'b' + n));
        let many = vec![format!("*{from}"); 9].join(", ");
        let _ = writeln!(bomb, "{to}: &{to} [{many}]");
    }
    let cases: [(&[u8], &str); 7] = [
        (&large, "is too large. A specification has at most 1 MB."),
        (&[0xff, 0xfe, 0x00], "cannot be read as text"),
        (b"\0\0\0", "is no text file"),
        (b"   \n", "is empty"),
        (bomb.as_bytes(), "The specification has 1 error: see below."),
        (b"<html>", "The specification has 1 error: see below."),
        (
            b"openapi: 3.0.3\ninfo: {title: X}\npaths: {}\n",
            "The specification has 1 error: see below.",
        ),
    ];

    for (bytes, said) in cases {
        for act in ["check", "create"] {
            let fields = [("act", act), ("target_url", "https://8.8.8.8")];
            let file = Some(("api.yaml", bytes));
            let answer = upload(
                &publisher,
                &form,
                "/apis/new",
                Upload {
                    fields: &fields,
                    file,
                },
            )
            .await;
            let page = answer.expect(422);
            assert!(
                page.wrong("spec").contains(said),
                "{said}: {}",
                page.wrong("spec")
            );
            assert!(page.has("https://8.8.8.8"), "everything is kept");
        }
    }
    let mine = publisher.get("/apis?mine=1").await.expect(200);
    assert!(mine.has("Publish your first API"), "nothing was made");
}

#[tokio::test]
async fn findings_show_their_lines_as_text() {
    let world = World::new().await;
    let (_, publisher) = provider(&world).await;
    let form = publisher.get("/apis/new").await.expect(200);
    let spec = "swagger: '2.0'\ninfo:\n  title: <img src=x onerror=alert(1)>\npaths: {}\n";

    let fields = [("act", "check"), ("spec", spec)];
    let page = upload(
        &publisher,
        &form,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;

    let page = page.expect(422);
    assert!(page.has("Cannot be published") && page.has("info.version"));
    assert!(page.has("class=\"listing\"") && page.has("class=\"row here\""));
    assert!(!page.has("<img src=x"));
}

#[tokio::test]
async fn an_api_whose_first_version_is_refused_is_finished_on_the_next_form() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let form = publisher.get("/apis/new").await.expect(200);
    let fields = [
        ("act", "create"),
        ("environment", "dev"),
        ("spec", SPEC),
        ("target_url", "http://10.0.0.1/"),
    ];

    let refused = upload(
        &publisher,
        &form,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    let refused = refused.expect(422);

    assert!(refused.has("is registered, but nothing of it runs yet"));
    assert!(!refused.wrong("target_url").is_empty());
    let action = "/apis/v2-orders/instances/new";
    let fields = [("act", "create"), ("target_url", "https://8.8.8.8")];
    let made = upload(
        &publisher,
        &refused,
        action,
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    assert_eq!(made.location(), "/apis/v2-orders?environment=dev");
    let page = publisher.get("/apis/v2-orders").await.expect(200);
    assert!(
        page.has("Store the Client Secret now"),
        "it is still to be seen"
    );
    let instance = instances(&world, "v2-orders").await.remove(0);
    assert_eq!(instance.gateway_path, "/acme-dev/orders/v2");

    // The same path again: the message stands where the path comes from.
    let taken = publisher.get("/apis/new").await.expect(200);
    let fields = [
        ("act", "create"),
        ("environment", "dev"),
        ("spec", SPEC),
        ("id", "v2-orders"),
        ("target_url", "https://8.8.8.8"),
    ];
    let taken = upload(
        &publisher,
        &taken,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    assert!(!taken.expect(422).wrong("id").is_empty());
    assert!(
        publisher.get("/apis?mine=1").await.has("v2-orders"),
        "{acme}"
    );
}

#[tokio::test]
async fn a_page_shows_each_what_is_theirs_to_see() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let other = world.organization("other").await;
    let id = api(&world, &acme, "Vehicles").await;
    app(&world, &other, ("Fleet", &[&id])).await;
    let path = format!("/apis/{id}");
    let stranger = world.member(&other, AppDeveloper).await;
    let viewer = world.member(&acme, Viewer).await;

    let seen = stranger.get(&path).await.expect(200);
    let whole = publisher.get(&path).await.expect(200);
    let read = viewer.get(&path).await.expect(200);

    assert!(
        seen.has("/apps/new?apis=") && seen.has("http://localhost:8081/vehicles/v1")
            || seen.has("/acme/vehicles/v1")
    );
    for hidden in [
        "provider.example.com",
        "Client ID",
        "Sharing",
        "Delete",
        "Fleet",
        "Edit",
    ] {
        assert!(!seen.has(hidden), "{hidden}");
    }
    for shown in [
        "provider.example.com",
        "Client ID",
        "Sharing",
        "Delete API",
        "Fleet",
        "Test Subscription-Id",
    ] {
        assert!(whole.has(shown), "{shown}");
    }
    assert!(read.has("Client ID") && !read.has("Delete API") && !read.has("Rotate"));
    let test = stranger
        .get(&format!("{path}?environment=test"))
        .await
        .expect(200);
    assert!(test.has("/acme-test/vehicles/v1"));
    let building = stranger
        .get(&format!("/apps/new?apis={id}"))
        .await
        .expect(200);
    assert!(building.has(&format!("value=\"{id}\" checked")));
}

#[tokio::test]
async fn what_others_may_not_is_refused_or_not_found() {
    let world = World::new().await;
    let (acme, _) = provider(&world).await;
    let other = world.organization("other").await;
    let id = api(&world, &acme, "Vehicles").await;
    let private = json!({ "organization_id": acme, "name": "Secret thing" });
    let private = management(&world)
        .post::<Api>("/v1/apis", &private)
        .await
        .unwrap()
        .value
        .id;
    let instance = instances(&world, &id).await.remove(0).id;
    let stranger = world.member(&other, ApiDeveloper).await;
    let viewer = world.member(&acme, Viewer).await;

    for path in [
        "edit",
        "make-public",
        "make-private",
        "delete",
        "revoke-tokens",
        "rotate",
        "instances/new",
    ] {
        assert_eq!(
            stranger.get(&format!("/apis/{id}/{path}")).await.status,
            404,
            "{path}"
        );
        assert_eq!(
            viewer.get(&format!("/apis/{id}/{path}")).await.status,
            403,
            "{path}"
        );
    }
    for path in ["edit", "delete"] {
        let path = format!("/apis/{id}/instances/{instance}/{path}");
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
        assert_eq!(viewer.get(&path).await.status, 403, "{path}");
    }
    for path in [
        format!("/apis/{private}"),
        format!("/apis/{private}/reference"),
        "/apis/nothing".to_owned(),
    ] {
        let page = stranger.get(&path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(!page.has("Secret thing"));
    }
    assert_eq!(viewer.get("/apis/new").await.status, 403);
    let from_here = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC_URL)];
    let fields = [("confirm".to_owned(), "Vehicles".to_owned())];
    let path = format!("/apis/{id}/delete");
    assert_eq!(
        stranger.post_as_is(&path, &fields, &from_here).await.status,
        403,
        "no token"
    );
    assert!(stranger.get(&format!("/apis/{id}")).await.has("Vehicles"));
}

#[tokio::test]
async fn an_api_is_edited_and_of_two_edits_the_second_is_told() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let id = api(&world, &acme, "Vehicles").await;
    let path = format!("/apis/{id}/edit");
    let stale = publisher.get(&path).await.expect(200);

    let fields = [
        ("name", "Cars"),
        ("categories", "Sales, Parts"),
        ("support_email", "help@example.com"),
    ];
    let saved = publisher.submit(&path, &path, &fields).await;
    assert_eq!(saved.location(), format!("/apis/{id}"));
    let page = publisher.get(&format!("/apis/{id}")).await.expect(200);
    assert!(
        page.has("Cars is saved.") && page.has("In effect on 1 of 1 node.")
            || page.has("Cars is saved.")
    );
    assert!(page.has("mailto:help@example.com") && page.has(">Parts<"));

    let second = publisher
        .send_form(&stale, &path, &[("name", "Trucks")])
        .await
        .expect(412);
    assert!(
        second.has("Somebody changed this in the meantime")
            && second.has("Saved now: <strong>Cars</strong>")
    );
    let refused = publisher
        .submit(
            &path,
            &path,
            &[("name", ""), ("support_website", "javascript:x")],
        )
        .await;
    let refused = refused.expect(422);
    assert!(!refused.wrong("name").is_empty() && !refused.wrong("support_website").is_empty());
}

#[tokio::test]
async fn a_version_is_edited_and_deleted() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let id = api(&world, &acme, "Vehicles").await;
    let instance = instances(&world, &id).await.remove(0);
    let base = format!("/apis/{id}/instances/{}", instance.id);
    let edit = format!("{base}/edit");
    let form = publisher.get(&edit).await.expect(200);
    assert!(form.has("These never change") && !form.has("name=\"environment\""));

    let fields = [
        ("act", "save"),
        ("target_url", "https://8.8.8.8/new"),
        ("lifecycle_status", "custom"),
        ("lifecycle_text", "Pilot <b>"),
    ];
    let saved = upload(
        &publisher,
        &form,
        &edit,
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    assert_eq!(saved.location(), format!("/apis/{id}?environment=test"));
    let page = publisher.get(saved.location()).await.expect(200);
    assert!(
        page.has("https://8.8.8.8/new") && page.has("Pilot &lt;b&gt;") && page.has("Version 1.2.0")
    );
    let second = upload(
        &publisher,
        &form,
        &edit,
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;
    assert!(
        second
            .expect(412)
            .has("Somebody changed this in the meantime")
    );

    let delete = format!("{base}/delete");
    let unconfirmed = publisher
        .submit(&delete, &delete, &[("confirm", "other")])
        .await
        .expect(422);
    assert!(!unconfirmed.wrong("confirm").is_empty());
    let gone = publisher
        .submit(&delete, &delete, &[("confirm", "Vehicles")])
        .await;
    assert_eq!(gone.location(), format!("/apis/{id}"));
    let last = instances(&world, &id).await.remove(0);
    let delete = format!("/apis/{id}/instances/{}/delete", last.id);
    let asked = publisher.get(&delete).await.expect(200);
    assert!(asked.has("It is the last version"));
    let gone = publisher
        .submit(&delete, &delete, &[("confirm", "Vehicles")])
        .await;
    assert_eq!(gone.location(), "/apis?mine=1");
    assert_eq!(publisher.get(&format!("/apis/{id}")).await.status, 404);
}

#[tokio::test]
async fn sharing_and_visibility_say_whom_they_touch() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let other = world.organization("other").await;
    let id = api(&world, &acme, "Vehicles").await;
    app(&world, &other, ("Fleet", &[&id])).await;
    let path = format!("/apis/{id}");
    let shares = format!("{path}/shares");

    let private = format!("{path}/make-private");
    let asked = publisher.get(&private).await.expect(200);
    assert!(asked.has("It touches 1 app") && asked.has("Fleet (other)"));
    let unknown = publisher
        .submit(&path, &shares, &[("organization_id", "nobody")])
        .await;
    let unknown = unknown.expect(422);
    assert!(!unknown.wrong("organization_id").is_empty());
    let shared = publisher
        .submit(&path, &shares, &[("organization_id", other.as_str())])
        .await;
    assert_eq!(shared.location(), path);
    let asked = publisher.get(&private).await.expect(200);
    assert!(asked.has("No app loses anything by that."));
    let done = publisher
        .submit(&private, &private, &[("confirm", "Vehicles")])
        .await;
    assert_eq!(done.location(), path);
    let page = publisher.get(&path).await.expect(200);
    assert!(
        page.has("Vehicles is private.") && page.has("Make Public") && page.has(other.as_str())
    );

    let share = format!("{shares}/{other}");
    let asked = publisher.get(&share).await.expect(200);
    assert!(asked.has("Fleet (other)"));
    let done = publisher
        .submit(&share, &share, &[("confirm", "Vehicles")])
        .await;
    assert_eq!(done.location(), path);
    let reader = world.member(&other, AppDeveloper).await;
    assert_eq!(reader.get(&path).await.status, 404);
    let public = format!("{path}/make-public");
    assert_eq!(
        publisher.submit(&public, &public, &[]).await.location(),
        path
    );
    assert_eq!(reader.get(&path).await.status, 200);
}

#[tokio::test]
async fn secrets_of_an_api_are_rotated_like_those_of_an_app() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let id = api(&world, &acme, "Vehicles").await;
    let path = format!("/apis/{id}");
    let rotate = format!("{path}/rotate");

    let rotated = publisher
        .submit(&rotate, &rotate, &[("overlap", "1h")])
        .await;

    assert_eq!(rotated.location(), path);
    let page = publisher.get(&path).await.expect(200);
    assert!(page.has("The Client Secret was rotated.") && page.has("Store the Client Secret now"));
    assert_eq!(page.html.matches("Expire now").count(), 2);
    let line = page.html.split("/secrets/").nth(1).unwrap();
    let secret = line.split('/').next().unwrap();
    let expire = format!("{path}/secrets/{secret}/expire");
    let done = publisher
        .submit(
            &expire,
            &expire,
            &[("confirm", "Vehicles"), ("compromised", "yes")],
        )
        .await;
    assert_eq!(done.location(), path);
    assert_eq!(
        publisher
            .get(&path)
            .await
            .html
            .matches("Expire now")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_reference_is_read_and_its_file_downloaded() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let other = world.organization("other").await;
    let reader = world.member(&other, AppDeveloper).await;
    let id = api(&world, &acme, "Vehicles").await;

    let page = reader
        .get(&format!("/apis/{id}/reference"))
        .await
        .expect(200);
    let instance = instances(&world, &id).await.remove(0).id;
    let file = reader
        .get(&format!("/apis/{id}/instances/{instance}/spec"))
        .await
        .expect(200);

    assert!(page.has("id=\"op-0\"") && page.has("href=\"#op-1\"") && page.has("/vehicles/{id}"));
    assert!(page.has("http://localhost:8081/acme/vehicles/v1/vehicles"));
    assert!(
        file.header(header::CONTENT_DISPOSITION)
            .starts_with("attachment; filename=\"")
    );
    assert_eq!(file.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert!(file.header(header::CONTENT_TYPE).starts_with("text/plain") && file.has("Vehicles"));
    assert_eq!(
        publisher
            .get(&format!("/apis/{id}/instances/none/reference"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_hostile_and_a_huge_specification_are_shown_harmlessly_and_in_parts() {
    let world = World::new().await;
    let (acme, publisher) = provider(&world).await;
    let made = json!({ "organization_id": acme, "name": "Huge", "id": "v1-huge" });
    management(&world)
        .post::<Api>("/v1/apis", &made)
        .await
        .unwrap();
    let evil = "<img src=x onerror=alert(1)>";
    let operation = |n: usize| {
        json!({ "get": {
            "tags": [format!("Group {} {evil}", n / 50)], "summary": format!("Operation {n} {evil}"),
            "description": format!("[a](javascript:alert(1)) {evil}"),
            "parameters": (0..8).map(|p| json!({ "name": format!("p{p}{evil}"), "in": "query", "description": "What it is for, at some length, as people write it.", "schema": { "type": "string", "enum": [evil] } })).collect::<Vec<_>>(),
            "responses": { "200": { "description": evil, "content": { "application/json": { "schema": { "type": "object", "properties": { "a": { "type": "string", "description": evil } } }, "example": { "a": evil } } } } }
        }})
    };
    let paths: serde_json::Map<_, _> = (0..500)
        .map(|n| (format!("/things/{n}"), operation(n)))
        .collect();
    let spec = json!({ "openapi": "3.1.0", "info": { "title": "Huge", "version": "1" }, "servers": [{ "url": "/huge/v1" }], "paths": paths });
    let input =
        json!({ "environment": "test", "target_url": "https://8.8.8.8", "spec": spec.to_string() });
    management(&world)
        .post::<portcullis_registry::wire::InstanceWithWarnings>(
            ("/v1/apis/{api_id}/instances", ["v1-huge"]),
            &input,
        )
        .await
        .unwrap();

    let mut path = "/apis/v1-huge/reference".to_owned();
    let (mut seen, mut pages) = (0, 0);
    loop {
        let request = Request::get(&path).header(header::ACCEPT_ENCODING, "gzip");
        let packed = publisher
            .send(request.body(Body::empty()).unwrap())
            .await
            .expect(200);
        assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip");
        let page = publisher.get(&path).await.expect(200);
        assert!(page.html.len() < 1_200_000, "{}", page.html.len());
        assert!(!page.has("<img src=x") && !page.has("href=\"javascript"));
        seen += page
            .html
            .matches("<article class=\"card operation\"")
            .count();
        pages += 1;
        let next = page.html.split("rel=\"next\" href=\"").nth(1);
        let Some(next) = next.and_then(|after| after.split('"').next()) else {
            break;
        };
        path = crate::support::unescaped(next);
    }

    assert_eq!(seen, 500);
    assert!(pages > 1 && pages < 20, "{pages}");
    let group = publisher
        .get("/apis/v1-huge/reference?tag=none")
        .await
        .expect(200);
    assert!(group.has("No operation is in this group."));
}

#[tokio::test]
async fn a_target_that_may_not_be_reached_is_said_to_be_so_beside_the_url() {
    let world = World::new().await;
    let (_, publisher) = provider(&world).await;
    let form = publisher.get("/apis/new").await.expect(200);
    let fields = [
        ("act", "test"),
        ("spec", SPEC),
        ("target_url", "http://127.0.0.1:1"),
    ];

    let page = upload(
        &publisher,
        &form,
        "/apis/new",
        Upload {
            fields: &fields,
            file: None,
        },
    )
    .await;

    let page = page.expect(200);
    assert!(page.has("The gateway may not reach the target") && page.has("http://127.0.0.1:1"));
    assert!(page.has("class=\"alert error reached\" role=\"status\""));
}
