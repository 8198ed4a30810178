//! Stored rows as records of the snapshot. Each kind of thing has two statements: everything, and what changed
//! between two numbers of the log. A row that does not parse is left out and counted, so that one bad row does
//! not stop everything else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use portcullis_core::{
    api::{Visibility, path_prefix},
    app::AppState,
    change::EntityKind,
    client::{ClientOwnerKey, ClientRecord, ClientState, LIVE_SECRETS_MAX, SecretRecord},
    clock::Timestamp,
    connection::{ConnectionRecord, ConnectionState},
    environment::Environment,
    ids::{ApiId, AppId, ClientId, IdKey, InstanceId, OrganizationId},
    organization::OrganizationState,
    routes::InstanceRecord,
    secret::SecretDigest,
    snapshot::{ApiRecord, AppRecord, Facts, OrganizationRecord},
    subscription::{SubscriptionOf, SubscriptionRecord, SubscriptionState},
    target::Target,
};
use sqlx::{AnyConnection, Either, Executor, any::AnyRow};

use crate::{
    act::Fault,
    dialect::{self, ErrorMeaning},
    error::CorruptRow,
    row::Columns,
};

/// How many rows are read before others get their turn.
const ROWS_AT_A_TIME: usize = 256;

/// What is to be read.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// Everything.
    All,
    /// What changed after one number of the log, up to another: which things, by kind.
    Changed {
        after: i64,
        up_to: i64,
        ids: BTreeMap<EntityKind, BTreeSet<String>>,
    },
}

impl Scope {
    /// Whether anything of this kind is to be read.
    pub(crate) fn has(&self, kind: EntityKind) -> bool {
        match self {
            Self::All => true,
            Self::Changed { ids, .. } => ids.contains_key(&kind),
        }
    }

    /// The keys of the things of this kind that changed: removed first, so that what is gone is gone.
    fn removals<V>(&self, kind: EntityKind) -> Vec<(IdKey, Option<V>)> {
        match self {
            Self::All => Vec::new(),
            Self::Changed { ids, .. } => ids
                .get(&kind)
                .into_iter()
                .flatten()
                .map(|id| (IdKey::of(id), None))
                .collect(),
        }
    }
}

/// Reads the facts of one moment.
pub(crate) struct FactReader<'a> {
    connection: &'a mut AnyConnection,
    scope: &'a Scope,
    now: Timestamp,
    /// Rows that were left out.
    pub(crate) corrupt: u64,
}

/// The two statements of a kind.
type Texts = (&'static str, &'static str);

impl<'a> FactReader<'a> {
    pub(crate) fn new(connection: &'a mut AnyConnection, scope: &'a Scope, now: Timestamp) -> Self {
        Self {
            connection,
            scope,
            now,
            corrupt: 0,
        }
    }

