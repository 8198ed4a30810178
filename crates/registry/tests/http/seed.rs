//! The sample data of the development server.

use portcullis_core::{
    api::ApiInstance,
    ids::{ClientId, SubscriptionId},
    secret::{Secret, SecretKind},
};
use portcullis_registry::{
    password::Passwords,
    seed::{SampleIds, SamplePerson, Seed, Seeded, seed},
};
use portcullis_store::GivenCredentials;

use crate::world::World;

const SPEC: &str = "openapi: 3.0.3\ninfo: {title: Vehicles, version: 1.0.0}\nservers: [{url: /vehicles/v1}]\n\
    paths:\n  /vehicles: {get: {responses: {200: {description: all, content: {application/json: {example: []}}}}}}\n";

fn sample() -> Seed {
    let person = |name: &str| SamplePerson {
        email: format!("{name}@example.test"),
        password: format!("a password of {name}"),
    };
    let credentials = || GivenCredentials {
        client_id: ClientId::random(),
        secret: Secret::generate(SecretKind::Client),
    };
    Seed {
        ids: SampleIds::random(),
        operator: person("operator"),
        developer: person("developer"),
        provider: person("provider"),
        buyer: person("buyer"),
        app_credentials: credentials(),
        api_credentials: credentials(),
        management_token: Secret::generate(SecretKind::ManagementToken),
        target_url: "http://localhost:8083".to_owned(),
        spec: SPEC.to_owned(),
    }
}

async fn plant(world: &World, sample: &Seed) -> Seeded {
    let passwords = Passwords::with_slots(4);
    seed(&world.state.store, &passwords, sample).await.unwrap()
}

#[tokio::test]
async fn the_sample_is_complete_and_usable() {
    let world = World::new().await;
    let sample = sample();

    let seeded = plant(&world, &sample).await;

    let token = sample.management_token.expose();
    let me = world.get_with_token(token, "/v1/me").await.expect(200);
    assert_eq!(me["email"], "operator@example.test");
    assert_eq!(me["is_operator"], true);
    assert_eq!(seeded.app.client_id, sample.app_credentials.client_id);
    assert_eq!(seeded.api.client_id, sample.api_credentials.client_id);
    assert_eq!(seeded.subscription_id, sample.ids.subscription);
    let prefixes: Vec<String> = seeded.instances.iter().map(ApiInstance::prefix).collect();
    assert_eq!(
        prefixes,
        [
            "/sample/vehicles/v1",
            "/sample-test/vehicles/v1",
            "/sample-dev/vehicles/v1"
        ]
    );
    assert_eq!(seeded.instances[0].simulations.len(), 1);
    for person in [&sample.developer, &sample.provider, &sample.buyer] {
        let stored = world
            .state
            .store
            .user_by_email(&person.email)
            .await
            .unwrap();
        let (user, hash) = stored.unwrap();
        assert_eq!(user.memberships.len(), 1);
        let passwords = Passwords::with_slots(1);
        assert!(
            passwords
                .matches(person.password.clone(), hash)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_second_start_finds_everything_and_makes_nothing() {
    let world = World::new().await;
    let sample = sample();
    let first = plant(&world, &sample).await;
    let count = async || {
        let token = sample.management_token.expose();
        let list = world
            .get_with_token(token, "/v1/audit?limit=500")
            .await
            .expect(200);
        list["items"].as_array().unwrap().len()
    };
    let before = count().await;

    let second = plant(&world, &sample).await;

    assert_eq!(count().await, before);
    assert_eq!((&second.app, &second.api), (&first.app, &first.api));
    assert_eq!(second.instances, first.instances);
    assert_eq!(second.subscription_id, first.subscription_id);
    assert_eq!(second.operator_id, first.operator_id);
}

#[tokio::test]
async fn a_start_at_other_ports_moves_the_target_alone() {
    let world = World::new().await;
    let mut sample = sample();
    let first = plant(&world, &sample).await;

    sample.target_url = "http://localhost:9083".to_owned();
    let second = plant(&world, &sample).await;

    for (before, after) in first.instances.iter().zip(&second.instances) {
        assert_eq!(after.target_url, "http://localhost:9083");
        assert_eq!(
            (&after.id, &after.test_subscription_id),
            (&before.id, &before.test_subscription_id)
        );
    }
}

#[tokio::test]
async fn a_changed_secret_and_password_of_the_file_are_made_valid() {
    let world = World::new().await;
    let mut sample = sample();
    let first = plant(&world, &sample).await;

    sample.buyer.password = "another password".to_owned();
    sample.app_credentials.secret = Secret::generate(SecretKind::Client);
    sample.management_token = Secret::generate(SecretKind::ManagementToken);
    let second = plant(&world, &sample).await;

    assert_eq!(second.app.client_id, first.app.client_id);
    let token = sample.management_token.expose();
    assert_eq!(world.get_with_token(token, "/v1/me").await.status, 200);
    let stored = world
        .state
        .store
        .user_by_email(&sample.buyer.email)
        .await
        .unwrap();
    let hash = stored.unwrap().1;
    let passwords = Passwords::with_slots(1);
    assert!(
        passwords
            .matches("another password".to_owned(), hash)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_subscription_that_was_ended_by_hand_gets_a_successor() {
    let world = World::new().await;
    let sample = sample();
    let first = plant(&world, &sample).await;
    let operator = world.operator.clone();
    let path = format!("/v1/subscriptions/{}/end", first.subscription_id);
    world.act(&operator, &path).await.expect(200);

    let second = plant(&world, &sample).await;
    let third = plant(&world, &sample).await;

    assert_ne!(second.subscription_id, first.subscription_id);
    assert_eq!(third.subscription_id, second.subscription_id);
    assert!(SubscriptionId::parse(second.subscription_id.as_str()).is_ok());
}

#[tokio::test]
async fn nothing_of_a_sample_prints_its_secrets() {
    let sample = sample();

    let shown = format!("{sample:?}");

    assert!(!shown.contains("a password of"));
    assert!(!shown.contains(sample.management_token.expose()));
    assert!(!shown.contains(sample.app_credentials.secret.expose()));
}
