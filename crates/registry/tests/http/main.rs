//! The role over HTTP: the real router, a real SQLite file, a manual clock. Modules mirror the URLs.

mod openapi;
mod v1;
mod world;
