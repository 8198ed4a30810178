//! What a person does about the own account without being signed in, and the mails that this owes: signing up,
//! proving an address, setting a new password.

use std::fmt;

use portcullis_core::{
    ids::{SessionId, UserId},
    job::Mail,
    organization::{MemberRole, User},
    people::LinkPurpose,
    permissions::{Actor, Authority},
    secret::{Secret, SecretDigest},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    act::{Act, Fault, act, operators_only},
    check,
    error::ActError,
    links::{NewLink, UsedLink, useless},
    organizations::{self, NewOrganization},
    row::Columns,
    store::{Acted, Store},
    users::{self, Address, NewUser, note},
};

/// Somebody who signs up.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignUp {
    /// The sign-in name, not proved yet.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// In the form of PHC strings.
    pub password_hash: String,
    /// The name of the organization that is made with the account.
    pub organization: String,
}

impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignUp({}, [redacted])", self.email)
    }
}

impl Store {
    /// Notes a sign-up and owes the mail that proves the address. `link_base` and the secret make the link. An
    /// address that has an account already is owed another mail instead: the answer is the same.
    ///
    /// What counts is the sign-up whose link is used: whoever signs up with an address of somebody else does
    /// not choose that person's password.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`.
    pub async fn sign_up(&self, new: SignUp, link_base: &str) -> Result<Acted<()>, ActError> {
        check::email("email", &new.email)?;
        check::text("full_name", &new.full_name, 1..=100)?;
        check::text("organization", &new.organization, 1..=100)?;
        act!(self, &Actor::System, |act| {
            let email = new.email.to_lowercase();
            let user = match by_email(act, &email).await? {
                Some(user) if user.email_verified_at.is_some() => {
                    let full_name = user.full_name.clone();
                    let mail = Mail::AlreadyRegistered { full_name };
                    if user.disabled_at.is_none() {
                        act.owe_mail(&email, None, &mail).await?;
                    }
                    note(act, "user.sign_up_again", &user.id, json!({}));
                    return Ok(());
                }
                Some(user) => user,
                None => unproved(act, &new).await?,
            };
            if user.disabled_at.is_none() {
                owe_verification(act, &user.id, &new, link_base).await?;
            }
            note(
                act,
                "user.sign_up",
                &user.id,
                json!({ "organization": new.organization }),
            );
            Ok(())
        })
    }

    /// Uses the link that proves the address of a new account: makes the account what its sign-up said, with
    /// its organization.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`link_used`).
    pub async fn verify_email(&self, presented: &SecretDigest) -> Result<Acted<User>, ActError> {
        act!(self, &Actor::System, |act| {
            let link = act
                .use_link(LinkPurpose::EmailVerification, presented)
                .await?;
            let user = living(act, &link).await?;
            let sign_up: Option<SignUp> = act.detail_of(&link)?;
            if let (Some(sign_up), None) = (&sign_up, user.email_verified_at) {
                sqlx::query("UPDATE users SET full_name = $2, password_hash = $3 WHERE id = $1")
                    .bind(user.id.as_str())
                    .bind(sign_up.full_name.as_str())
                    .bind(sign_up.password_hash.as_str())
                    .execute(act.db())
                    .await?;
            }
            prove_address(act, &user, sign_up.as_ref()).await?;
            users::find(act.db(), user.id.as_str(), "").await
        })
    }

