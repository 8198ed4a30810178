//! The management API: modules are named like the segment after `/v1/`.

mod apis;
mod apps;
mod audit;
mod authentication;
mod catalog;
mod instances;
mod isolation;
mod keys;
mod organizations;
mod overview;
mod problems;
mod subscriptions;
mod users;
