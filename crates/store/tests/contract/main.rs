//! The contract of the store, on both engines: SQLite always, PostgreSQL where `TEST_DATABASE_URL` is set.

mod support;

mod apis;
mod apps;
mod clients;
mod damage;
mod follow;
mod keys;
mod nodes;
mod open;
mod organizations;
mod records;
mod statements;
mod subscriptions;
mod users;
