//! The mailbox of captured mails.

use portcullis_core::{clock::Clock, ids::JobId, organization::MemberRole};
use portcullis_portal::Site;
use portcullis_store::CapturedMail;

use crate::support::{World, site};

async fn with_mail(site: Site) -> (World, JobId) {
    let world = World::with(site).await;
    let id = JobId::random();
    let mail = CapturedMail {
        id: id.clone(),
        topic: "password_reset".to_owned(),
        to: "ada@example.com".to_owned(),
        subject: "Set a new <password>".to_owned(),
        text: "Hello,\nhttp://localhost:8080/reset-password?token=pcl_x\n".to_owned(),
        html: "<p style=\"color:red\">Hello</p><script>alert(1)</script>".to_owned(),
        at: world.clock.now(),
    };
    world.state.store.capture_mail(&mail).await.unwrap();
    (world, id)
}

fn capturing(is_development: bool) -> Site {
    Site {
        captures_mail: true,
        is_development,
        ..site()
    }
}

#[tokio::test]
async fn captured_mail_is_read_and_its_links_are_followed() {
    let (world, id) = with_mail(capturing(true)).await;
    let visitor = world.visitor();

    let list = visitor.get("/dev/mail").await.expect(200);
    let page = visitor.get(&format!("/dev/mail/{id}")).await.expect(200);
    let frame = visitor
        .get(&format!("/dev/mail/{id}/html"))
        .await
        .expect(200);

    assert!(list.has(&format!("href=\"/dev/mail/{id}\"")) && list.has("ada@example.com"));
    assert!(page.has("<a href=\"http://localhost:8080/reset-password?token=pcl_x\">"));
    assert!(page.has("<iframe") && page.has(" sandbox "));
    assert!(!page.has("<script>alert") && !page.has("<password>"));
    assert!(frame.has("<p style=\"color:red\">Hello</p>"));
    let policy = frame.header("content-security-policy");
    assert!(policy.starts_with("sandbox; default-src 'none';") && !policy.contains("script-src"));
    visitor
        .get(&format!("/dev/mail/{}", JobId::random()))
        .await
        .expect(404);
}

#[tokio::test]
async fn elsewhere_the_mailbox_is_for_operators() {
    let (world, id) = with_mail(capturing(false)).await;
    let acme = world.organization("Acme").await;
    let owner = world.member(&acme, MemberRole::Owner).await;
    let operator = world.operator().await;

    for path in [
        "/dev/mail".to_owned(),
        format!("/dev/mail/{id}"),
        format!("/dev/mail/{id}/html"),
    ] {
        assert!(
            world
                .visitor()
                .get(&path)
                .await
                .location()
                .starts_with("/login"),
            "{path}"
        );
        owner.get(&path).await.expect(403);
        operator.get(&path).await.expect(200);
    }
    assert!(operator.get("/").await.has("href=\"/dev/mail\""));
    assert!(!owner.get("/").await.has("href=\"/dev/mail\""));
}

#[tokio::test]
async fn where_mail_is_sent_there_is_no_mailbox() {
    let (world, id) = with_mail(site()).await;
    let operator = world.operator().await;

    for path in [
        "/dev/mail".to_owned(),
        format!("/dev/mail/{id}"),
        format!("/dev/mail/{id}/html"),
    ] {
        operator.get(&path).await.expect(404);
    }
    assert!(!operator.get("/").await.has("href=\"/dev/mail\""));
}