    /// Owes the person of this address a mail with a link that sets a new password; nothing when nobody has the
    /// address. Gives whether a mail is owed, which the caller does not tell.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn request_password_reset(
        &self,
        email: &str,
        link_base: &str,
    ) -> Result<bool, ActError> {
        let email = email.to_lowercase();
        let acted = act!(self, &Actor::System, |act| {
            let Some(user) = by_email(act, &email).await? else {
                return Ok(false);
            };
            if user.disabled_at.is_some() {
                return Ok(false);
            }
            owe_reset(act, &user, link_base).await?;
            note(act, "user.request_password_reset", &user.id, json!({}));
            Ok(true)
        });
        acted.map(|acted| acted.value)
    }

    /// The same for a person that an operator names.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`, or `Conflict` (`user_disabled`).
    pub async fn send_password_reset(
        &self,
        authority: &Authority,
        id: &UserId,
        link_base: &str,
    ) -> Result<Acted<()>, ActError> {
        operators_only(authority)?;
        act!(self, authority.actor(), |act| {
            let user = users::find(act.db(), id.as_str(), "").await?;
            if user.disabled_at.is_some() {
                let detail = "this person is disabled; enable them first";
                return Err(ActError::conflict("user_disabled", detail).into());
            }
            owe_reset(act, &user, link_base).await?;
            note(act, "user.send_password_reset", id, json!({}));
            Ok(())
        })
    }

    /// A link that sets a new password, for whoever has the machine itself; `None` when nobody has the address.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`user_disabled`).
    pub async fn make_recovery_link(&self, email: &str) -> Result<Option<Secret>, ActError> {
        let email = email.to_lowercase();
        let acted = act!(self, &Actor::System, |act| {
            let Some(user) = by_email(act, &email).await? else {
                return Ok(None);
            };
            if user.disabled_at.is_some() {
                let detail = "this person is disabled; enable them first";
                return Err(ActError::conflict("user_disabled", detail).into());
            }
            note(act, "user.recovery_link", &user.id, json!({}));
            Ok(Some(reset_link(act, &user).await?))
        });
        acted.map(|acted| acted.value)
    }

    /// Uses a link that sets a new password. Ends every session of the person, and proves the address: the link
    /// was sent there.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, or `Conflict` (`link_used`).
    pub async fn reset_password(
        &self,
        presented: &SecretDigest,
        password_hash: &str,
    ) -> Result<Acted<User>, ActError> {
        check::text("password_hash", password_hash, 1..=500)?;
        act!(self, &Actor::System, |act| {
            let link = act.use_link(LinkPurpose::PasswordReset, presented).await?;
            let user = living(act, &link).await?;
            if user.email != link.email {
                return Err(useless().into());
            }
            if user.email_verified_at.is_none() {
                let sign_up = newest_sign_up(act, &user.id).await?;
                prove_address(act, &user, sign_up.as_ref()).await?;
            }
            users::replace_password(act, &user.id, password_hash, None).await?;
            owe_notice(act, &user).await?;
            note(act, "user.reset_password", &user.id, json!({}));
            users::find(act.db(), user.id.as_str(), "").await
        })
    }

    /// Changes a person's own password. Ends every other session of the person.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, `NotFound`.
    pub async fn change_password(
        &self,
        user: &User,
        kept: &SessionId,
        password_hash: &str,
    ) -> Result<Acted<()>, ActError> {
        check::text("password_hash", password_hash, 1..=500)?;
        act!(self, &user.actor(), |act| {
            users::replace_password(act, &user.id, password_hash, Some(kept)).await?;
            owe_notice(act, user).await?;
            note(act, "user.change_password", &user.id, json!({}));
            Ok(())
        })
    }

    /// Owes a mail to the new address of a person, whose link makes it the person's. An address that has an
    /// account is owed another mail instead: the answer is the same.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`.
    pub async fn request_email_change(
        &self,
        user: &User,
        email: &str,
        link_base: &str,
    ) -> Result<Acted<()>, ActError> {
        check::email("email", email)?;
        let email = email.to_lowercase();
        act!(self, &user.actor(), |act| {
            note(
                act,
                "user.request_email_change",
                &user.id,
                json!({ "email": email }),
            );
            if let Some(other) = by_email(act, &email).await? {
                let full_name = other.full_name;
                let mail = Mail::AlreadyRegistered { full_name };
                act.owe_mail(&email, None, &mail).await?;
                return Ok(());
            }
            let new = NewLink {
                purpose: LinkPurpose::EmailChange,
                user: Some(&user.id),
                email: &email,
            };
            let secret = act.make_link(&new, None::<&()>).await?;
            let mail = Mail::EmailVerification {
                full_name: user.full_name.clone(),
                link: format!("{link_base}{}", secret.expose()),
            };
            act.owe_mail(&email, None, &mail).await?;
            Ok(())
        })
    }

    /// Uses the link that proves a person's new address: it becomes the sign-in name.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`link_used`, `email_taken`).
    pub async fn change_email(&self, presented: &SecretDigest) -> Result<Acted<User>, ActError> {
        act!(self, &Actor::System, |act| {
            let link = act.use_link(LinkPurpose::EmailChange, presented).await?;
            let user = living(act, &link).await?;
            if by_email(act, &link.email).await?.is_some() {
                let detail = "a person with this mail address exists already";
                return Err(ActError::conflict("email_taken", detail).into());
            }
            sqlx::query(
                "UPDATE users SET email = $2, email_verified_at_us = $3, version = version + 1 WHERE id = $1",
            )
            .bind(user.id.as_str())
            .bind(link.email.as_str())
            .bind(act.now().as_us())
            .execute(act.db())
            .await?;
            crate::links::end_all(act, &user.id).await?;
            let detail = json!({ "before": user.email, "after": link.email });
            note(act, "user.change_email", &user.id, detail);
            users::find(act.db(), user.id.as_str(), "").await
        })
    }
}

