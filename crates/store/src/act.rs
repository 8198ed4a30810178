//! One act: a transaction that can be tried again, with its audit entries and its changes.
//!
//! The body collects what it changed; the number is taken from the counter row as the last thing before COMMIT,
//! so that the row is locked for as short as can be. When the connection is lost while COMMIT is under way,
//! nobody knows what became of it: the act's own audit entry tells, because it stands or falls with the act.

use std::{ops::ControlFlow, time::Duration};

use portcullis_core::{
    change::{ChangeSeq, EntityKind, EntityRef},
    clock::Timestamp,
    ids::OrganizationId,
    permissions::{Actor, Authority, Reach},
};
use serde_json::Value;
use sqlx::AnyConnection;
use tokio::time::Instant;

use crate::{
    change_log,
    dialect::{self, ErrorMeaning},
    error::{ActError, CorruptRow},
    store::{Acted, Engine, Store},
    transaction::Transaction,
};

/// How often one act is tried when others stand in its way.
const ATTEMPTS_MAX: u32 = 8;
/// How long an act waits for the writer before it answers that the database is busy.
const WRITER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long an act may take before its connection is given up.
const ACT_TIME_MAX: Duration = Duration::from_secs(15);

/// Why a step of an act or a read failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// For the caller.
    Act(ActError),
    /// For whoever drives the act: it may be tried again.
    Db(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error)
    }
}

impl From<ActError> for Fault {
    fn from(error: ActError) -> Self {
        Self::Act(error)
    }
}

impl From<CorruptRow> for Fault {
    fn from(error: CorruptRow) -> Self {
        Self::Act(ActError::Corrupt(error))
    }
}

impl From<Fault> for ActError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Act(error) => error,
            Fault::Db(error) => match dialect::meaning(&error) {
                ErrorMeaning::Busy | ErrorMeaning::Again => Self::Busy,
                ErrorMeaning::Taken => {
                    Self::conflict("taken", "something of this name was made in the meantime")
                }
                // The driver's text holds the value, so it stays out.
                ErrorMeaning::Corrupt => Self::Corrupt(CorruptRow {
                    table: "unknown",
                    column: "unknown",
                    row: "?".to_owned(),
                }),
                ErrorMeaning::Failed | ErrorMeaning::Lost => Self::Unavailable(error.to_string()),
            },
        }
    }
}

/// Whose data an act or read may touch: an organization's id, or nothing for every organization's. Statements
/// carry it as `($n = '' OR organization_id = $n)`.
pub(crate) fn scope(authority: &Authority) -> &str {
    match authority.reach() {
        Reach::One(organization) => organization.as_str(),
        Reach::All => "",
        // No identifier holds a space.
        Reach::Oneself => " ",
    }
}

/// Whether this organization's data is within reach.
pub(crate) fn reaches(authority: &Authority, organization: &OrganizationId) -> bool {
    match authority.reach() {
        Reach::One(own) => own == organization,
        Reach::All => true,
        Reach::Oneself => false,
    }
}

/// Refuses everybody but operators who act on the whole installation.
pub(crate) fn operators_only(authority: &Authority) -> Result<(), ActError> {
    if *authority.reach() == Reach::All && authority.actor().is_operator() {
        Ok(())
    } else {
        Err(ActError::Forbidden)
    }
}

/// What the audit log is told of an act.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    pub(crate) action: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) id: &'a str,
    pub(crate) organization: Option<&'a OrganizationId>,
    /// `{"before": .., "after": ..}` without secrets.
    pub(crate) detail: Value,
}

#[derive(Debug)]
struct AuditRow {
    id: String,
    action: &'static str,
    kind: &'static str,
    entity: String,
    organization: Option<String>,
    detail: String,
}

/// A transaction under way.
pub(crate) struct Act {
    tx: Transaction,
    store: Store,
    actor: String,
    now: Timestamp,
    changes: Vec<EntityRef>,
    earlier: Option<ChangeSeq>,
    audit: Vec<AuditRow>,
    /// The idempotency key that this act claimed.
    claimed: Option<String>,
    /// Whether workers have something to do once this is committed.
    owes: bool,
}

