//! Subscriptions: one app activated by one organization, or a test subscription; and their state machine.
//!
//! | from | event | to |
//! |---|---|---|
//! | Pending | Approve | Active |
//! | Pending | Reject | Rejected |
//! | Active | Suspend | Suspended |
//! | Suspended | Resume | Active |
//! | Pending, Active, Suspended | Cancel (developer, operator) | Cancelled |
//! | Pending, Active, Suspended | Deactivate (buyer) | Deactivated |
//! | Pending, Active, Suspended | Expire | Expired |
//!
//! An ended subscription stays ended; activating again makes a new one with a new id.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    environment::Environment,
    ids::{ApiId, AppId, IdKey, OrganizationId, SubscriptionId},
};

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Asked for, not yet approved.
    Pending,
    /// Calls pass.
    Active,
    /// Stopped for the time being.
    Suspended,
    /// Refused by the developer.
    Rejected,
    /// Ended by the developer or an operator.
    Cancelled,
    /// Ended by the buyer.
    Deactivated,
    /// Ended by its date.
    Expired,
}

/// What can happen to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionEvent {
    /// The developer accepts it (or the app accepts everything).
    Approve,
    /// The developer refuses it.
    Reject,
    /// Developer or operator stop it for a while.
    Suspend,
    /// They let it go on.
    Resume,
    /// Developer or operator end it.
    Cancel,
    /// The buyer ends it.
    Deactivate,
    /// Its end date has passed.
    Expire,
}

/// An event that a state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subscription that is {from:?} cannot take the event {event:?}")]
pub struct SubscriptionTransitionError {
    /// Where the subscription stands.
    pub from: SubscriptionState,
    /// What was asked of it.
    pub event: SubscriptionEvent,
}

impl SubscriptionState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Active,
        Self::Suspended,
        Self::Rejected,
        Self::Cancelled,
        Self::Deactivated,
        Self::Expired,
    ];

    /// Where `event` leads.
    ///
    /// # Errors
    /// [`SubscriptionTransitionError`] when this state does not allow it.
    pub fn after(self, event: SubscriptionEvent) -> Result<Self, SubscriptionTransitionError> {
        use SubscriptionEvent as E;
        match (self, event) {
            (Self::Pending, E::Approve) | (Self::Suspended, E::Resume) => Ok(Self::Active),
            (Self::Pending, E::Reject) => Ok(Self::Rejected),
            (Self::Active, E::Suspend) => Ok(Self::Suspended),
            (Self::Pending | Self::Active | Self::Suspended, E::Cancel) => Ok(Self::Cancelled),
            (Self::Pending | Self::Active | Self::Suspended, E::Deactivate) => {
                Ok(Self::Deactivated)
            }
            (Self::Pending | Self::Active | Self::Suspended, E::Expire) => Ok(Self::Expired),
            _ => Err(SubscriptionTransitionError { from: self, event }),
        }
    }

    /// Whether nothing can happen to it any more.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::Cancelled | Self::Deactivated | Self::Expired
        )
    }

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Deactivated => "deactivated",
            Self::Expired => "expired",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionKind {
    /// A customer activated an app.
    Real,
    /// The app's own test subscription: opens every API the app selected, in Test.
    AppTest,
    /// The API's own test subscription in one environment, used with the API's own Client ID.
    ApiTest,
}

impl SubscriptionKind {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::AppTest => "app_test",
            Self::ApiTest => "api_test",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "real" => Some(Self::Real),
            "app_test" => Some(Self::AppTest),
            "api_test" => Some(Self::ApiTest),
            _ => None,
        }
    }
}

/// Whose a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionOf {
    /// This organization activated this app.
    Real {
        /// The app.
        app: IdKey,
        /// The buyer.
        organization: IdKey,
    },
    /// This app's test subscription.
    AppTest {
        /// The app.
        app: IdKey,
    },
    /// This API's test subscription in this environment.
    ApiTest {
        /// The API.
        api: IdKey,
        /// Where it works.
        environment: Environment,
    },
}

/// A subscription as decisions see it. `Copy`, held inline in the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionRecord {
    /// Whose it is.
    pub of: SubscriptionOf,
    /// Where it stands.
    pub state: SubscriptionState,
    /// From when on it counts as expired, whatever its state says; `None` means never.
    pub ends_at: Option<Timestamp>,
}

/// A subscription as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Travels in the `Subscription-Id` header.
    pub id: SubscriptionId,
    /// What it is for.
    pub kind: SubscriptionKind,
    /// The app; `None` for an API's test subscription.
    pub app_id: Option<AppId>,
    /// The API; only for an API's test subscription.
    pub api_id: Option<ApiId>,
    /// The buyer; for test subscriptions the owner of the app or API.
    pub organization_id: OrganizationId,
    /// `Production` for real ones, `Test` for test ones on the old wire.
    pub environment: Environment,
    /// Where it stands.
    pub state: SubscriptionState,
    /// When calls began to pass.
    pub activated_at: Option<Timestamp>,
    /// When it ended.
    pub deactivated_at: Option<Timestamp>,
    /// From when on it counts as expired.
    pub ends_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::{SubscriptionEvent as E, SubscriptionState as S, *};

    const EVENTS: [E; 7] = [
        E::Approve,
        E::Reject,
        E::Suspend,
        E::Resume,
        E::Cancel,
        E::Deactivate,
        E::Expire,
    ];

    #[test]
    fn every_pair_is_allowed_or_refused_as_the_table_says() {
        let allowed = [
            (S::Pending, E::Approve, S::Active),
            (S::Pending, E::Reject, S::Rejected),
            (S::Pending, E::Cancel, S::Cancelled),
            (S::Pending, E::Deactivate, S::Deactivated),
            (S::Pending, E::Expire, S::Expired),
            (S::Active, E::Suspend, S::Suspended),
            (S::Active, E::Cancel, S::Cancelled),
            (S::Active, E::Deactivate, S::Deactivated),
            (S::Active, E::Expire, S::Expired),
            (S::Suspended, E::Resume, S::Active),
            (S::Suspended, E::Cancel, S::Cancelled),
            (S::Suspended, E::Deactivate, S::Deactivated),
            (S::Suspended, E::Expire, S::Expired),
        ];

        for from in S::ALL {
            for event in EVENTS {
                let expected = allowed.iter().find(|(f, e, _)| (*f, *e) == (from, event));
                match expected {
                    Some((_, _, to)) => assert_eq!(from.after(event), Ok(*to)),
                    None => assert_eq!(
                        from.after(event),
                        Err(SubscriptionTransitionError { from, event })
                    ),
                }
            }
        }
    }

    #[test]
    fn an_ended_subscription_stays_ended() {
        for from in S::ALL.into_iter().filter(|state| state.is_ended()) {
            for event in EVENTS {
                assert!(from.after(event).is_err());
            }
        }
    }

    #[test]
    fn the_stored_form_reads_back() {
        for state in S::ALL {
            assert_eq!(S::parse(state.as_str()), Some(state));
        }
        assert_eq!(S::parse("activ"), None);
    }
}
