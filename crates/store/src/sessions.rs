//! Sessions of people's browsers: digested at rest, ended by removing their row.

use portcullis_core::{
    clock::Timestamp,
    ids::{OrganizationId, SessionId, UserId},
    organization::{MemberRole, User},
    people::{SESSION_IDLE, SESSION_LIFETIME, Session},
    permissions::Actor,
    secret::{Secret, SecretDigest, SecretKind},
};
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, act},
    check,
    error::ActError,
    row::Columns,
    store::{Acted, Store},
    users::{self, note},
};

/// A session to be made.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What the browser calls itself, shortened.
    pub device: String,
    /// How the person proved who they are: `password`, `password and code`, `passkey`. For the audit log.
    pub proof: &'static str,
}

/// A session, and whose it is.
#[derive(Debug, Clone)]
pub struct FoundSession {
    /// The session.
    pub session: Session,
    /// Whose it is, as they are now.
    pub user: User,
    /// Where the person belongs, by name.
    pub organizations: Vec<(OrganizationId, String, MemberRole)>,
}

impl Store {
    /// Makes a session for a person who has proved who they are. Gives its secret, which is shown once.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` when there is no such person, or the person is disabled.
    pub async fn create_session(
        &self,
        user: &User,
        new: NewSession,
    ) -> Result<Acted<(SessionId, Secret)>, ActError> {
        check::text("device", &new.device, 0..=200)?;
        act!(self, &user.actor(), |act| {
            let (id, secret) = insert(act, &user.id, &new).await?;
            let detail = json!({ "proof": new.proof, "device": new.device });
            note(act, "user.sign_in", &user.id, detail);
            Ok((id, secret))
        })
    }

    /// The session behind a cookie, with its person and their memberships as they are now; `None` when there is
    /// no such session, it has ended, or its person is disabled. No authority: it makes one possible.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn session(
        &self,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<FoundSession>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, user_id, organization_id, device, address, created_at_us, seen_at_us, authenticated_at_us \
             FROM sessions WHERE digest = $1",
        )
        .bind(presented.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let session = read(&Columns::of(&row, "sessions"))?;
        if !session.lives(now) {
            return Ok(None);
        }
        let user = users::find(&mut connection, session.user_id.as_str(), "").await?;
        if user.disabled_at.is_some() {
            return Ok(None);
        }
        let organizations = organizations_of(&mut connection, &user.id).await?;
        Ok(Some(FoundSession {
            session,
            user,
            organizations,
        }))
    }

    /// Notes that a session was used. Not an act of anybody: it stands in no audit log.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), ActError> {
        let address = self.context().address.map(|ip| ip.to_string());
        let touched = act!(self, &Actor::System, |act| {
            sqlx::query(
                "UPDATE sessions SET seen_at_us = $2, address = COALESCE($3, address) WHERE id = $1 AND seen_at_us < $2",
            )
            .bind(id.as_str())
            .bind(now.as_us())
            .bind(address.clone())
            .execute(act.db())
            .await?;
            Ok(())
        });
        touched.map(|acted| acted.value)
    }

    /// Notes which organization a person looks at.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` when the person is no member, or has no such session.
    pub async fn choose_organization(
        &self,
        user: &User,
        id: &SessionId,
        organization: &OrganizationId,
    ) -> Result<(), ActError> {
        let chosen = act!(self, &user.actor(), |act| {
            let chosen = sqlx::query(
                "UPDATE sessions SET organization_id = $3 WHERE id = $1 AND user_id = $2 AND \
                 (EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = $2 AND m.organization_id = $3) OR \
                 EXISTS (SELECT 1 FROM users u, organizations o WHERE u.id = $2 AND o.id = $3 \
                 AND u.operator_since_us IS NOT NULL))",
            )
            .bind(id.as_str())
            .bind(user.id.as_str())
            .bind(organization.as_str())
            .execute(act.db())
            .await?;
            if chosen.rows_affected() == 0 {
                return Err(ActError::NotFound("organization").into());
            }
            Ok(())
        });
        chosen.map(|acted| acted.value)
    }

    /// Gives a session a new secret, because its person has just proved once more who they are. The old secret
    /// opens nothing any more.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn renew_session(
        &self,
        user: &User,
        id: &SessionId,
        proof: &'static str,
    ) -> Result<Acted<Secret>, ActError> {
        act!(self, &user.actor(), |act| {
            let secret = Secret::generate(SecretKind::Session);
            let now = act.now().as_us();
            let renewed = sqlx::query(
                "UPDATE sessions SET digest = $3, authenticated_at_us = $4, seen_at_us = $4 \
                 WHERE id = $1 AND user_id = $2",
            )
            .bind(id.as_str())
            .bind(user.id.as_str())
            .bind(secret.digest().as_bytes().as_slice())
            .bind(now)
            .execute(act.db())
            .await?;
            if renewed.rows_affected() == 0 {
                return Err(ActError::NotFound("session").into());
            }
            note(act, "user.prove", &user.id, json!({ "proof": proof }));
            Ok(secret)
        })
    }

    /// A person's living sessions, newest first.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn sessions(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, ActError> {
        let mut connection = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id, user_id, organization_id, device, address, created_at_us, seen_at_us, authenticated_at_us \
             FROM sessions WHERE user_id = $1 ORDER BY created_at_us DESC, id LIMIT 200",
        )
        .bind(user.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let mut sessions = Vec::with_capacity(rows.len());
        for row in &rows {
            let session = read(&Columns::of(row, "sessions"))?;
            sessions.extend(session.lives(now).then_some(session));
        }
        Ok(sessions)
    }

    /// Ends one of a person's own sessions: signing out.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn end_session(&self, user: &User, id: &SessionId) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            let ended = sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
                .bind(id.as_str())
                .bind(user.id.as_str())
                .execute(act.db())
                .await?;
            if ended.rows_affected() == 0 {
                return Err(ActError::NotFound("session").into());
            }
            note(act, "user.end_session", &user.id, json!({ "session": id }));
            Ok(())
        })
    }

    /// Ends every session of a person but one. Gives how many.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn end_other_sessions(
        &self,
        user: &User,
        kept: &SessionId,
    ) -> Result<Acted<u64>, ActError> {
        act!(self, &user.actor(), |act| {
            let ended = end_all(act, &user.id, Some(kept)).await?;
            note(
                act,
                "user.end_other_sessions",
                &user.id,
                json!({ "ended": ended }),
            );
            Ok(ended)
        })
    }
}

