//! Every route of the management API and what it takes to use it: one table, which the router obeys.
//!
//! The extractor of the caller looks its action up here, so a route that does not stand in the table answers
//! nobody; a test holds the table against the generated OpenAPI document.

use portcullis_core::permissions::Action;

/// What it takes to use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says what everybody may know.
    Nothing,
    /// A token: it is about its bearer alone.
    Token,
    /// A token whose bearer may do this on the organization that the thing belongs to.
    Action(Action),
    /// A token of the person it is about, or of somebody who may do this on the organization.
    OneselfOr(Action),
    /// A token of either party of a subscription.
    EitherParty {
        /// What the bearer may do on the organization that activated the app.
        buyer: Action,
        /// What the bearer may do on the organization that owns the app.
        owner: Action,
    },
}

/// One method of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Upper case.
    pub method: &'static str,
    /// As the router spells it, with `{parameters}`.
    pub path: &'static str,
    /// What it takes.
    pub needs: Needs,
}

const fn route(method: &'static str, path: &'static str, needs: Needs) -> Route {
    Route {
        method,
        path,
        needs,
    }
}

const READ: Needs = Needs::Action(Action::Read);
const APPS: Needs = Needs::Action(Action::ManageApps);
const APIS: Needs = Needs::Action(Action::ManageApis);
const SUBSCRIPTIONS: Needs = Needs::Action(Action::ManageSubscriptions);
const MEMBERS: Needs = Needs::Action(Action::ManageMembers);
const ORGANIZATION: Needs = Needs::Action(Action::ManageOrganization);
const AUDIT: Needs = Needs::Action(Action::ReadAudit);
const OPERATE: Needs = Needs::Action(Action::Operate);
const EITHER_READS: Needs = Needs::EitherParty {
    buyer: Action::Read,
    owner: Action::Read,
};
const EITHER_ENDS: Needs = Needs::EitherParty {
    buyer: Action::ManageSubscriptions,
    owner: Action::ManageApps,
};