/// The person with this sign-in name.
pub(crate) async fn by_email(act: &mut Act, email: &str) -> Result<Option<User>, Fault> {
    let row = sqlx::query("SELECT id FROM users WHERE email = $1")
        .bind(email)
        .fetch_optional(act.db())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let id = Columns::of(&row, "users").owned("id")?;
    users::find(act.db(), &id, "").await.map(Some)
}

/// Notes that an address is its person's, and makes the organization of the sign-up for whoever belongs nowhere.
pub(crate) async fn prove_address(
    act: &mut Act,
    user: &User,
    sign_up: Option<&SignUp>,
) -> Result<(), Fault> {
    sqlx::query(
        "UPDATE users SET email_verified_at_us = COALESCE(email_verified_at_us, $2), version = version + 1 \
         WHERE id = $1",
    )
    .bind(user.id.as_str())
    .bind(act.now().as_us())
    .execute(act.db())
    .await?;
    sqlx::query("DELETE FROM one_time_links WHERE user_id = $1 AND purpose = 'email_verification'")
        .bind(user.id.as_str())
        .execute(act.db())
        .await?;
    if let Some(sign_up) = sign_up.filter(|_| user.memberships.is_empty()) {
        let new = NewOrganization {
            name: sign_up.organization.clone(),
            contact_email: user.email.clone(),
            ..NewOrganization::default()
        };
        let organization = organizations::make(act, &new).await?;
        users::set_role(act, &user.id, &organization.id, MemberRole::Owner).await?;
    }
    note(
        act,
        "user.verify_email",
        &user.id,
        json!({ "email": user.email }),
    );
    Ok(())
}

/// The person of a link, who must not be disabled.
async fn living(act: &mut Act, link: &UsedLink) -> Result<User, Fault> {
    let id = link.user.as_ref().ok_or_else(useless)?;
    let user = users::find(act.db(), id.as_str(), "").await?;
    if user.disabled_at.is_some() {
        return Err(useless().into());
    }
    Ok(user)
}

async fn unproved(act: &mut Act, new: &SignUp) -> Result<User, Fault> {
    let id = UserId::random();
    let person = NewUser {
        id: None,
        email: new.email.clone(),
        full_name: new.full_name.clone(),
        password_hash: Some(new.password_hash.clone()),
        is_operator: false,
        memberships: Vec::new(),
    };
    users::insert(act, &id, &person, Address::Unproved).await?;
    users::find(act.db(), id.as_str(), "").await
}

async fn owe_verification(
    act: &mut Act,
    user: &UserId,
    new: &SignUp,
    link_base: &str,
) -> Result<(), Fault> {
    let email = new.email.to_lowercase();
    let link = NewLink {
        purpose: LinkPurpose::EmailVerification,
        user: Some(user),
        email: &email,
    };
    let secret = act.make_link(&link, Some(new)).await?;
    let mail = Mail::EmailVerification {
        full_name: new.full_name.clone(),
        link: format!("{link_base}{}", secret.expose()),
    };
    act.owe_mail(&email, None, &mail).await?;
    Ok(())
}

async fn newest_sign_up(act: &mut Act, user: &UserId) -> Result<Option<SignUp>, Fault> {
    let row = sqlx::query(
        "SELECT id, user_id, email, detail_sealed FROM one_time_links WHERE user_id = $1 AND purpose = 'email_verification' \
         ORDER BY created_at_us DESC, id LIMIT 1",
    )
    .bind(user.as_str())
    .fetch_optional(act.db())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let link = UsedLink::read(&Columns::of(&row, "one_time_links"))?;
    act.detail_of(&link)
}

async fn reset_link(act: &mut Act, user: &User) -> Result<Secret, Fault> {
    let new = NewLink {
        purpose: LinkPurpose::PasswordReset,
        user: Some(&user.id),
        email: &user.email,
    };
    act.make_link(&new, None::<&()>).await
}

async fn owe_reset(act: &mut Act, user: &User, link_base: &str) -> Result<(), Fault> {
    let secret = reset_link(act, user).await?;
    let mail = Mail::PasswordReset {
        full_name: user.full_name.clone(),
        link: format!("{link_base}{}", secret.expose()),
    };
    act.owe_mail(&user.email, None, &mail).await?;
    Ok(())
}

async fn owe_notice(act: &mut Act, user: &User) -> Result<(), Fault> {
    let mail = Mail::PasswordChanged {
        full_name: user.full_name.clone(),
        address: act.store().context().address,
    };
    act.owe_mail(&user.email, None, &mail).await?;
    Ok(())
}
