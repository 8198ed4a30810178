//! Clients and their secrets.

use portcullis_core::{
    change::EntityKind,
    client::{Client, ClientOwner, ClientSecretInfo, ClientState, LIVE_SECRETS_MAX},
    clock::Timestamp,
    ids::{ApiId, AppId, ClientId, OrganizationId, SecretId},
    permissions::Authority,
    secret::{Secret, SecretKind},
};
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, scope},
    error::{ActError, CorruptRow},
    row::Columns,
    store::{Acted, Store},
};

/// Whether a secret is ended because somebody else may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compromise {
    /// Planned rotation: tokens already issued go on to their end.
    No,
    /// Tokens already issued are refused too.
    Yes,
}

/// A client with what the audit log needs.
pub(crate) struct OwnedClient {
    pub(crate) client: Client,
    pub(crate) organization: OrganizationId,
    deleted: bool,
}

impl Store {
    /// The client.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn client(&self, authority: &Authority, id: &ClientId) -> Result<Client, ActError> {
        let mut connection = self.reader().await?;
        let found = find(&mut connection, id.as_str(), scope(authority)).await?;
        Ok(found.client)
    }

    /// Its secrets, oldest first, ended ones included.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn secrets(
        &self,
        authority: &Authority,
        client: &ClientId,
    ) -> Result<Vec<ClientSecretInfo>, ActError> {
        let mut connection = self.reader().await?;
        find(&mut connection, client.as_str(), scope(authority)).await?;
        Ok(secrets_of(&mut connection, client).await?)
    }

    /// Makes a second secret, shown this once.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Conflict` (`too_many_secrets`, `client_deleted`).
    pub async fn create_secret(
        &self,
        authority: &Authority,
        client: &ClientId,
    ) -> Result<Acted<(ClientSecretInfo, Secret)>, ActError> {
        act!(self, authority.actor(), |act| {
            let owned = lock(act, client, scope(authority)).await?;
            let secret = Secret::generate(SecretKind::Client);
            let info = add_secret(act, &owned, &secret).await?;
            Ok((info, secret))
        })
    }

    /// Makes a given secret valid; when it is so already, this changes nothing.
    ///
    /// # Errors
    /// [`ActError`]: as [`Store::create_secret`], and `Conflict` (`secret_ended`) when this very secret was
    /// ended before.
    pub async fn import_client_secret(
        &self,
        authority: &Authority,
        client: &ClientId,
        secret: &Secret,
    ) -> Result<Acted<ClientSecretInfo>, ActError> {
        act!(self, authority.actor(), |act| {
            let owned = lock(act, client, scope(authority)).await?;
            let row =
                sqlx::query("SELECT id FROM client_secrets WHERE client_id = $1 AND digest = $2")
                    .bind(client.as_str())
                    .bind(secret.digest().as_bytes().as_slice())
                    .fetch_optional(act.db())
                    .await?;
            let Some(row) = row else {
                return add_secret(act, &owned, secret).await;
            };
            let id = Columns::of(&row, "client_secrets").id("id", SecretId::parse)?;
            let known = secret_of(act.db(), client, &id).await?;
            if !is_live(&known, act.now()) {
                let detail = "this secret has ended and cannot be used again; take a new one";
                return Err(ActError::conflict("secret_ended", detail).into());
            }
            act.stands_since(EntityKind::Client, client.as_str())
                .await?;
            Ok(known)
        })
    }

    /// Sets the end of a secret; one that has ended stays ended, but may still be told to be compromised.
    /// Repeated, it gives the first change's number.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn expire_secret(
        &self,
        authority: &Authority,
        client: &ClientId,
        secret: &SecretId,
        end: (Timestamp, Compromise),
    ) -> Result<Acted<ClientSecretInfo>, ActError> {
        let (at, compromise) = end;
        act!(self, authority.actor(), |act| {
            let owned = lock(act, client, scope(authority)).await?;
            let before = secret_of(act.db(), client, secret).await?;
            let ended = !is_live(&before, act.now());
            // The generation rises once for a secret: a repeated request must not end tokens issued since.
            let known = was_compromised(act.db(), secret).await?;
            let raise = compromise == Compromise::Yes && !known;
            if !raise && (ended || before.expires_at == Some(at)) {
                act.stands_since(EntityKind::Client, client.as_str())
                    .await?;
                return Ok(before);
            }
            if !ended {
                sqlx::query("UPDATE client_secrets SET expires_at_us = $2 WHERE id = $1")
                    .bind(secret.as_str())
                    .bind(at.as_us())
                    .execute(act.db())
                    .await?;
            }
            if raise {
                raise_generation(act, client).await?;
                sqlx::query("UPDATE client_secrets SET compromised_at_us = $2 WHERE id = $1")
                    .bind(secret.as_str())
                    .bind(at.as_us())
                    .execute(act.db())
                    .await?;
            }
            let after = secret_of(act.db(), client, secret).await?;
            act.changed(EntityKind::Client, client.as_str());
            let detail = json!({
                "client": client,
                "before": { "expires_at_us": before.expires_at },
                "after": { "expires_at_us": after.expires_at, "compromised": compromise == Compromise::Yes },
            });
            note(
                act,
                ("client_secret.expire", "client_secret"),
                secret.as_str(),
                (&owned, detail),
            );
            Ok(after)
        })
    }

    /// Refuses every token issued so far, by raising the client's generation.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn revoke_tokens(
        &self,
        authority: &Authority,
        client: &ClientId,
    ) -> Result<Acted<Client>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, client, scope(authority)).await?;
            raise_generation(act, client).await?;
            act.changed(EntityKind::Client, client.as_str());
            let after = find(act.db(), client.as_str(), "").await?;
            let detail = json!({
                "before": { "generation": before.client.generation },
                "after": { "generation": after.client.generation },
            });
            note(
                act,
                ("client.revoke_tokens", "client"),
                client.as_str(),
                (&after, detail),
            );
            Ok(after.client)
        })
    }

    /// Stops a client for the time being, or lets it act again.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Conflict` (`client_deleted`).
    pub async fn set_client_state(
        &self,
        authority: &Authority,
        client: &ClientId,
        state: ClientState,
    ) -> Result<Acted<Client>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, client, scope(authority)).await?;
            living(&before)?;
            if before.client.state == state {
                act.stands_since(EntityKind::Client, client.as_str())
                    .await?;
                return Ok(before.client);
            }
            set_state(act, client, state_word(state)).await?;
            let after = find(act.db(), client.as_str(), "").await?;
            let detail = json!({
                "before": state_word(before.client.state),
                "after": state_word(state),
            });
            note(
                act,
                ("client.set_state", "client"),
                client.as_str(),
                (&after, detail),
            );
            Ok(after.client)
        })
    }
}

