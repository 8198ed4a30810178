//! The only SQL: acts, change log, snapshot loading. No protocol and no decision lives here.
//!
//! One public `async fn` is one transaction and one business verb: it writes the new state, its audit entry and,
//! when decisions depend on it, its changes, or nothing. The rules that let one text per statement and one
//! migration folder serve SQLite and PostgreSQL:
//!
//! - three column types: `TEXT`, `BIGINT` (counts, and instants as `*_at_us`), `BYTEA`; no booleans, no floats;
//! - `$1` placeholders, `RETURNING`, `ON CONFLICT (..) DO`; no `now()`, no arrays, no `ILIKE`;
//! - a row is locked by an `UPDATE` that changes nothing, which means the same on both engines;
//! - what differs stands in `dialect.rs` and nowhere else.

mod act;
mod api_lists;
mod api_users;
mod apis;
mod app_lists;
mod apps;
mod audit;
mod barrier;
mod captured_mails;
mod change_feed;
mod change_log;
mod check;
mod client_use;
mod clients;
mod connections;
mod dialect;
mod error;
mod idempotency;
mod instances;
mod job_views;
mod jobs;
mod keys;
mod links;
mod master_key;
mod nodes;
mod open;
mod organization_lists;
mod organizations;
mod overview;
mod owed;
mod page;
mod refresher;
mod rotation;
mod row;
mod schema;
mod sessions;
mod settings;
mod setup;
mod snapshot_loader;
mod snapshot_rows;
mod sqlite_check;
mod sqlite_file;
mod statement;
mod store;
mod subscription_lists;
mod subscription_views;
mod subscriptions;
mod tokens;
mod transaction;
mod usage;
mod users;

pub use api_lists::{ApiFilter, ApiSummary, Facet, Facets, InstanceLine, SelectedApi};
pub use api_users::ApiUser;
pub use apis::{ApiPatch, CreatedApi, NewApi};
pub use app_lists::{AppFilter, AppSummary};
pub use apps::{AppPatch, CreatedApp, GivenCredentials, NewApp};
pub use audit::{AuditEntry, AuditFilter};
pub use barrier::Barrier;
pub use captured_mails::CapturedMail;
pub use client_use::{DeprecatedIssuerRow, DeprecatedIssuerUse, SecretUse};
pub use clients::Compromise;
pub use error::{ActError, CorruptRow, OpenError};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey};
pub use instances::{InstancePatch, NewInstance, Remains};
pub use job_views::JobFilter;
pub use jobs::{AfterFailure, ClaimedJob, JobBacklog, Work};
pub use keys::{Force, KeyInfo};
pub use links::Link;
pub use master_key::MasterKey;
pub use nodes::{NodeIdentity, NodeInfo, OnStale, Predecessor};
pub use organization_lists::{OrganizationFilter, OrganizationSummary};
pub use organizations::{NewOrganization, OrganizationPatch};
pub use overview::Overview;
pub use page::{Cursor, InvalidCursor, Order, Page, PageRequest};
pub use refresher::{Loaded, Refresher, RefresherStatus, SnapshotParts, first_load};
pub use rotation::{Oldest, RotatedSecret, Rotation};
pub use sessions::{FoundSession, NewSession};
pub use settings::InstallationPatch;
pub use setup::FirstOperator;
pub use store::{ActContext, Acted, Engine, Store, StoreSettings};
pub use subscription_lists::{SubscriptionFilter, SubscriptionSummary};
pub use subscription_views::{SubscriptionContext, SubscriptionRow};
pub use subscriptions::NewActivation;
pub use tokens::ManagementTokenInfo;
pub use usage::{CallsSummary, UsageRow};
pub use users::NewUser;
