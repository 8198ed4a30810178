//! The role over HTTP: the real router, a real SQLite file, a manual clock. Modules mirror the URLs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod in_process;
mod jobs;
mod openapi;
mod people;
mod seed;
mod subscriptions_api;
mod v1;
mod world;
