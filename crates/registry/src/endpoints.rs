//! The management API, one file for each resource.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{RegistryState, SPEC_BODY_BYTES_MAX};
use axum::extract::DefaultBodyLimit;

pub(crate) mod apis;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod captured_mails;
mod directory;
pub(crate) mod instances;
pub(crate) mod invitations;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod management_tokens;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod nodes;
mod organizations;
pub(crate) mod overview;
pub(crate) mod secrets;
pub(crate) mod settings;
pub(crate) mod spec_checks;
pub(crate) mod subscriptions;
pub(crate) mod target_checks;
mod users;
pub(crate) mod wire;

/// Every path of the management API, with its description.
#[expect(clippy::too_many_lines, reason = "every path on one screen")]
pub(crate) fn router() -> OpenApiRouter<RegistryState> {
    let with_specifications = OpenApiRouter::new()
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(
            instances::get,
            instances::update,
            instances::delete
        ))
        .routes(routes!(spec_checks::check))
        .layer(DefaultBodyLimit::max(SPEC_BODY_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(me::openapi))
        .routes(routes!(me::me, me::update))
        .routes(routes!(me::change))
        .routes(routes!(management_tokens::list, management_tokens::create))
        .routes(routes!(management_tokens::get, management_tokens::delete))
        .routes(routes!(organizations::list, organizations::create))
        .routes(routes!(organizations::get, organizations::update))
        .routes(routes!(organizations::add_namespace))
        .routes(routes!(organizations::suspend))
        .routes(routes!(organizations::resume))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get, users::update))
        .routes(routes!(users::disable))
        .routes(routes!(users::enable))
        .routes(routes!(users::send_password_reset))
        .routes(routes!(members::list))
        .routes(routes!(members::get, members::set_role, members::remove))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::get, invitations::revoke))
        .routes(routes!(invitations::resend))
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::get, apps::update, apps::delete))
        .routes(routes!(apps::enable))
        .routes(routes!(apps::disable))
        .routes(routes!(apps::apis))
        .routes(routes!(apps::calls_summary))
        .routes(routes!(secrets::rotate_of_app))
        .routes(routes!(secrets::rotate_of_api))
        .routes(routes!(directory::list))
        .routes(routes!(target_checks::check))
        .routes(routes!(secrets::list_of_app, secrets::create_of_app))
        .routes(routes!(secrets::expire_of_app))
        .routes(routes!(secrets::revoke_tokens_of_app))
        .routes(routes!(subscriptions::activate))
        .routes(routes!(apis::list, apis::create))
        .routes(routes!(apis::get, apis::update, apis::delete))
        .routes(routes!(apis::apps))
        .routes(routes!(apis::share))
        .routes(routes!(apis::unshare))
        .routes(routes!(secrets::list_of_api, secrets::create_of_api))
        .routes(routes!(secrets::expire_of_api))
        .routes(routes!(secrets::revoke_tokens_of_api))
        .merge(with_specifications)
        .routes(routes!(instances::spec))
        .routes(routes!(instances::reference_of))
        .routes(routes!(subscriptions::list))
        .routes(routes!(subscriptions::get))
        .routes(routes!(subscriptions::end))
        .routes(routes!(subscriptions::suspend))
        .routes(routes!(subscriptions::resume))
        .routes(routes!(overview::get))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::forget))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::send_test_mail))
        .routes(routes!(captured_mails::list))
        .routes(routes!(captured_mails::get))
        .routes(routes!(settings::get, settings::update))
}
