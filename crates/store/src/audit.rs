//! The audit log: one entry for each act, written with it.

use portcullis_core::{clock::Timestamp, ids::OrganizationId, permissions::Authority};

use crate::{
    act::scope,
    error::ActError,
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{Key, Statement, beginning_with},
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
    /// Of this action, or of those that begin with this: `app.`.
    pub action: Option<String>,
    /// On things of this kind.
    pub entity_kind: Option<String>,
    /// On this thing.
    pub entity_id: Option<String>,
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

const KEY: Key = Key {
    columns: "at_us, id",
    descending: "at_us DESC, id DESC",
};

const COLUMNS: &str = "SELECT id, at_us, actor, action, entity_kind, entity_id, organization_id, address, detail \
                       FROM audit_entries";

fn page_of(scope: &str, filter: &AuditFilter, page: &PageRequest) -> Statement {
    let mut statement = Statement::new(COLUMNS);
    statement.begin_page(page, Order::Newest, KEY);
    let organization = filter.organization_id.as_ref().map(OrganizationId::as_str);
    for own in [Some(scope), organization].into_iter().flatten() {
        if !own.is_empty() {
            statement.part(" AND organization_id = ").value(own);
        }
    }
    if let Some(actor) = &filter.actor {
        statement.part(" AND actor = ").value(actor.as_str());
    }
    if let Some(action) = &filter.action {
        statement
            .part(" AND action LIKE ")
            .value(beginning_with(action));
        statement.part(" ESCAPE '\\'");
    }
    if let Some(kind) = &filter.entity_kind {
        statement.part(" AND entity_kind = ").value(kind.as_str());
    }
    if let Some(id) = &filter.entity_id {
        statement.part(" AND entity_id = ").value(id.as_str());
    }
    if let Some(from) = filter.from {
        statement.part(" AND at_us >= ").value(from.as_us());
    }
    if let Some(to) = filter.to {
        statement.part(" AND at_us < ").value(to.as_us());
    }
    statement.end_page(page, Order::Newest, KEY);
    statement
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
        let rows = page_of(scope(authority), &filter, &page)
            .fetch(&mut connection)
            .await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::{assert_indexed, plan};

    #[test]
    fn every_page_is_read_by_the_index_that_fits() {
        let all = AuditFilter {
            action: Some("app.".to_owned()),
            entity_kind: Some("app".to_owned()),
            from: Some(Timestamp::from_us(1)),
            to: Some(Timestamp::from_us(2)),
            ..AuditFilter::default()
        };
        let by_actor = AuditFilter {
            actor: Some("a@example.com".to_owned()),
            ..all.clone()
        };
        let on_thing = AuditFilter {
            entity_id: Some("x".to_owned()),
            ..all.clone()
        };
        for (filter, scope, index) in [
            (&all, "", "audit_entries_by_age"),
            (&all, "own", "audit_entries_of_organization"),
            (&by_actor, "", "audit_entries_of_actor"),
            (&on_thing, "", "audit_entries_of_entity"),
        ] {
            let statement = page_of(scope, filter, &PageRequest::default());
            assert_indexed(&statement);
            let steps = plan(&statement).concat();
            assert!(steps.contains(index), "{steps}");
        }
    }
}