const fn state_word(state: ClientState) -> &'static str {
    match state {
        ClientState::Enabled => "enabled",
        ClientState::Disabled => "disabled",
    }
}

pub(crate) fn is_live(secret: &ClientSecretInfo, now: Timestamp) -> bool {
    secret.expires_at.is_none_or(|end| now < end)
}

/// Refuses what only a client that was not deleted may do.
pub(crate) fn living(owned: &OwnedClient) -> Result<(), ActError> {
    if owned.deleted {
        let detail = "the app or API of this client was deleted";
        return Err(ActError::conflict("client_deleted", detail));
    }
    Ok(())
}

/// Tells the audit log what was done to a client or a secret of it.
pub(crate) fn note(
    act: &mut Act,
    what: (&'static str, &'static str),
    id: &str,
    told: (&OwnedClient, Value),
) {
    let (action, kind) = what;
    let (owned, detail) = told;
    act.note(&Note {
        action,
        kind,
        id,
        organization: Some(&owned.organization),
        detail,
    });
}

async fn raise_generation(act: &mut Act, client: &ClientId) -> Result<(), Fault> {
    sqlx::query("UPDATE clients SET generation = generation + 1 WHERE id = $1")
        .bind(client.as_str())
        .execute(act.db())
        .await?;
    Ok(())
}

async fn was_compromised(connection: &mut AnyConnection, secret: &SecretId) -> Result<bool, Fault> {
    let row = sqlx::query("SELECT id, compromised_at_us FROM client_secrets WHERE id = $1")
        .bind(secret.as_str())
        .fetch_one(connection)
        .await?;
    let at = Columns::of(&row, "client_secrets").optional_number("compromised_at_us")?;
    Ok(at.is_some())
}

/// Sets the stored state, of which `deleted` is one.
pub(crate) async fn set_state(
    act: &mut Act,
    client: &ClientId,
    state: &'static str,
) -> Result<(), Fault> {
    sqlx::query("UPDATE clients SET state = $2 WHERE id = $1")
        .bind(client.as_str())
        .bind(state)
        .execute(act.db())
        .await?;
    act.changed(EntityKind::Client, client.as_str());
    Ok(())
}

/// Makes the client of an app or API, with its first secret.
pub(crate) async fn insert(
    act: &mut Act,
    id: &ClientId,
    owner: (&ClientOwner, &OrganizationId),
    secret: &Secret,
) -> Result<ClientSecretInfo, Fault> {
    let (owner, organization) = owner;
    let (kind, owner_id) = match owner {
        ClientOwner::App(app) => ("app", app.as_str()),
        ClientOwner::Api(api) => ("api", api.as_str()),
    };
    let lifetime = act.store().settings().token_lifetime.as_secs();
    let now = act.now().as_us();
    let inserted = sqlx::query(
        "INSERT INTO clients (id, id_key, owner_kind, owner_id, organization_id, state, generation, \
         token_lifetime_s, created_at_us) VALUES ($1, $2, $3, $4, $5, 'enabled', 0, $6, $7) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id.as_str())
    .bind(id.key().bytes().as_slice())
    .bind(kind)
    .bind(owner_id)
    .bind(organization.as_str())
    .bind(i64::try_from(lifetime).unwrap_or(i64::MAX))
    .bind(now)
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        let detail = "a client with this identifier exists already";
        return Err(ActError::conflict("client_exists", detail).into());
    }
    act.changed(EntityKind::Client, id.as_str());
    insert_secret(act, id, (&SecretId::random(), secret)).await
}

