//! Wire words of OAuth 2.0: one file per endpoint or IANA registry.
//!
//! Words are spelled as on the wire and carry the section that defines them. What a peer may send and we do
//! not know is a variant of its own, so that reading never fails on a newer peer.

/// How a client proves who it is.
pub mod client_auth_method;
/// Error codes.
pub mod error;
/// Grant types.
pub mod grant_type;
/// Metadata of the authorization server.
pub mod metadata;
/// The successful answer of the token endpoint.
pub mod token;
