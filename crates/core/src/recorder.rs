//! The sink for what happened on the hot path: never blocks, drops and counts when it is full.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    environment::Environment,
    ids::{AppId, IdKey, OrganizationId},
    routes::InstanceRecord,
};

/// Whose fault a failed call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The gateway answered.
    Gateway,
    /// The provider answered.
    Api,
}

/// One call through the gateway, as it ended.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// When its head was read.
    pub at: Timestamp,
    /// Made by us for each call.
    pub call_id: u128,
    /// The caller's, or ours.
    pub request_id: Box<str>,
    /// The instance; `None` when no route matched.
    pub instance: Option<Arc<InstanceRecord>>,
    /// The calling app, when the token told it.
    pub app: Option<AppId>,
    /// The `Subscription-Id` as sent, when it was a well-formed identifier.
    pub subscription_id: Option<Box<str>>,
    /// The organization the app acted for.
    pub buyer: Option<OrganizationId>,
    /// The method.
    pub method: Box<str>,
    /// The path without the query.
    pub path: Box<str>,
    /// What the caller was answered.
    pub status: u16,
    /// The gateway's error code; `None` when the provider's answer went through.
    pub code: Option<&'static str>,
    /// The fine reason of a refusal, for the owner's log alone; empty otherwise.
    pub reason: &'static str,
    /// Who answered.
    pub source: Source,
    /// From the head of the call to the end of the answer, the provider's time included.
    pub latency: Duration,
    /// The provider's part of it, until its head arrived.
    pub upstream_latency: Option<Duration>,
    /// Bytes of the call's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Whether a test subscription was used.
    pub is_test: bool,
}

impl CallRecord {
    /// The environment, when a route matched.
    #[must_use]
    pub fn environment(&self) -> Option<Environment> {
        self.instance.as_ref().map(|instance| instance.environment)
    }
}

/// One token issued.
#[derive(Debug, Clone, Copy)]
pub struct TokenRecord {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub client: IdKey,
    /// With which secret.
    pub secret: IdKey,
    /// From where.
    pub from: Option<IpAddr>,
    /// Whether the deprecated issuer was used.
    pub deprecated_issuer: bool,
}

/// Takes records without ever blocking. Implemented in `server`.
pub trait Recorder: Send + Sync + fmt::Debug {
    /// Takes the record of a call that ended.
    fn call(&self, record: CallRecord);

    /// Takes the record of a token that was issued.
    fn token(&self, record: TokenRecord);
}
