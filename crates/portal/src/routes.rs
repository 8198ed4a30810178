//! Every page and what it takes to open it: one table, of which the router is made and which the gate obeys.
//!
//! A path that is not here answers nobody. GET never changes anything; what changes something is POST, and came
//! from a form of ours, which the gate checks before the handler runs.

use axum::{
    Router,
    routing::{MethodFilter, on},
};
use http::Method;
use portcullis_core::permissions::Action;

use crate::pages::{account, admin, audit, organization};
use crate::{
    PortalState, assets,
    pages::{
        apis, apps, errors, front, invitation, mail, passkey, password, prove, session, sign_in,
        sign_up, subscriptions, theme, welcome,
    },
};

/// Who may open a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody, signed in or not.
    Public,
    /// Whoever is signed in: it is about the person alone, or shows what the person may see.
    SignedIn,
    /// Whoever may do this in the organization chosen in the switcher. Operators may.
    Member(Action),
    /// Operators.
    Operator,
    /// Everybody on this machine while mail is captured instead of sent, on the development server; elsewhere
    /// operators. Nobody when mail is sent.
    Mailbox,
}

/// One method of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As the router spells it, with `{parameters}`.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
}

/// Largest body of most forms, in bytes.
const FORM_BYTES_MAX: usize = 256 * 1024;
/// Largest body of a form with a specification: the text of at most 1 MiB, and the fields beside it.
const UPLOAD_BYTES_MAX: usize = 2 * 1024 * 1024;

macro_rules! routes {
    ($($method:ident $path:literal, $who:expr => $handler:path;)*) => {
        /// Every route, in the order of the documentation.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            who: $who,
        }),*];

        /// The router of exactly these routes.
        pub(crate) fn router() -> Router<PortalState> {
            Router::new()$(.route($path, on(MethodFilter::$method, $handler)))*
        }
    };
}

use Who::{Mailbox, Member, Operator, Public, SignedIn};

