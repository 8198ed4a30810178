//! Mails that are kept for the mailbox page instead of being sent: the newest few, sealed, because they hold links.

use std::fmt;

use portcullis_core::{
    clock::Timestamp,
    ids::JobId,
    permissions::{Actor, Authority},
};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::{
    act::{Fault, act, operators_only},
    error::{ActError, CorruptRow},
    master_key::MasterKey,
    owed,
    page::{Page, PageRequest},
    row::Columns,
    store::Store,
};

/// How many are kept.
const KEPT_MOST: i64 = 200;

/// A mail as it would have been sent. Does not print its body.
#[derive(Clone, PartialEq, Eq)]
pub struct CapturedMail {
    /// The job that owed it.
    pub id: JobId,
    /// Its template's name.
    pub topic: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The body in HTML.
    pub html: String,
    /// When it was captured.
    pub at: Timestamp,
}

impl fmt::Debug for CapturedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CapturedMail({}, {}, [redacted])", self.id, self.topic)
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    text: String,
    html: String,
}

impl Store {
    /// Keeps a mail; one with the same id replaces it. The oldest go when there are too many.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn capture_mail(&self, mail: &CapturedMail) -> Result<(), ActError> {
        let body = Body {
            text: mail.text.clone(),
            html: mail.html.clone(),
        };
        act!(self, &Actor::System, |act| {
            let master_key = &self.settings().master_key;
            let sealed = owed::seal(master_key, ("captured_mails", mail.id.as_str()), &body)?;
            sqlx::query(
                "INSERT INTO captured_mails (id, topic, recipient, subject, body_sealed, at_us) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
            )
            .bind(mail.id.as_str())
            .bind(mail.topic.as_str())
            .bind(mail.to.as_str())
            .bind(mail.subject.as_str())
            .bind(sealed)
            .bind(mail.at.as_us())
            .execute(act.db())
            .await?;
            sqlx::query(
                "DELETE FROM captured_mails WHERE id NOT IN \
                 (SELECT id FROM captured_mails ORDER BY at_us DESC, id DESC LIMIT $1)",
            )
            .bind(KEPT_MOST)
            .execute(act.db())
            .await?;
            Ok(())
        })
        .map(|_| ())
    }

    /// Captured mails, newest first. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`.
    pub async fn captured_mails(
        &self,
        authority: &Authority,
        page: PageRequest,
    ) -> Result<Page<CapturedMail>, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        let (instant, id) = page.start_descending();
        let rows = sqlx::query(
            "SELECT id, topic, recipient, subject, body_sealed, at_us FROM captured_mails \
             WHERE (at_us, id) < ($1, $2) ORDER BY at_us DESC, id DESC LIMIT $3",
        )
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let items = rows
            .iter()
            .map(|row| of_row(&self.settings().master_key, row))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, &page, |mail| {
            (mail.at, mail.id.to_string())
        }))
    }

    /// A captured mail. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`.
    pub async fn captured_mail(
        &self,
        authority: &Authority,
        id: &JobId,
    ) -> Result<CapturedMail, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, topic, recipient, subject, body_sealed, at_us FROM captured_mails WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?
        .ok_or(ActError::NotFound("captured mail"))?;
        Ok(of_row(&self.settings().master_key, &row)?)
    }
}

fn of_row(master_key: &MasterKey, row: &AnyRow) -> Result<CapturedMail, CorruptRow> {
    let columns = Columns::of(row, "captured_mails");
    let body: Body = owed::open(master_key, ("captured_mails", "body_sealed"), &columns)?;
    Ok(CapturedMail {
        id: columns.id("id", JobId::parse)?,
        topic: columns.owned("topic")?,
        to: columns.owned("recipient")?,
        subject: columns.owned("subject")?,
        text: body.text,
        html: body.html,
        at: columns.instant("at_us")?,
    })
}
