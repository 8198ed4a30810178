//! `/v1/users`.

use serde_json::json;

use crate::world::{World, text};

#[tokio::test]
async fn an_operator_makes_a_person_who_can_sign_in() {
    let world = World::new().await;
    let owner = world.owner_of("cars").await;
    let body = json!({
        "email": "New.Person@Example.com",
        "full_name": "New Person",
        "password": "correct horse battery",
        "memberships": [{"organization_id": owner.organization(), "role": "viewer"}],
    });

    let answer = world.post(&world.operator, "/v1/users", body).await;

    let made = answer.expect(201);
    assert_eq!(text(&made, "email"), "new.person@example.com");
    let read = world.get(&world.operator, answer.header("location")).await;
    assert_eq!(read.expect(200)["id"], made["id"]);
    assert!(!answer.text.contains("correct horse") && !answer.text.contains("argon2"));
    let stored = world
        .state
        .store
        .user_by_email("new.person@example.com")
        .await
        .unwrap();
    let (user, hash) = stored.unwrap();
    assert_eq!(user.id.as_str(), text(&made, "id"));
    let matches = world
        .state
        .settings
        .passwords
        .matches("correct horse battery".to_owned(), hash);
    assert!(matches.await.unwrap());
}

#[tokio::test]
async fn everything_wrong_with_a_person_is_said_at_once() {
    let world = World::new().await;
    let body = json!({
        "email": "no address",
        "full_name": "",
        "password": "short",
        "is_admin": true,
        "memberships": [{"organization_id": "", "role": "king"}],
    });

    let answer = world.post(&world.operator, "/v1/users", body).await;

    assert_eq!(
        answer.fields(),
        [
            "is_admin",
            "email",
            "full_name",
            "password",
            "memberships[0].organization_id",
            "memberships[0].role",
        ]
    );
    assert!(!answer.text.contains("short\""));
}

#[tokio::test]
async fn an_email_address_is_one_persons() {
    let world = World::new().await;
    let body = json!({"email": "a@example.com", "full_name": "A"});
    world
        .post(&world.operator, "/v1/users", body)
        .await
        .expect(201);

    let body = json!({"email": "A@EXAMPLE.com", "full_name": "B"});
    let second = world.post(&world.operator, "/v1/users", body).await;

    assert_eq!(second.code(), "email_taken");
}

#[tokio::test]
async fn a_membership_of_no_organization_is_refused() {
    let world = World::new().await;
    let body = json!({
        "email": "a@example.com",
        "full_name": "A",
        "memberships": [{"organization_id": "6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11", "role": "owner"}],
    });

    let answer = world.post(&world.operator, "/v1/users", body).await;

    assert_eq!(answer.code(), "not_found");
}
