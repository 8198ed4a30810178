//! The journeys of the product, driven from outside: the program as a user starts it, the SDK, and plain HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

mod call_an_api;
mod recorder;
mod revoke;
mod server;
mod start;
