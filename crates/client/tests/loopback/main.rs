//! The SDK against a real HTTP server on loopback that plays token server, gateway and registry.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod calls;
mod platform;
mod token_source;
