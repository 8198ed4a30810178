//! Connections: one API within a subscription, accepted by that API's owner; and their state machine.
//!
//! | from | event | to |
//! |---|---|---|
//! | Requested | Acknowledge (the provider's 2xx) | Pending |
//! | Requested, Pending, Rejected, Deactivated | Accept | Active |
//! | Requested, Pending, Active | Reject | Rejected |
//! | Requested, Pending, Active | Deactivate | Deactivated |
//! | Rejected, Deactivated | Request | Requested |
//!
//! Leaving Rejected or Deactivated is allowed only while the subscription has not ended, which the act that
//! does it checks. Accepting what is active and rejecting what is rejected change nothing and are no error.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{ApiId, ConnectionId, SubscriptionId},
};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// The provider is to be asked.
    Requested,
    /// The provider was asked and has not answered.
    Pending,
    /// Calls pass.
    Active,
    /// Refused by the provider.
    Rejected,
    /// Ended.
    Deactivated,
}

/// What can happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionEvent {
    /// It is asked for again.
    Request,
    /// The provider's Admin API answered 2xx.
    Acknowledge,
    /// The provider accepts.
    Accept,
    /// The provider refuses, or changes its mind.
    Reject,
    /// Provider, buyer or developer end it.
    Deactivate,
}

/// An event that a state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a connection that is {from:?} cannot take the event {event:?}")]
pub struct ConnectionTransitionError {
    /// Where the connection stands.
    pub from: ConnectionState,
    /// What was asked of it.
    pub event: ConnectionEvent,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::Pending,
        Self::Active,
        Self::Rejected,
        Self::Deactivated,
    ];

    /// Where `event` leads. Repeating an answer leads to where it led the first time.
    ///
    /// # Errors
    /// [`ConnectionTransitionError`] when this state does not allow it.
    pub fn after(self, event: ConnectionEvent) -> Result<Self, ConnectionTransitionError> {
        use ConnectionEvent as E;
        match (self, event) {
            (_, E::Accept) => Ok(Self::Active),
            (Self::Requested, E::Acknowledge) => Ok(Self::Pending),
            (Self::Pending | Self::Active | Self::Rejected, E::Acknowledge) => Ok(self),
            (Self::Requested | Self::Pending | Self::Active | Self::Rejected, E::Reject) => {
                Ok(Self::Rejected)
            }
            (Self::Requested | Self::Pending | Self::Active | Self::Deactivated, E::Deactivate) => {
                Ok(Self::Deactivated)
            }
            (Self::Rejected | Self::Deactivated, E::Request) => Ok(Self::Requested),
            _ => Err(ConnectionTransitionError { from: self, event }),
        }
    }

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Deactivated => "deactivated",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A connection as decisions see it. `Copy`, held inline in the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRecord {
    /// Where it stands.
    pub state: ConnectionState,
    /// Whether every subscription-specific value the API needs is set.
    pub values_complete: bool,
}

/// A connection as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Names it in callbacks.
    pub id: ConnectionId,
    /// The subscription it is part of.
    pub subscription_id: SubscriptionId,
    /// The API.
    pub api_id: ApiId,
    /// Where it stands.
    pub state: ConnectionState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::{ConnectionEvent as E, ConnectionState as S};

    #[test]
    fn every_pair_is_allowed_or_refused_as_the_table_says() {
        let events = [
            E::Request,
            E::Acknowledge,
            E::Accept,
            E::Reject,
            E::Deactivate,
        ];
        // Rows in the order of `ALL`, columns in the order of `events`.
        let table = [
            [
                None,
                Some(S::Pending),
                Some(S::Active),
                Some(S::Rejected),
                Some(S::Deactivated),
            ],
            [
                None,
                Some(S::Pending),
                Some(S::Active),
                Some(S::Rejected),
                Some(S::Deactivated),
            ],
            [
                None,
                Some(S::Active),
                Some(S::Active),
                Some(S::Rejected),
                Some(S::Deactivated),
            ],
            [
                Some(S::Requested),
                Some(S::Rejected),
                Some(S::Active),
                Some(S::Rejected),
                None,
            ],
            [
                Some(S::Requested),
                None,
                Some(S::Active),
                None,
                Some(S::Deactivated),
            ],
        ];

        for (from, row) in S::ALL.into_iter().zip(table) {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(from.after(event).ok(), expected, "{from:?} {event:?}");
            }
        }
    }
}