/// Every route.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/openapi.json", Needs::Nothing),
    route("GET", "/v1/me", Needs::Token),
    route("PATCH", "/v1/me", Needs::Token),
    route("GET", "/v1/management_tokens", Needs::Token),
    route("POST", "/v1/management_tokens", Needs::Token),
    route("GET", "/v1/management_tokens/{token_id}", Needs::Token),
    route("DELETE", "/v1/management_tokens/{token_id}", Needs::Token),
    route("GET", "/v1/changes/{seq}", Needs::Token),
    route("GET", "/v1/organizations", Needs::Token),
    route("POST", "/v1/organizations", OPERATE),
    route("GET", "/v1/organizations/{organization_id}", READ),
    route("PATCH", "/v1/organizations/{organization_id}", ORGANIZATION),
    route(
        "POST",
        "/v1/organizations/{organization_id}/namespaces",
        OPERATE,
    ),
    route(
        "POST",
        "/v1/organizations/{organization_id}/suspend",
        OPERATE,
    ),
    route(
        "POST",
        "/v1/organizations/{organization_id}/resume",
        OPERATE,
    ),
    route("GET", "/v1/users", OPERATE),
    route("POST", "/v1/users", OPERATE),
    route("GET", "/v1/users/{user_id}", OPERATE),
    route("PATCH", "/v1/users/{user_id}", OPERATE),
    route("POST", "/v1/users/{user_id}/disable", OPERATE),
    route("POST", "/v1/users/{user_id}/enable", OPERATE),
    route("POST", "/v1/users/{user_id}/send_password_reset", OPERATE),
    route("GET", "/v1/organizations/{organization_id}/members", READ),
    route(
        "GET",
        "/v1/organizations/{organization_id}/members/{user_id}",
        READ,
    ),
    route(
        "PATCH",
        "/v1/organizations/{organization_id}/members/{user_id}",
        MEMBERS,
    ),
    route(
        "DELETE",
        "/v1/organizations/{organization_id}/members/{user_id}",
        Needs::OneselfOr(Action::ManageMembers),
    ),
    route(
        "GET",
        "/v1/organizations/{organization_id}/invitations",
        MEMBERS,
    ),
    route(
        "POST",
        "/v1/organizations/{organization_id}/invitations",
        MEMBERS,
    ),
    route(
        "GET",
        "/v1/organizations/{organization_id}/invitations/{invitation_id}",
        MEMBERS,
    ),
    route(
        "DELETE",
        "/v1/organizations/{organization_id}/invitations/{invitation_id}",
        MEMBERS,
    ),
    route(
        "POST",
        "/v1/organizations/{organization_id}/invitations/{invitation_id}/resend",
        MEMBERS,
    ),
    route("GET", "/v1/apps", READ),
    route("POST", "/v1/apps", APPS),
    route("GET", "/v1/apps/{app_id}", READ),
    route("PATCH", "/v1/apps/{app_id}", APPS),
    route("DELETE", "/v1/apps/{app_id}", APPS),
    route("POST", "/v1/apps/{app_id}/enable", APPS),
    route("POST", "/v1/apps/{app_id}/disable", APPS),
    route("GET", "/v1/apps/{app_id}/apis", READ),
    route("GET", "/v1/apps/{app_id}/calls_summary", READ),
    route("GET", "/v1/apps/{app_id}/secrets", READ),
    route("POST", "/v1/apps/{app_id}/secrets/rotate", APPS),
    route("POST", "/v1/apps/{app_id}/secrets", APPS),
    route("POST", "/v1/apps/{app_id}/secrets/{secret_id}/expire", APPS),
    route("POST", "/v1/apps/{app_id}/revoke_tokens", APPS),
    route("POST", "/v1/apps/{app_id}/subscriptions", SUBSCRIPTIONS),
    route("GET", "/v1/apis", READ),
    route("POST", "/v1/apis", APIS),
    route("GET", "/v1/apis/{api_id}", READ),
    route("PATCH", "/v1/apis/{api_id}", APIS),
    route("DELETE", "/v1/apis/{api_id}", APIS),
    route("GET", "/v1/apis/{api_id}/apps", READ),
    route("POST", "/v1/apis/{api_id}/shares", APIS),
    route("DELETE", "/v1/apis/{api_id}/shares/{organization_id}", APIS),
    route("GET", "/v1/directory", READ),
    route("GET", "/v1/apis/{api_id}/secrets", READ),
    route("POST", "/v1/apis/{api_id}/secrets/rotate", APIS),
    route("POST", "/v1/apis/{api_id}/secrets", APIS),
    route("POST", "/v1/apis/{api_id}/secrets/{secret_id}/expire", APIS),
    route("POST", "/v1/apis/{api_id}/revoke_tokens", APIS),
    route("GET", "/v1/apis/{api_id}/instances", READ),
    route("POST", "/v1/apis/{api_id}/instances", APIS),
    route("GET", "/v1/apis/{api_id}/instances/{instance_id}", READ),
    route("PATCH", "/v1/apis/{api_id}/instances/{instance_id}", APIS),
    route("DELETE", "/v1/apis/{api_id}/instances/{instance_id}", APIS),
    route(
        "GET",
        "/v1/apis/{api_id}/instances/{instance_id}/spec",
        READ,
    ),
    route(
        "GET",
        "/v1/apis/{api_id}/instances/{instance_id}/reference",
        READ,
    ),
    route("POST", "/v1/spec_checks", Needs::Token),
    route("POST", "/v1/target_checks", APIS),
    route("GET", "/v1/subscriptions", READ),
    route("GET", "/v1/subscriptions/{subscription_id}", EITHER_READS),
    route(
        "POST",
        "/v1/subscriptions/{subscription_id}/end",
        EITHER_ENDS,
    ),
    route("POST", "/v1/subscriptions/{subscription_id}/suspend", APPS),
    route("POST", "/v1/subscriptions/{subscription_id}/resume", APPS),
    route("GET", "/v1/overview", OPERATE),
    route("GET", "/v1/keys", OPERATE),
    route("POST", "/v1/keys/rotate", OPERATE),
    route("GET", "/v1/audit", AUDIT),
    route("GET", "/v1/audit/export", AUDIT),
    route("GET", "/v1/nodes", OPERATE),
    route("POST", "/v1/nodes/{node_id}/forget", OPERATE),
    route("GET", "/v1/jobs", OPERATE),
    route("GET", "/v1/jobs/{job_id}", OPERATE),
    route("POST", "/v1/jobs/{job_id}/retry", OPERATE),
    route("POST", "/v1/mail/test", OPERATE),
    route("GET", "/v1/captured_mails", OPERATE),
    route("GET", "/v1/captured_mails/{mail_id}", OPERATE),
    route("GET", "/v1/settings", OPERATE),
    route("PATCH", "/v1/settings", OPERATE),
];

/// What a route needs; `None` when it does not stand in the table. HEAD is GET.
#[must_use]
pub fn needs(method: &str, path: &str) -> Option<Needs> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path)
        .map(|route| route.needs)
}
