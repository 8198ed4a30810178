//! `/account`: one's own tokens and sessions.

use portcullis_core::organization::MemberRole;

use crate::support::{Seen, World};

/// The page that asks before the first token of the list is deleted.
fn delete_path(list: &Seen) -> String {
    let path = list.html.split("href=\"/account/tokens/").nth(1).unwrap();
    format!("/account/tokens/{}", path.split('"').next().unwrap())
}

#[tokio::test]
async fn a_token_is_shown_once_and_deleted() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let person = world.member(&acme, MemberRole::Viewer).await;
    let path = "/account/tokens";
    assert!(person.get(path).await.expect(200).has("No tokens yet"));

    let made = person
        .submit(path, path, &[("name", "deploy"), ("lifetime", "30")])
        .await
        .expect(200);
    let token = made
        .html
        .split("<code>pcm_")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let listed = person.get(path).await.expect(200);

    assert!(made.has("the only time the secret is shown"));
    assert!(listed.has("deploy") && !listed.has(&token));
    let delete = delete_path(&listed);
    person
        .submit(&delete, &delete, &[("confirm", "other")])
        .await
        .expect(422);
    let done = person
        .submit(&delete, &delete, &[("confirm", "deploy")])
        .await;
    assert_eq!(done.location(), path);
    assert!(person.get(path).await.has("No tokens yet"));
}

#[tokio::test]
async fn a_refused_token_is_not_made_and_somebody_elses_is_not_found() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let ada = world.member(&acme, MemberRole::Owner).await;
    let bob = world.member(&acme, MemberRole::Owner).await;
    let path = "/account/tokens";

    let refused = ada
        .submit(path, path, &[("name", ""), ("lifetime", "30")])
        .await
        .expect(422);
    let odd = ada
        .submit(path, path, &[("name", "x"), ("lifetime", "12")])
        .await
        .expect(422);
    ada.submit(path, path, &[("name", "mine"), ("lifetime", "never")])
        .await
        .expect(200);
    let listed = ada.get(path).await.expect(200);
    let delete = delete_path(&listed);
    assert!(!refused.wrong("name").is_empty() && refused.has("No tokens yet"));
    assert!(!odd.wrong("lifetime").is_empty());
    let csrf = bob
        .get(path)
        .await
        .form(path)
        .into_iter()
        .find(|(name, _)| name == "_csrf")
        .unwrap();
    bob.get(&delete).await.expect(404);
    bob.post_as_is(&delete, &[csrf], &[]).await.expect(404);
    assert!(ada.get(path).await.has("mine"));
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let ada = world
        .with_password("ada@example.com", vec![(acme.clone(), MemberRole::Owner)])
        .await;
    let (here, there) = (world.browser_of(&ada).await, world.browser_of(&ada).await);
    let path = "/account/sessions";
    let list = here.get(path).await.expect(200);
    assert!(list.has("This one"));
    assert_eq!(list.html.matches("/end\"").count(), 1);

    here.send_form(&list, "/account/sessions/end_others", &[])
        .await
        .location();

    assert!(
        here.get(path)
            .await
            .expect(200)
            .has("1 other session has ended.")
    );
    assert_eq!(
        there.get(path).await.location(),
        "/login?next=%2Faccount%2Fsessions"
    );
    here.get("/account/appearance").await.expect(200);
}
