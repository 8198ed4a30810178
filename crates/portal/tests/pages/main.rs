//! The pages over HTTP: the real router over a real store. A module for each subject, as in `src/pages`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod account;
mod admin;
mod apis;
mod apps;
mod audit;
mod design;
mod gate;
mod home;
mod links;
mod mail;
mod market;
mod members;
mod organization;
mod public;
mod security;
mod settings;
mod sign_in;
mod subscriptions;
mod support;
