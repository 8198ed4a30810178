//! The contract of the store, on both engines: SQLite always, PostgreSQL where `TEST_DATABASE_URL` is set.

mod support;

mod organizations;
