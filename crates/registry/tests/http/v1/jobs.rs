//! Jobs, the mailbox, and mails on their way.

use std::{sync::Arc, time::Duration};

use portcullis_registry::{
    jobs,
    mail::{CaptureMailer, MailMode, Mailer, OffMailer},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    jobs::until,
    world::{World, text},
};

/// Runs the worker until `holds`.
async fn send_until(world: &World, mailer: Arc<dyn Mailer>, holds: impl AsyncFnMut() -> bool) {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let store = world.state.store.clone();
    tasks.spawn(jobs::send_email(store, mailer, stop.clone()));
    until(holds).await;
    stop.cancel();
    tasks.join_all().await;
}

fn capture(world: &World) -> Arc<dyn Mailer> {
    let state = &world.state;
    Arc::new(CaptureMailer::new(state.store.clone(), state.clock.clone()))
}

async fn job(world: &World, id: &str) -> Value {
    let path = format!("/v1/jobs/{id}");
    world.get(&world.operator, &path).await.expect(200)
}

async fn owe(world: &World) -> String {
    let made = world.act(&world.operator, "/v1/mail/test").await;
    let id = text(&made.expect(201), "id").to_owned();
    assert_eq!(made.header("location"), format!("/v1/jobs/{id}"));
    id
}

#[tokio::test]
async fn a_test_mail_arrives_in_the_mailbox() {
    let world = World::new().await;
    let id = owe(&world).await;
    let owed = job(&world, &id).await;

    let is_done = async || job(&world, &id).await["state"] == "done";
    send_until(&world, capture(&world), is_done).await;

    assert_eq!(owed["state"], "owed");
    assert_eq!(owed["recipient"], "operator@example.com");
    assert_eq!(owed["topic"], "test");
    let done = job(&world, &id).await;
    assert_eq!(done["attempt_log"][0]["result"], "done");
    let mailbox = world.get(&world.operator, "/v1/captured_mails").await;
    let mailbox = mailbox.expect(200);
    assert_eq!(mailbox["items"][0]["id"], id.as_str());
    assert_eq!(mailbox["items"][0]["subject"], "Test mail of Portcullis");
    assert_eq!(mailbox["items"][0]["text"], Value::Null);
    let path = format!("/v1/captured_mails/{id}");
    let mail = world.get(&world.operator, &path).await.expect(200);
    assert!(text(&mail, "text").contains("operator@example.com asked for this mail"));
    assert!(text(&mail, "html").starts_with("<!doctype html>"));
}

#[tokio::test]
async fn with_mail_off_a_mail_is_given_up_at_once_and_can_be_tried_again() {
    let world = World::new().await;
    let id = owe(&world).await;
    let state_is = async |state: &str| job(&world, &id).await["state"] == state;

    send_until(&world, Arc::new(OffMailer), async || {
        state_is("given_up").await
    })
    .await;
    let given_up = job(&world, &id).await;
    let listed = world.get(&world.operator, "/v1/jobs?state=given_up").await;
    let retried = world
        .act(&world.operator, &format!("/v1/jobs/{id}/retry"))
        .await;
    send_until(&world, capture(&world), async || state_is("done").await).await;
    let again = world
        .act(&world.operator, &format!("/v1/jobs/{id}/retry"))
        .await;

    assert!(text(&given_up, "last_error").starts_with("mail is off"));
    assert_eq!(listed.expect(200)["items"][0]["id"], id.as_str());
    assert_eq!(retried.expect(200)["state"], "owed");
    assert_eq!(again.code(), "job_done");
}

#[tokio::test]
async fn a_mail_owed_while_the_worker_waits_is_sent_without_a_wait() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let store = world.state.store.clone();
    tasks.spawn(jobs::send_email(store, capture(&world), stop.clone()));

    for _ in 0..3 {
        let id = owe(&world).await;
        until(async || job(&world, &id).await["state"] == "done").await;
    }

    stop.cancel();
    tasks.join_all().await;
}

#[tokio::test]
async fn installation_settings_name_the_sender_in_mails() {
    let world = World::new().await;
    let named = json!({"installation_name": "Autohaus", "support_email": "help@example.com"});
    world
        .ask_with(&world.operator, ("PATCH", "/v1/settings"), Some(named), &[])
        .await
        .expect(200);
    let id = owe(&world).await;

    let is_done = async || job(&world, &id).await["state"] == "done";
    send_until(&world, capture(&world), is_done).await;

    let path = format!("/v1/captured_mails/{id}");
    let mail = world.get(&world.operator, &path).await.expect(200);
    assert_eq!(mail["subject"], "Test mail of Autohaus");
    assert!(text(&mail, "text").contains("help@example.com"));
}

#[tokio::test]
async fn there_is_no_mailbox_where_mail_is_not_captured() {
    for mode in [MailMode::Smtp, MailMode::Off] {
        let world = World::with_mail(mode).await;

        let list = world.get(&world.operator, "/v1/captured_mails").await;
        let one = world.get(&world.operator, "/v1/captured_mails/x").await;

        assert_eq!((list.code(), one.code()), pair("not_found"));
    }
}

fn pair(code: &str) -> (String, String) {
    (code.to_owned(), code.to_owned())
}

#[tokio::test]
async fn jobs_are_for_operators_and_filters_are_checked() {
    let world = World::new().await;
    let owner = world.owner_of("owner").await;
    let id = owe(&world).await;

    for path in ["/v1/jobs", "/v1/captured_mails", "/v1/settings"] {
        assert_eq!(world.get(&owner, path).await.code(), "forbidden", "{path}");
    }
    let path = format!("/v1/jobs/{id}");
    assert_eq!(world.get(&owner, &path).await.code(), "forbidden");
    let test = world.act(&owner, "/v1/mail/test").await;
    assert_eq!(test.code(), "forbidden");
    let refused = world.get(&world.operator, "/v1/jobs?state=stuck").await;
    assert_eq!(refused.fields(), ["state"]);
    let refused = world.get(&world.operator, "/v1/jobs?kind=fax").await;
    assert_eq!(refused.fields(), ["kind"]);
    let unknown = world.get(&world.operator, "/v1/jobs/unknown").await;
    assert_eq!(unknown.code(), "not_found");
}

#[tokio::test]
async fn a_worker_that_stops_leaves_what_it_did_not_begin() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let id = owe(&world).await;

    let store = world.state.store.clone();
    let sent = jobs::send_email(store, capture(&world), stop);
    tokio::time::timeout(Duration::from_secs(30), sent)
        .await
        .unwrap();

    assert_eq!(job(&world, &id).await["attempts"], 0);
}
