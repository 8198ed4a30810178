//! Background work of a node: notes of the recorder into the store, jobs, and addresses worked out once.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use portcullis_core::clock::Clock;
use portcullis_portal::Address;
use portcullis_registry::{bootstrap, jobs};
use portcullis_store::{DeprecatedIssuerUse, NodeIdentity, SecretUse, Store, UsageRow};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{config::Config, recorder::StoreNote};

/// How often the store is tidied up.
const MAINTAIN_EVERY: Duration = Duration::from_hours(1);

/// Writes what the recorder hands over, until it has stopped. A note that cannot be written is written with
/// the next one of its kind: usage is in totals, last-used times are the latest.
pub(super) async fn write_notes(
    store: Store,
    node: NodeIdentity,
    mut notes: UnboundedReceiver<StoreNote>,
) {
    let mut unwritten: Vec<UsageRow> = Vec::new();
    while let Some(note) = notes.recv().await {
        let written = match note {
            StoreNote::Usage(rows) => {
                let rows = rows.into_iter().filter_map(|row| row.stored(&node));
                merge(&mut unwritten, rows);
                store
                    .record_usage(&unwritten)
                    .await
                    .map(|()| unwritten.clear())
            }
            StoreNote::SecretsUsed(records) => {
                let uses: Vec<SecretUse> = records
                    .iter()
                    .map(|record| SecretUse {
                        secret: record.secret,
                        at: record.at,
                        from: record.from,
                    })
                    .collect();
                store.note_secrets_used(&uses).await
            }
            StoreNote::DeprecatedIssuer(uses) => {
                let uses: Vec<DeprecatedIssuerUse> = uses
                    .into_iter()
                    .map(|(client, at, count)| DeprecatedIssuerUse { client, at, count })
                    .collect();
                store.note_deprecated_issuer(&uses).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(%error, "what was recorded is not in the store yet");
        }
    }
}

/// Puts newer totals in the place of older ones of the same subject.
fn merge(rows: &mut Vec<UsageRow>, newer: impl Iterator<Item = UsageRow>) {
    for row in newer {
        let same = |old: &&mut UsageRow| {
            (
                old.hour,
                &old.app,
                &old.api,
                &old.subscription,
                old.environment,
            ) == (
                row.hour,
                &row.app,
                &row.api,
                &row.subscription,
                row.environment,
            )
        };
        match rows.iter_mut().find(same) {
            Some(old) => *old = row,
            None => rows.push(row),
        }
    }
}

/// Makes the first signing keys; until they exist the token endpoint answers 503. Tries again while the store
/// cannot be reached.
pub(super) async fn first_keys(store: Store) {
    let mut every = tokio::time::interval(Duration::from_secs(2));
    loop {
        every.tick().await;
        match bootstrap::ensure_keys(&store).await {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "no signing keys yet; trying again"),
        }
    }
}

/// The registry's jobs.
pub(super) async fn jobs(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    tokio::join!(
        jobs::retire_finished_keys(store.clone(), clock.clone(), stop.clone()),
        jobs::expire_subscriptions(store.clone(), clock.clone(), stop),
        maintain(store, clock),
    );
}

/// Trims the change log and what else the store keeps for a time only. Ends with the other jobs of the node.
async fn maintain(store: Store, clock: Arc<dyn Clock>) {
    let mut every = tokio::time::interval(MAINTAIN_EVERY);
    loop {
        every.tick().await;
        if let Err(error) = store.maintain(clock.now()).await {
            tracing::warn!(%error, "the store was not tidied up; it is tried again");
        }
    }
}

/// Addresses of a PostgreSQL server, which target URLs may never point to. Empty for an embedded database.
pub(super) fn database_addresses(url: &str) -> Vec<SocketAddr> {
    let Ok(url) = Url::parse(url) else {
        return Vec::new();
    };
    match url.host_str() {
        Some(host) if url.scheme().starts_with("postgres") => (host, url.port().unwrap_or(5432))
            .to_socket_addrs()
            .map(Iterator::collect)
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The addresses of an installation, for the plain page at `/`.
pub(super) fn addresses(config: &Config, issuer: &str) -> Vec<Address> {
    let public = config.listeners.public_base();
    let address = |name: &str, url: String, purpose: &str| Address {
        name: name.to_owned(),
        url,
        purpose: purpose.to_owned(),
    };
    vec![
        address(
            "Token server",
            format!("{issuer}/v1/token"),
            "Apps get access tokens here with their API Key and API Secret.",
        ),
        address(
            "Signing keys",
            format!("{issuer}/v1/keys"),
            "Providers verify tokens with these keys.",
        ),
        address(
            "Gateway",
            config.listeners.gateway_base().to_owned(),
            "Apps call APIs here with a token and a Subscription-Id.",
        ),
        address(
            "Subscriptions API",
            format!("{public}/v1/solution/subscriptions"),
            "Apps learn here which customers have activated them.",
        ),
        address(
            "Management API",
            format!("{public}/v1"),
            "Organizations, apps, APIs and subscriptions, with a management token.",
        ),
        address(
            "Description of the management API",
            format!("{public}/v1/openapi.json"),
            "The OpenAPI document.",
        ),
    ]
}
