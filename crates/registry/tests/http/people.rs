//! Services for people, over a real store: what pages call.

mod account;
mod factors;
mod passkey;
mod sign_in;

use std::{net::IpAddr, time::Duration};

use portcullis_core::{
    ids::UserId,
    job::{JobKind, Mail},
    organization::{MemberRole, Organization, User},
};
use portcullis_registry::people::{
    People, PeopleError, Visit,
    sessions::SignedIn,
    sign_in::{NewlySignedIn, SignIn},
};
use portcullis_store::{AuditFilter, NewOrganization, NewUser, PageRequest, Work};

use crate::world::{World, system};

pub(crate) const PASSWORD: &str = "a castle at noon";

/// An installation with its services for people.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) people: People,
}

impl Town {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let people = People::new(&world.state);
        Self { world, people }
    }

    /// A person with the usual password and these memberships.
    pub(crate) async fn person(
        &self,
        email: &str,
        memberships: &[(&Organization, MemberRole)],
    ) -> User {
        let password = portcullis_registry::password::Password::chosen(PASSWORD, &[]).unwrap();
        let hash = self.world.state.settings.passwords.hash(password).await;
        let new = NewUser {
            id: None,
            email: email.to_owned(),
            full_name: "Ada Lovelace".to_owned(),
            password_hash: Some(hash.unwrap()),
            is_operator: false,
            memberships: memberships
                .iter()
                .map(|(organization, role)| (organization.id.clone(), *role))
                .collect(),
        };
        let authority = system(portcullis_core::permissions::Action::Operate);
        let store = &self.world.state.store;
        store
            .create_user(&authority, new, None)
            .await
            .unwrap()
            .value
    }

    pub(crate) async fn organization(&self, name: &str) -> Organization {
        let new = NewOrganization {
            name: name.to_owned(),
            ..NewOrganization::default()
        };
        let authority = system(portcullis_core::permissions::Action::Operate);
        let store = &self.world.state.store;
        let made = store.create_organization(&authority, new, None).await;
        made.unwrap().value
    }

    /// Signs in with the usual password.
    pub(crate) async fn signed_in(&self, email: &str) -> (String, SignedIn) {
        let done = done(self.people.sign_in(email, PASSWORD, &visit()).await);
        let cookie = done.cookie.expose().to_owned();
        let who = self.found(&cookie).await.unwrap();
        (cookie, who)
    }

    /// Who a cookie speaks for.
    pub(crate) async fn found(&self, cookie: &str) -> Option<SignedIn> {
        let found = self.people.sessions().find(cookie, &visit()).await;
        found.unwrap()
    }

    /// Every mail that is owed, once nothing goes on in the background.
    pub(crate) async fn mails(&self) -> Vec<(String, Mail)> {
        self.people.settle().await;
        let store = &self.world.state.store;
        let lease = Duration::from_mins(1);
        let claimed = store.claim_jobs(JobKind::Mail, lease, 100).await.unwrap();
        for job in &claimed {
            assert!(store.finish_job(job).await.unwrap());
        }
        let mail = |work| match work {
            Work::Mail { to, mail } => (to, mail),
        };
        claimed.into_iter().map(|job| mail(job.work)).collect()
    }

    /// The token of the only link in the only mail that is owed, which leads to this path.
    pub(crate) async fn token(&self, path: &str) -> String {
        let mails = self.mails().await;
        let [(_, mail)] = mails.as_slice() else {
            panic!("{mails:?}");
        };
        let (Mail::EmailVerification { link, .. }
        | Mail::PasswordReset { link, .. }
        | Mail::Invitation { link, .. }) = mail
        else {
            panic!("{mail:?} has no link");
        };
        let base = format!("http://localhost:8080{path}?token=");
        link.strip_prefix(&base).unwrap().to_owned()
    }

    /// The actions of the audit log about this person, newest first.
    pub(crate) async fn audited(&self, user: &UserId) -> Vec<(String, String)> {
        self.people.settle().await;
        let filter = AuditFilter {
            entity_id: Some(user.to_string()),
            ..AuditFilter::default()
        };
        let authority = system(portcullis_core::permissions::Action::ReadAudit);
        let store = &self.world.state.store;
        let page = store.audit_entries(&authority, filter, PageRequest::first(500));
        let entries = page.await.unwrap().items.into_iter();
        entries.map(|entry| (entry.action, entry.detail)).collect()
    }
}

/// A browser at an address of the documentation.
pub(crate) fn visit() -> Visit {
    from([192, 0, 2, 1])
}

pub(crate) fn from(address: [u8; 4]) -> Visit {
    Visit {
        address: Some(IpAddr::from(address)),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0".to_owned(),
    }
}

/// The sign-in, which must be done.
pub(crate) fn done(sign_in: Result<SignIn, PeopleError>) -> NewlySignedIn {
    match sign_in {
        Ok(SignIn::Done(done)) => *done,
        other => panic!("{other:?}"),
    }
}

/// The fields that a refusal names.
pub(crate) fn fields<T: std::fmt::Debug>(refused: Result<T, PeopleError>) -> Vec<String> {
    let error = refused.unwrap_err();
    let fields = error.fields().iter().map(|error| error.field.clone());
    fields.collect()
}
