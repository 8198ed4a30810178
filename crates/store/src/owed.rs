//! Owing a side effect: the row is written by the act that owes it, and stands or falls with it.

use portcullis_core::{
    ids::{JobId, OrganizationId},
    job::{JobKind, Mail},
    permissions::{Actor, Authority},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    act::{Act, Fault, Note, act, operators_only},
    error::{ActError, CorruptRow},
    master_key::{MasterKey, Place},
    row::Columns,
    store::{Acted, Store},
};

/// The form in which payloads are sealed.
const SEALED_VERSION: i64 = 1;

fn place<'a>(table: &'a str, id: &'a str) -> Place<'a> {
    Place {
        table,
        id,
        version: SEALED_VERSION,
    }
}

/// Seals a value that may hold links and other secrets for its row.
pub(crate) fn seal(
    master_key: &MasterKey,
    (table, id): (&str, &str),
    value: &impl Serialize,
) -> Result<Vec<u8>, ActError> {
    let failed = || ActError::Unavailable("what is owed could not be sealed".to_owned());
    let json = zeroize::Zeroizing::new(serde_json::to_vec(value).map_err(|_| failed())?);
    master_key
        .seal(&place(table, id), &json)
        .map_err(|_| failed())
}

/// Opens what [`seal`] made; the row's key is the first column.
pub(crate) fn open<T: DeserializeOwned>(
    master_key: &MasterKey,
    (table, column): (&'static str, &'static str),
    columns: &Columns<'_>,
) -> Result<T, CorruptRow> {
    let id = columns.text("id")?;
    let json = master_key
        .open(&place(table, id), columns.bytes(column)?)
        .map_err(|_| columns.corrupt(column))?;
    serde_json::from_slice(&json).map_err(|_| columns.corrupt(column))
}

impl Act {
    /// Owes a mail. The address is not judged here, so that an act never fails because of the mail that tells
    /// of it: one that cannot be sent to is given up, and operators see why.
    pub(crate) async fn owe_mail(
        &mut self,
        to: &str,
        organization: Option<&OrganizationId>,
        mail: &Mail,
    ) -> Result<JobId, Fault> {
        let id = JobId::random();
        let now = self.now().as_us();
        let master_key = &self.store().settings().master_key;
        let sealed = seal(master_key, ("jobs", id.as_str()), mail)?;
        sqlx::query(
            "INSERT INTO jobs (id, kind, state, topic, recipient, organization_id, payload_sealed, attempts, \
             attempts_before_retry, due_at_us, created_at_us) VALUES ($1, $2, 'owed', $3, $4, $5, $6, 0, 0, $7, $7)",
        )
        .bind(id.as_str())
        .bind(JobKind::Mail.as_str())
        .bind(mail.name())
        .bind(to)
        .bind(organization.map(|id| id.as_str().to_owned()))
        .bind(sealed)
        .bind(now)
        .execute(self.db())
        .await?;
        self.owes();
        Ok(id)
    }
}

impl Store {
    /// Owes a mail that shows an operator that mail arrives, to the operator's own address.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden` for everybody but operators, and for the installation itself, which has no
    /// address.
    pub async fn send_test_mail(&self, authority: &Authority) -> Result<Acted<JobId>, ActError> {
        operators_only(authority)?;
        let Actor::User { email, .. } = authority.actor() else {
            return Err(ActError::Forbidden);
        };
        act!(self, authority.actor(), |act| {
            let mail = Mail::Test {
                asked_by: email.clone(),
            };
            let id = act.owe_mail(email, None, &mail).await?;
            act.note(&Note {
                action: "mail.test",
                kind: "job",
                id: id.as_str(),
                organization: None,
                detail: json!({}),
            });
            Ok(id)
        })
    }
}
