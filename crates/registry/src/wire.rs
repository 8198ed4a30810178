//! Things as the management API shows them, for whoever reads its answers in this process: each has the form
//! it has on the wire.

pub use crate::{
    effect::{Effect, Gone},
    endpoints::{
        apis::CreatedApi,
        apps::CreatedApp,
        audit::AuditEntry,
        instances::InstanceWithWarnings,
        keys::Key,
        management_tokens::{CreatedManagementToken, ManagementToken},
        me::Me,
        nodes::Node,
        secrets::{CreatedSecret, RevokedTokens},
        subscriptions::SubscriptionWithConnections,
        wire::{
            Api, App, Connection, Instance, Membership, Organization, Secret, Subscription, User,
        },
    },
    params::Listed,
    problem::{FieldError, Problem},
};
