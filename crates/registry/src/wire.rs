//! Things as the management API shows them, for whoever reads its answers in this process: each has the form
//! it has on the wire.

pub use crate::{
    effect::{Effect, Gone},
    endpoints::{
        apis::CreatedApi,
        apps::CreatedApp,
        audit::AuditEntry,
        captured_mails::{CapturedMail, OpenedMail},
        instances::{DeletedInstance, InstanceWithWarnings},
        jobs::{Job, JobAttempt, JobWithAttempts},
        keys::Key,
        management_tokens::{CreatedManagementToken, ManagementToken},
        me::{Factors, Me, MyOrganization},
        nodes::Node,
        overview::Overview,
        secrets::{CreatedSecret, RevokedTokens, RotatedSecret},
        settings::Settings,
        spec_checks::SpecCheck,
        subscriptions::SubscriptionWithConnections,
        target_checks::TargetCheck,
        wire::{
            Api, ApiSummary, ApiUser, App, AppSummary, CallCounts, CallsSummary, Connection,
            Directory, DirectoryEntry, Facet, Facets, Instance, InstanceLine, Invitation, Member,
            Membership, Organization, OrganizationSummary, Secret, SelectedApi, Subscription,
            SubscriptionSummary, User,
        },
    },
    params::Listed,
    problem::{FieldError, Problem},
    rules::instant_text,
    spec::{
        Finding, Severity,
        reference::{
            Reference, ReferenceBody, ReferenceExample, ReferenceMedia, ReferenceOperation,
            ReferenceParameter, ReferenceProperty, ReferenceResponse, ReferenceSchema,
            ReferenceSecurity, ReferenceServer, ReferenceTag,
        },
    },
};
