//! The only SQL: acts, change log, snapshot loading.
