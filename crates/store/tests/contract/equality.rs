//! Whatever is done: the snapshot that followed the changes is the one that a full load gives.

use std::{sync::LazyLock, sync::atomic::Ordering};

use portcullis_core::{
    api::Visibility,
    app::AppState,
    client::ClientState,
    environment::Environment,
    ids::{ApiId, IdKey},
    organization::OrganizationState,
    permissions::Authority,
    snapshot::Snapshot,
    subscription::SubscriptionEvent,
};
use portcullis_store::{
    ApiFilter, ApiPatch, AppFilter, AppPatch, Compromise, InstancePatch, NewInstance,
    NewOrganization, OrganizationFilter, PageRequest, SnapshotParts, Store, SubscriptionFilter,
    first_load,
};
use sqlx::Row;

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

/// Identifiers of everything there is or was, as the tables have them.
struct Everything {
    organizations: Vec<String>,
    apps: Vec<String>,
    apis: Vec<String>,
    clients: Vec<String>,
    subscriptions: Vec<String>,
    connections: Vec<(String, String)>,
    instances: Vec<String>,
}

impl Everything {
    async fn of(world: &World) -> Self {
        let mut raw = world.raw().await;
        let mut ids = async |text: &'static str| {
            let rows = sqlx::query(text).fetch_all(&mut raw).await.unwrap();
            rows.iter()
                .map(|row| row.get::<String, _>(0))
                .collect::<Vec<_>>()
        };
        let pairs = ids("SELECT subscription_id || ' ' || api_id FROM connections").await;
        Self {
            organizations: ids("SELECT id FROM organizations").await,
            apps: ids("SELECT id FROM apps").await,
            apis: ids("SELECT id FROM apis").await,
            clients: ids("SELECT id FROM clients").await,
            subscriptions: ids("SELECT id FROM subscriptions").await,
            connections: pairs
                .iter()
                .map(|pair| pair.split_once(' ').unwrap())
                .map(|(subscription, api)| (subscription.to_owned(), api.to_owned()))
                .collect(),
            instances: ids("SELECT entity_id FROM audit_entries WHERE entity_kind = 'instance'")
                .await,
        }
    }

    /// What a snapshot says of each, as text.
    fn seen_by(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut seen = vec![format!("{:?} {:?}", snapshot.seq(), snapshot.sizes())];
        let key = |id: &String| IdKey::of(id);
        seen.extend(
            self.organizations
                .iter()
                .map(|id| format!("{:?}", snapshot.organization(key(id)))),
        );
        seen.extend(
            self.apps
                .iter()
                .map(|id| format!("{:?}", snapshot.app(key(id)))),
        );
        seen.extend(
            self.apis
                .iter()
                .map(|id| format!("{:?}", snapshot.api(key(id)))),
        );
        seen.extend(
            self.subscriptions
                .iter()
                .map(|id| format!("{:?}", snapshot.subscription(key(id)))),
        );
        for id in &self.clients {
            // Digests print redacted, so the order of the secrets is compared by their identifiers.
            seen.push(format!("{:?}", snapshot.client(key(id))));
        }
        for (subscription, api) in &self.connections {
            seen.push(format!(
                "{:?}",
                snapshot.connection(key(subscription), key(api))
            ));
        }
        for id in &self.instances {
            let instance = snapshot.routes().by_id(key(id));
            seen.push(format!("{instance:?}"));
            if let Some(instance) = instance {
                let found = snapshot
                    .routes()
                    .find(&instance.prefix)
                    .map(|found| found.instance.clone());
                seen.push(format!("{found:?}"));
            }
        }
        seen
    }
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// One act of any kind on anything; refusals are part of it.
async fn any_act(store: &Store, dice: &mut Dice, turn: usize) {
    match dice.roll(4) {
        0 => act_on_an_organization(store, dice, turn).await,
        1 => act_on_an_app(store, dice, turn).await,
        2 => act_on_a_subscription(store, dice).await,
        _ => act_on_an_api(store, dice, turn).await,
    }
}

fn everything() -> PageRequest {
    PageRequest::first(500)
}

async fn act_on_an_organization(store: &Store, dice: &mut Dice, turn: usize) {
    let organizations = store
        .organizations(&OPERATOR, OrganizationFilter::default(), everything())
        .await
        .unwrap();
    let one = dice.pick(&organizations.items);
    match dice.roll(4) {
        0 => drop(organization(store, &format!("random{turn}")).await),
        1 => {
            let states = [OrganizationState::Suspended, OrganizationState::Active];
            let state = *dice.pick(&states);
            drop(
                store
                    .set_organization_state(&OPERATOR, &one.id, state)
                    .await,
            );
        }
        2 => {
            let new = new_api(&one.id, &format!("api{turn}"));
            drop(store.create_api(&OPERATOR, new, None).await);
        }
        _ => {
            let chosen = some_apis(store, dice).await;
            let chosen: Vec<&ApiId> = chosen.iter().collect();
            let new = new_app(&one.id, &format!("app{turn}"), &chosen);
            drop(store.create_app(&OPERATOR, new, None).await);
        }
    }
}

async fn some_apis(store: &Store, dice: &mut Dice) -> Vec<ApiId> {
    let all = store
        .apis(&OPERATOR, ApiFilter::default(), everything())
        .await
        .unwrap();
    let chosen = all.items.into_iter().filter(|_| dice.roll(3) > 0);
    chosen.map(|api| api.id).collect()
}