routes! {
    // Signed out.
    GET  "/", Public => front::show;
    GET  "/login", Public => sign_in::form;
    POST "/login", Public => sign_in::submit;
    POST "/login/code", Public => sign_in::submit_code;
    POST "/login/passkey/begin", Public => passkey::begin;
    POST "/login/passkey", Public => passkey::finish;
    POST "/logout", Public => session::sign_out;
    GET  "/forgot", Public => password::forgot_form;
    POST "/forgot", Public => password::forgot;
    GET  "/reset-password", Public => password::reset_form;
    POST "/reset-password", Public => password::reset;
    GET  "/signup", Public => sign_up::form;
    POST "/signup", Public => sign_up::submit;
    GET  "/verify-email", Public => sign_up::verify_form;
    POST "/verify-email", Public => sign_up::verify;
    GET  "/change-email", Public => sign_up::change_form;
    POST "/change-email", Public => sign_up::change;
    GET  "/accept-invite", Public => invitation::form;
    POST "/accept-invite", Public => invitation::submit;
    GET  "/welcome", Public => welcome::form;
    POST "/welcome", Public => welcome::submit;
    POST "/theme", Public => theme::choose;
    GET  "/docs/errors/{code}", Public => errors::explain;
    GET  "/static/{name}", Public => assets::serve;

    // Everybody who is signed in.
    POST "/switch", SignedIn => session::switch;
    GET  "/prove", SignedIn => prove::form;
    POST "/prove", SignedIn => prove::submit;

    // Apps and subscriptions. Who may do what to a thing is decided where it stands: it may be of another
    // organization of the person than the chosen one.
    GET  "/apps", Member(Action::Read) => apps::list::show;
    GET  "/apps/new", Member(Action::ManageApps) => apps::new::form;
    POST "/apps/new", Member(Action::ManageApps) => apps::new::submit;
    GET  "/apps/{app_id}", SignedIn => apps::show::show;
    GET  "/apps/{app_id}/calls", SignedIn => apps::calls::show;
    GET  "/apps/{app_id}/edit", SignedIn => apps::edit::form;
    POST "/apps/{app_id}/edit", SignedIn => apps::edit::submit;
    POST "/apps/{app_id}/secrets", SignedIn => apps::secrets::add;
    GET  "/apps/{app_id}/secrets/{secret_id}/expire", SignedIn => apps::secrets::ask_expire;
    POST "/apps/{app_id}/secrets/{secret_id}/expire", SignedIn => apps::secrets::expire;
    GET  "/apps/{app_id}/rotate", SignedIn => apps::secrets::rotation;
    POST "/apps/{app_id}/rotate", SignedIn => apps::secrets::rotate;
    POST "/apps/{app_id}/enable", SignedIn => apps::state::enable;
    GET  "/apps/{app_id}/disable", SignedIn => apps::state::ask_disable;
    POST "/apps/{app_id}/disable", SignedIn => apps::state::disable;
    GET  "/apps/{app_id}/revoke-tokens", SignedIn => apps::state::ask_revoke;
    POST "/apps/{app_id}/revoke-tokens", SignedIn => apps::state::revoke;
    GET  "/apps/{app_id}/delete", SignedIn => apps::state::ask_delete;
    POST "/apps/{app_id}/delete", SignedIn => apps::state::delete;
    GET  "/apps/{app_id}/activate", SignedIn => apps::activate::form;
    POST "/apps/{app_id}/activate", SignedIn => apps::activate::submit;
    GET  "/subscriptions", Member(Action::Read) => subscriptions::list::show;
    GET  "/subscriptions/{subscription_id}", SignedIn => subscriptions::show::show;
    GET  "/subscriptions/{subscription_id}/suspend", SignedIn => subscriptions::acts::ask_suspend;
    POST "/subscriptions/{subscription_id}/suspend", SignedIn => subscriptions::acts::suspend;
    POST "/subscriptions/{subscription_id}/resume", SignedIn => subscriptions::acts::resume;
    GET  "/subscriptions/{subscription_id}/end", SignedIn => subscriptions::acts::ask_end;
    POST "/subscriptions/{subscription_id}/end", SignedIn => subscriptions::acts::end;

    // APIs.
    GET  "/apis", Member(Action::Read) => apis::directory::show;
    GET  "/apis/new", Member(Action::ManageApis) => apis::new::form;
    POST "/apis/new", Member(Action::ManageApis) => apis::new::submit;
    GET  "/apis/{api_id}", SignedIn => apis::show::show;
    GET  "/apis/{api_id}/reference", SignedIn => apis::reference::of_api;
    GET  "/apis/{api_id}/edit", SignedIn => apis::edit::form;
    POST "/apis/{api_id}/edit", SignedIn => apis::edit::submit;
    GET  "/apis/{api_id}/make-public", SignedIn => apis::acts::ask_make_public;
    POST "/apis/{api_id}/make-public", SignedIn => apis::acts::make_public;
    GET  "/apis/{api_id}/make-private", SignedIn => apis::acts::ask_make_private;
    POST "/apis/{api_id}/make-private", SignedIn => apis::acts::make_private;
    POST "/apis/{api_id}/shares", SignedIn => apis::acts::share;
    GET  "/apis/{api_id}/shares/{organization_id}", SignedIn => apis::acts::ask_unshare;
    POST "/apis/{api_id}/shares/{organization_id}", SignedIn => apis::acts::unshare;
    GET  "/apis/{api_id}/revoke-tokens", SignedIn => apis::acts::ask_revoke_tokens;
    POST "/apis/{api_id}/revoke-tokens", SignedIn => apis::acts::revoke_tokens;
    GET  "/apis/{api_id}/delete", SignedIn => apis::acts::ask_delete;
    POST "/apis/{api_id}/delete", SignedIn => apis::acts::delete;
    POST "/apis/{api_id}/secrets", SignedIn => apis::secrets::add;
    GET  "/apis/{api_id}/secrets/{secret_id}/expire", SignedIn => apis::secrets::ask_expire;
    POST "/apis/{api_id}/secrets/{secret_id}/expire", SignedIn => apis::secrets::expire;
    GET  "/apis/{api_id}/rotate", SignedIn => apis::secrets::ask_rotate;
    POST "/apis/{api_id}/rotate", SignedIn => apis::secrets::rotate;
    GET  "/apis/{api_id}/instances/new", SignedIn => apis::instances::form;
    POST "/apis/{api_id}/instances/new", SignedIn => apis::instances::submit;
    GET  "/apis/{api_id}/instances/{instance_id}/edit", SignedIn => apis::instances::edit;
    POST "/apis/{api_id}/instances/{instance_id}/edit", SignedIn => apis::instances::save;
    POST "/apis/{api_id}/instances/{instance_id}/test", SignedIn => apis::target::test;
    GET  "/apis/{api_id}/instances/{instance_id}/delete", SignedIn => apis::instances::ask_delete;
    POST "/apis/{api_id}/instances/{instance_id}/delete", SignedIn => apis::instances::delete;
    GET  "/apis/{api_id}/instances/{instance_id}/spec", SignedIn => apis::instances::spec;
    GET  "/apis/{api_id}/instances/{instance_id}/reference", SignedIn => apis::reference::of_instance;

    // Account and organization.
    GET  "/account", SignedIn => account::personal::show;
    POST "/account", SignedIn => account::personal::rename;
    GET  "/account/email", SignedIn => account::personal::email;
    POST "/account/email", SignedIn => account::personal::change_email;
    GET  "/account/password", SignedIn => account::password::show;
    POST "/account/password", SignedIn => account::password::change;
    GET  "/account/security", SignedIn => account::security::show;
    GET  "/account/security/authenticator", SignedIn => account::security::begin;
    POST "/account/security/authenticator", SignedIn => account::security::turn_on;
    GET  "/account/security/authenticator/off", SignedIn => account::security::ask_off;
    POST "/account/security/authenticator/off", SignedIn => account::security::turn_off;
    GET  "/account/security/recovery_codes", SignedIn => account::security::ask_codes;
    POST "/account/security/recovery_codes", SignedIn => account::security::new_codes;
    GET  "/account/security/passkeys/new", SignedIn => account::passkeys::new;
    POST "/account/security/passkeys/begin", SignedIn => account::passkeys::begin;
    POST "/account/security/passkeys/new", SignedIn => account::passkeys::finish;
    GET  "/account/security/passkeys/{passkey_id}", SignedIn => account::passkeys::view;
    POST "/account/security/passkeys/{passkey_id}", SignedIn => account::passkeys::rename;
    POST "/account/security/passkeys/{passkey_id}/remove", SignedIn => account::passkeys::remove;
    GET  "/account/sessions", SignedIn => account::sessions::list;
    POST "/account/sessions/end_others", SignedIn => account::sessions::end_others;
    POST "/account/sessions/{session_id}/end", SignedIn => account::sessions::end;
    GET  "/account/tokens", SignedIn => account::tokens::list;
    POST "/account/tokens", SignedIn => account::tokens::create;
    GET  "/account/tokens/{token_id}/delete", SignedIn => account::tokens::ask;
    POST "/account/tokens/{token_id}/delete", SignedIn => account::tokens::delete;
    GET  "/account/appearance", SignedIn => account::appearance::show;
    GET  "/organizations", SignedIn => organization::profile::choose;
    GET  "/organization", Member(Action::Read) => organization::profile::show;
    GET  "/organization/edit", Member(Action::ManageOrganization) => organization::profile::edit;
    POST "/organization/edit", Member(Action::ManageOrganization) => organization::profile::save;
    GET  "/organization/members", Member(Action::Read) => organization::members::list;
    GET  "/organization/members/{user_id}", Member(Action::ManageMembers) => organization::members::view;
    POST "/organization/members/{user_id}", Member(Action::ManageMembers) => organization::members::set_role;
    POST "/organization/members/{user_id}/remove", Member(Action::ManageMembers) => organization::members::remove;
    GET  "/organization/leave", SignedIn => organization::members::ask_leave;
    POST "/organization/leave", SignedIn => organization::members::leave;
    GET  "/organization/invitations", Member(Action::ManageMembers) => organization::invitations::list;
    POST "/organization/invitations", Member(Action::ManageMembers) => organization::invitations::invite;
    POST "/organization/invitations/{invitation_id}/resend", Member(Action::ManageMembers) => organization::invitations::resend;
    POST "/organization/invitations/{invitation_id}/revoke", Member(Action::ManageMembers) => organization::invitations::revoke;
    GET  "/organization/audit", Member(Action::ReadAudit) => audit::organization;
    GET  "/organization/audit/export", Member(Action::ReadAudit) => audit::export_organization;

    // Operators.
    GET  "/admin", Operator => admin::overview::show;
    GET  "/admin/organizations", Operator => admin::organizations::list;
    GET  "/admin/organizations/new", Operator => admin::organizations::new;
    POST "/admin/organizations/new", Operator => admin::organizations::create;
    GET  "/admin/organizations/{organization_id}", Operator => admin::organizations::view;
    POST "/admin/organizations/{organization_id}/namespaces", Operator => admin::organizations::add_namespace;
    GET  "/admin/organizations/{organization_id}/suspend", Operator => admin::organizations::ask;
    POST "/admin/organizations/{organization_id}/suspend", Operator => admin::organizations::suspend;
    POST "/admin/organizations/{organization_id}/resume", Operator => admin::organizations::resume;
    GET  "/admin/users", Operator => admin::users::list;
    GET  "/admin/users/new", Operator => admin::users::new;
    POST "/admin/users/new", Operator => admin::users::create;
    GET  "/admin/users/{user_id}", Operator => admin::users::view;
    POST "/admin/users/{user_id}", Operator => admin::users::save;
    GET  "/admin/users/{user_id}/disable", Operator => admin::users::ask;
    POST "/admin/users/{user_id}/disable", Operator => admin::users::disable;
    POST "/admin/users/{user_id}/enable", Operator => admin::users::enable;
    POST "/admin/users/{user_id}/send_password_reset", Operator => admin::users::reset;
    GET  "/admin/apps", Operator => admin::catalog::apps;
    GET  "/admin/apis", Operator => admin::catalog::apis;
    GET  "/admin/keys", Operator => admin::keys::list;
    GET  "/admin/keys/rotate", Operator => admin::keys::ask;
    POST "/admin/keys/rotate", Operator => admin::keys::rotate;
    GET  "/admin/nodes", Operator => admin::nodes::list;
    GET  "/admin/nodes/{node_id}/forget", Operator => admin::nodes::ask;
    POST "/admin/nodes/{node_id}/forget", Operator => admin::nodes::forget;
    GET  "/admin/jobs", Operator => admin::jobs::list;
    POST "/admin/jobs/test_mail", Operator => admin::jobs::send_test_mail;
    GET  "/admin/jobs/{job_id}", Operator => admin::jobs::view;
    POST "/admin/jobs/{job_id}/retry", Operator => admin::jobs::retry;
    GET  "/admin/settings", Operator => admin::settings::show;
    POST "/admin/settings", Operator => admin::settings::save;
    GET  "/admin/audit", Operator => audit::installation;
    GET  "/admin/audit/export", Operator => audit::export_installation;

    // Mail that was captured.
    GET  "/dev/mail", Mailbox => mail::list;
    GET  "/dev/mail/{mail_id}", Mailbox => mail::show;
    GET  "/dev/mail/{mail_id}/html", Mailbox => mail::document;
}

