//! What is noted of clients beside the acts: when secrets were last used, and who still uses the deprecated
//! issuer. Decisions do not depend on it, so nothing here makes a change.

use std::net::IpAddr;

use portcullis_core::{
    client::Client,
    clock::Timestamp,
    ids::{IdKey, OrganizationId},
    permissions::{Actor, Authority},
};

use crate::{
    act::{Fault, act, scope},
    clients,
    error::ActError,
    page::{Page, PageRequest},
    row::Columns,
    store::Store,
};

/// A secret got a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretUse {
    /// Which secret, as snapshots index it.
    pub secret: IdKey,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub from: Option<IpAddr>,
}

/// Tokens were issued through the deprecated issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeprecatedIssuerUse {
    /// To whom, as snapshots index it.
    pub client: IdKey,
    /// When the last of them was.
    pub at: Timestamp,
    /// How many since the last note.
    pub count: u64,
}

/// A client that used the deprecated issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeprecatedIssuerRow {
    /// Which client, and whose it is.
    pub client: Client,
    /// The owner of the app or API.
    pub organization_id: OrganizationId,
    /// When it was first seen there.
    pub first_at: Timestamp,
    /// When it was last seen there.
    pub last_at: Timestamp,
    /// How many tokens it got there.
    pub count: u64,
}

impl Store {
    /// Notes when secrets were last used.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn note_secrets_used(&self, uses: &[SecretUse]) -> Result<(), ActError> {
        act!(self, &Actor::System, |act| {
            for used in uses {
                // Our secrets are named by UUIDs, which are their own keys.
                let id = uuid::Uuid::from_bytes(*used.secret.bytes()).to_string();
                sqlx::query(
                    "UPDATE client_secrets SET last_used_at_us = $2, last_used_from = $3 \
                     WHERE id = $1 AND (last_used_at_us IS NULL OR last_used_at_us < $2)",
                )
                .bind(id)
                .bind(used.at.as_us())
                .bind(used.from.map(|ip| ip.to_string()))
                .execute(act.db())
                .await?;
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// Notes who still uses the deprecated issuer.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn note_deprecated_issuer(
        &self,
        uses: &[DeprecatedIssuerUse],
    ) -> Result<(), ActError> {
        act!(self, &Actor::System, |act| {
            for used in uses.iter().filter(|used| used.count > 0) {
                // A client that is unknown here selects no row and is passed over.
                sqlx::query(
                    "INSERT INTO deprecated_issuer_use (client_id, first_at_us, last_at_us, uses) \
                     SELECT id, $2, $2, $3 FROM clients WHERE id_key = $1 \
                     ON CONFLICT (client_id) DO UPDATE SET uses = deprecated_issuer_use.uses + excluded.uses, \
                     last_at_us = CASE WHEN deprecated_issuer_use.last_at_us < excluded.last_at_us \
                     THEN excluded.last_at_us ELSE deprecated_issuer_use.last_at_us END",
                )
                .bind(used.client.bytes().as_slice())
                .bind(used.at.as_us())
                .bind(i64::try_from(used.count).unwrap_or(i64::MAX))
                .execute(act.db())
                .await?;
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// Clients within reach that used the deprecated issuer, in the order in which they were first seen there.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn deprecated_issuer_use(
        &self,
        authority: &Authority,
        page: PageRequest,
    ) -> Result<Page<DeprecatedIssuerRow>, ActError> {
        let mut connection = self.reader().await?;
        let (instant, id) = page.start();
        let rows = sqlx::query(
            "SELECT c.id AS id, c.owner_kind AS owner_kind, c.owner_id AS owner_id, \
             c.organization_id AS organization_id, c.state AS state, c.generation AS generation, \
             u.first_at_us AS first_at_us, u.last_at_us AS last_at_us, u.uses AS uses \
             FROM deprecated_issuer_use u JOIN clients c ON c.id = u.client_id \
             WHERE ($1 = '' OR c.organization_id = $1) AND (u.first_at_us, u.client_id) > ($2, $3) \
             ORDER BY u.first_at_us, u.client_id LIMIT $4",
        )
        .bind(scope(authority))
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let columns = Columns::of(row, "deprecated_issuer_use");
            let owned = clients::of_row(&columns)?;
            Ok(DeprecatedIssuerRow {
                client: owned.client,
                organization_id: owned.organization,
                first_at: columns.instant("first_at_us")?,
                last_at: columns.instant("last_at_us")?,
                count: columns.count("uses")?,
            })
        };
        let items = rows.iter().map(read).collect::<Result<_, ActError>>()?;
        Ok(Page::of(items, &page, |item| {
            (item.first_at, item.client.id.to_string())
        }))
    }
}
