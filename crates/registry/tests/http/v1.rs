//! The management API: modules are named like the segment after `/v1/`.

mod apis;
mod apps;
mod audit;
mod authentication;
mod catalog;
mod instances;
mod isolation;
mod jobs;
mod keys;
mod organizations;
mod overview;
mod problems;
mod settings;
mod subscriptions;
mod users;
