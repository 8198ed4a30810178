//! The role over HTTP: the real router, a real SQLite file, a manual clock. Modules mirror the URLs.

mod openapi;
mod seed;
mod subscriptions_api;
mod v1;
mod world;
