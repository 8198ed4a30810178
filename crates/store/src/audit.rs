//! The audit log: one entry for each act, written with it.

use portcullis_core::{clock::Timestamp, ids::OrganizationId, permissions::Authority};

use crate::{
    act::{Fault, scope},
    error::ActError,
    page::{Page, PageRequest},
    row::Columns,
    store::Store,
};

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Names the entry.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: a sign-in name, or `system`.
    pub actor: String,
    /// What: `app.create`, `subscription.end`.
    pub action: String,
    /// The kind of thing acted on.
    pub entity_kind: String,
    /// Which thing.
    pub entity_id: String,
    /// Whose thing; `None` for the installation's own.
    pub organization_id: Option<OrganizationId>,
    /// Where the request came from, when it was told.
    pub address: Option<String>,
    /// JSON with `before` and `after`, without secrets.
    pub detail: String,
}

/// Which entries are asked for; `None` asks for all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of things of this organization.
    pub organization_id: Option<OrganizationId>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// On things of this kind.
    pub entity_kind: Option<String>,
    /// On this thing.
    pub entity_id: Option<String>,
}

impl Store {
    /// Entries about organizations within reach, newest first.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn audit_entries(
        &self,
        authority: &Authority,
        filter: AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, ActError> {
        let mut connection = self.reader().await?;
        let (instant, id) = page.start_descending();
        let rows = sqlx::query(
            "SELECT id, at_us, actor, action, entity_kind, entity_id, organization_id, address, detail \
             FROM audit_entries WHERE ($1 = '' OR organization_id = $1) AND ($2 = '' OR organization_id = $2) \
             AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR entity_kind = $5) \
             AND ($6 = '' OR entity_id = $6) AND (at_us, id) < ($7, $8) ORDER BY at_us DESC, id DESC LIMIT $9",
        )
        .bind(scope(authority))
        .bind(filter.organization_id.as_ref().map_or("", OrganizationId::as_str))
        .bind(filter.actor.as_deref().unwrap_or_default())
        .bind(filter.action.as_deref().unwrap_or_default())
        .bind(filter.entity_kind.as_deref().unwrap_or_default())
        .bind(filter.entity_id.as_deref().unwrap_or_default())
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let columns = Columns::of(row, "audit_entries");
            Ok(AuditEntry {
                id: columns.owned("id")?,
                at: columns.instant("at_us")?,
                actor: columns.owned("actor")?,
                action: columns.owned("action")?,
                entity_kind: columns.owned("entity_kind")?,
                entity_id: columns.owned("entity_id")?,
                organization_id: columns.optional_id("organization_id", OrganizationId::parse)?,
                address: columns.optional_text("address")?.map(str::to_owned),
                detail: columns.owned("detail")?,
            })
        };
        let items = rows.iter().map(read).collect::<Result<_, ActError>>()?;
        Ok(Page::of(items, &page, |item: &AuditEntry| {
            (item.at, item.id.clone())
        }))
    }
}