async fn add_secret(
    act: &mut Act,
    owned: &OwnedClient,
    secret: &Secret,
) -> Result<ClientSecretInfo, Fault> {
    living(owned)?;
    let now = act.now();
    let id = &owned.client.id;
    let live = secrets_of(act.db(), id)
        .await?
        .iter()
        .filter(|secret| is_live(secret, now))
        .count();
    if live >= LIVE_SECRETS_MAX {
        let detail = "two secrets are live already; end one of them first";
        return Err(ActError::conflict("too_many_secrets", detail).into());
    }
    let info = insert_secret(act, id, (&SecretId::random(), secret)).await?;
    act.changed(EntityKind::Client, id.as_str());
    let detail = json!({ "client": id, "after": { "hint": info.hint } });
    note(
        act,
        ("client_secret.create", "client_secret"),
        info.id.as_str(),
        (owned, detail),
    );
    Ok(info)
}

/// Makes a secret with this identifier.
pub(crate) async fn insert_secret(
    act: &mut Act,
    client: &ClientId,
    new: (&SecretId, &Secret),
) -> Result<ClientSecretInfo, Fault> {
    let (id, secret) = new;
    let now = act.now().as_us();
    sqlx::query(
        "INSERT INTO client_secrets (id, client_id, digest, hint, created_at_us) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.as_str())
    .bind(client.as_str())
    .bind(secret.digest().as_bytes().as_slice())
    .bind(secret.hint())
    .bind(now)
    .execute(act.db())
    .await?;
    secret_of(act.db(), client, id).await
}

/// Locks the client until the end of the act.
pub(crate) async fn lock(act: &mut Act, id: &ClientId, scope: &str) -> Result<OwnedClient, Fault> {
    sqlx::query(
        "UPDATE clients SET generation = generation WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The client; `NotFound` when it is unknown or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<OwnedClient, Fault> {
    let row = sqlx::query(
        "SELECT id, owner_kind, owner_id, organization_id, state, generation FROM clients \
         WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(connection)
    .await?
    .ok_or(Fault::Act(ActError::NotFound("client")))?;
    Ok(of_row(&Columns::of(&row, "clients"))?)
}

/// Reads the columns that [`find`] selects.
pub(crate) fn of_row(columns: &Columns<'_>) -> Result<OwnedClient, CorruptRow> {
    let owner = match columns.text("owner_kind")? {
        "app" => ClientOwner::App(columns.id("owner_id", AppId::parse)?),
        "api" => ClientOwner::Api(columns.id("owner_id", ApiId::parse)?),
        _ => return Err(columns.corrupt("owner_kind")),
    };
    let generation =
        u32::try_from(columns.number("generation")?).map_err(|_| columns.corrupt("generation"))?;
    let (state, deleted) = match columns.text("state")? {
        "enabled" => (ClientState::Enabled, false),
        "disabled" => (ClientState::Disabled, false),
        "deleted" => (ClientState::Disabled, true),
        _ => return Err(columns.corrupt("state")),
    };
    Ok(OwnedClient {
        client: Client {
            id: columns.id("id", ClientId::parse)?,
            owner,
            state,
            generation,
        },
        organization: columns.id("organization_id", OrganizationId::parse)?,
        deleted,
    })
}

/// A client's secrets, oldest first.
pub(crate) async fn secrets_of(
    connection: &mut AnyConnection,
    client: &ClientId,
) -> Result<Vec<ClientSecretInfo>, Fault> {
    let rows = sqlx::query(
        "SELECT id, client_id, hint, created_at_us, expires_at_us, last_used_at_us, last_used_from \
         FROM client_secrets WHERE client_id = $1 ORDER BY created_at_us, id",
    )
    .bind(client.as_str())
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let columns = Columns::of(row, "client_secrets");
        Ok(ClientSecretInfo {
            id: columns.id("id", SecretId::parse)?,
            client_id: columns.id("client_id", ClientId::parse)?,
            hint: columns.owned("hint")?,
            created_at: columns.instant("created_at_us")?,
            expires_at: columns.optional_instant("expires_at_us")?,
            last_used_at: columns.optional_instant("last_used_at_us")?,
            last_used_from: columns.optional_text("last_used_from")?.map(str::to_owned),
        })
    };
    rows.iter().map(read).collect()
}

async fn secret_of(
    connection: &mut AnyConnection,
    client: &ClientId,
    id: &SecretId,
) -> Result<ClientSecretInfo, Fault> {
    secrets_of(connection, client)
        .await?
        .into_iter()
        .find(|secret| secret.id == *id)
        .ok_or(Fault::Act(ActError::NotFound("secret")))
}