    async fn each(
        &mut self,
        table: &'static str,
        texts: Texts,
        mut take: impl FnMut(&Columns<'_>) -> Result<(), CorruptRow>,
    ) -> Result<(), Fault> {
        let query = match self.scope {
            Scope::All => sqlx::query(texts.0),
            Scope::Changed { after, up_to, .. } => sqlx::query(texts.1).bind(*after).bind(*up_to),
        };
        let mut rows = (&mut *self.connection).fetch_many(query);
        let mut read = 0_usize;
        let mut corrupt = 0;
        while let Some(row) = rows.next().await {
            let taken = match row {
                Ok(Either::Right(row)) => take_row(&row, table, &mut take),
                Ok(Either::Left(_)) => continue,
                Err(error) if dialect::meaning(&error) == ErrorMeaning::Corrupt => {
                    Err(undecodable(table))
                }
                Err(error) => return Err(error.into()),
            };
            if let Err(row) = taken {
                tracing::error!(%row, "a row is left out of the snapshot");
                corrupt += 1;
            }
            read += 1;
            if read.is_multiple_of(ROWS_AT_A_TIME) {
                tokio::task::yield_now().await;
            }
        }
        drop(rows);
        self.corrupt += corrupt;
        Ok(())
    }

    pub(crate) async fn organizations(&mut self, facts: &mut Facts) -> Result<(), Fault> {
        facts.organizations = self.scope.removals(EntityKind::Organization);
        let texts = (
            "SELECT id, state FROM organizations",
            "SELECT id, state FROM organizations WHERE id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'organization' AND seq > $1 AND seq <= $2)",
        );
        self.each("organizations", texts, |row| {
            let record = OrganizationRecord {
                id: row.id("id", OrganizationId::parse)?,
                state: row.word("state", OrganizationState::parse)?,
            };
            let key = record.id.key();
            facts.organizations.push((key, Some(Arc::new(record))));
            Ok(())
        })
        .await
    }

    pub(crate) async fn apps(&mut self, facts: &mut Facts) -> Result<(), Fault> {
        facts.apps = self.scope.removals(EntityKind::App);
        let mut selected: HashMap<IdKey, Vec<IdKey>> = HashMap::new();
        let texts = (
            "SELECT app_id, api_id FROM app_apis",
            "SELECT app_id, api_id FROM app_apis WHERE app_id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'app' AND seq > $1 AND seq <= $2)",
        );
        self.each("app_apis", texts, |row| {
            let app = IdKey::of(row.text("app_id")?);
            let api = IdKey::of(row.text("api_id")?);
            selected.entry(app).or_default().push(api);
            Ok(())
        })
        .await?;
        let texts = (
            "SELECT id, organization_id, state FROM apps WHERE state <> 'deleted'",
            "SELECT id, organization_id, state FROM apps WHERE state <> 'deleted' AND id IN \
             (SELECT entity_id FROM changes WHERE entity_kind = 'app' AND seq > $1 AND seq <= $2)",
        );
        self.each("apps", texts, |row| {
            let id = row.id("id", AppId::parse)?;
            let key = id.key();
            let mut apis = selected.remove(&key).unwrap_or_default();
            apis.sort_unstable();
            let record = AppRecord {
                id,
                organization: IdKey::of(row.text("organization_id")?),
                state: row.word("state", AppState::parse)?,
                selected: apis,
            };
            facts.apps.push((key, Some(Arc::new(record))));
            Ok(())
        })
        .await
    }

    pub(crate) async fn apis(&mut self, facts: &mut Facts) -> Result<(), Fault> {
        facts.apis = self.scope.removals(EntityKind::Api);
        let mut shared: HashMap<IdKey, Vec<IdKey>> = HashMap::new();
        let texts = (
            "SELECT api_id, organization_id FROM api_shares",
            "SELECT api_id, organization_id FROM api_shares WHERE api_id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'api' AND seq > $1 AND seq <= $2)",
        );
        self.each("api_shares", texts, |row| {
            let api = IdKey::of(row.text("api_id")?);
            let organization = IdKey::of(row.text("organization_id")?);
            shared.entry(api).or_default().push(organization);
            Ok(())
        })
        .await?;
        let texts = (
            "SELECT id, organization_id, client_id, visibility FROM apis WHERE state = 'living'",
            "SELECT id, organization_id, client_id, visibility FROM apis WHERE state = 'living' AND id IN \
             (SELECT entity_id FROM changes WHERE entity_kind = 'api' AND seq > $1 AND seq <= $2)",
        );
        self.each("apis", texts, |row| {
            let id = row.id("id", ApiId::parse)?;
            let key = id.key();
            let mut shared_with = shared.remove(&key).unwrap_or_default();
            shared_with.sort_unstable();
            let record = ApiRecord {
                id,
                organization: IdKey::of(row.text("organization_id")?),
                client_id: row.id("client_id", ClientId::parse)?,
                visibility: row.word("visibility", Visibility::parse)?,
                shared_with,
            };
            facts.apis.push((key, Some(Arc::new(record))));
            Ok(())
        })
        .await
    }

    pub(crate) async fn instances(&mut self, facts: &mut Facts) -> Result<(), Fault> {
        facts.instances = self.scope.removals(EntityKind::Instance);
        let texts = (
            "SELECT id, api_id, environment, namespace, base_path, version, target_url, policy, simulations \
             FROM api_instances",
            "SELECT id, api_id, environment, namespace, base_path, version, target_url, policy, simulations \
             FROM api_instances WHERE id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'instance' AND seq > $1 AND seq <= $2)",
        );
        self.each("api_instances", texts, |row| {
            let record = instance(row)?;
            facts
                .instances
                .push((record.id.key(), Some(Arc::new(record))));
            Ok(())
        })
        .await
    }

    pub(crate) async fn clients(
        &mut self,
        facts: &mut Facts,
        with_digests: bool,
    ) -> Result<(), Fault> {
        facts.clients = self.scope.removals(EntityKind::Client);
        let mut secrets = if with_digests {
            self.secrets().await?
        } else {
            HashMap::new()
        };
        let texts = (
            "SELECT id, owner_kind, owner_id, state, generation, token_lifetime_s FROM clients \
             WHERE state <> 'deleted'",
            "SELECT id, owner_kind, owner_id, state, generation, token_lifetime_s FROM clients \
             WHERE state <> 'deleted' AND id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'client' AND seq > $1 AND seq <= $2)",
        );
        self.each("clients", texts, |row| {
            let key = IdKey::of(row.text("id")?);
            let secrets = secrets.remove(&key).unwrap_or_default();
            facts.clients.push((key, Some(client(row, secrets)?)));
            Ok(())
        })
        .await
    }

    /// Live secrets, at most two for a client: the newest.
    async fn secrets(
        &mut self,
    ) -> Result<HashMap<IdKey, [Option<SecretRecord>; LIVE_SECRETS_MAX]>, Fault> {
        let now = self.now;
        let mut secrets: HashMap<IdKey, [Option<SecretRecord>; LIVE_SECRETS_MAX]> = HashMap::new();
        let texts = (
            "SELECT id, client_id, digest, expires_at_us FROM client_secrets ORDER BY created_at_us DESC, id DESC",
            "SELECT id, client_id, digest, expires_at_us FROM client_secrets WHERE client_id IN \
             (SELECT entity_id FROM changes WHERE entity_kind = 'client' AND seq > $1 AND seq <= $2) \
             ORDER BY created_at_us DESC, id DESC",
        );
        self.each("client_secrets", texts, |row| {
            let expires_at = row.optional_instant("expires_at_us")?;
            if expires_at.is_some_and(|end| end <= now) {
                return Ok(());
            }
            let digest = SecretDigest::from_bytes(row.bytes("digest")?);
            let record = SecretRecord {
                id: IdKey::of(row.text("id")?),
                digest: digest.ok_or_else(|| row.corrupt("digest"))?,
                expires_at,
            };
            let slots = secrets
                .entry(IdKey::of(row.text("client_id")?))
                .or_default();
            if let Some(slot) = slots.iter_mut().find(|slot| slot.is_none()) {
                *slot = Some(record);
            }
            Ok(())
        })
        .await?;
        Ok(secrets)
    }

    pub(crate) async fn subscriptions(&mut self, facts: &mut Facts) -> Result<(), Fault> {
        facts.subscriptions = self.scope.removals(EntityKind::Subscription);
        // The app or API and its organization are one column each, to read fewer of them.
        let texts = (
            "SELECT id, kind, COALESCE(app_id, api_id) AS subject, organization_id, environment, state, ends_at_us \
             FROM subscriptions",
            "SELECT id, kind, COALESCE(app_id, api_id) AS subject, organization_id, environment, state, ends_at_us \
             FROM subscriptions WHERE id IN (SELECT entity_id FROM changes \
             WHERE entity_kind = 'subscription' AND seq > $1 AND seq <= $2)",
        );
        self.each("subscriptions", texts, |row| {
            let key = IdKey::of(row.text("id")?);
            facts.subscriptions.push((key, Some(subscription(row)?)));
            Ok(())
        })
        .await
    }

    /// Gives `false` when a connection that changed is not there: then nobody knows which entry of the
    /// snapshot it was, and everything is to be loaded.
    pub(crate) async fn connections(&mut self, facts: &mut Facts) -> Result<bool, Fault> {
        let mut found = 0;
        let texts = (
            "SELECT subscription_id, api_id, state, values_state FROM connections",
            "SELECT subscription_id, api_id, state, values_state FROM connections WHERE id IN \
             (SELECT entity_id FROM changes WHERE entity_kind = 'connection' AND seq > $1 AND seq <= $2)",
        );
        self.each("connections", texts, |row| {
            let subscription = IdKey::of(row.text("subscription_id")?);
            let api = IdKey::of(row.text("api_id")?);
            found += 1;
            let record = connection(row);
            let kept = record.as_ref().ok().copied();
            facts.connections.push(((subscription, api), kept));
            record.map(|_| ())
        })
        .await?;
        Ok(match self.scope {
            Scope::All => true,
            Scope::Changed { ids, .. } => ids
                .get(&EntityKind::Connection)
                .is_none_or(|ids| ids.len() == found),
        })
    }
}

fn take_row(
    row: &AnyRow,
    table: &'static str,
    take: &mut impl FnMut(&Columns<'_>) -> Result<(), CorruptRow>,
) -> Result<(), CorruptRow> {
    take(&Columns::of(row, table))
}

/// A row that the driver itself could not decode: its key is as unreadable as the rest.
fn undecodable(table: &'static str) -> CorruptRow {
    CorruptRow {
        table,
        column: "unknown",
        row: "?".to_owned(),
    }
}

fn instance(row: &Columns<'_>) -> Result<InstanceRecord, CorruptRow> {
    let api_id = row.id("api_id", ApiId::parse)?;
    let environment = row.word("environment", Environment::parse)?;
    let base_path = row.owned("base_path")?;
    let simulations: Vec<_> = row.json("simulations")?;
    Ok(InstanceRecord {
        id: row.id("id", InstanceId::parse)?,
        api: api_id.key(),
        api_id,
        environment,
        version: row.owned("version")?,
        prefix: path_prefix(row.text("namespace")?, environment, &base_path).into(),
        base_path,
        target: Target::parse(row.text("target_url")?).map_err(|_| row.corrupt("target_url"))?,
        policy: row.json("policy")?,
        simulations: simulations.into(),
    })
}

fn client(
    row: &Columns<'_>,
    secrets: [Option<SecretRecord>; LIVE_SECRETS_MAX],
) -> Result<ClientRecord, CorruptRow> {
    let owner = IdKey::of(row.text("owner_id")?);
    Ok(ClientRecord {
        owner: match row.text("owner_kind")? {
            "app" => ClientOwnerKey::App(owner),
            "api" => ClientOwnerKey::Api(owner),
            _ => return Err(row.corrupt("owner_kind")),
        },
        state: match row.text("state")? {
            "enabled" => ClientState::Enabled,
            "disabled" => ClientState::Disabled,
            _ => return Err(row.corrupt("state")),
        },
        generation: u32::try_from(row.number("generation")?)
            .map_err(|_| row.corrupt("generation"))?,
        token_lifetime: Duration::from_secs(row.count("token_lifetime_s")?),
        secrets,
    })
}

fn subscription(row: &Columns<'_>) -> Result<SubscriptionRecord, CorruptRow> {
    let subject = IdKey::of(row.text("subject")?);
    let of = match row.text("kind")? {
        "real" => SubscriptionOf::Real {
            app: subject,
            organization: IdKey::of(row.text("organization_id")?),
        },
        "app_test" => SubscriptionOf::AppTest { app: subject },
        "api_test" => SubscriptionOf::ApiTest {
            api: subject,
            environment: row.word("environment", Environment::parse)?,
        },
        _ => return Err(row.corrupt("kind")),
    };
    Ok(SubscriptionRecord {
        of,
        state: row.word("state", SubscriptionState::parse)?,
        ends_at: row.optional_instant("ends_at_us")?,
    })
}

fn connection(row: &Columns<'_>) -> Result<ConnectionRecord, CorruptRow> {
    Ok(ConnectionRecord {
        state: row.word("state", ConnectionState::parse)?,
        values_complete: match row.text("values_state")? {
            "complete" => true,
            "missing" => false,
            _ => return Err(row.corrupt("values_state")),
        },
    })
}