impl Act {
    async fn begin(store: &Store, actor: &str) -> Result<Self, Fault> {
        let words = dialect::begin_act(store.engine());
        let deadline = Instant::now() + WRITER_WAIT_MAX;
        loop {
            let connection = tokio::time::timeout_at(deadline, store.writers().acquire())
                .await
                .map_err(|_| Fault::Act(ActError::Busy))??;
            match Transaction::begin(connection, words).await {
                Ok(tx) => {
                    return Ok(Self {
                        tx,
                        store: store.clone(),
                        actor: actor.to_owned(),
                        now: store.clock().now(),
                        changes: Vec::new(),
                        earlier: None,
                        audit: Vec::new(),
                        claimed: None,
                        owes: false,
                    });
                }
                Err(error)
                    if dialect::meaning(&error) == ErrorMeaning::Busy
                        && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The connection that this act's statements go to.
    pub(crate) fn db(&mut self) -> &mut AnyConnection {
        self.tx.db()
    }

    /// When this act happens.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Notes that something changed that decisions depend on.
    pub(crate) fn changed(&mut self, kind: EntityKind, id: &str) {
        let entity = EntityRef::new(kind, id);
        if !self.changes.contains(&entity) {
            self.changes.push(entity);
        }
    }

    /// Notes that the act found everything as it should be: whoever repeats it waits for the change that made
    /// it so.
    pub(crate) async fn stands_since(&mut self, kind: EntityKind, id: &str) -> Result<(), Fault> {
        let seq = change_log::last_change_of(self.db(), kind, id).await?;
        self.earlier = self.earlier.max(seq);
        Ok(())
    }

    /// Sets the change that an answer given again is to wait for.
    pub(crate) fn answers_again(&mut self, seq: Option<i64>) {
        self.earlier = seq.map(ChangeSeq::new);
    }

    /// Notes that this act owns an idempotency key, which learns the act's number at the end.
    pub(crate) fn claims(&mut self, key: &str) {
        self.claimed = Some(key.to_owned());
    }

    /// Notes that this act owes something that is to be done as soon as it is committed.
    pub(crate) fn owes(&mut self) {
        self.owes = true;
    }

    /// How the actor is named in the audit log and in idempotency keys.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// Writes down what was done.
    pub(crate) fn note(&mut self, note: &Note<'_>) {
        self.audit.push(AuditRow {
            id: uuid::Uuid::new_v4().to_string(),
            action: note.action,
            kind: note.kind,
            entity: note.id.to_owned(),
            organization: note.organization.map(|id| id.as_str().to_owned()),
            detail: note.detail.to_string(),
        });
    }

    async fn insert_audit(&mut self) -> Result<(), Fault> {
        let address = self.store.context().address.map(|ip| ip.to_string());
        let audit = std::mem::take(&mut self.audit);
        for row in &audit {
            self.insert_audit_row(row, address.as_deref()).await?;
        }
        self.audit = audit;
        Ok(())
    }

    /// Gives how many rows were written: none when the entry is there already.
    async fn insert_audit_row(
        &mut self,
        row: &AuditRow,
        address: Option<&str>,
    ) -> Result<u64, Fault> {
        let written = sqlx::query(
            "INSERT INTO audit_entries (id, at_us, actor, action, entity_kind, entity_id, organization_id, address, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind(row.id.as_str())
        .bind(self.now.as_us())
        .bind(self.actor.as_str())
        .bind(row.action)
        .bind(row.kind)
        .bind(row.entity.as_str())
        .bind(row.organization.clone())
        .bind(address.map(str::to_owned))
        .bind(row.detail.as_str())
        .execute(self.tx.db())
        .await?;
        Ok(written.rows_affected())
    }

    /// Everything that comes after the body, up to and without COMMIT. Gives the act's number.
    async fn conclude(&mut self) -> Result<Option<ChangeSeq>, Fault> {
        self.insert_audit().await?;
        if self.changes.is_empty() {
            if let Some(earlier) = self.earlier {
                self.number_claim(earlier).await?;
            }
            return Ok(None);
        }
        let changes = std::mem::take(&mut self.changes);
        let seq = change_log::append(self.tx.db(), &changes, self.now).await?;
        self.number_claim(seq).await?;
        Ok(Some(seq))
    }

    async fn number_claim(&mut self, seq: ChangeSeq) -> Result<(), Fault> {
        if let Some(name) = self.claimed.take() {
            sqlx::query("UPDATE idempotency_keys SET seq = $3 WHERE actor = $1 AND name = $2")
                .bind(self.actor.as_str())
                .bind(name)
                .bind(seq.get())
                .execute(self.tx.db())
                .await?;
        }
        Ok(())
    }

    async fn commit(mut self) -> Result<Option<ChangeSeq>, Fault> {
        let seq = self.conclude().await?;
        let store = self.store.clone();
        let (earlier, owes) = (self.earlier, self.owes);
        match self.tx.commit().await {
            Ok(()) => {}
            Err(error) if dialect::meaning(&error) == ErrorMeaning::Lost => {
                self.learn_outcome(&error).await?;
                if let Some(seq) = seq {
                    store.committed(seq);
                }
                if owes {
                    store.wake_workers();
                }
                return Ok(seq.max(earlier));
            }
            Err(error) => return Err(error.into()),
        }
        if owes {
            store.wake_workers();
        }
        if let Some(seq) = seq {
            store.committed(seq);
            dialect::notify(self.tx.db(), store.engine(), seq.get()).await;
        }
        Ok(seq.max(earlier))
    }

    /// Finds out what became of a COMMIT that was not answered: writes the act's last audit entry again. When
    /// that waits for the lost transaction and then finds the entry, it was committed; when it succeeds, it
    /// was not and never will be.
    async fn learn_outcome(mut self, error: &sqlx::Error) -> Result<(), Fault> {
        tracing::warn!(%error, "the connection was lost during COMMIT; looking what became of it");
        let unknown = || {
            Fault::Act(ActError::Unavailable(
                "the connection was lost during COMMIT and the outcome is unknown; look before trying again".to_owned(),
            ))
        };
        let row = self.audit.pop().ok_or_else(unknown)?;
        let (store, actor) = (self.store.clone(), self.actor.clone());
        // Gives the connection up, so that the one writer can be opened anew.
        drop(self);
        let mut fresh = Self::begin(&store, &actor).await.map_err(|_| unknown())?;
        let written = fresh
            .insert_audit_row(&row, None)
            .await
            .map_err(|_| unknown())?;
        fresh.roll_back().await;
        if written == 0 {
            Ok(())
        } else {
            Err(Fault::Act(ActError::Busy))
        }
    }

    async fn roll_back(&mut self) {
        self.tx.roll_back().await;
    }

    /// Commits what the body did, or rolls it back.
    pub(crate) async fn finish<T>(mut self, done: Result<T, Fault>) -> Result<Acted<T>, Fault> {
        match done {
            Ok(value) => {
                let seq = self.commit().await?;
                Ok(Acted { value, seq })
            }
            Err(fault) => {
                self.roll_back().await;
                Err(fault)
            }
        }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if self.tx.is_open() {
            // Given up in the middle, perhaps during COMMIT: the refresher is to look what became of it.
            self.store.wake_refresher();
        }
    }
}

/// The attempts at one act. Driven by [`act!`].
pub(crate) struct Attempts<'a> {
    store: &'a Store,
    actor: String,
    made: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(store: &'a Store, actor: &Actor) -> Self {
        Self {
            store,
            actor: actor.audit_name(),
            made: 0,
        }
    }

    pub(crate) async fn begin(&self) -> Result<Act, Fault> {
        Act::begin(self.store, &self.actor).await
    }

    /// Gives the answer, or goes on when the act may be tried again.
    pub(crate) fn judge<T>(
        &mut self,
        tried: Result<Acted<T>, Fault>,
    ) -> ControlFlow<Result<Acted<T>, ActError>> {
        self.made += 1;
        match tried {
            Err(Fault::Db(error)) if self.made < ATTEMPTS_MAX && self.may_pass(&error) => {
                ControlFlow::Continue(())
            }
            other => ControlFlow::Break(other.map_err(ActError::from)),
        }
    }

    /// Whether the same act may pass the next time: others stood in its way, or PostgreSQL was lost before
    /// COMMIT was sent (what is lost later is looked into at once, and is no driver's error any more). A file
    /// that cannot be read or written is not tried again.
    fn may_pass(&self, error: &sqlx::Error) -> bool {
        match dialect::meaning(error) {
            ErrorMeaning::Again | ErrorMeaning::Taken => true,
            ErrorMeaning::Lost => self.store.engine() == Engine::Postgres,
            ErrorMeaning::Busy | ErrorMeaning::Corrupt | ErrorMeaning::Failed => false,
        }
    }
}

/// Ends an attempt that the database does not answer.
pub(crate) async fn limited<T>(
    attempt: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let silent = || {
        Fault::Act(ActError::Unavailable(
            "the database did not answer in time; look before trying again".to_owned(),
        ))
    };
    tokio::time::timeout(ACT_TIME_MAX, attempt)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// Runs one act, again while others stand in its way: `act!(store, actor, |act| { .. Ok(value) })`. A macro,
/// because the compiler cannot yet see that the future of an async closure may cross threads.
macro_rules! act {
    ($store:expr, $actor:expr, |$act:ident| $body:block) => {{
        let mut attempts = $crate::act::Attempts::new($store, $actor);
        loop {
            let attempt = async {
                let mut begun = attempts.begin().await?;
                let done: Result<_, $crate::act::Fault> = {
                    let $act = &mut begun;
                    async { $body }.await
                };
                begun.finish(done).await
            };
            let tried = $crate::act::limited(attempt).await;
            match attempts.judge(tried) {
                std::ops::ControlFlow::Break(answer) => break answer,
                std::ops::ControlFlow::Continue(()) => {}
            }
        }
    }};
}

pub(crate) use act;
