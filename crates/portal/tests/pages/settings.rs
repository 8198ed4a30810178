//! `/admin/settings` and `/admin/jobs`: what operators decide, and the mails that are owed.

use crate::support::World;

#[tokio::test]
async fn settings_are_saved_and_of_two_edits_the_second_is_told() {
    let world = World::new().await;
    let operator = world.operator().await;
    let path = "/admin/settings";
    let (first, second) = (
        operator.get(path).await.expect(200),
        operator.get(path).await,
    );

    let refused = operator
        .send_form(&first, path, &[("support_email", "nonsense")])
        .await
        .expect(422);
    assert!(!refused.wrong("support_email").is_empty() && refused.has("value=\"nonsense\""));
    let values = [
        ("registration", "open"),
        ("installation_name", "Acme APIs"),
        ("support_email", "help@example.com"),
    ];
    assert_eq!(
        operator.send_form(&first, path, &values).await.location(),
        path
    );
    let saved = operator.get(path).await.expect(200);
    assert!(saved.has("The settings were saved.") && saved.has("value=\"open\" checked"));
    let told = operator
        .send_form(&second, path, &[("installation_name", "Mine")])
        .await
        .expect(412);

    assert!(told.has("Somebody changed this in the meantime") && told.has("Acme APIs"));
}

#[tokio::test]
async fn a_test_mail_is_owed_and_seen_among_the_jobs() {
    let world = World::new().await;
    let operator = world.operator().await;
    let list = "/admin/jobs";
    assert!(operator.get(list).await.expect(200).has("Nothing is owed"));

    let sent = operator
        .submit("/admin/settings", "/admin/jobs/test_mail", &[])
        .await;
    let path = sent.location().to_owned();
    let job = operator.get(&path).await.expect(200);
    assert!(job.has("operator0@example.com") && job.has("Try again now"));
    let retry = format!("{path}/retry");
    assert_eq!(operator.send_form(&job, &retry, &[]).await.location(), path);

    assert!(
        operator
            .get("/admin/jobs?state=owed")
            .await
            .expect(200)
            .has(&path)
    );
    assert!(
        operator
            .get("/admin/jobs?state=given_up")
            .await
            .expect(200)
            .has("Nothing matches")
    );
    operator
        .get("/admin/jobs/00000000-0000-4000-8000-000000000000")
        .await
        .expect(404);
}