/// Paths whose forms carry a specification.
const UPLOADS: &[&str] = &[
    "/apis/new",
    "/apis/{api_id}/instances/new",
    "/apis/{api_id}/instances/{instance_id}/edit",
];

/// Who may use a route; `None` when it is not in the table. HEAD is GET.
#[must_use]
pub fn who(method: &Method, path: &str) -> Option<Who> {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let route = ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path);
    route.map(|route| route.who)
}

/// The methods of a path, as `Allow` names them.
pub(crate) fn methods(path: &str) -> String {
    let routes = ROUTES.iter().filter(|route| route.path == path);
    let methods: Vec<&str> = routes
        .map(|route| {
            if route.method == "GET" {
                "GET, HEAD"
            } else {
                route.method
            }
        })
        .collect();
    methods.join(", ")
}

/// Largest body of a path, in bytes.
pub(crate) fn body_bytes_max(path: &str) -> usize {
    if UPLOADS.contains(&path) {
        UPLOAD_BYTES_MAX
    } else {
        FORM_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_once_and_reads_or_changes() {
        for (at, route) in ROUTES.iter().enumerate() {
            assert!(matches!(route.method, "GET" | "POST"), "{route:?}");
            let same = |other: &Route| (other.method, other.path) == (route.method, route.path);
            assert_eq!(ROUTES.iter().position(same), Some(at), "{route:?}");
        }
    }

    #[test]
    fn what_changes_something_for_a_member_asks_for_more_than_reading() {
        for route in ROUTES {
            assert!(
                route.method == "GET" || route.who != Who::Member(Action::Read),
                "{route:?}"
            );
        }
    }
}
