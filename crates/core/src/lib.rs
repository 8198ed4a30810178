//! What things are and what is allowed.
//!
//! Nothing here waits, reads a clock, opens a file or speaks SQL: every function is a plain `fn` over values,
//! so the rules of the product are tested in microseconds. Invariants of this crate: a [`authorize::Permit`]
//! is made by [`authorize::authorize`] alone, a [`access_token::VerifiedToken`] by [`access_token::verify`]
//! alone, an [`permissions::Authority`] by [`permissions::may`] alone.

/// Access tokens: their claims, signing and verification.
pub mod access_token;
/// Which addresses an outgoing connection may reach.
pub mod address_policy;
/// APIs and their instances.
pub mod api;
/// Apps.
pub mod app;
/// The authorization decision.
pub mod authorize;
/// What the catalog tells of an API.
pub mod catalog;
/// The unit of invalidation: a numbered change.
pub mod change;
/// OAuth clients.
pub mod client;
/// Time as a parameter.
pub mod clock;
/// Connections: one API within a subscription.
pub mod connection;
/// Production, test, dev.
pub mod environment;
/// A newtype for each identifier.
pub mod ids;
/// Settings of the whole installation.
pub mod installation;
/// Side effects owed: mails to be sent.
pub mod job;
/// Signing keys and the key set.
pub mod keys;
/// Wire words of OAuth 2.0, one file per endpoint or registry.
pub mod oauth;
/// Organizations, their members and roles.
pub mod organization;
/// Sessions, one-time links and second factors of people.
pub mod people;
/// Who may do what, and the proof that it was asked.
pub mod permissions;
/// The sink for what happened on the hot path.
pub mod recorder;
/// The table from path prefixes to API instances.
pub mod routes;
/// Scopes (RFC 6749 section 3.3).
pub mod scope;
/// Generated secrets and their digests.
pub mod secret;
/// A map that is cheap to change and to share.
pub mod sharded;
/// The facts decisions are made from.
pub mod snapshot;
/// Subscriptions: one app activated by one organization.
pub mod subscription;
/// Target URLs of API instances.
pub mod target;
/// Builders for tests.
#[cfg(any(test, feature = "test-util"))]
pub mod test_util;
/// What failed authentications cost whoever causes them.
pub mod throttle;