async fn act_on_an_app(store: &Store, dice: &mut Dice, turn: usize) {
    let all = store
        .apps(&OPERATOR, AppFilter::default(), everything())
        .await
        .unwrap();
    let one = dice.pick(&all.items);
    match dice.roll(6) {
        0 => {
            let patch = AppPatch {
                apis: Some(some_apis(store, dice).await),
                ..AppPatch::default()
            };
            drop(store.update_app(&OPERATOR, &one.id, None, patch).await);
        }
        1 => {
            let states = [AppState::Enabled, AppState::Disabled, AppState::Deleted];
            let state = states[turn % 3];
            drop(store.set_app_state(&OPERATOR, &one.id, state).await);
        }
        2 => drop(store.create_secret(&OPERATOR, &one.client_id).await),
        3 => {
            let secrets = store.secrets(&OPERATOR, &one.client_id).await.unwrap();
            let secret = &dice.pick(&secrets).id;
            let how = *dice.pick(&[Compromise::No, Compromise::Yes]);
            let end = (NOW, how);
            drop(
                store
                    .expire_secret(&OPERATOR, &one.client_id, secret, end)
                    .await,
            );
        }
        4 => drop(store.revoke_tokens(&OPERATOR, &one.client_id).await),
        _ => {
            let state = *dice.pick(&[ClientState::Enabled, ClientState::Disabled]);
            drop(
                store
                    .set_client_state(&OPERATOR, &one.client_id, state)
                    .await,
            );
        }
    }
}

async fn act_on_a_subscription(store: &Store, dice: &mut Dice) {
    let filter = SubscriptionFilter::default();
    let all = store
        .subscriptions(&OPERATOR, filter, everything())
        .await
        .unwrap();
    let one = &dice.pick(&all.items).id;
    match dice.roll(5) {
        0 => drop(
            store
                .end_subscription(&OPERATOR, one, SubscriptionEvent::Cancel)
                .await,
        ),
        1 => drop(store.suspend_subscription(&OPERATOR, one).await),
        2 => drop(store.resume_subscription(&OPERATOR, one).await),
        _ => {
            let apps = store
                .apps(&OPERATOR, AppFilter::default(), everything())
                .await
                .unwrap();
            let buyers = store
                .organizations(&OPERATOR, OrganizationFilter::default(), everything())
                .await
                .unwrap();
            let new = new_activation(&dice.pick(&apps.items).id, &dice.pick(&buyers.items).id);
            drop(store.activate(&OPERATOR, new, None).await);
        }
    }
}

async fn act_on_an_api(store: &Store, dice: &mut Dice, turn: usize) {
    let all = store
        .apis(&OPERATOR, ApiFilter::default(), everything())
        .await
        .unwrap();
    if all.items.is_empty() {
        return;
    }
    let one = &dice.pick(&all.items).id;
    let instances = store.instances(&OPERATOR, one).await.unwrap();
    match dice.roll(6) {
        0 => {
            let patch = ApiPatch {
                visibility: Some(*dice.pick(&[Visibility::Public, Visibility::Private])),
                ..ApiPatch::default()
            };
            drop(store.update_api(&OPERATOR, one, None, patch).await);
        }
        1 | 2 => {
            let new = NewInstance {
                base_path: format!("/own{turn}/v1"),
                ..new_instance(one, "", *dice.pick(&Environment::ALL))
            };
            drop(store.create_instance(&OPERATOR, new, None).await);
        }
        3 if turn.is_multiple_of(4) => drop(store.delete_api(&OPERATOR, one).await),
        _ if instances.is_empty() => {}
        4 if instances.len() > 1 || turn.is_multiple_of(4) => drop(
            store
                .delete_instance(&OPERATOR, &dice.pick(&instances).id)
                .await,
        ),
        _ => {
            let patch = InstancePatch {
                target_url: Some(format!("http://127.0.0.1:{}", turn + 1)),
                ..InstancePatch::default()
            };
            let instance = &dice.pick(&instances).id;
            drop(
                store
                    .update_instance(&OPERATOR, instance, None, patch)
                    .await,
            );
        }
    }
}

contract!(
    after_any_acts_the_followed_snapshot_is_the_one_a_full_load_gives,
    |world| {
        let m = market(&world.store).await;
        activate(&world.store, &m.app.app.id, &m.buyer).await;
        let follower = world.follower().await;
        let mut dice = Dice(42);

        for turn in 0..250 {
            any_act(&world.store, &mut dice, turn).await;
        }

        let new = NewOrganization {
            name: "last".to_owned(),
            ..NewOrganization::default()
        };
        let last = world.store.create_organization(&OPERATOR, new, None).await;
        follower.applied(&last.unwrap()).await;
        let status = follower.store.refresher_status();
        assert_eq!(status.full_loads.load(Ordering::Relaxed), 0);
        let kept_fresh = follower.handle.load();
        follower.stop().await;
        let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
        let everything = Everything::of(world).await;
        let (one, other) = (
            everything.seen_by(&kept_fresh),
            everything.seen_by(&loaded.snapshot),
        );
        assert_eq!(one, other);
        assert!(everything.subscriptions.len() > 20 && everything.connections.len() > 10);
    }
);
