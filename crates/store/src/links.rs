//! Links that work once: 256 random bits, digested at rest, used up in the act that they allow.

use portcullis_core::{
    clock::Timestamp,
    ids::UserId,
    people::LinkPurpose,
    secret::{Secret, SecretDigest, SecretKind},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    act::{Act, Fault},
    error::{ActError, CorruptRow},
    master_key::Place,
    row::Columns,
    store::Store,
};

/// What a link stands for, as long as it is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose it is; `None` for the setup link.
    pub user_id: Option<UserId>,
    /// The address it was sent to; empty for the setup link.
    pub email: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// A link that is being made.
pub(crate) struct NewLink<'a> {
    pub(crate) purpose: LinkPurpose,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) email: &'a str,
}

/// A link that was just used up.
pub(crate) struct UsedLink {
    pub(crate) user: Option<UserId>,
    pub(crate) email: String,
    id: String,
    detail_sealed: Option<Vec<u8>>,
}

impl UsedLink {
    pub(crate) fn read(columns: &Columns<'_>) -> Result<Self, CorruptRow> {
        let detail = columns.optional_bytes("detail_sealed")?;
        Ok(Self {
            id: columns.owned("id")?,
            user: columns.optional_id("user_id", UserId::parse)?,
            email: columns.owned("email")?,
            detail_sealed: detail.map(<[u8]>::to_vec),
        })
    }
}

impl Store {
    /// What a presented link stands for; `None` when it is unknown, was used, or is past its end. No authority:
    /// whoever has the link may see that.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn link(
        &self,
        purpose: LinkPurpose,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Link>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, user_id, email, expires_at_us FROM one_time_links \
             WHERE digest = $1 AND purpose = $2 AND expires_at_us > $3",
        )
        .bind(presented.as_bytes().as_slice())
        .bind(purpose.as_str())
        .bind(now.as_us())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row: &AnyRow| {
            let columns = Columns::of(row, "one_time_links");
            Ok(Link {
                purpose,
                user_id: columns.optional_id("user_id", UserId::parse)?,
                email: columns.owned("email")?,
                expires_at: columns.instant("expires_at_us")?,
            })
        };
        row.as_ref().map(read).transpose()
    }
}

/// The refusal of a link that is unknown, was used, or is past its end: the three are not told apart.
pub(crate) fn useless() -> ActError {
    ActError::conflict(
        "link_used",
        "this link was used already, or has ended; ask for a new one",
    )
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "one_time_links",
        id,
        version: 1,
    }
}

impl Act {
    /// Makes a link; gives its secret.
    pub(crate) async fn make_link(
        &mut self,
        new: &NewLink<'_>,
        detail: Option<&(impl Serialize + Sync)>,
    ) -> Result<Secret, Fault> {
        let id = uuid::Uuid::new_v4().to_string();
        let secret = Secret::generate(SecretKind::Link);
        let detail = detail
            .map(|detail| self.seal_json(&place(&id), detail))
            .transpose()?;
        let now = self.now();
        sqlx::query(
            "INSERT INTO one_time_links (id, digest, purpose, user_id, email, detail_sealed, created_at_us, \
             expires_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(secret.digest().as_bytes().as_slice())
        .bind(new.purpose.as_str())
        .bind(new.user.map(|user| user.as_str().to_owned()))
        .bind(new.email)
        .bind(detail)
        .bind(now.as_us())
        .bind((now + new.purpose.lifetime()).as_us())
        .execute(self.db())
        .await?;
        Ok(secret)
    }

    /// Uses a link up. Of two uses at once, one finds it.
    pub(crate) async fn use_link(
        &mut self,
        purpose: LinkPurpose,
        presented: &SecretDigest,
    ) -> Result<UsedLink, Fault> {
        let now = self.now();
        let row = sqlx::query(
            "DELETE FROM one_time_links WHERE digest = $1 AND purpose = $2 AND expires_at_us > $3 \
             RETURNING id, user_id, email, detail_sealed",
        )
        .bind(presented.as_bytes().as_slice())
        .bind(purpose.as_str())
        .bind(now.as_us())
        .fetch_optional(self.db())
        .await?;
        let row = row.ok_or_else(useless)?;
        Ok(UsedLink::read(&Columns::of(&row, "one_time_links"))?)
    }

    /// What the link carried beside its columns; `None` when it carried nothing.
    pub(crate) fn detail_of<T: DeserializeOwned>(
        &self,
        link: &UsedLink,
    ) -> Result<Option<T>, Fault> {
        let open = |sealed: &Vec<u8>| self.open_json(&place(&link.id), sealed, "detail_sealed");
        link.detail_sealed.as_ref().map(open).transpose()
    }

    /// Seals a value for its place.
    pub(crate) fn seal_json(
        &self,
        place: &Place<'_>,
        value: &impl Serialize,
    ) -> Result<Vec<u8>, Fault> {
        let sealed = serde_json::to_vec(value)
            .ok()
            .and_then(|json| self.store().settings().master_key.seal(place, &json).ok());
        let failed = || ActError::Unavailable("a value could not be sealed".to_owned());
        Ok(sealed.ok_or_else(failed)?)
    }

    /// Opens what [`Act::seal_json`] sealed.
    pub(crate) fn open_json<T: DeserializeOwned>(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
        column: &'static str,
    ) -> Result<T, Fault> {
        let opened = self.store().settings().master_key.open(place, sealed);
        let value = opened
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let corrupt = || CorruptRow {
            table: "sealed",
            column,
            row: place.id.to_owned(),
        };
        Ok(value.ok_or_else(corrupt)?)
    }
}

/// Ends the links of a person that lead into the account.
pub(crate) async fn end_all(act: &mut Act, user: &UserId) -> Result<(), Fault> {
    sqlx::query("DELETE FROM one_time_links WHERE user_id = $1 AND purpose IN ('password_reset', 'email_change')")
        .bind(user.as_str())
        .execute(act.db())
        .await?;
    Ok(())
}

/// Removes what is past its end: links, invitations, and what was begun and never finished.
pub(crate) async fn tidy(connection: &mut AnyConnection, now: Timestamp) -> Result<(), Fault> {
    for text in [
        "DELETE FROM one_time_links WHERE expires_at_us <= $1",
        "DELETE FROM pending_acts WHERE expires_at_us <= $1",
        "DELETE FROM invitations WHERE expires_at_us <= $1",
    ] {
        sqlx::query(text)
            .bind(now.as_us())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