/// Makes a session.
pub(crate) async fn insert(
    act: &mut Act,
    user: &UserId,
    new: &NewSession,
) -> Result<(SessionId, Secret), Fault> {
    let (id, secret) = (SessionId::random(), Secret::generate(SecretKind::Session));
    let now = act.now().as_us();
    let address = act.store().context().address.map(|ip| ip.to_string());
    let made = sqlx::query(
        "INSERT INTO sessions (id, digest, user_id, device, address, created_at_us, seen_at_us, authenticated_at_us) \
         SELECT $1, $2, id, $4, $5, $6, $6, $6 FROM users WHERE id = $3 AND disabled_at_us IS NULL",
    )
    .bind(id.as_str())
    .bind(secret.digest().as_bytes().as_slice())
    .bind(user.as_str())
    .bind(new.device.as_str())
    .bind(address)
    .bind(now)
    .execute(act.db())
    .await?;
    if made.rows_affected() == 0 {
        return Err(ActError::NotFound("user").into());
    }
    Ok((id, secret))
}

/// Ends every session of a person but `kept`, and what the person has begun and not finished. Gives how many
/// sessions.
pub(crate) async fn end_all(
    act: &mut Act,
    user: &UserId,
    kept: Option<&SessionId>,
) -> Result<u64, Fault> {
    sqlx::query("DELETE FROM pending_acts WHERE user_id = $1")
        .bind(user.as_str())
        .execute(act.db())
        .await?;
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(user.as_str())
        .bind(kept.map_or("", SessionId::as_str))
        .execute(act.db())
        .await?;
    Ok(ended.rows_affected())
}

/// Removes sessions that have ended by themselves.
pub(crate) async fn tidy(connection: &mut AnyConnection, now: Timestamp) -> Result<(), Fault> {
    let before =
        |ago: std::time::Duration| now.as_us() - i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
    sqlx::query("DELETE FROM sessions WHERE created_at_us <= $1 OR seen_at_us <= $2")
        .bind(before(SESSION_LIFETIME))
        .bind(before(SESSION_IDLE))
        .execute(connection)
        .await?;
    Ok(())
}

async fn organizations_of(
    connection: &mut AnyConnection,
    user: &UserId,
) -> Result<Vec<(OrganizationId, String, MemberRole)>, Fault> {
    let rows = sqlx::query(
        "SELECT o.id AS id, o.name AS name, m.role AS role FROM memberships m \
         JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1 ORDER BY o.name, o.id",
    )
    .bind(user.as_str())
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let columns = Columns::of(row, "organizations");
        Ok((
            columns.id("id", OrganizationId::parse)?,
            columns.owned("name")?,
            columns.word("role", MemberRole::parse)?,
        ))
    };
    rows.iter().map(read).collect()
}

fn read(columns: &Columns<'_>) -> Result<Session, ActError> {
    Ok(Session {
        id: columns.id("id", SessionId::parse)?,
        user_id: columns.id("user_id", UserId::parse)?,
        organization_id: columns.optional_id("organization_id", OrganizationId::parse)?,
        device: columns.owned("device")?,
        address: columns.optional_text("address")?.map(str::to_owned),
        created_at: columns.instant("created_at_us")?,
        seen_at: columns.instant("seen_at_us")?,
        authenticated_at: columns.instant("authenticated_at_us")?,
    })
}
