//! The role as callers see it: every test drives the router with a request and reads the answer.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and so do the functions they share"
)]

mod authorize;
mod counters;
mod credentials;
mod deprecated_issuer;
mod jwks;
mod metadata;
mod support;
mod token;
mod traffic;
mod variants;
