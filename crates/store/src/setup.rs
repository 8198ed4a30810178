//! The first operator of an installation, made by a link that `serve` prints.

use std::fmt;

use portcullis_core::{
    ids::{OrganizationId, UserId},
    organization::{MemberRole, User},
    people::LinkPurpose,
    permissions::Actor,
    secret::{Secret, SecretDigest},
};
use serde_json::json;

use crate::{
    act::{Act, Fault, act},
    check,
    error::ActError,
    links::{NewLink, useless},
    organizations::{self, NewOrganization},
    row::Columns,
    store::{Acted, Store},
    users::{self, Address, NewUser, note},
};

/// The first operator, and the first organization.
#[derive(Clone)]
pub struct FirstOperator {
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// In the form of PHC strings.
    pub password_hash: String,
    /// The name of the organization.
    pub organization: String,
}

impl fmt::Debug for FirstOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirstOperator({}, [redacted])", self.email)
    }
}

impl Store {
    /// Makes a link with which the first operator is made; `None` when there is an operator.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn make_setup_link(&self) -> Result<Option<Secret>, ActError> {
        let made = act!(self, &Actor::System, |act| {
            if operators(act).await? > 0 {
                return Ok(None);
            }
            let new = NewLink {
                purpose: LinkPurpose::Setup,
                user: None,
                email: "",
            };
            let secret = act.make_link(&new, None::<&()>).await?;
            act.note(&crate::act::Note {
                action: "installation.setup_link",
                kind: "installation",
                id: "installation",
                organization: None,
                detail: json!({}),
            });
            Ok(Some(secret))
        });
        made.map(|acted| acted.value)
    }

    /// Uses the setup link: makes the first operator and the first organization, which the operator owns.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, or `Conflict` (`link_used`, also when somebody else was faster).
    pub async fn set_up(
        &self,
        presented: &SecretDigest,
        new: FirstOperator,
    ) -> Result<Acted<(User, OrganizationId)>, ActError> {
        check::email("email", &new.email)?;
        check::text("full_name", &new.full_name, 1..=100)?;
        check::text("organization", &new.organization, 1..=100)?;
        act!(self, &Actor::System, |act| {
            one_at_a_time(act).await?;
            act.use_link(LinkPurpose::Setup, presented).await?;
            if operators(act).await? > 0 {
                return Err(useless().into());
            }
            let organization = organizations::make(
                act,
                &NewOrganization {
                    name: new.organization.clone(),
                    contact_email: new.email.to_lowercase(),
                    ..NewOrganization::default()
                },
            )
            .await?;
            let id = UserId::random();
            let person = NewUser {
                id: None,
                email: new.email.clone(),
                full_name: new.full_name.clone(),
                password_hash: Some(new.password_hash.clone()),
                is_operator: true,
                memberships: vec![(organization.id.clone(), MemberRole::Owner)],
            };
            users::insert(act, &id, &person, Address::Proved).await?;
            sqlx::query("DELETE FROM one_time_links WHERE purpose = 'setup'")
                .execute(act.db())
                .await?;
            let made = users::find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "after": { "email": made.email, "is_operator": true } });
            note(act, "user.set_up", &id, detail);
            Ok((made, organization.id))
        })
    }
}

/// Makes acts that look at all people wait for each other.
pub(crate) async fn one_at_a_time(act: &mut Act) -> Result<(), Fault> {
    sqlx::query("UPDATE change_counter SET seq = seq WHERE id = 1")
        .execute(act.db())
        .await?;
    Ok(())
}

/// How many operators could sign in.
pub(crate) async fn operators(act: &mut Act) -> Result<i64, Fault> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM users WHERE operator_since_us IS NOT NULL AND disabled_at_us IS NULL",
    )
    .fetch_one(act.db())
    .await?;
    Ok(Columns::of(&row, "users").number("n")?)
}
